//! What comes of a check of runs under way, and of moves to another version.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Most findings that a report tells apart; runs beyond them are only counted.
pub const FINDINGS_MAX: usize = 20;
/// Most runs that a finding names; the others are only counted.
pub const FINDING_RUNS_MAX: usize = 5;

/// What came out when the code of a new version was told what runs were told that are under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Runs that were checked.
    pub checked: usize,
    /// Those that go on on the version, if that was asked for.
    pub moved: usize,
    /// Those with which it could not go on, the ones that came to the same together: the first [`FINDINGS_MAX`].
    pub found: Vec<Finding>,
    /// How many more there are, which came to something else.
    pub others: usize,
}

impl CheckReport {
    /// Runs with which it could not go on.
    pub fn stayed(&self) -> usize {
        self.found.iter().map(|found| found.count).sum::<usize>() + self.others
    }

    /// Takes in a run with which it could not go on.
    pub fn add(&mut self, run: &str, why: Unreplayable) {
        let is_full = self.found.len() == FINDINGS_MAX;
        match self.found.iter_mut().find(|found| found.why == why) {
            Some(found) => found.add(run),
            None if is_full => self.others += 1,
            None => self.found.push(Finding { why, runs: vec![run.to_owned()], count: 1 }),
        }
    }
}

/// Runs that came to the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// To what.
    pub why: Unreplayable,
    /// Their ids, the first [`FINDING_RUNS_MAX`].
    pub runs: Vec<String>,
    /// How many they are.
    pub count: usize,
}

impl Finding {
    fn add(&mut self, run: &str) {
        self.count += 1;
        if self.runs.len() < FINDING_RUNS_MAX {
            self.runs.push(run.to_owned());
        }
    }
}

/// Why new code could not go on with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreplayable {
    /// The run's workflow.
    pub workflow: String,
    /// In a word.
    pub reason: Reason,
    /// In a sentence, which does not name the run: the first difference, if there is one.
    pub message: String,
    /// What the code raised, if it did; empty otherwise.
    pub error: String,
    /// Where in the code; empty if it is not about the code.
    pub stack: String,
    /// What can be done about it.
    pub fix: String,
}

/// Why a run does not go on on another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Told what the run was told, the code wants something else.
    Diverged,
    /// The code could not be told: it does not load, it crashed, or took too long.
    Failed,
    /// The version does not have the workflow.
    WorkflowGone,
    /// The version lacks something else that the run stands on, or the run cannot be moved at all.
    CannotMove,
    /// What the run was told cannot be read.
    JournalLost,
    /// The run went on each time that it was checked.
    WentOn,
    /// It could go on, but that could not be recorded.
    NotRecorded,
}

impl Reason {
    /// As JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Diverged => "diverged",
            Self::Failed => "failed",
            Self::WorkflowGone => "workflow_gone",
            Self::CannotMove => "cannot_move",
            Self::JournalLost => "journal_lost",
            Self::WentOn => "went_on",
            Self::NotRecorded => "not_recorded",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_findings_are_one_and_what_is_kept_is_bounded() {
        let why = |message: usize| Unreplayable {
            workflow: "flow".into(),
            reason: Reason::Diverged,
            message: message.to_string(),
            error: String::new(),
            stack: String::new(),
            fix: String::new(),
        };
        let mut report = CheckReport::default();
        (0..5_000).for_each(|run| report.add(&format!("r{run}"), why(0)));
        let runs = ["r0", "r1", "r2", "r3", "r4"].map(String::from).to_vec();
        assert_eq!(report.found, [Finding { why: why(0), runs, count: 5_000 }]);
        (1..FINDINGS_MAX + 7).for_each(|kind| report.add("s", why(kind)));
        assert_eq!((report.found.len(), report.others), (FINDINGS_MAX, 7));
        report.add("t", why(3));
        assert_eq!((report.found[3].count, report.stayed()), (2, 5_000 + FINDINGS_MAX + 7));
    }
}
