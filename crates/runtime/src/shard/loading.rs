//! Bringing runs into memory.
//!
//! A run whose state cannot be read is that run's damage, not the shard's: it is set aside. Nobody gets it to see, what
//! is for it does nothing, and its state stays as it is in the store, for a version that can read it. All others go on.

use super::Shard;
use super::concerned;
use crate::ports::Ports;
use sluice_engine::{Engine, Input};
use sluice_storage::RunStore;
use sluice_types::{Code, Problem, RunKey};
use std::collections::BTreeMap;

/// Runs that are set aside, and why.
pub(super) type Damaged = BTreeMap<RunKey, Problem>;

/// Where a run was found.
pub(super) enum Found {
    /// It is in memory.
    Here,
    /// There is none.
    Nowhere,
    /// It cannot be read.
    Damaged(Problem),
}

/// Brings a run of the store into an engine. The error is the store's.
pub(super) fn load(engine: &mut Engine, store: &RunStore, run: RunKey) -> Result<Found, Problem> {
    if engine.run(run).is_some() {
        return Ok(Found::Here);
    }
    let Some(blob) = store.run(run).map_err(|error| error.problem())? else { return Ok(Found::Nowhere) };
    Ok(match engine.load_run(&blob) {
        Ok(_) => Found::Here,
        Err(error) => {
            tracing::error!(%run, %error, "a run is set aside");
            let message = format!("the state of this run is damaged: {error}");
            let fix = "restore the data directory from a backup, or start another run; others go on";
            Found::Damaged(Problem::new(Code::DATA_CORRUPT, message, fix))
        }
    })
}

impl<P: Ports> Shard<P> {
    /// Brings the runs that an input is about into memory. What an input has for one that is set aside is lost on it.
    pub(super) fn load_needed(&mut self, input: &Input) -> Result<(), Problem> {
        // Nearly every input is about one run, and it is there.
        if concerned(&input.kind).is_some_and(|run| self.durable.run(run).is_some()) {
            return Ok(());
        }
        for need in self.durable.needs(input) {
            self.look_up(need.0)?;
        }
        Ok(())
    }

    /// Brings one run into memory. False when there is none; one that is set aside is an error.
    pub(crate) fn load(&mut self, key: RunKey) -> Result<bool, Problem> {
        match self.look_up(key)? {
            Found::Here => Ok(true),
            Found::Nowhere => Ok(false),
            Found::Damaged(problem) => Err(problem),
        }
    }

    /// Brings one run into memory. The error is the store's, not the run's.
    pub(super) fn look_up(&mut self, key: RunKey) -> Result<Found, Problem> {
        if self.gone.contains(&key) {
            return Ok(Found::Nowhere);
        }
        if let Some(problem) = self.damaged.get(&key) {
            return Ok(Found::Damaged(problem.clone()));
        }
        let found = load(&mut self.durable, &self.store, key)?;
        if let Found::Damaged(problem) = &found {
            self.damaged.insert(key, problem.clone());
        }
        Ok(found)
    }
}
