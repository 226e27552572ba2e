//! A run has ended that is an attempt at an invocation of another.

use crate::effect::{Effect, Reply};
use crate::engine::Engine;
use crate::input::OutboxId;
use sluice_types::{InvocationId, Lsn, Outcome};

#[allow(clippy::too_many_arguments, reason = "the fields of the input")]
pub(crate) fn returned(
    engine: &mut Engine,
    lsn: Lsn,
    now_ms: u64,
    invocation: InvocationId,
    outcome: Outcome,
    incarnation: u32,
    from: OutboxId,
    effects: &mut Vec<Effect>,
) {
    let key = invocation.run;
    if from.run != key {
        engine.with_run(lsn, now_ms, from.run, effects, |run, cx| run.acknowledged(cx, from.seq));
    }
    if engine.run(key).is_none() || !super::is_current(engine, key, incarnation) {
        crate::run::discard_outcome(&outcome, effects);
        return effects.push(Effect::Reply(Reply::Accepted));
    }
    engine.answer(lsn, now_ms, key, effects, |run, cx| run.returned(cx, invocation.seq, outcome, from));
}
