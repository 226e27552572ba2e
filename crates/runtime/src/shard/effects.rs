//! Performing what the engine asks for, once its cause is durable.

use super::Shard;
use crate::ports::{Call, Objects, Ports, Report, Sandboxes, World};
use sluice_engine::{Effect, InputKind, Origin, OutboxId, Reply, Start, Status};
use sluice_storage::log::Priority;
use sluice_types::invocation::Arguments;
use sluice_types::{AppKey, Event, EventPack, Invocation, Lsn, Object, RunKey, Scope, Version};
use std::sync::Arc;

impl<P: Ports> Shard<P> {
    pub(super) fn perform(&mut self, lsn: Lsn, effect: Effect) {
        match effect {
            Effect::Invoke(invocation) => self.invoke(invocation),
            Effect::Stop { invocation, attempt } => {
                self.flights.landed(invocation, attempt);
                self.sandboxes.stop(invocation, attempt);
                self.forget_wanted(invocation, attempt);
                self.release_readers();
            }
            Effect::Release(id) => self.objects.release(id),
            Effect::Abandon { run, bucket, key } => self.objects.let_go(run, bucket, &key),
            Effect::Reply(reply) => {
                if reply == Reply::Accepted && std::mem::take(&mut self.stats.refusing) {
                    tracing::info!("new work is accepted again");
                }
                self.answers.tell(lsn, reply);
            }
            Effect::Ended(run) => self.ended(run),
            Effect::Deliver { from, app, version, object } => self.deliver(from, app, version, *object),
            Effect::Consume { from, app, number } => {
                if self.owes(from) {
                    // Refused only when the log is; the outbox asks again after recovery.
                    let _ = self.submit(InputKind::Consumed { app, number, from }, Priority::Progress);
                }
            }
            Effect::Emit { from, app, event } => self.emit(from, app, event),
            Effect::Launch { app, version, origin } => self.launch(app, version, *origin),
            Effect::Task { from, caller, request } => self.perform_task(from, caller, request),
            Effect::Call { from, caller, invocation } => self.begin_run(from, caller, invocation),
            Effect::Return { from, to } => self.give_back_task(from, to),
            Effect::CancelChild { from, child } => self.cancel_child(from, child),
            Effect::Answered { run, .. } => self.updates_answered(run),
            Effect::Express(run) => self.start_express(run),
            Effect::Forgotten(_) => {}
        }
    }

    /// Hands an attempt of the durable or the express engine to the sandboxes.
    pub(super) fn invoke(&mut self, mut invocation: Box<Invocation>) {
        self.refresh(&mut invocation);
        let (id, attempt) = (invocation.id, invocation.attempt);
        let Some(run) = self.executed(id.run) else { return };
        // Since it was asked for, the run may have gone on on a version that numbers its functions in another way.
        let Some(function) = run.function_of(id.seq) else { return };
        invocation.function = function;
        let call = Call { app: run.app(), version: run.version(), run_id: run.id().clone(), invocation };
        self.stats.attempts += 1;
        self.sandboxes.start(call, &mut self.objects, &mut self.reports);
        // What has ended at once was never in flight.
        let ended = |report: &Report| matches!(report, Report::Completed { invocation, attempt: of, .. } if *invocation == id && *of == attempt);
        if !self.reports.last().is_some_and(ended) {
            self.flights.launched(id, attempt);
        }
    }

    /// Whether an attempt may run before its cause is durable: it can only put and get, so nothing leaves the node.
    pub(super) fn may_run_ahead(&self, invocation: &Invocation) -> bool {
        let run = self.durable.run(invocation.id.run);
        run.is_some_and(|run| self.sandboxes.is_pure(run.program(), invocation.function))
    }

    fn ended(&mut self, key: RunKey) {
        let Some(run) = self.durable.run(key) else { return };
        match run.status() {
            Status::Succeeded => self.stats.runs_ended[0] += 1,
            Status::Failed => {
                self.stats.runs_ended[1] += 1;
                let code = run.error().map(|problem| problem.code.to_string());
                tracing::info!(run = %run.id(), code, "a run has failed");
            }
            Status::Cancelled => self.stats.runs_ended[2] += 1,
            Status::Running => {}
        }
        self.objects.abandon(key);
        self.updates_answered(key);
        let waiters = self.answers.take_waiters(key);
        if !waiters.is_empty() {
            let view = self.view(key, true);
            for waiter in waiters {
                drop(waiter.send(view.clone()));
            }
        }
    }

    /// Whether an event that left a run is still to be logged. Of an express run only the express engine knows.
    fn owes(&self, from: OutboxId) -> bool {
        self.durable.run(from.run).is_some_and(|run| run.is_delegated() || run.owes(from))
    }

    /// An object crosses to the app, with bytes of its own.
    fn deliver(&mut self, from: OutboxId, app: AppKey, version: Version, mut object: Object) {
        if !self.durable.run(from.run).is_some_and(|run| run.owes_object(from, &object)) {
            return;
        }
        match self.objects.duplicate(app, &object.payload) {
            Ok(payload) => object.payload = payload,
            Err(problem) => return self.fail(problem),
        }
        // Refused only when the log is; the outbox asks again after recovery.
        let _ = self.submit(InputKind::Deliver { app, version, from, object }, Priority::Progress);
    }

    /// An event leaves a run: other runs and app-scoped triggers of the same app may see it.
    fn emit(&mut self, from: OutboxId, app: AppKey, event: Arc<Event>) {
        let apps = self.apps_that_listen(Some(app));
        let runs: Vec<RunKey> = self.durable.listening(app).filter(|run| *run != from.run).collect();
        let events = EventPack::from(vec![event]);
        let kind = InputKind::Events { events, apps, runs, acknowledges: Some(from) };
        let for_express = self.for_express(&kind);
        // Refused only when the log is; the outbox asks again after recovery.
        if self.owes(from) && self.submit(kind, Priority::Progress).is_ok() {
            for_express.into_iter().for_each(|kind| self.apply_express(kind));
        }
    }

    /// An app-scoped trigger fired: starts its run.
    fn launch(&mut self, app: AppKey, version: Version, origin: Origin) {
        let Origin::Firing { number, .. } = &origin else { return };
        if !self.durable.app(app).is_some_and(|app| app.owes(*number)) {
            return;
        }
        let origin = match self.own_payloads(app, origin) {
            Ok(origin) => origin,
            Err(problem) => return self.fail(problem),
        };
        let run = self.next_key();
        let start = Start {
            run,
            namespace: self.options.namespace.clone(),
            id: self.new_run_id(),
            app,
            version,
            objects: Vec::new(),
            events: Vec::new(),
            seal: true,
            request: 0,
            seed: self.world.random(),
            incarnation: 0,
            origin,
            workflow: None,
        };
        self.stats.runs_started += 1;
        let _ = self.submit(InputKind::Start(Box::new(start)), Priority::Progress);
    }

    /// What a new run starts with belongs to it alone.
    fn own_payloads(&mut self, app: AppKey, origin: Origin) -> Result<Origin, sluice_types::Problem> {
        let Origin::Firing { trigger, number, mut arguments, group, ordinal } = origin else {
            return Ok(origin);
        };
        let objects = match &mut arguments {
            Arguments::One(object) => std::slice::from_mut(object),
            Arguments::List(objects) => objects.as_mut_slice(),
            // Events are the app's, which retains them until the run has ended.
            Arguments::Event(_) | Arguments::Events { .. } => &mut [],
        };
        for object in objects {
            object.payload = self.objects.duplicate(app, &object.payload)?;
        }
        Ok(Origin::Firing { trigger, number, arguments, group, ordinal })
    }

    /// Apps with app-scoped event triggers.
    pub(super) fn apps_that_listen(&self, only: Option<AppKey>) -> Vec<AppKey> {
        let apps = self.durable.apps().filter(|app| only.is_none_or(|only| only == app.key()));
        let listens = |app: &&sluice_engine::app::App| {
            let triggers = &app.current().1.program.triggers;
            triggers.iter().any(|t| t.scope == Scope::App && t.condition.has_event())
        };
        apps.filter(listens).map(|app| app.key()).collect()
    }
}
