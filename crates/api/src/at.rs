//! How a run was right after a record.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was under way in a run right after a record. Lists name the first 1,000.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAt {
    /// The record that was asked for.
    pub lsn: String,
    /// How many lines its history had.
    pub lines: u64,
    /// When the last of them came to be: RFC 3339, UTC.
    pub time: String,
    /// How many objects it had.
    pub objects: u64,
    /// Calls of functions that were not done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallAt>,
    /// Where its workflow was, if that is code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<CodeAt>,
    /// The states that it was in, if its workflow is a state machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<StateAt>,
    /// What had last happened to the tasks of its DAG.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<String, String>,
}

/// A call of a function that was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallAt {
    /// Its number in the run.
    pub invocation: u32,
    /// The function.
    pub function: String,
    /// Attempts that had failed.
    pub failed: u32,
    /// When the next one was due: RFC 3339, UTC; `null` when it was under way.
    pub next_attempt_at: Option<String>,
}

/// Where code was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeAt {
    /// How many commands it had wanted.
    pub commands: u64,
    /// Those that were not done.
    pub waiting: Vec<CommandAt>,
    /// What had happened since it was last told something that made it want anything.
    pub news: Vec<NewsAt>,
    /// Updates without an answer.
    pub updates: Vec<String>,
    /// The command that had ended it.
    pub end: Option<String>,
}

/// A command that was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAt {
    /// Its number, from 0; messages, and what is printed for people, count from 1.
    pub command: u64,
    /// What it wanted.
    pub what: String,
    /// Since when: RFC 3339, UTC.
    pub since: String,
    /// When it was done by itself, of a sleep: RFC 3339, UTC.
    pub due: Option<String>,
}

/// Something that had happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewsAt {
    /// When: RFC 3339, UTC.
    pub time: String,
    /// What.
    pub what: String,
}

/// A state that a machine was in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateAt {
    /// Its name.
    pub state: String,
    /// Since when: RFC 3339, UTC.
    pub since: String,
}
