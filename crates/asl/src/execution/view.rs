//! What can be seen of events and requests from outside.

use super::{Event, TaskId, TaskRequest, Work};
use sluice_expression::Value;

impl Event {
    /// The task that it is about; `None` when it is about the whole execution.
    pub fn task(&self) -> Option<TaskId> {
        match self {
            Self::Submitted { task, .. }
            | Self::SubmitFailed { task, .. }
            | Self::Started { task, .. }
            | Self::Heartbeat { task }
            | Self::Succeeded { task, .. }
            | Self::Failed { task, .. } => Some(*task),
            Self::Timer | Self::Stop { .. } | Self::Redrive | Self::UpdateMapRun { .. } => None,
        }
    }
}

// No event has a percentage that is not a number.
impl Eq for Event {}

impl TaskRequest {
    /// What whoever does the work gets as its input.
    pub fn input(&self) -> &Value {
        match &self.work {
            Work::Function { input, .. } | Work::Workflow { input, .. } | Work::Activity { input, .. } => {
                input
            }
            Work::Lambda { payload, .. } => payload,
            Work::StartExecution { arguments, .. }
            | Work::Service { arguments, .. }
            | Work::ReadItems { arguments, .. }
            | Work::WriteResults { arguments, .. } => arguments,
        }
    }
}
