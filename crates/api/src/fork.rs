//! Runs that begin with the past of another one, and runs that go on on another version.

use crate::Error;
use serde::{Deserialize, Serialize};

/// From where a run has its past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkedFrom {
    /// Id of the other run.
    pub run: String,
    /// The last record of that past.
    pub lsn: String,
}

/// Body of a fork.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// The last record of the past; where the run ended or failed by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Id of the new run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The version of the app; the newest by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// Body of a move.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// The version of the app; the newest by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// What became of runs that were to go on on another version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// How many do.
    pub moved: usize,
    /// How many stay on their version.
    pub stayed: usize,
    /// Why: those that came to the same are told once, by an error with a finding.
    pub why: Vec<Error>,
    /// How many of those that stay came to something that `why` does not tell.
    #[serde(default, skip_serializing_if = "is_none")]
    pub others: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// Runs that do not go on on another version, all for the same reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Id of the first of them.
    pub run: String,
    /// Ids of the first few, with that one.
    pub runs: Vec<String>,
    /// How many they are.
    pub count: usize,
    /// Their workflow.
    pub workflow: String,
    /// `diverged`, `failed`, `workflow_gone`, `cannot_move`, `journal_lost`, `went_on` or `not_recorded`. A client may meet
    /// reasons newer than itself.
    pub reason: String,
}
