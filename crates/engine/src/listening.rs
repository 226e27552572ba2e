//! Which runs listen to events, loaded or not.

use sluice_types::{AppKey, RunKey};
use std::collections::{BTreeMap, BTreeSet};

/// Running runs with event triggers, by app.
#[derive(Debug, Default)]
pub(crate) struct Listening(BTreeMap<AppKey, BTreeSet<RunKey>>);

impl Listening {
    pub fn insert(&mut self, app: AppKey, run: RunKey) {
        self.0.entry(app).or_default().insert(run);
    }

    pub fn remove(&mut self, app: AppKey, run: RunKey) {
        if let Some(runs) = self.0.get_mut(&app) {
            runs.remove(&run);
        }
    }

    /// In the order of their keys.
    pub fn of(&self, app: AppKey) -> impl Iterator<Item = RunKey> + '_ {
        self.0.get(&app).into_iter().flatten().copied()
    }
}
