//! The end of retention.

use crate::effect::Effect;
use crate::engine::Engine;
use crate::timers::Entity;
use sluice_types::RunKey;

pub(crate) fn forget(engine: &mut Engine, key: RunKey, effects: &mut Vec<Effect>) {
    let ended = engine.run(key).is_some_and(|run| !run.is_running());
    if let Some(mut run) = ended.then(|| engine.runs.remove(&key)).flatten() {
        run.release_all(effects);
        engine.ids.remove(&Engine::fingerprint(run.namespace(), run.id()));
        engine.mark_dirty(Entity::Run(key));
        effects.push(Effect::Forgotten(key));
    }
}
