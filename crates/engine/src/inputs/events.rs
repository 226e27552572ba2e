//! Events reach the apps and runs that the runtime chose.

use crate::effect::{Effect, Reply};
use crate::engine::Engine;
use crate::input::OutboxId;
use sluice_types::{AppKey, EventPack, Lsn, RunKey};

#[allow(clippy::too_many_arguments, reason = "the fields of one input")]
pub(crate) fn events(
    engine: &mut Engine,
    lsn: Lsn,
    now_ms: u64,
    events: &EventPack,
    apps: &[AppKey],
    runs: &[RunKey],
    acknowledges: Option<OutboxId>,
    effects: &mut Vec<Effect>,
) {
    if let Some(from) = acknowledges {
        engine.with_run(lsn, now_ms, from.run, effects, |run, cx| run.acknowledged(cx, from.seq));
    }
    for app in apps {
        engine.with_app(lsn, now_ms, *app, effects, |app, cx| app.events(cx, events));
    }
    // A run that emitted an event has seen it already; it is never among `runs` of its own acknowledgement.
    for run in runs {
        engine.with_run(lsn, now_ms, *run, effects, |run, cx| run.events(cx, events));
    }
    effects.push(Effect::Reply(Reply::Accepted));
}
