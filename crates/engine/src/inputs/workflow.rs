//! Something happened to a workflow.

use crate::effect::{Effect, Reply};
use crate::engine::Engine;
use crate::input::OutboxId;
use sluice_asl::execution::Event;
use sluice_types::{Lsn, RunKey};

#[allow(clippy::too_many_arguments, reason = "the fields of the input")]
pub(crate) fn workflow(
    engine: &mut Engine,
    lsn: Lsn,
    now_ms: u64,
    key: RunKey,
    event: Event,
    incarnation: u32,
    acknowledges: Option<OutboxId>,
    effects: &mut Vec<Effect>,
) {
    if let Some(from) = acknowledges.filter(|from| from.run != key) {
        engine.with_run(lsn, now_ms, from.run, effects, |run, cx| run.acknowledged(cx, from.seq));
    }
    let current = engine.run(key).is_some_and(|run| run.incarnation() == incarnation && !run.is_delegated());
    if !current && engine.run(key).is_some() {
        // Another life of an express run asked, or the engine that executes it is told.
        return effects.push(Effect::Reply(Reply::Accepted));
    }
    engine.answer(lsn, now_ms, key, effects, |run, cx| run.workflow_event(cx, event, acknowledges));
}
