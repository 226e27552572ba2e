//! What an execution asks of the world.

use super::history::HistoryEvent;
use sluice_expression::Value;
use std::sync::Arc;

/// What an execution asks and reports, in order.
#[derive(Debug, Default)]
pub struct Output {
    /// What is to be done.
    pub requests: Vec<Request>,
    /// What happened, if the execution records it.
    pub history: Vec<HistoryEvent>,
}

/// One attempt at a task; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct TaskId(pub u64);

/// What is to be done.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, PartialEq, Eq)]
pub enum Request {
    /// Do this, and tell how it ended.
    Perform(Box<TaskRequest>),
    /// The end of this no longer matters; stop it if that is cheap.
    Cancel(TaskId),
}

/// Work to be done.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, PartialEq, Eq)]
pub struct TaskRequest {
    /// Names it in events.
    pub task: TaskId,
    /// What to do.
    pub work: Work,
    /// The token whose holder ends the task: of callbacks and activities.
    pub token: Option<Arc<str>>,
    /// Seconds after which the execution gives up waiting; a hint for who performs it.
    pub timeout_seconds: Option<u64>,
    /// Seconds between heartbeats; a hint for who performs it.
    pub heartbeat_seconds: Option<u64>,
}

/// What to do.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, PartialEq, Eq)]
pub enum Work {
    /// A function of the run's own app.
    Function {
        /// Its name.
        name: Arc<str>,
        /// Its input.
        input: Value,
    },
    /// A workflow of the run's own app.
    Workflow {
        /// Its name.
        name: Arc<str>,
        /// Its input.
        input: Value,
    },
    /// A Lambda function.
    Lambda {
        /// Its name or ARN, with its qualifier if there is one.
        function: Arc<str>,
        /// Its event.
        payload: Value,
        /// Whether it is called through `states:::lambda:invoke`.
        integration: bool,
        /// `InvocationType` is `Event`: done as soon as it is accepted.
        asynchronous: bool,
    },
    /// A worker polls for it.
    Activity {
        /// Its ARN.
        arn: Arc<str>,
        /// What the worker gets.
        input: Value,
    },
    /// Start another execution.
    StartExecution {
        /// Arguments of `StartExecution`.
        arguments: Value,
        /// Whether to wait for its end.
        wait: Wait,
    },
    /// Any other integration.
    Service {
        /// For example `sqs`, `aws-sdk:dynamodb`.
        service: Arc<str>,
        /// For example `sendMessage`.
        action: Arc<str>,
        /// Arguments of the action.
        arguments: Value,
        /// Whether to wait for the end of the job it starts.
        wait: Wait,
    },
    /// Read the items of a distributed Map. The result is an array, or an object.
    ReadItems {
        /// `Resource` of the `ItemReader`.
        resource: Arc<str>,
        /// `ReaderConfig`, with `InputType` and the effective `MaxItems`.
        config: Value,
        /// Arguments of the resource.
        arguments: Value,
    },
    /// Write the results of a distributed Map. The result is `ResultWriterDetails`.
    WriteResults {
        /// `Resource` of the `ResultWriter`.
        resource: Arc<str>,
        /// `WriterConfig`.
        config: Value,
        /// Arguments of the resource.
        arguments: Value,
        /// ARN of the map run.
        map_run: Arc<str>,
        /// What became of its child executions.
        results: MapResults,
    },
}

/// What became of the child executions of a map run: arrays, in the order of their items.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, PartialEq, Eq)]
pub struct MapResults {
    /// Of those that succeeded: records or outputs, as `Transformation` says.
    pub succeeded: Value,
    /// Records of those that failed or were cut short.
    pub failed: Value,
    /// Records of those that were not started, since the map run failed.
    pub pending: Value,
}

/// How long a task that starts a job lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Wait {
    /// Until the request is answered.
    None,
    /// Until the job ends (`.sync`); output of an execution as a string.
    Sync,
    /// Until the job ends (`.sync:2`); output of an execution as JSON.
    Sync2,
}
