//! What the world tells an execution.

use super::TaskId;
use sluice_expression::Value;
use std::sync::Arc;

/// What the world tells an execution. An event of a task that is no longer waited for changes nothing.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, PartialEq)]
pub enum Event {
    /// Time has passed: [`super::Execution::next_deadline`] is reached.
    Timer,
    /// Work that ends by a callback or a job's end was handed over. Of a callback, the end of the work itself.
    Submitted {
        /// Which.
        task: TaskId,
        /// What the service answered.
        output: Value,
    },
    /// Work could not be handed over.
    SubmitFailed {
        /// Which.
        task: TaskId,
        /// Name of the error.
        error: Arc<str>,
        /// What happened.
        cause: Arc<str>,
    },
    /// A worker took up an activity.
    Started {
        /// Which.
        task: TaskId,
        /// Name of the worker, if it gave one.
        worker: Option<Arc<str>>,
    },
    /// A worker is still at it.
    Heartbeat {
        /// Which.
        task: TaskId,
    },
    /// A task has its result.
    Succeeded {
        /// Which.
        task: TaskId,
        /// The result; of `lambda:invoke`, the payload alone.
        output: Value,
    },
    /// A task failed. `States.Runtime` says that it could not be made out what is to be done: nothing catches that.
    Failed {
        /// Which.
        task: TaskId,
        /// Name of the error; empty when the worker gave none.
        error: Arc<str>,
        /// What happened; empty when the worker gave none.
        cause: Arc<str>,
        /// Whether it ran out of time where it was performed.
        timed_out: bool,
    },
    /// `StopExecution`.
    Stop {
        /// As given.
        error: Option<Arc<str>>,
        /// As given.
        cause: Option<Arc<str>>,
    },
    /// `RedriveExecution`: go on from the states that did not succeed.
    Redrive,
    /// `UpdateMapRun`: what is `None` stays.
    UpdateMapRun {
        /// Number of the map run, from 0.
        run: u32,
        /// 0 is no limit of its own.
        max_concurrency: Option<u64>,
        /// Failures that are tolerated.
        tolerated_failure_count: Option<u64>,
        /// Percentage of failures that is tolerated.
        tolerated_failure_percentage: Option<f64>,
    },
}
