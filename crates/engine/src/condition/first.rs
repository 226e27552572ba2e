//! `first(k, of=n)`: once k objects have arrived. App-scoped it starts again after n arrivals.

use super::{Arrival, Collected, Firing};
use serde::{Deserialize, Serialize};
use sluice_types::Scope;

/// What has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstState {
    pub(super) items: Vec<u32>,
    pub(super) arrived: u32,
    pub(super) fired: bool,
}

impl FirstState {
    pub(super) fn arrive(&mut self, k: u32, n: u32, arrival: &Arrival<'_>, out: &mut Collected) {
        self.arrived = self.arrived.saturating_add(1);
        if !self.fired {
            self.items.push(arrival.item);
            out.held += 1;
            if self.items.len() >= k as usize {
                out.firings.push(Firing::list(std::mem::take(&mut self.items)));
                self.fired = true;
            }
        }
        if arrival.scope == Scope::App && self.arrived >= n {
            (self.arrived, self.fired) = (0, false);
        }
    }
}
