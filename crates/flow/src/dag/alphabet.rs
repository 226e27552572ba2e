//! What an execution is told, what it asks for, and what it reports.

use serde::{Deserialize, Serialize};
use sluice_types::TaskIx;
use std::sync::Arc;

/// The state of a task, as Airflow has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// For its upstream tasks.
    Waiting,
    /// It could start, but for its pool or for those that go first.
    Ready,
    /// It has started.
    Running,
    /// It has succeeded.
    Success,
    /// It has failed.
    Failed,
    /// It has not run, because tasks upstream have failed.
    UpstreamFailed,
    /// It has not run, because its rule or a branch says so.
    Skipped,
}

/// Where a DAG is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not ended.
    Running,
    /// No task that nothing waits for has failed.
    Succeeded,
    /// One has.
    Failed {
        /// The task that failed first.
        first: TaskIx,
    },
}

/// What the world tells an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call succeeded.
    Done {
        /// The task.
        task: TaskIx,
        /// What it returned, as far as it matters here.
        answer: Answer,
    },
    /// A call failed for good.
    Failed {
        /// The task.
        task: TaskIx,
    },
    /// [`Execution::next_deadline`] is reached.
    Timer,
}

/// What a call returned, as far as the kind of its task asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Something.
    Value,
    /// A list of so many elements, for which other tasks are called.
    Elements(u32),
    /// Names of tasks, those that follow a branch.
    Follow(Vec<Arc<str>>),
    /// Nothing that is true: the sensor is to be called again.
    Again,
    /// Not what the task has to return, and why.
    Unusable(Arc<str>),
}

/// What an execution asks and reports, in order.
#[derive(Debug, Default)]
pub struct Output {
    /// What is to be done.
    pub requests: Vec<Request>,
    /// What happened.
    pub lines: Vec<Line>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Call the function of a task, for this element if it is mapped, and tell how it ended.
    Call {
        /// The task.
        task: TaskIx,
        /// The element, from 0.
        element: u32,
    },
    /// The ends of a task's calls no longer matter; stop them.
    Cancel(TaskIx),
    /// No task needs the result of this one any more.
    Release(TaskIx),
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The task.
    pub task: TaskIx,
    /// What happened to it.
    pub happened: Happened,
}

/// What happened to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happened {
    /// Its rule holds; it waits for its pool.
    Ready,
    /// Its first call starts, of so many.
    Started(u32),
    /// It has succeeded.
    Succeeded,
    /// It has failed; why, if that was no failed call.
    Failed(Option<Arc<str>>),
    /// It does not run, because tasks upstream have failed.
    UpstreamFailed,
    /// It does not run; why, if a sensor gave up.
    Skipped(Option<Arc<str>>),
}
