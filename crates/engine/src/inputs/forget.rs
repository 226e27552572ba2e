//! The end of retention.

use crate::effect::Effect;
use crate::engine::Engine;
use sluice_types::RunKey;

/// Forgets an ended run. One that still owes something to the outside is left alone: its objects are needed.
pub(crate) fn forget(engine: &mut Engine, key: RunKey, effects: &mut Vec<Effect>) {
    let forgettable = engine.run(key).is_some_and(|run| !run.is_running() && run.is_idle());
    if let Some(mut run) = forgettable.then(|| engine.runs.remove(&key)).flatten() {
        run.release_all(effects);
        engine.ids.remove(&Engine::fingerprint(run.namespace(), run.id()));
        engine.note_gone(&run);
        effects.push(Effect::Forgotten(key));
    }
}
