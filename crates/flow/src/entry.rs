//! What a workflow is told.

use serde::{Deserialize, Serialize};
use sluice_types::{ContentType, Object, Payload, Program, ReturnValue};
use std::fmt;
use std::sync::Arc;

/// One thing that has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in milliseconds since the Unix epoch: the time that it is for the code from then on.
    pub at_ms: u64,
    /// What.
    pub news: News,
    /// What comes with it: an input, a result, an error as JSON, the data of a signal.
    pub value: Option<ReturnValue>,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// The workflow starts, with its input.
    Started,
    /// What this command asked for is done.
    Done(u64),
    /// What this command asked for failed for good.
    Failed(u64),
    /// A signal of this name.
    Signal(Arc<str>),
    /// Somebody wants the workflow to end.
    Cancelled,
    /// Somebody asks the code to do something and waits for its answer.
    Update {
        /// Names it in the answer.
        id: Arc<str>,
        /// What is asked for.
        name: Arc<str>,
    },
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("start"),
            Self::Done(command) => write!(f, "done {command}"),
            Self::Failed(command) => write!(f, "failed {command}"),
            Self::Signal(name) => write!(f, "signal {name}"),
            Self::Cancelled => f.write_str("cancel"),
            Self::Update { id, name } => write!(f, "update {id} {name}"),
        }
    }
}

impl Entry {
    /// The entry without its value if it is of a command before this one: whoever begins there does not know that command.
    pub(crate) fn since(self, first: u64) -> Self {
        match self.news {
            News::Done(command) | News::Failed(command) if command < first => Self { value: None, ..self },
            _ => self,
        }
    }

    /// The entry as a worker gets it: one record, whose key says when and what.
    pub fn to_object(&self) -> Object {
        let (content_type, payload) = match &self.value {
            Some(value) => (value.content_type.clone(), value.payload.clone()),
            None => (ContentType::Bytes, Payload::Inline(Default::default())),
        };
        let key = format!("{} {}", self.at_ms, self.news).into();
        Object { bucket: Program::INPUT, key, content_type, payload, group: None, meta: None }
    }
}

/// What comes before the entries of a turn: the turn that the worker must have seen last, if it is to go on from there;
/// this one's number, none for a question that changes nothing; and what the code's chance follows from.
pub fn head(after: Option<u32>, turn: Option<u32>, seed: u64) -> Object {
    let after = after.map_or_else(|| "-".to_owned(), |after| after.to_string());
    let (content_type, payload) = (ContentType::Bytes, Payload::Inline(Default::default()));
    let key = match turn {
        Some(turn) => format!("turn {after} {turn} {seed}"),
        None => format!("query {after} - {seed}"),
    };
    let key = key.into();
    Object { bucket: Program::INPUT, key, content_type, payload, group: None, meta: None }
}
