//! Fuzzy checkpoints: entities written one by one while the engine goes on, and recovery from them.

use crate::rng::Rng;
use sluice_engine::{Engine, Entity, Input};
use sluice_types::Lsn;
use std::collections::BTreeMap;

/// What a store on disk would hold.
pub struct Store {
    new: fn() -> Engine,
    complete: Checkpoint,
    growing: Checkpoint,
    missing: Vec<Entity>,
}

/// Every entity as it was at some time not before `from`.
#[derive(Clone, Debug, Default)]
struct Checkpoint {
    from: Lsn,
    entities: BTreeMap<Entity, Vec<u8>>,
}

impl Store {
    /// An empty store for engines made by `new`.
    pub fn new(new: fn() -> Engine) -> Self {
        Self { new, complete: Checkpoint::default(), growing: Checkpoint::default(), missing: Vec::new() }
    }

    /// Writes perhaps one entity; when all are written the checkpoint is complete and another may begin.
    pub fn step(&mut self, engine: &Engine, log: &[(Lsn, Input)], rng: &mut Rng) {
        if rng.chance(700) {
            return;
        }
        if self.missing.is_empty() {
            let finished = std::mem::take(&mut self.growing);
            if finished.from > self.complete.from {
                self.complete = finished;
                let recovered = self.recover(log);
                assert_eq!(
                    recovered.state_hash(),
                    engine.state_hash(),
                    "a fuzzy checkpoint gives the same state"
                );
                assert_eq!(recovered.next_deadline(), engine.next_deadline(), "and the same timers");
            }
            self.growing.from = log.last().map_or(Lsn(0), |(lsn, _)| *lsn);
            self.missing = engine.apps().map(|app| Entity::App(app.key())).collect();
            self.missing.extend(engine.runs().map(|run| Entity::Run(run.key())));
            self.missing.sort_unstable();
        }
        let entity = self.missing.swap_remove(rng.below(self.missing.len().max(1)));
        let bytes = match entity {
            Entity::App(app) => engine.save_app(app),
            Entity::Run(run) => engine.save_run(run),
        };
        bytes.map(|bytes| self.growing.entities.insert(entity, bytes));
    }

    /// An engine made from the log alone.
    pub fn replay(&self, log: &[(Lsn, Input)]) -> Engine {
        Self::new(self.new).recover(log)
    }

    /// An engine made from the last complete checkpoint and the log after it.
    pub fn recover(&self, log: &[(Lsn, Input)]) -> Engine {
        let mut engine = (self.new)();
        for (entity, bytes) in &self.complete.entities {
            match entity {
                Entity::App(_) => drop(engine.load_app(bytes).expect("it was saved by the same version")),
                Entity::Run(_) => drop(engine.load_run(bytes).expect("it was saved by the same version")),
            }
        }
        let mut silent = Vec::new();
        for (lsn, input) in log.iter().filter(|(lsn, _)| *lsn > self.complete.from) {
            engine.apply(*lsn, input.clone(), &mut silent);
        }
        engine
    }
}
