//! The lines of a rehearsal: one request as JSON, one answer as JSON, in turn. Both are objects with one member, named
//! after what they are: `{"seal": "run_1"}`, `{"done": null}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use sluice_engine::Status;
use sluice_runtime::api::{FunctionView, HistoryView};
use sluice_types::object::Meta;
use sluice_types::{ContentType, Failure, Problem};
use std::sync::Arc;

/// What the client asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Makes this definition the app. Answered by `done`.
    Deploy(Box<RawValue>),
    /// Starts a run. Answered by `started`.
    Start(Start),
    /// Puts an object into a run, or into the app. Answered by `done`.
    Put {
        /// The run; the app without one.
        run: Option<String>,
        /// What to put.
        object: Object,
    },
    /// Says that a run has all its inputs. Answered by `done`.
    Seal(String),
    /// Cancels a run. Answered by `done`.
    Cancel(String),
    /// Sends an event. Answered by `done`.
    Event(Event),
    /// Asks for a run. Answered by `run`.
    Run(String),
    /// Asks for the ids of all runs, oldest first. Answered by `runs`.
    Runs(()),
    /// Asks what happened in a run. Answered by `history`.
    History(String),
    /// Asks for the next call. Answered by `call` or `idle`.
    Next(Next),
    /// The call of this number, of a function that is a workflow, is to become a run. Answered by `heard`.
    Passed(u64),
    /// The call that is being made puts an object. Answered by `heard`.
    PutBy {
        /// Number of the call.
        call: u64,
        /// What it puts.
        object: Object,
    },
    /// The call that was being made has ended. Answered by `heard`.
    Completed {
        /// Number of the call.
        call: u64,
        /// How it ended.
        outcome: Outcome,
    },
}

/// What the client is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done.
    Done(()),
    /// The id of a run.
    Started(String),
    /// A run as it stands.
    Run(Box<Run>),
    /// Ids of runs.
    Runs(Vec<Arc<str>>),
    /// Everything that happened in a run.
    History(Vec<HistoryView>),
    /// A call to make; time stands still until it has ended.
    Call(Box<Call>),
    /// Nothing to call.
    Idle(Idle),
    /// A report about a call was taken in.
    Heard {
        /// Whether the call should stop: its result is no longer wanted.
        stopped: bool,
    },
    /// The request was refused, for all these reasons.
    Refused(Vec<Problem>),
}

/// Bytes and how to read them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// The media type.
    pub content_type: String,
    /// The bytes.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub base64: Bytes,
}

impl Data {
    pub(crate) fn new(content_type: &ContentType, base64: Bytes) -> Self {
        Self { content_type: content_type.as_str().to_owned(), base64 }
    }

    pub(crate) fn content_type(&self) -> ContentType {
        ContentType::parse(&self.content_type)
    }
}

fn to_base64<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map(Bytes::from).map_err(serde::de::Error::custom)
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Name of its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub data: Data,
    /// The group it is put with.
    #[serde(default)]
    pub group: Option<Arc<str>>,
    /// Free attributes.
    #[serde(default)]
    pub meta: Option<Arc<Meta>>,
}

/// An event. What is absent when it is sent is made up: a number as id, the time of acceptance as time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// CloudEvents `id`.
    pub id: Option<String>,
    /// CloudEvents `source`.
    pub source: Option<String>,
    /// CloudEvents `type`.
    pub r#type: String,
    /// CloudEvents `subject`.
    pub subject: Option<Arc<str>>,
    /// CloudEvents `time`, in milliseconds since the Unix epoch.
    pub time_ms: Option<u64>,
    /// The payload.
    pub data: Option<Data>,
    /// The only run that hears it.
    #[serde(default)]
    pub run: Option<Arc<str>>,
}

/// A start.
#[derive(Debug, Deserialize)]
pub struct Start {
    /// The run's id; made up when absent.
    pub id: Option<String>,
    /// What it starts with.
    #[serde(default)]
    pub objects: Vec<Object>,
    /// An event that only this run hears.
    pub event: Option<Event>,
    /// Whether those objects are all.
    pub seal: bool,
    /// The workflow that it runs.
    #[serde(default)]
    pub workflow: Option<String>,
}

/// How far time may go until there is something to call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Next {
    /// No further than this, in milliseconds since the Unix epoch; without it time stands still.
    pub until_ms: Option<u64>,
    /// No further than the end of this run, nor than the last timer.
    pub run: Option<String>,
}

/// Why there is nothing to call.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Idle {
    /// The time, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// When the next timer is due.
    pub next_ms: Option<u64>,
}

/// One attempt to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Number of the call, for reports about it.
    pub call: u64,
    /// The run.
    pub run: Arc<str>,
    /// The function.
    pub function: Arc<str>,
    /// The invocation's number in its run.
    pub invocation: u32,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The group it was started for.
    pub group: Option<Arc<str>>,
    /// The time, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// What the function is called with.
    pub arguments: Arguments,
}

/// What a function is called with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// One object.
    One(Object),
    /// A list of objects.
    List(Vec<Object>),
    /// An event.
    Event(Event),
    /// A list of events.
    Events(Vec<Event>),
}

/// How a call ended.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// By itself.
    Succeeded {
        /// What it returned, unless nothing.
        value: Option<Data>,
        /// What it emits.
        #[serde(default)]
        emits: Vec<Emission>,
    },
    /// With a failure.
    Failed(Failure),
    /// It was told to stop, and did.
    Cancelled,
}

/// An event that a function emits.
#[derive(Debug, Deserialize)]
pub struct Emission {
    /// CloudEvents `type`.
    pub r#type: Arc<str>,
    /// CloudEvents `subject`.
    pub subject: Option<Arc<str>>,
    /// The payload.
    pub data: Data,
}

/// A run.
#[derive(Debug, Serialize)]
pub struct Run {
    /// Its id.
    pub run: Arc<str>,
    /// Where it is in its life.
    pub status: Status,
    /// Whether clients may put no more.
    pub sealed: bool,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Its outputs, once it has ended.
    pub outputs: Vec<Object>,
    /// Why it failed or was cancelled.
    pub error: Option<Problem>,
    /// Its functions, in the program's order.
    pub functions: Vec<FunctionView>,
}
