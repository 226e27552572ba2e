//! A second engine that gets the same inputs while its entities are saved, evicted and loaded at random.

use crate::rng::Rng;
use sluice_engine::{Awaited, Effect, Engine, Entity, Input, entity_hash};
use sluice_types::{Lsn, RunKey};
use std::collections::BTreeMap;

struct Evicted {
    bytes: Vec<u8>,
    awaited: Option<Awaited>,
}

pub(super) struct Shadow {
    engine: Engine,
    new: fn() -> Engine,
    evicted: BTreeMap<RunKey, Evicted>,
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
            if let Some(evicted) = self.evicted.remove(&need.0) {
                self.engine.load_run(&evicted.bytes).expect("it was saved by the same version");
            }
        }
        let mut effects = Vec::new();
        self.engine.apply(lsn, input, &mut effects);
        assert_eq!(effects, expected, "saving and loading changes nothing that happens");
        assert_eq!(self.engine.next_deadline(), undisturbed.next_deadline(), "equal timers");
        if !rng.chance(250) {
            return;
        }
        let evicted =
            self.evicted.values().map(|evicted| entity_hash(&evicted.bytes)).fold(0, u64::wrapping_add);
        assert_eq!(self.engine.state_hash().wrapping_add(evicted), undisturbed.state_hash(), "equal states");
    }

    fn reload(&mut self) {
        let mut loaded = (self.new)();
        for (run, evicted) in &self.evicted {
            evicted.awaited.iter().for_each(|awaited| loaded.restore_awaited(*run, awaited));
        }
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
            let awaited = self.engine.run(run).and_then(|run| run.awaited());
            if self.engine.evict(run) {
                self.evicted.insert(run, Evicted { bytes, awaited });
            }
        }
    }
}
