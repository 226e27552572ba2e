//! `batch`: for every n by arrival, or fewer once the first has waited long enough, or at closing.

use super::{Buffer, Collected, Firing};
use serde::{Deserialize, Serialize};
use sluice_types::Scope;

/// The batch being collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct BatchState<B: Buffer> {
    pub(super) items: B,
    deadline_ms: Option<u64>,
}

impl<B: Buffer> BatchState<B> {
    pub(super) fn new(scope: Scope) -> Self {
        Self { items: B::empty(scope), deadline_ms: None }
    }

    pub(super) fn arrive(
        &mut self,
        n: u32,
        within_ms: Option<u64>,
        now_ms: u64,
        item: B::Item<'_>,
        out: &mut Collected,
    ) {
        if self.items.count() == 0 {
            self.deadline_ms = within_ms.map(|within| now_ms.saturating_add(within));
        }
        self.items.push(item);
        out.held += B::HELD;
        if self.items.count() >= n as usize {
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
        if self.items.count() > 0 {
            out.firings.push(Firing::numbered(self.items.take(), None));
        }
    }
}
