//! `batch`: for every n objects by arrival, or fewer once the first has waited long enough, or at closing.

use super::{Arrival, Collected, Firing};
use serde::{Deserialize, Serialize};

/// The batch being collected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchState {
    pub(super) items: Vec<u32>,
    deadline_ms: Option<u64>,
}

impl BatchState {
    pub(super) fn arrive(
        &mut self,
        n: u32,
        within_ms: Option<u64>,
        arrival: &Arrival<'_>,
        out: &mut Collected,
    ) {
        if self.items.is_empty() {
            self.deadline_ms = within_ms.map(|within| arrival.now_ms.saturating_add(within));
        }
        self.items.push(arrival.item);
        out.held += 1;
        if self.items.len() >= n as usize {
            self.flush(out);
        }
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.deadline_ms
    }

    pub(super) fn due(&mut self, now_ms: u64, out: &mut Collected) {
        if self.deadline_ms.is_some_and(|deadline| deadline <= now_ms) {
            self.flush(out);
        }
    }

    pub(super) fn flush(&mut self, out: &mut Collected) {
        self.deadline_ms = None;
        if !self.items.is_empty() {
            out.firings.push(Firing::numbered(std::mem::take(&mut self.items), None));
        }
    }
}
