//! What an execution is told when it starts, and how it stands.

use sluice_expression::Value;
use sluice_types::limits::WORKFLOW_VALUE_BYTES_MAX;
use std::sync::Arc;

/// What an execution is told when it starts.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, PartialEq, Eq)]
pub struct Settings {
    /// ARN of the execution.
    pub id: Arc<str>,
    /// Name of the execution.
    pub name: Arc<str>,
    /// ARN of the role it runs as.
    pub role: Arc<str>,
    /// ARN of the state machine.
    pub machine_id: Arc<str>,
    /// By which version or alias of the state machine it was asked for; empty if by none.
    pub machine_qualifier: Arc<str>,
    /// Name of the state machine.
    pub machine_name: Arc<str>,
    /// When it was started, in milliseconds since 1970.
    pub start_ms: u64,
    /// All randomness of the execution comes from it.
    pub seed: u64,
    /// Tells the execution from all others of its place; names of its map runs and their children carry it.
    pub key: u64,
    /// Whether AWS's limits hold: [`PAYLOAD_BYTES_MAX`], [`VARIABLES_BYTES_MAX`], [`HISTORY_EVENTS_MAX`],
    /// [`EXPRESS_SECONDS_MAX`] and those of intrinsic functions.
    pub aws_limits: bool,
    /// Whether it gives history events; express executions do without.
    pub records_history: bool,
    /// What task tokens start with.
    pub token_prefix: Arc<str>,
}

impl Settings {
    /// Whether a history of so many events takes none but the last one.
    pub(super) fn limits(&self, events: u64) -> bool {
        events + 1 >= HISTORY_EVENTS_MAX && self.aws_limits && self.records_history
    }

    /// Largest value that a state may make, in bytes of JSON.
    pub(super) fn payload_bytes_max(&self) -> usize {
        if self.aws_limits { PAYLOAD_BYTES_MAX } else { WORKFLOW_VALUE_BYTES_MAX as usize }
    }

    /// Most that all variables in scope may take, in bytes of JSON.
    pub(super) fn variables_bytes_max(&self) -> usize {
        if self.aws_limits { VARIABLES_BYTES_MAX } else { WORKFLOW_VALUE_BYTES_MAX as usize }
    }

    /// How long the execution may take at most, in seconds.
    pub(super) fn seconds_max(&self) -> Option<u64> {
        (self.aws_limits && !self.records_history).then_some(EXPRESS_SECONDS_MAX)
    }
}

/// Largest input or result of a state under AWS's limits, and most that one `Assign` sets, in bytes of JSON.
pub const PAYLOAD_BYTES_MAX: usize = 262_144;
/// Most that all variables in scope take under AWS's limits, in bytes of JSON.
pub const VARIABLES_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Longest name of an error that a task reports, in characters; the rest is cut.
pub const ERROR_CHARS_MAX: usize = 256;
/// Longest cause of an error that a task reports, in characters; the rest is cut.
pub const CAUSE_CHARS_MAX: usize = 32_768;
/// Most events in a history under AWS's limits.
pub const HISTORY_EVENTS_MAX: u64 = 25_000;

/// Longest time that an express execution takes under AWS's limits, in seconds.
pub const EXPRESS_SECONDS_MAX: u64 = 300;

/// How an execution stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Status {
    /// It goes on.
    #[default]
    Running,
    /// It ended with this output.
    Succeeded {
        /// Of the last state.
        output: Value,
    },
    /// It ended with an error that nothing caught.
    Failed {
        /// Its name, if it has one.
        error: Option<Arc<str>>,
        /// What happened, if that was said.
        cause: Option<Arc<str>>,
    },
    /// It ran longer than `TimeoutSeconds` of the machine.
    TimedOut {
        /// Its name, if it has one.
        error: Option<Arc<str>>,
        /// What happened, if that was said.
        cause: Option<Arc<str>>,
    },
    /// It was stopped.
    Aborted {
        /// As given by who stopped it.
        error: Option<Arc<str>>,
        /// As given by who stopped it.
        cause: Option<Arc<str>>,
    },
}

impl Status {
    /// Whether it goes on.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }

    /// What AWS calls it: `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT`, `ABORTED`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded { .. } => "SUCCEEDED",
            Self::Failed { .. } => "FAILED",
            Self::TimedOut { .. } => "TIMED_OUT",
            Self::Aborted { .. } => "ABORTED",
        }
    }
}
