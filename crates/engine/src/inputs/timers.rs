//! Timers are due.

use crate::effect::Effect;
use crate::engine::Engine;
use crate::timers::{Entity, Timer, TimerId};
use sluice_types::Lsn;

/// Fires what is due now; timers that this sets, even for now, are left for the next time.
pub(crate) fn timers(engine: &mut Engine, lsn: Lsn, now_ms: u64, effects: &mut Vec<Effect>) {
    // An entity that holds this record already keeps its timers: they belong to its later state.
    let is_behind = |timer: &&Timer| engine.applied(timer.entity).is_none_or(|applied| applied < lsn);
    let due: Vec<Timer> = engine.timers.due(now_ms).filter(is_behind).copied().collect();
    for timer in &due {
        engine.timers.remove(timer);
        fire(engine, lsn, now_ms, timer, effects);
    }
}

fn fire(engine: &mut Engine, lsn: Lsn, now_ms: u64, timer: &Timer, effects: &mut Vec<Effect>) {
    let Timer { entity, id, due_ms } = *timer;
    match (entity, id) {
        (Entity::Run(run), id) => {
            if engine.run(run).is_some_and(|run| run.awaits(id, due_ms)) {
                engine.step_run(lsn, now_ms, run, effects, |run, cx| run.due(cx, id));
            }
        }
        (Entity::App(app), TimerId::Trigger(trigger)) => {
            if engine.app(app).is_some_and(|app| app.awaits(trigger, due_ms)) {
                engine.step_app(lsn, now_ms, app, effects, |app, cx| app.due(cx, trigger));
            }
        }
        (Entity::App(_), TimerId::Retry(_) | TimerId::Workflow) => {
            unreachable!("apps run nothing themselves")
        }
    }
}
