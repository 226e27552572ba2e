//! A DAG: tasks that are calls of functions, and which of them waits for which.

use crate::calendar::rfc3339;
use crate::id::{FunctionIx, TaskIx};
use crate::program::RetryPolicy;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Tasks and pools.
///
/// Invariants (kept by `frontend::lower`): every index is in range, names are unique per kind, `after` names no task twice,
/// and no task waits for itself, directly or through others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dag {
    /// The tasks.
    pub tasks: Vec<Task>,
    /// The pools.
    pub pools: Vec<Pool>,
    /// When runs of it start by themselves.
    pub schedule: Option<Schedule>,
}

/// When runs start by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five or six fields, as of a cron trigger.
    pub cron: Arc<str>,
    /// IANA time zone.
    pub tz: Arc<str>,
    /// Whether dates that have passed without a run are made up for.
    pub catchup: bool,
    /// The first date that is, in milliseconds since the Unix epoch; that of the first deploy when `None`.
    pub start_ms: Option<u64>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its name, and the key of its result.
    pub name: Arc<str>,
    /// What it calls.
    pub function: FunctionIx,
    /// The tasks that it waits for, its upstream tasks; their results are what it is called with, in this order.
    pub after: Vec<TaskIx>,
    /// In which states of those it runs.
    pub rule: Rule,
    /// What its calls amount to.
    pub kind: TaskKind,
    /// What happens after a failed attempt, if not what the function says.
    pub retry: Option<Box<RetryPolicy>>,
    /// Longest time from its first call to its end, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Of tasks that could start, the one with the highest goes first.
    pub priority: i32,
    /// The pool that its calls take slots of.
    pub pool: Option<u32>,
    /// JSON that its calls get as their first object, ahead of the results.
    pub with: Option<Bytes>,
}

impl Task {
    /// A task with every default.
    pub fn new(name: &str, function: FunctionIx) -> Self {
        Self {
            name: name.into(),
            function,
            after: Vec::new(),
            rule: Rule::default(),
            kind: TaskKind::Call,
            retry: None,
            timeout_ms: None,
            priority: 0,
            pool: None,
            with: None,
        }
    }

    /// Whether it is called once for each element of a list.
    pub fn is_mapped(&self) -> bool {
        matches!(self.kind, TaskKind::Map { .. })
    }
}

/// What the calls of a task amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskKind {
    /// One call, whose result is the task's.
    Call,
    /// One call, whose result names the tasks directly downstream that are to follow.
    Branch,
    /// A call for each element of the list that this upstream task returned.
    Map {
        /// One of `after`.
        over: TaskIx,
    },
    /// A call again and again, until it returns something that is true.
    Sensor {
        /// From the end of one call to the next, in milliseconds.
        interval_ms: u64,
        /// Whether it counts as skipped when it fails.
        soft_fail: bool,
    },
}

/// Calls that run at once within a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: Arc<str>,
    /// How many, at least 1.
    pub slots: u32,
}

/// The id of the run of a scheduled workflow for a date, in milliseconds since the Unix epoch: a date has one run.
pub fn run_id(app: &str, workflow: &str, date_ms: u64) -> String {
    format!("{app}.{workflow}.{}", rfc3339(date_ms).replace(':', "-"))
}

/// In which states of its upstream tasks a task runs. Those that have failed include those whose own upstream tasks have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Rule {
    /// All have succeeded.
    #[default]
    AllSuccess,
    /// All have ended.
    AllDone,
    /// All have failed.
    AllFailed,
    /// One has failed; the others may be under way.
    OneFailed,
    /// One has succeeded; the others may be under way.
    OneSuccess,
    /// All have ended, and none has failed.
    NoneFailed,
    /// All have ended, none has failed, and one has succeeded.
    NoneFailedMinOneSuccess,
    /// Any; it does not wait.
    Always,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::AllSuccess,
        Self::AllDone,
        Self::AllFailed,
        Self::OneFailed,
        Self::OneSuccess,
        Self::NoneFailed,
        Self::NoneFailedMinOneSuccess,
        Self::Always,
    ];

    /// Its name, as Airflow has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllSuccess => "all_success",
            Self::AllDone => "all_done",
            Self::AllFailed => "all_failed",
            Self::OneFailed => "one_failed",
            Self::OneSuccess => "one_success",
            Self::NoneFailed => "none_failed",
            Self::NoneFailedMinOneSuccess => "none_failed_min_one_success",
            Self::Always => "always",
        }
    }

    /// The rule of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
