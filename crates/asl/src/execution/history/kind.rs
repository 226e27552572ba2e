//! What a history tells.

use serde::{Deserialize, Serialize};
use sluice_expression::Value;
use std::sync::Arc;

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub enum HistoryKind {
    /// The execution began or came to an end.
    Execution(ExecutionStep),
    /// A state was entered.
    StateEntered {
        /// Its type.
        kind: StateType,
        /// Its name.
        name: Arc<str>,
        /// Its raw input.
        input: Value,
    },
    /// A state was left.
    StateExited {
        /// Its type.
        kind: StateType,
        /// Its name.
        name: Arc<str>,
        /// Its output.
        output: Value,
        /// The variables it set, if any.
        assigned: Option<Value>,
    },
    /// A state was cut short by the failure of a branch or iteration beside it.
    StateAborted {
        /// Its type.
        kind: StateType,
    },
    /// A task went on.
    Task {
        /// What performs it.
        performer: Performer,
        /// How it went on.
        step: TaskStep,
    },
    /// The children of a `Parallel` or `Map` began or came to an end.
    Children {
        /// `Parallel` or `Map`.
        kind: StateType,
        /// Which.
        step: JoinStep,
    },
    /// An iteration of an inline `Map` began or came to an end.
    Iteration {
        /// Which.
        step: JoinStep,
        /// Name of the state.
        name: Arc<str>,
        /// Of the item.
        index: u64,
    },
    /// The map run of a distributed `Map` began or came to an end.
    MapRun(MapRunStep),
    /// A JSONata expression failed.
    EvaluationFailed {
        /// Name of the state.
        state: Arc<str>,
        /// The field, for example `Arguments/x`.
        location: Option<Arc<str>>,
        /// Name of the error.
        error: Arc<str>,
        /// What happened.
        cause: Arc<str>,
    },
}

/// Beginning and end of an execution.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ExecutionStep {
    Started { input: Value, role: Arc<str> },
    Succeeded { output: Value },
    Failed { error: Option<Arc<str>>, cause: Option<Arc<str>> },
    TimedOut { error: Option<Arc<str>>, cause: Option<Arc<str>> },
    Aborted { error: Option<Arc<str>>, cause: Option<Arc<str>> },
    Redriven { count: u32 },
}

/// Type of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum StateType {
    Pass,
    Task,
    Choice,
    Wait,
    Succeed,
    Fail,
    Parallel,
    Map,
}

/// What performs a task.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub enum Performer {
    /// An optimised or SDK integration: `Task…` events.
    Integration {
        /// For example `lambda`.
        kind: Arc<str>,
        /// For example `invoke.waitForTaskToken`.
        action: Arc<str>,
    },
    /// A function by its ARN or name: `LambdaFunction…` events.
    Function {
        /// The ARN or name.
        resource: Arc<str>,
    },
    /// An activity: `Activity…` events.
    Activity {
        /// Its ARN.
        arn: Arc<str>,
    },
}

impl Performer {
    /// What a cause calls it.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Integration { kind, .. } => kind,
            Self::Function { resource } => resource,
            Self::Activity { arn } => arn,
        }
    }
}

/// How a task went on.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TaskStep {
    Scheduled {
        arguments: Value,
        region: Arc<str>,
        timeout_seconds: Option<u64>,
        heartbeat_seconds: Option<u64>,
        role: Option<Arc<str>>,
    },
    Started {
        worker: Option<Arc<str>>,
    },
    Submitted {
        output: Value,
    },
    SubmitFailed {
        error: Option<Arc<str>>,
        cause: Option<Arc<str>>,
    },
    Succeeded {
        output: Value,
    },
    Failed {
        error: Option<Arc<str>>,
        cause: Option<Arc<str>>,
    },
    TimedOut {
        error: Option<Arc<str>>,
        cause: Option<Arc<str>>,
    },
}

/// Beginning and end of what runs side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum JoinStep {
    /// `length`: number of the items of a `Map`.
    Started {
        length: Option<u64>,
    },
    Succeeded,
    Failed,
    Aborted,
}

/// Beginning and end of a map run.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MapRunStep {
    Started { arn: Arc<str> },
    Redriven { arn: Arc<str>, count: u32 },
    Succeeded,
    Failed { error: Option<Arc<str>>, cause: Option<Arc<str>> },
    Aborted,
}
