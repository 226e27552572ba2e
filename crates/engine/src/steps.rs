//! Steps: how an input reaches one entity, once per record.

use crate::app::{App, AppCx};
use crate::effect::{Effect, Reply};
use crate::engine::Engine;
use crate::input::OutboxId;
use crate::run::{Cx, Run};
use crate::timers::{Entity, TimerQueue};
use sluice_types::{AppKey, Code, Evaluator, Lsn, Problem, RunKey};

impl Engine {
    /// A step on a run whose verdict somebody waits for.
    pub(crate) fn answer(
        &mut self,
        lsn: Lsn,
        now_ms: u64,
        key: RunKey,
        effects: &mut Vec<Effect>,
        step: impl FnOnce(&mut Run, &mut Cx<'_>) -> Reply,
    ) {
        let known = self.with_run(lsn, now_ms, key, effects, |run, cx| {
            let reply = step(run, cx);
            cx.effects.push(Effect::Reply(reply));
        });
        if !known {
            let problem =
                Problem::new(Code::UNKNOWN_RUN, "no such run", "it may have been forgotten: start another");
            effects.push(Effect::Reply(Reply::Rejected(Box::new(problem))));
        }
    }

    /// What left a workflow has become this record. The outbox of an express run is with the engine that executes it.
    pub(crate) fn acknowledged(&mut self, lsn: Lsn, now_ms: u64, from: OutboxId, effects: &mut Vec<Effect>) {
        if self.run(from.run).is_some_and(|run| !run.is_delegated()) {
            self.with_run(lsn, now_ms, from.run, effects, |run, cx| run.acknowledged(cx, from.seq));
        }
    }

    /// Applies one step to a run unless it holds the record already. False when there is no such run.
    pub(crate) fn with_run(
        &mut self,
        lsn: Lsn,
        now_ms: u64,
        key: RunKey,
        effects: &mut Vec<Effect>,
        step: impl FnOnce(&mut Run, &mut Cx<'_>),
    ) -> bool {
        let Some(run) = self.runs.get_mut(&key) else { return false };
        if lsn > run.applied() {
            let (eval, timers) = (&mut *self.eval, &mut self.timers);
            let ended = step_run(run, lsn, now_ms, eval, timers, &mut self.dirty, effects, step);
            if ended {
                self.listening.remove(run.app(), key);
            }
        }
        true
    }

    /// Applies one step to a run, whatever it holds already: one record may take several steps.
    pub(crate) fn step_run(
        &mut self,
        lsn: Lsn,
        now_ms: u64,
        key: RunKey,
        effects: &mut Vec<Effect>,
        step: impl FnOnce(&mut Run, &mut Cx<'_>),
    ) {
        let Some(run) = self.runs.get_mut(&key) else { return };
        let (eval, timers) = (&mut *self.eval, &mut self.timers);
        let ended = step_run(run, lsn, now_ms, eval, timers, &mut self.dirty, effects, step);
        if ended {
            self.listening.remove(run.app(), key);
        }
    }

    pub(crate) fn with_app(
        &mut self,
        lsn: Lsn,
        now_ms: u64,
        key: AppKey,
        effects: &mut Vec<Effect>,
        step: impl FnOnce(&mut App, &mut AppCx<'_>),
    ) {
        if self.apps.get(&key).is_some_and(|app| lsn > app.applied()) {
            self.step_app(lsn, now_ms, key, effects, step);
        }
    }

    /// Applies one step to an app. One record may take several steps.
    pub(crate) fn step_app(
        &mut self,
        lsn: Lsn,
        now_ms: u64,
        key: AppKey,
        effects: &mut Vec<Effect>,
        step: impl FnOnce(&mut App, &mut AppCx<'_>),
    ) {
        let Some(app) = self.apps.get_mut(&key) else { return };
        let (eval, timers) = (&mut *self.eval, &mut self.timers);
        step(app, &mut AppCx { lsn, now_ms, eval, timers, effects });
        app.set_applied(lsn);
        if !std::mem::replace(&mut app.dirty, true) {
            self.dirty.push(Entity::App(key));
        }
    }

    /// Position of the last record applied to an entity; `None` when it is not there.
    pub(crate) fn applied(&self, entity: Entity) -> Option<Lsn> {
        match entity {
            Entity::App(app) => self.apps.get(&app).map(App::applied),
            Entity::Run(run) => self.runs.get(&run).map(|run| run.applied()),
        }
    }

    /// A run went that may or may not be among the dirty ones.
    pub(crate) fn note_gone(&mut self, run: &Run) {
        if !run.dirty {
            self.dirty.push(Entity::Run(run.key()));
        }
    }
}

/// Applies one step and remembers that it did. Returns whether the run ended with it.
#[allow(clippy::too_many_arguments, reason = "parts of the engine that a run must not see as a whole")]
fn step_run(
    run: &mut Run,
    lsn: Lsn,
    now_ms: u64,
    eval: &mut dyn Evaluator,
    timers: &mut TimerQueue,
    dirty: &mut Vec<Entity>,
    effects: &mut Vec<Effect>,
    step: impl FnOnce(&mut Run, &mut Cx<'_>),
) -> bool {
    let was_running = run.is_running();
    let compiled = run.compiled().clone();
    step(run, &mut Cx { lsn, now_ms, compiled: &compiled, eval, timers, effects });
    run.set_applied(lsn);
    if !std::mem::replace(&mut run.dirty, true) {
        dirty.push(Entity::Run(run.key()));
    }
    was_running && !run.is_running()
}
