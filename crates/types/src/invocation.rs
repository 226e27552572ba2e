//! What goes to a sandbox and what comes back.

use crate::event::Event;
use crate::id::{Attempt, FunctionIx, InvocationId};
use crate::object::{ContentType, Object, Payload};
use crate::pack::EventList;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::sync::Arc;

/// What a function is called with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arguments {
    /// One object (`each`, `name`).
    One(Object),
    /// A list of objects (`set`, `batch`, `window`, `first`, `join`, `group`).
    List(Vec<Object>),
    /// An event (event and cron triggers).
    Event(Arc<Event>),
    /// A list of events (`batch`, `window`, `first` over events).
    Events {
        /// How many there are.
        count: u32,
        /// The events. Not written: the app that collected them retains them until the run that they start has ended.
        #[serde(skip)]
        list: Arc<EventList>,
    },
}

impl Arguments {
    /// The objects among the arguments.
    pub fn objects(&self) -> &[Object] {
        match self {
            Self::One(object) => std::slice::from_ref(object),
            Self::List(objects) => objects,
            Self::Event(_) | Self::Events { .. } => &[],
        }
    }
}

/// One attempt at a logical call, ready to be placed in a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The logical call.
    pub id: InvocationId,
    /// Which try this is.
    pub attempt: Attempt,
    /// The function of the run's program.
    pub function: FunctionIx,
    /// What it is called with.
    pub arguments: Arguments,
    /// The group it was started for, by a `group` trigger or a keyed window.
    pub group: Option<Arc<str>>,
}

/// An object that a function puts.
pub type Put = Object;

/// What a function returned; the engine decides bucket and key (semantics: "Return values").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnValue {
    /// How to read the bytes.
    pub content_type: ContentType,
    /// The bytes.
    pub payload: Payload,
}

/// An event that a function emits; the engine gives it id, source and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emission {
    /// CloudEvents `type`.
    pub r#type: Arc<str>,
    /// CloudEvents `subject`.
    pub subject: Option<Arc<str>>,
    /// How to read `data`.
    pub content_type: ContentType,
    /// The payload.
    pub data: bytes::Bytes,
}

/// Objects that a function puts, each in a box: an outcome changes hands often and is small without them.
pub type Puts = SmallVec<[Box<Put>; 1]>;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The function ended by itself.
    Succeeded {
        /// Puts that had not been reported before the end, in order.
        puts: Puts,
        /// The return value, unless `None`.
        value: Option<ReturnValue>,
        /// Events to emit now that it succeeded.
        emits: Vec<Emission>,
    },
    /// It did not.
    Failed(Failure),
    /// It was told to stop, and did.
    Cancelled,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Who is to blame, and whether another attempt can help.
    pub kind: FailureKind,
    /// Name of the exception or of the condition, for example `ValueError`.
    pub r#type: String,
    /// What happened, in a sentence.
    pub message: String,
    /// Stack trace or the last lines of stderr; empty when there is none.
    pub stack: String,
}

/// Classes of failure. Each has one code and one decision about retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FailureKind {
    /// The function raised, trapped or exited with a non-zero status. Retried.
    Raised,
    /// The sandbox died under it (signal, exit, lost connection). Retried.
    Crashed,
    /// It ran longer than its timeout. Retried.
    TimedOut,
    /// It used more memory than its allocation. Retried.
    OutOfMemory,
    /// It returned or put a value that cannot be encoded. Not retried.
    Unserialisable,
    /// It put to a bucket that `into` does not name. Not retried.
    UndeclaredPut,
    /// A retry put other bytes under a key, or the key belongs to another invocation. Not retried.
    Conflict,
    /// The worker broke the protocol. Retried.
    Protocol,
    /// The sandbox could not be started (missing program, import error, missing module). Not retried.
    Unstartable,
    /// A named limit was hit. Not retried.
    Limit,
    /// The code of a workflow, told again what it had been told, did not want what it had wanted. Retried.
    Diverged,
    /// The worker does not have the workflow under way: it has to be told everything. Retried.
    Cold,
}

impl FailureKind {
    /// Whether another attempt can help.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Raised | Self::Crashed | Self::TimedOut | Self::OutOfMemory | Self::Protocol => true,
            Self::Diverged | Self::Cold => true,
            Self::Unserialisable | Self::UndeclaredPut | Self::Conflict | Self::Unstartable | Self::Limit => {
                false
            }
        }
    }
}
