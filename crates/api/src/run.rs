//! Runs: starting, watching and listing them.

use crate::error::{Cause, Error};
use crate::value::Value;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has not ended.
    Running,
    /// It ended, and its outputs are there.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// It was told to stop.
    Cancelled,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 4] = [Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The status as JSON and query parameters write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the run has ended.
    pub fn has_ended(self) -> bool {
        self != Self::Running
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Body of `POST /v1/apps/{app}/runs`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The run's id; made by the server when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Objects put at the start, by bucket and key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub objects: BTreeMap<String, BTreeMap<String, Value>>,
    /// The object `input` of the reserved bucket `input`. JSON `null` is an input too.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub input: Option<Value>,
    /// The workflow to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// An event that only this run sees, delivered at its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<StartEvent>,
    /// Whether those objects are all.
    #[serde(default = "yes")]
    pub seal: bool,
}

impl Default for Start {
    fn default() -> Self {
        Self { id: None, objects: BTreeMap::new(), input: None, workflow: None, event: None, seal: true }
    }
}

fn yes() -> bool {
    true
}

/// Tells a member that is `null` from one that is absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// An event given with a start: CloudEvents attributes, of which only `type` is needed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartEvent {
    /// CloudEvents `type`.
    pub r#type: String,
    /// CloudEvents `id`; by default the run's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// CloudEvents `source`; by default `/sluice/start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// CloudEvents `subject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// CloudEvents `time`, RFC 3339; by default the time of acceptance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// Body of `POST /v1/runs/{id}/queries/{name}` and `…/updates/{name}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Names an update: the same again asks nothing new. Made by the server when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What comes with it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub value: Option<Value>,
}

/// What the workflow of a run answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// Id of the update; absent of a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<String>,
    /// Whether there is an answer.
    pub status: ReplyStatus,
    /// The answer, encoded as [`Value`] says.
    pub result: Option<Box<RawValue>>,
    /// Its content type.
    pub result_type: Option<String>,
    /// What the workflow raised.
    pub error: Option<Cause>,
}

/// Whether there is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplyStatus {
    /// Not yet.
    Pending,
    /// Yes.
    Done,
    /// The workflow raised, or ended before.
    Failed,
}

/// A run in short: answer to a start, seal, cancel or retry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// Its id.
    pub run: String,
    /// Where it is in its life.
    pub status: Status,
    /// What has failed in it and is tried again, the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retrying: Vec<Retrying>,
}

impl RunState {
    /// A run that has only just begun.
    pub fn begun(run: String) -> Self {
        Self { run, status: Status::Running, retrying: Vec::new() }
    }
}

/// A run. While it runs, and in lists, it has no outputs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub run: String,
    /// Its app.
    pub app: String,
    /// The version of the app that it keeps.
    pub version: u32,
    /// Where it is in its life.
    pub status: Status,
    /// Its outputs by key, encoded as [`Value`] says.
    pub outputs: BTreeMap<String, Box<RawValue>>,
    /// Their content types by key.
    pub output_types: BTreeMap<String, String>,
    /// Why it failed or was cancelled.
    pub error: Option<Error>,
    /// From start to end, or to now while it runs, in milliseconds.
    pub duration_ms: u64,
    /// When it started: RFC 3339, UTC.
    #[serde(default)]
    pub started_at: String,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<String>,
    /// Whether clients may put no more.
    #[serde(default)]
    pub sealed: bool,
    /// How often an express run was begun anew after a crash.
    #[serde(default)]
    pub incarnation: u32,
    /// Its functions, in the order of the program.
    #[serde(default)]
    pub functions: Vec<FunctionCounts>,
    /// Calls of functions and turns of workflows that failed and are tried again, the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retrying: Vec<Retrying>,
    /// The run whose past its workflow has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<crate::ForkedFrom>,
    /// What was under way, of a run as it was at a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<crate::RunAt>,
}

/// A call of a function, or a turn of a workflow, that failed and is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retrying {
    /// The function or the workflow.
    pub function: String,
    /// Its number in the run.
    pub invocation: u32,
    /// Attempts that failed.
    pub attempts: u32,
    /// When the next one is due: RFC 3339, UTC; `null` when it is under way.
    pub next_attempt_at: Option<String>,
    /// Why the last one failed.
    pub error: Cause,
}

/// Invocations of one function of a run, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCounts {
    /// The function.
    pub function: String,
    /// Invocations created.
    pub started: u32,
    /// Those that succeeded.
    pub succeeded: u32,
    /// Those that ran out of attempts.
    pub failed: u32,
    /// Those that were stopped.
    pub cancelled: u32,
    /// Attempts beyond each first.
    pub retried: u32,
    /// Attempts in a sandbox now.
    pub running: u32,
    /// Invocations that wait for a sandbox or for their next attempt.
    pub queued: u32,
}

/// Answer of `GET /v1/runs`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunList {
    /// Runs, newest first.
    pub runs: Vec<Run>,
    /// The `cursor` of the next page; `null` on the last.
    pub next: Option<String>,
}

/// Answer of `POST /v1/events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsAccepted {
    /// Events taken in.
    pub accepted: usize,
    /// Events known already, by source and id.
    pub duplicates: usize,
}
