//! `batch`: for every n objects by arrival, or fewer once the first has waited long enough, or at closing.

use super::{Arrival, Firing, Firings};
use serde::{Deserialize, Serialize};

/// The batch being collected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchState {
    items: Vec<u32>,
    deadline_ms: Option<u64>,
}

impl BatchState {
    pub(super) fn arrive(
        &mut self,
        n: u32,
        within_ms: Option<u64>,
        arrival: &Arrival<'_>,
        firings: &mut Firings,
    ) -> u32 {
        if self.items.is_empty() {
            self.deadline_ms = within_ms.map(|within| arrival.now_ms.saturating_add(within));
        }
        self.items.push(arrival.item);
        if self.items.len() >= n as usize {
            self.flush(firings);
        }
        1
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.deadline_ms
    }

    pub(super) fn due(&mut self, now_ms: u64, firings: &mut Firings) {
        if self.deadline_ms.is_some_and(|deadline| deadline <= now_ms) {
            self.flush(firings);
        }
    }

    pub(super) fn flush(&mut self, firings: &mut Firings) {
        self.deadline_ms = None;
        if !self.items.is_empty() {
            firings.push(Firing::numbered(std::mem::take(&mut self.items)));
        }
    }
}
