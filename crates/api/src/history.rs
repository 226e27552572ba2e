//! What happened in a run, and what its functions wrote.

use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/runs/{id}/history`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// What happened, in order.
    pub events: Vec<HistoryEvent>,
    /// The `after` of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// One thing that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEvent {
    /// Position in this history, from 1.
    pub seq: u64,
    /// Opaque position in the log.
    pub lsn: String,
    /// RFC 3339, UTC, with milliseconds.
    pub time: String,
    /// What happened, for example `ObjectPut`.
    pub r#type: String,
    /// Details by name.
    #[serde(flatten)]
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// Answer of `GET /v1/runs/{id}/logs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    /// What is still kept, in order.
    pub lines: Vec<LogLine>,
}

/// What an attempt wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// RFC 3339, UTC, with milliseconds.
    pub time: String,
    /// The function.
    pub function: String,
    /// The invocation's number in its run.
    pub invocation: u32,
    /// The attempt, from 1.
    pub attempt: u32,
    /// `stdout`, `stderr` or `log`.
    pub stream: String,
    /// The text.
    pub text: String,
}

impl LogLine {
    /// The lines of its text, of which there is at least one.
    pub fn lines(&self) -> impl Iterator<Item = &str> + Clone {
        self.text.trim_end_matches('\n').split('\n')
    }
}
