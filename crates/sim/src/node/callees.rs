//! What workflows call outside of their runs, as their node resolves it: executions of other apps, somebody who reports,
//! workers of an activity.

use sluice_asl::execution::{TaskRequest, Work};
use sluice_engine::Status;
use sluice_expression::Value;
use sluice_runtime::api::{RunView, WorkflowRequest};
use sluice_runtime::callees::{CalledRun, Callee, Callees, Directory, Fault, TaskRef};
use std::sync::{Arc, Mutex, PoisonError};

/// The answer to an execution that was called.
const EXECUTION: u8 = 0;

/// A task that somebody outside is to end.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    pub task: TaskRef,
    pub request: Arc<TaskRequest>,
}

/// Finds callees, and keeps what is to be done outside until the world takes it.
#[derive(Default)]
pub(super) struct SimCallees {
    errands: Mutex<Vec<Errand>>,
    /// Tasks of runs whose callback somebody has to give.
    callbacks: Mutex<Vec<Errand>>,
}

impl SimCallees {
    /// Errands since the last call.
    pub fn take_errands(&self) -> Vec<Errand> {
        std::mem::take(&mut *self.errands.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs that were called for which somebody gives a callback, since the last call.
    pub fn take_callbacks(&self) -> Vec<Errand> {
        std::mem::take(&mut *self.callbacks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn called(app: &str, workflow: &str, input: &Value) -> Callee {
    let workflow =
        WorkflowRequest { name: workflow.to_owned(), input: Some(input.to_json().into()), execution: None };
    let called = CalledRun { app: app.to_owned(), workflow: Some(workflow), ..CalledRun::default() };
    Callee::Run(Box::new(CalledRun { form: EXECUTION, ..called }))
}

impl Callees for SimCallees {
    fn resolve(&self, request: &TaskRequest, task: TaskRef, _: &dyn Directory) -> Callee {
        match &request.work {
            Work::Activity { .. } => Callee::Activity("work".into()),
            Work::Service { .. } => Callee::Errand,
            Work::Lambda { payload, .. } => {
                let errand = Errand { task, request: Arc::new(request.clone()) };
                self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).push(errand);
                called(super::apps::CALLED_APP, super::apps::ECHO, payload)
            }
            Work::StartExecution { arguments, .. } => {
                let machine = arguments.get("StateMachineArn").and_then(Value::as_str).unwrap_or_default();
                let (app, workflow) = machine.split_once('/').unwrap_or_default();
                called(app, workflow, arguments.get("Input").unwrap_or(&Value::Null))
            }
            work => {
                let cause = format!("nobody does {work:?}");
                Callee::Refused(Fault::new("States.Runtime", cause))
            }
        }
    }

    fn answer(&self, run: &RunView, _: u8, _: &dyn Directory) -> Result<Value, Fault> {
        let output = run.outputs.first().filter(|_| run.status == Status::Succeeded);
        let output = output.and_then(|output| Value::parse(&output.bytes).ok());
        let failed = || Fault::new("States.TaskFailed", format!("{:?}", run.status));
        Ok(Value::fields([("Output", output.ok_or_else(failed)?)]))
    }

    fn perform(&self, request: Arc<TaskRequest>, task: TaskRef) {
        self.errands.lock().unwrap_or_else(PoisonError::into_inner).push(Errand { task, request });
    }
}
