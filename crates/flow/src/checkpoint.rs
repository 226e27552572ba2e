//! Where a worker begins that has lost a workflow, if the code has said so.

use serde::{Deserialize, Serialize};
use sluice_types::{Object, Payload, Program, ReturnValue};

/// The last checkpoint of a workflow. What was told and wanted before it is not needed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The command that it is.
    pub command: u64,
    /// Entries that the code had been told by then, in all.
    pub entries: u64,
    /// The time that it was for the code, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Entries that were told before the turn in which it was taken.
    pub before_turn: u64,
}

impl Checkpoint {
    /// What a worker is told first: which command it begins after, how much the code had been told, and the value of that
    /// command, as the worker gave it.
    pub(crate) fn to_object(self, value: Option<ReturnValue>) -> Object {
        let key = format!("checkpoint {} {}", self.command, self.entries);
        object(key, value)
    }
}

/// An argument of a turn.
pub(crate) fn object(key: String, value: Option<ReturnValue>) -> Object {
    let (content_type, payload) = match value {
        Some(ReturnValue { content_type, payload }) => (content_type, payload),
        None => (Default::default(), Payload::Inline(Default::default())),
    };
    Object { bucket: Program::INPUT, key: key.into(), content_type, payload, group: None, meta: None }
}
