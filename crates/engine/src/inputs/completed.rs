//! An attempt ended. A run that is gone leaves objects that nobody takes.

use crate::effect::Effect;
use crate::engine::Engine;
use sluice_types::{Attempt, InvocationId, Lsn, Outcome};

pub(crate) fn completed(
    engine: &mut Engine,
    lsn: Lsn,
    now_ms: u64,
    invocation: InvocationId,
    attempt: Attempt,
    outcome: Outcome,
    effects: &mut Vec<Effect>,
) {
    if engine.run(invocation.run).is_none() {
        return crate::run::discard_outcome(&outcome, effects);
    }
    engine.with_run(lsn, now_ms, invocation.run, effects, |run, cx| {
        run.completed(cx, invocation.seq, attempt, outcome);
    });
}
