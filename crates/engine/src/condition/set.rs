//! `set`: once, when an object of every key has arrived; the list is in the declared order.

use super::{Arrival, Firing, Firings, Incomplete};
use serde::{Deserialize, Serialize};
use sluice_types::Scope;
use std::sync::Arc;

/// What has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetState {
    arrived: Vec<Option<u32>>,
    missing: u32,
    fired: bool,
}

impl SetState {
    pub(super) fn new(keys: usize) -> Self {
        Self { arrived: vec![None; keys], missing: keys as u32, fired: false }
    }

    pub(super) fn arrive(&mut self, keys: &[Arc<str>], arrival: &Arrival<'_>, firings: &mut Firings) -> u32 {
        let position = keys.iter().position(|key| *key == arrival.object.key);
        let Some(place) = position.map(|at| &mut self.arrived[at]).filter(|place| place.is_none()) else { return 0 };
        if self.fired {
            return 0;
        }
        *place = Some(arrival.item);
        self.missing -= 1;
        if self.missing == 0 {
            let items = self.arrived.iter_mut().map(|item| item.take().expect("every key has arrived")).collect();
            firings.push(Firing::list(items));
            self.missing = keys.len() as u32;
            // An app-scoped set collects again; a run-scoped one fires once.
            self.fired = arrival.scope == Scope::Run;
        }
        1
    }

    pub(super) fn close(&self, keys: &[Arc<str>]) -> Result<(), Incomplete> {
        if self.fired {
            return Ok(());
        }
        let missing = keys.iter().zip(&self.arrived).filter(|(_, item)| item.is_none());
        Err(Incomplete::Set(missing.map(|(key, _)| key.clone()).collect()))
    }

    pub(super) fn is_satisfied(&self) -> bool {
        self.fired
    }
}
