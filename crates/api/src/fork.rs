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
    /// Why, of the first of them.
    pub why: Vec<Error>,
}
