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
    if !is_current(engine, key, incarnation) {
        return effects.push(Effect::Reply(Reply::Accepted));
    }
    engine.answer(lsn, now_ms, key, effects, |run, cx| run.workflow_event(cx, event, acknowledges));
}

/// Somebody tells the code of a workflow something.
pub(crate) fn code(
    engine: &mut Engine,
    lsn: Lsn,
    now_ms: u64,
    key: RunKey,
    event: sluice_flow::Event,
    incarnation: u32,
    effects: &mut Vec<Effect>,
) {
    if !is_current(engine, key, incarnation) {
        return effects.push(Effect::Reply(Reply::Accepted));
    }
    engine.answer(lsn, now_ms, key, effects, |run, cx| run.code_told(cx, event));
}

/// Whether this engine is to tell a run something: not if another life of an express run was meant, nor if another
/// engine executes it.
pub(crate) fn is_current(engine: &Engine, key: RunKey, incarnation: u32) -> bool {
    engine.run(key).is_none_or(|run| run.incarnation() == incarnation && !run.is_delegated())
}
