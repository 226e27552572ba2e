//! `set`: once, when an object of every key has arrived; the list is in the declared order.

use super::{Arrival, Collected, Firing};
use serde::{Deserialize, Serialize};
use sluice_types::Scope;
use std::sync::Arc;

/// What has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetState {
    pub(super) arrived: Vec<Option<u32>>,
    missing: u32,
    pub(super) fired: bool,
}

impl SetState {
    pub(super) fn new(keys: usize) -> Self {
        Self { arrived: vec![None; keys], missing: keys as u32, fired: false }
    }

    pub(super) fn arrive(&mut self, keys: &[Arc<str>], arrival: &Arrival<'_>, out: &mut Collected) {
        let position = keys.iter().position(|key| *key == arrival.object.key);
        let Some(at) = position.filter(|at| !self.fired && self.arrived[*at].is_none()) else { return };
        self.arrived[at] = Some(arrival.item);
        self.missing -= 1;
        out.held += 1;
        if self.missing == 0 {
            let items = self.arrived.iter_mut().map(|item| item.take().expect("no key is missing")).collect();
            out.firings.push(Firing::list(items));
            self.missing = keys.len() as u32;
            // An app-scoped set collects again; a run-scoped one fires once.
            self.fired = arrival.scope == Scope::Run;
        }
    }

    /// The keys of which no object has arrived.
    pub(super) fn missing(&self, keys: &[Arc<str>]) -> Vec<Arc<str>> {
        let lacking = keys.iter().zip(&self.arrived).filter(|(_, item)| item.is_none());
        lacking.map(|(key, _)| key.clone()).collect()
    }
}
