//! Tasks of workflows that are done outside of their run.

use super::Shard;
use crate::api::WorkflowRequest;
use crate::callees::{CalledRun, Callee, Directory, Fault, TaskRef, ended};
use crate::ports::{Ports, World};
use bytes::Bytes;
use sluice_asl::execution::{Event, TaskRequest, Work};
use sluice_engine::app::App;
use sluice_engine::{Caller, Engine, InputKind, Origin, OutboxId, Start};
use sluice_storage::log::Priority;
use sluice_types::{Code, Lsn, Problem, RunKey, Version, limits};
use std::sync::Arc;

/// Form of the answer of a workflow of the app that asks: its output as it is. Others are whose names [`Callees`] know.
///
/// [`Callees`]: crate::callees::Callees
const OWN: u8 = u8::MAX;
/// Of a run that is an attempt at an invocation, which is told of its end by an outcome.
pub(super) const INVOCATION: u8 = u8::MAX - 1;

/// The apps of an engine, by name.
struct Apps<'a>(&'a Engine);

impl Apps<'_> {
    fn app(&self, name: &str) -> Option<&App> {
        self.0.apps().find(|app| **app.name() == *name)
    }
}

impl Directory for Apps<'_> {
    fn version(&self, app: &str) -> Option<Version> {
        self.app(app).map(|app| app.current().0)
    }

    fn document(&self, app: &str, name: &str) -> Option<Bytes> {
        self.app(app)?.document(name).map(|document| document.bytes.clone())
    }
}

impl<P: Ports> Shard<P> {
    /// Has a task done.
    pub(super) fn perform_task(&mut self, from: OutboxId, caller: Caller, request: Arc<TaskRequest>) {
        let executed = self.executed(from.run);
        if !executed.is_some_and(|run| run.owes(from)) {
            return;
        }
        let Caller { run, incarnation, task, .. } = caller;
        let task = TaskRef { run, incarnation, task, from: Some(from) };
        if caller.depth > limits::WORKFLOW_CALLS_DEEP_MAX {
            return self.refuse_task(task, too_deep());
        }
        if let Work::Workflow { name, input } = &request.work {
            let (rest, input) = (task.task.0.to_string(), Bytes::from(input.to_json()));
            let called = self.own_workflow(from.run, &rest, name.to_string(), input);
            if let Err(fault) = called.and_then(|called| self.call(from, caller, true, called)) {
                self.refuse_task(task, fault);
            }
            return;
        }
        let callees = self.options.callees.clone();
        match callees.resolve(&request, task, &Apps(&self.durable)) {
            Callee::Run(called) => {
                if let Err(fault) = self.call(from, caller, true, *called) {
                    self.refuse_task(task, fault);
                }
            }
            Callee::Started(called, output) => {
                let answer = self.call(from, caller, false, *called).map(|()| output);
                drop(self.report_task(task, ended(task.task, answer)));
            }
            Callee::Activity(activity) => self.offer(activity, task, &request),
            Callee::Errand => callees.perform(request, task),
            Callee::Refused(fault) => self.refuse_task(task, fault),
        }
    }

    /// A workflow of the app that asks, in the version that its run keeps, as the run of the id `RUN.rest`.
    pub(super) fn own_workflow(
        &self,
        run: RunKey,
        rest: &str,
        name: String,
        input: Bytes,
    ) -> Result<CalledRun, Fault> {
        let run = self.executed(run);
        let run = run.ok_or_else(|| Fault::new("States.Runtime", "the run is gone"))?;
        // What an earlier life of an express run has called keeps its id.
        let id = match run.incarnation() {
            0 => format!("{}.{rest}", run.id()),
            life => format!("{}.{rest}~{life}", run.id()),
        };
        Ok(CalledRun {
            app: run.program().app.to_string(),
            version: Some(run.version()),
            id: (id.len() <= limits::RUN_ID_BYTES_MAX).then_some(id),
            workflow: Some(WorkflowRequest { name, input: Some(input), execution: None }),
            form: OWN,
            ..CalledRun::default()
        })
    }

    fn refuse_task(&mut self, task: TaskRef, fault: Fault) {
        drop(self.report_task(task, ended(task.task, Err(fault))));
    }

    /// Starts the run that a task is the work of, unless the task has started it before. `waits` if it is told of the end.
    pub(super) fn call(
        &mut self,
        from: OutboxId,
        caller: Caller,
        waits: bool,
        called: CalledRun,
    ) -> Result<(), Fault> {
        let request = asked_by(from, caller.incarnation);
        let known = called.id.as_deref().map(|id| self.find(id)).transpose();
        if let Some(known) = known.map_err(|problem| failed(&problem))?.flatten() {
            let run = self.durable.run(known).expect("a found run is loaded");
            return if run.request() == request { Ok(()) } else { Err(called.taken) };
        }
        self.start_called(from, caller, waits, called, request).map_err(|problem| failed(&problem))
    }

    fn start_called(
        &mut self,
        from: OutboxId,
        caller: Caller,
        waits: bool,
        called: CalledRun,
        request: u128,
    ) -> Result<(), Problem> {
        let CalledRun { app, version, id, objects, workflow, form, taken: _ } = called;
        let (app, version, program) = self.version_named(&app, version)?;
        let run = self.next_key();
        let id: Arc<str> = id.map_or_else(|| self.new_run_id(), Arc::from);
        let workflow =
            workflow.map(|workflow| self.workflow_start(&program, run, &id, workflow)).transpose()?;
        let objects = self.objects(app, &program, objects)?;
        let caller = Caller { form, ..caller };
        let origin = if waits { Origin::Call { from, caller } } else { Origin::Client };
        let start = Start {
            run,
            namespace: self.options.namespace.clone(),
            id,
            app,
            version,
            objects,
            events: Vec::new(),
            seal: true,
            request,
            seed: self.world.random(),
            incarnation: 0,
            origin,
            workflow,
        };
        self.submit(InputKind::Start(Box::new(start)), Priority::Progress)?;
        self.stats.runs_started += 1;
        if waits && self.express.run(from.run).is_some() {
            self.apply_express(InputKind::Called { from, child: run });
        }
        Ok(())
    }

    /// Something is known of a task.
    pub(super) fn report_task(&mut self, task: TaskRef, event: Event) -> Result<Lsn, Problem> {
        let TaskRef { run, incarnation, from, .. } = task;
        let event = Box::new(within_limits(event));
        let kind = InputKind::Workflow { run, event, incarnation, acknowledges: from };
        let lsn = self.submit(kind.clone(), Priority::Progress)?;
        self.forward_express(kind);
        Ok(lsn)
    }

    /// A called run has ended: its caller is told.
    pub(super) fn give_back_task(&mut self, from: OutboxId, to: Caller) {
        if !self.durable.run(from.run).is_some_and(|run| run.owes(from)) {
            return;
        }
        if to.form == INVOCATION {
            return self.give_back_attempt(from, to);
        }
        let answer = match to.form {
            OWN => self.output_of(from.run),
            form => self
                .view(from.run, true)
                .map_err(|problem| failed(&problem))
                .and_then(|view| self.options.callees.answer(&view, form, &Apps(&self.durable))),
        };
        let task = TaskRef { run: to.run, incarnation: to.incarnation, task: to.task, from: Some(from) };
        // Refused only when the log is; the outbox asks again after recovery.
        drop(self.report_task(task, ended(task.task, answer)));
    }

    /// A workflow needs no more what it has called.
    pub(super) fn cancel_child(&mut self, from: OutboxId, child: RunKey) {
        let executed = self.executed(from.run);
        if !executed.is_some_and(|run| run.owes(from)) {
            return;
        }
        let reason = "the workflow that called it needs it no more".to_owned();
        let kind = InputKind::Cancel { run: child, reason, acknowledges: Some(from) };
        // Refused only when the log is; the outbox asks again after recovery.
        if self.submit(kind.clone(), Priority::Progress).is_ok() {
            self.forward_express(kind);
        }
    }
}

/// Why a workflow of the app failed, for whoever called it.
pub(super) fn own_fault(problem: &Problem) -> Fault {
    match &problem.cause {
        Some(cause) if !cause.r#type.is_empty() => Fault::new(cause.r#type.as_str(), cause.message.as_str()),
        _ => Fault::new(problem.code.to_string(), problem.message.as_str()),
    }
}

/// What tells the runs that a task has started from those that others have, as the request does for clients.
fn asked_by(from: OutboxId, incarnation: u32) -> u128 {
    let OutboxId { run, seq } = from;
    let parts = [run.0.to_le_bytes(), (u64::from(seq) << 32 | u64::from(incarnation)).to_le_bytes()];
    xxhash_rust::xxh3::xxh3_128(&parts.concat())
}

/// What is known of a task, or that it is more than a workflow can be told. A record must take it.
fn within_limits(event: Event) -> Event {
    let (task, bytes) = match &event {
        Event::Succeeded { task, output } | Event::Submitted { task, output } => (*task, output.json_bytes()),
        Event::Failed { task, error, cause, .. } | Event::SubmitFailed { task, error, cause } => {
            (*task, error.len() + cause.len())
        }
        _ => return event,
    };
    if bytes as u64 <= limits::WORKFLOW_VALUE_BYTES_MAX {
        return event;
    }
    let most = limits::WORKFLOW_VALUE_BYTES_MAX;
    let cause = format!("the result of the task has {bytes} bytes; a workflow is handed {most} at most");
    let (error, cause) = ("States.DataLimitExceeded".into(), cause.into());
    Event::Failed { task, error, cause, timed_out: false }
}

fn failed(problem: &Problem) -> Fault {
    Fault::new("States.TaskFailed", &*problem.message)
}

pub(super) fn too_deep() -> Fault {
    let (code, most) = (Code::RUN_LIMIT, limits::WORKFLOW_CALLS_DEEP_MAX);
    Fault::new("States.TaskFailed", format!("{code}: workflows call one another more than {most} deep"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_asl::execution::TaskId;
    use sluice_expression::Value;

    #[test]
    fn a_result_that_no_record_should_take_is_a_failure_of_its_task() {
        let most = limits::WORKFLOW_VALUE_BYTES_MAX as usize;
        let output = |bytes: usize| Value::from("x".repeat(bytes - 2));
        let task = TaskId(7);
        let largest = Event::Succeeded { task, output: output(most) };
        assert_eq!(within_limits(largest.clone()), largest);
        let cause: Arc<str> = "x".repeat(most + 1).into();
        let told = [
            Event::Succeeded { task, output: output(most + 1) },
            Event::Failed { task, error: "".into(), cause, timed_out: false },
        ];
        for event in told {
            let Event::Failed { task: TaskId(7), error, cause, .. } = within_limits(event) else { panic!() };
            assert_eq!(&*error, "States.DataLimitExceeded");
            assert!(cause.len() < 200, "{cause}");
        }
    }
}
