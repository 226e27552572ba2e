//! `first(k, of=n)`: once k have arrived. App-scoped it starts again after n arrivals.

use super::{Buffer, Collected, Firing};
use serde::{Deserialize, Serialize};
use sluice_types::Scope;

/// What has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct FirstState<B: Buffer> {
    pub(super) items: B,
    pub(super) arrived: u32,
    pub(super) fired: bool,
}

impl<B: Buffer> FirstState<B> {
    pub(super) fn new(scope: Scope) -> Self {
        Self { items: B::empty(scope), arrived: 0, fired: false }
    }

    pub(super) fn arrive(&mut self, k: u32, n: u32, scope: Scope, item: B::Item<'_>, out: &mut Collected) {
        self.arrived = self.arrived.saturating_add(1);
        if !self.fired {
            self.items.push(item);
            out.held += B::HELD;
            if self.items.count() >= k as usize {
                out.firings.push(Firing::of(self.items.take()));
                self.fired = true;
            }
        }
        if scope == Scope::App && self.arrived >= n {
            (self.arrived, self.fired) = (0, false);
        }
    }
}
