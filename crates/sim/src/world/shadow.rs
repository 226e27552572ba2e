//! A second engine that gets the same inputs while its entities are saved, evicted and loaded at random.

use crate::rng::Rng;
use sluice_engine::{Effect, Engine, Entity, Input, entity_hash};
use sluice_types::{Lsn, RunKey};
use std::collections::BTreeMap;

pub(super) struct Shadow {
    engine: Engine,
    new: fn() -> Engine,
    evicted: BTreeMap<RunKey, Vec<u8>>,
}

impl Shadow {
    pub fn new(new: fn() -> Engine) -> Self {
        Self { engine: new(), new, evicted: BTreeMap::new() }
    }

    /// Applies an input; effects and state must be those of the engine that was never disturbed.
    pub fn follow(
        &mut self,
        lsn: Lsn,
        input: Input,
        expected: &[Effect],
        undisturbed: &Engine,
        rng: &mut Rng,
    ) {
        match rng.below(12) {
            0 => self.reload(),
            1 | 2 => self.evict(),
            _ => {}
        }
        for need in self.engine.needs(&input) {
            if let Some(bytes) = self.evicted.remove(&need.0) {
                self.engine.load_run(&bytes).expect("it was saved by the same version");
            }
        }
        let mut effects = Vec::new();
        self.engine.apply(lsn, input, &mut effects);
        assert_eq!(effects, expected, "saving and loading changes nothing that happens");
        assert_eq!(self.engine.next_deadline(), undisturbed.next_deadline(), "equal timers");
        if !rng.chance(250) {
            return;
        }
        let evicted = self.evicted.values().map(|bytes| entity_hash(bytes)).fold(0, u64::wrapping_add);
        assert_eq!(self.engine.state_hash().wrapping_add(evicted), undisturbed.state_hash(), "equal states");
    }

    fn reload(&mut self) {
        let mut loaded = (self.new)();
        loaded.restore_awaited(&self.engine.run_timers(), &self.engine.listeners());
        for app in self.engine.apps() {
            loaded
                .load_app(&self.engine.save_app(app.key()).expect("it is there"))
                .expect("it was just saved");
        }
        for run in self.engine.runs() {
            loaded
                .load_run(&self.engine.save_run(run.key()).expect("it is there"))
                .expect("it was just saved");
        }
        self.engine = loaded;
    }

    fn evict(&mut self) {
        for entity in self.engine.take_dirty() {
            let Entity::Run(run) = entity else { continue };
            let Some(bytes) = self.engine.save_run(run) else { continue };
            if self.engine.evict(run) {
                self.evicted.insert(run, bytes);
            }
        }
    }
}
