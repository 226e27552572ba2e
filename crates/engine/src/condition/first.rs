//! `first(k, of=n)`: once k objects have arrived. App-scoped it starts again after n arrivals.

use super::{Arrival, Firing, Firings, Incomplete};
use serde::{Deserialize, Serialize};
use sluice_types::Scope;

/// What has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstState {
    items: Vec<u32>,
    arrived: u32,
    fired: bool,
}

impl FirstState {
    pub(super) fn arrive(&mut self, k: u32, n: u32, arrival: &Arrival<'_>, firings: &mut Firings) -> u32 {
        self.arrived = self.arrived.saturating_add(1);
        let held = u32::from(!self.fired);
        if !self.fired {
            self.items.push(arrival.item);
            if self.items.len() == k as usize {
                firings.push(Firing::list(std::mem::take(&mut self.items)));
                self.fired = true;
            }
        }
        if arrival.scope == Scope::App && self.arrived == n {
            (self.arrived, self.fired) = (0, false);
        }
        held
    }

    pub(super) fn close(&self, k: u32) -> Result<(), Incomplete> {
        match self.fired {
            true => Ok(()),
            false => Err(Incomplete::First { arrived: self.arrived, needed: k }),
        }
    }

    pub(super) fn is_satisfied(&self) -> bool {
        self.fired
    }
}
