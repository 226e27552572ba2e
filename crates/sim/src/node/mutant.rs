//! Defects put into the world around the shard, to see that the checkers notice. None lives in product code.

use std::fmt;
use std::str::FromStr;

/// One defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// The disk reports syncs of the log that did not happen.
    AckBeforeSync,
    /// Recovery does not know the timers of runs.
    LostTimer,
    /// After a crash the apps are older than the rest of the store: what they fired since, they fire again.
    DoubledFiring,
    /// After a crash the store is an older one.
    StaleStore,
    /// A crash takes the last synced write to the log with it.
    DroppedRecord,
    /// Releasing an object takes the one stored last as well.
    EarlyRelease,
    /// What an abandoned attempt reports counts as a report of the attempt after it.
    StaleCompletion,
    /// Recovery does not know which runs wait for something.
    ForgottenOutbox,
    /// The checkpoint says that it holds more of the log than it does.
    WrongCheckpoint,
    /// A crash takes a run out of the store.
    ForgottenRun,
    /// An errand is handed out again whose report was accepted.
    RepeatedErrand,
    /// A report that is made twice counts as one of a later task of its run as well.
    MisdirectedReport,
    /// A worker that lost a workflow is not told of a command that the code has wanted.
    ForgottenCommand,
    /// A workflow is not told of a signal.
    UntoldNews,
    /// A command that is put twice in a turn counts twice.
    RepeatedCommand,
    /// What a call returns is told of another one of its workflow.
    MisdirectedReturn,
    /// What a task of a DAG returns is told of another one.
    MisdirectedResult,
    /// A list that a task of a DAG returns loses its last element.
    TruncatedList,
    /// A task of a DAG that has failed for good counts as one that has returned nothing.
    SilencedFailure,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::AckBeforeSync,
        Self::LostTimer,
        Self::DoubledFiring,
        Self::StaleStore,
        Self::DroppedRecord,
        Self::EarlyRelease,
        Self::StaleCompletion,
        Self::ForgottenOutbox,
        Self::WrongCheckpoint,
        Self::ForgottenRun,
        Self::RepeatedErrand,
        Self::MisdirectedReport,
        Self::ForgottenCommand,
        Self::UntoldNews,
        Self::RepeatedCommand,
        Self::MisdirectedReturn,
        Self::MisdirectedResult,
        Self::TruncatedList,
        Self::SilencedFailure,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::AckBeforeSync => "ack-before-sync",
            Self::LostTimer => "lost-timer",
            Self::DoubledFiring => "doubled-firing",
            Self::StaleStore => "stale-store",
            Self::DroppedRecord => "dropped-record",
            Self::EarlyRelease => "early-release",
            Self::StaleCompletion => "stale-completion",
            Self::ForgottenOutbox => "forgotten-outbox",
            Self::WrongCheckpoint => "wrong-checkpoint",
            Self::ForgottenRun => "forgotten-run",
            Self::RepeatedErrand => "repeated-errand",
            Self::MisdirectedReport => "misdirected-report",
            Self::ForgottenCommand => "forgotten-command",
            Self::UntoldNews => "untold-news",
            Self::RepeatedCommand => "repeated-command",
            Self::MisdirectedReturn => "misdirected-return",
            Self::MisdirectedResult => "misdirected-result",
            Self::TruncatedList => "truncated-list",
            Self::SilencedFailure => "silenced-failure",
        }
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mutant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mutant| mutant.name() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.into_iter().map(Self::name).collect();
            format!("there is no mutant {name:?}; there are: {}", names.join(", "))
        })
    }
}
