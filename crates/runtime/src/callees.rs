//! What lies outside of a run that a workflow calls, as seen by the shard: names that become runs of other apps, queues
//! of activities, and errands that somebody does beside the shard. Whose names these are is not known here.

use crate::api::{NewObject, RunView, WorkflowRequest};
use bytes::Bytes;
use sluice_asl::execution::{Event, TaskId, TaskRequest};
use sluice_engine::OutboxId;
use sluice_expression::Value;
use sluice_types::{RunKey, Version};
use std::sync::Arc;

/// A task of a workflow, for those who report on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskRef {
    /// The run.
    pub run: RunKey,
    /// Which life of an express run; 0 for all others.
    pub incarnation: u32,
    /// The task.
    pub task: TaskId,
    /// The entry of the run's outbox that the first report acknowledges.
    pub from: Option<OutboxId>,
}

/// What does the work of a task.
pub enum Callee {
    /// A run of an app. Its end answers the task.
    Run(Box<CalledRun>),
    /// A run of an app. That it has started answers the task, with this.
    Started(Box<CalledRun>, Value),
    /// Whoever asks for tasks of this activity.
    Activity(Arc<str>),
    /// [`Callees::perform`], beside the shard.
    Errand,
    /// Nobody, for this reason.
    Refused(Fault),
}

/// An error as workflows know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// Its name, for example `Lambda.ResourceNotFoundException`.
    pub error: String,
    /// What happened.
    pub cause: String,
}

impl Fault {
    /// An error of that name.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: error.into(), cause: cause.into() }
    }
}

/// What is reported of a task whose work has come to this.
pub fn ended(task: TaskId, answer: Result<Value, Fault>) -> Event {
    match answer {
        Ok(output) => Event::Succeeded { task, output },
        Err(Fault { error, cause }) => {
            Event::Failed { task, error: error.into(), cause: cause.into(), timed_out: false }
        }
    }
}

/// A run that a task is to become.
#[derive(Clone, Debug, Default)]
pub struct CalledRun {
    /// The app.
    pub app: String,
    /// Its version; the newest when `None`.
    pub version: Option<Version>,
    /// The id of the run; made by the node when `None`.
    pub id: Option<String>,
    /// Objects put at its start.
    pub objects: Vec<NewObject>,
    /// The workflow to start.
    pub workflow: Option<WorkflowRequest>,
    /// Handed back to [`Callees::answer`].
    pub form: u8,
    /// What the task is told if a run that it has not started has this id.
    pub taken: Fault,
}

/// What can be looked up while a name is resolved.
pub trait Directory {
    /// The newest version of an app.
    fn version(&self, app: &str) -> Option<Version>;
    /// A document of an app.
    fn document(&self, app: &str, name: &str) -> Option<Bytes>;
}

/// Finds what does the work of tasks, and makes answers of it. No method blocks.
pub trait Callees: Send + Sync {
    /// What does the work of a task. The same task may be asked about again after a crash.
    fn resolve(&self, request: &TaskRequest, task: TaskRef, directory: &dyn Directory) -> Callee;
    /// What the end of a called run means for the task.
    fn answer(&self, run: &RunView, form: u8, directory: &dyn Directory) -> Result<Value, Fault>;
    /// Does an errand beside the shard, and reports on it by [`crate::NodeHandle::report`].
    fn perform(&self, request: Arc<TaskRequest>, task: TaskRef);
}

/// Workflows of this node reach nothing but functions of their own app.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCallees;

impl Callees for NoCallees {
    fn resolve(&self, _: &TaskRequest, _: TaskRef, _: &dyn Directory) -> Callee {
        let cause = "nothing outside of its own app can be reached from here";
        Callee::Refused(Fault::new("States.TaskFailed", cause))
    }

    fn answer(&self, _: &RunView, _: u8, _: &dyn Directory) -> Result<Value, Fault> {
        Ok(Value::Null)
    }

    fn perform(&self, _: Arc<TaskRequest>, _: TaskRef) {}
}

/// Callees in a configuration that is cloned and printed.
#[derive(Clone)]
pub struct CalleesRef(pub Arc<dyn Callees>);

impl Default for CalleesRef {
    fn default() -> Self {
        Self(Arc::new(NoCallees))
    }
}

impl std::fmt::Debug for CalleesRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("callees")
    }
}
