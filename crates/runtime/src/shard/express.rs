//! Express runs: executed by an engine of their own, whose inputs are not logged. What begins and what ends them is.

use super::Shard;
use super::saves::stored;
use crate::ports::{Objects, Ports};
use sluice_engine::{Effect, Input, InputKind, OutboxId};
use sluice_storage::log::Priority;
use sluice_types::{AppKey, Code, Lsn, Object, Payload, Problem, RunKey};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes of outputs that ride in the record of an express run's end; further ones are stored beside the log.
const OUTPUTS_INLINE_BYTES_MAX: usize = 16 * 1024 * 1024;

impl<P: Ports> Shard<P> {
    /// Starts a run in the express engine: its start is durable.
    pub(super) fn start_express(&mut self, key: RunKey) {
        let Some(run) = self.durable.run(key).filter(|run| run.ended_ms().is_none()) else { return };
        let start = run.express_start();
        self.apply_express(InputKind::Start(Box::new(start)));
    }

    /// Applies an input to the express engine and performs what it causes at once. Inputs that follow from that are
    /// applied when all of it is performed: what they stop must have been started.
    pub(super) fn apply_express(&mut self, kind: InputKind) {
        if self.in_express {
            return self.express_inputs.push_back(kind);
        }
        self.in_express = true;
        let mut next = Some(kind);
        while let Some(kind) = next {
            self.step_express(kind);
            next = self.express_inputs.pop_front();
        }
        self.in_express = false;
    }

    fn step_express(&mut self, kind: InputKind) {
        // Past every record of the durable engine, so that what was deployed there counts as deployed here.
        self.express_lsn = self.express_lsn.max(self.log.next_lsn().0) + 1;
        let lsn = Lsn(self.express_lsn);
        let input = Input { now_ms: self.now_ms, kind };
        let mut effects = std::mem::take(&mut self.effects);
        let run = super::concerned(&input.kind);
        let engine = AssertUnwindSafe((&mut self.express, &mut effects));
        let applied = catch_unwind(|| {
            let mut engine = engine;
            let (express, effects) = &mut *engine;
            express.apply(lsn, input, effects);
        });
        self.perform_express(lsn, &mut effects);
        self.effects = effects;
        if applied.is_err() {
            self.express_panicked(lsn, run);
        }
    }

    /// An input of the express engine panicked. One run is set aside; if it is not known which, all begin again.
    fn express_panicked(&mut self, lsn: Lsn, run: Option<RunKey>) {
        let message = "applying an input of this express run failed inside the engine; the run was set aside";
        let fix = "report it with the server's log; other runs go on";
        let problem = Problem::new(Code::RUN_QUARANTINED, message, fix);
        let Some(run) = run else { return self.fail(problem) };
        tracing::error!(%run, "{}", problem.message);
        let mut effects = Vec::new();
        let ended = self.express.expel(run, problem, &mut effects);
        self.perform_express(lsn, &mut effects);
        self.objects.abandon(run);
        if let Some(ended) = ended {
            let _ = self.submit(InputKind::ExpressEnded(Box::new(ended)), Priority::Progress);
        }
    }

    fn perform_express(&mut self, lsn: Lsn, effects: &mut Vec<Effect>) {
        for effect in effects.drain(..) {
            match effect {
                Effect::Invoke(_) | Effect::Stop { .. } | Effect::Release(_) | Effect::Abandon { .. } => {
                    self.perform(lsn, effect);
                }
                Effect::Ended(run) => self.express_ended(run),
                Effect::Deliver { from, app, version, mut object } => {
                    match self.objects.persist(&mut object.payload) {
                        Ok(()) => self.perform(lsn, Effect::Deliver { from, app, version, object }),
                        Err(problem) => self.fail_express(from.run, problem),
                    }
                    self.acknowledge_express(from);
                }
                Effect::Emit { from, app, event } => {
                    self.perform(lsn, Effect::Emit { from, app, event });
                    self.acknowledge_express(from);
                }
                Effect::Task { .. } | Effect::Call { .. } | Effect::Answered { .. } => {
                    self.perform(lsn, effect)
                }
                Effect::CancelChild { from, .. } => {
                    self.perform(lsn, effect);
                    self.acknowledge_express(from);
                }
                // The durable engine says it of its own run.
                Effect::Consume { from, .. } => self.acknowledge_express(from),
                // Replies were given by the durable engine; the express engine has no apps of its own that fire.
                Effect::Reply(_)
                | Effect::Return { .. }
                | Effect::Launch { .. }
                | Effect::Express(_)
                | Effect::Forgotten(_) => {}
            }
        }
    }

    /// What left an express run is on its way as a logged input of the durable engine.
    fn acknowledge_express(&mut self, from: OutboxId) {
        let kind = InputKind::Events {
            events: Default::default(),
            apps: Vec::new(),
            runs: Vec::new(),
            acknowledges: Some(from),
        };
        self.apply_express(kind);
    }

    /// An express run cannot go on: what it made cannot be kept.
    fn fail_express(&mut self, run: RunKey, problem: Problem) {
        let reason = problem.message.clone();
        self.express_failures.insert(run, problem);
        self.apply_express(InputKind::Cancel { run, reason, acknowledges: None });
    }

    fn express_ended(&mut self, key: RunKey) {
        self.objects.abandon(key);
        let failure = self.express_failures.remove(&key);
        let Some(mut ended) = self.express.take_ended(key) else { return };
        let outputs = std::mem::take(&mut ended.outputs);
        let Some(run) = self.durable.run(key).filter(|run| run.ended_ms().is_none()) else {
            return outputs.iter().for_each(|object| self.release(&object.payload));
        };
        let app = run.app();
        if let Some(problem) = failure {
            (ended.error, ended.cancelled) = (Some(problem), false);
        }
        let mut inline_left = OUTPUTS_INLINE_BYTES_MAX;
        for object in outputs {
            match self.keep_output(app, object, &mut inline_left) {
                Ok(object) => ended.outputs.push(object),
                Err(problem) => drop(ended.error.get_or_insert(problem)),
            }
        }
        let _ = self.submit(InputKind::ExpressEnded(Box::new(ended)), Priority::Progress);
    }

    /// An output of an express run as the record of its end may name it.
    fn keep_output(
        &mut self,
        app: AppKey,
        mut object: Object,
        inline_left: &mut usize,
    ) -> Result<Object, Problem> {
        if let Payload::Inline(bytes) = &object.payload {
            match inline_left.checked_sub(bytes.len()) {
                Some(left) => *inline_left = left,
                None => object.payload = self.objects.store_apart(app, bytes)?,
            }
        }
        match self.objects.persist(&mut object.payload) {
            Ok(()) => Ok(object),
            Err(problem) => {
                self.release(&object.payload);
                Err(problem)
            }
        }
    }

    pub(super) fn release(&mut self, payload: &Payload) {
        stored(payload).into_iter().for_each(|id| self.objects.release(id));
    }

    /// An accepted change of a delegated run reaches the engine that executes it.
    pub(super) fn forward_express(&mut self, kind: InputKind) {
        let run = super::concerned(&kind);
        if run.is_some_and(|run| self.express.run(run).is_some()) {
            self.apply_express(kind);
        }
    }
}
