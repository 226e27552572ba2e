//! What a replay came to.

use crate::assignment::Expected;
use crate::result::Tally;
use serde::{Deserialize, Serialize};

/// What was run and checked, and how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Tasks of the recording, each run once.
    pub tasks: u64,
    /// Files that were written, those that were there before included.
    pub files: u64,
    /// Files that were read and checked, each as often as it was.
    pub files_checked: u64,
    /// Bytes of those.
    pub bytes_checked: u64,
    /// From the begin of the first task to the end of the last, in seconds.
    pub makespan_s: f64,
    /// The longest that tasks take which wait for one another, in seconds.
    pub critical_path_s: f64,
    /// Makespan by critical path; `None` if that takes no time.
    pub ratio: Option<f64>,
    /// The factor of all times and sizes.
    pub scale: f64,
}

/// What came out is not what must.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReportFailure {
    /// Something was left out or done twice.
    #[error("{found} {what} were counted instead of {expected}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        expected: u64,
        /// How many were counted.
        found: u64,
    },
    /// Tasks that wait for one another did not, or a clock was set.
    #[error("the makespan of {makespan_s} s is shorter than the critical path of {critical_path_s} s")]
    TooFast {
        /// From the begin of the first task to the end of the last, in seconds.
        makespan_s: f64,
        /// The longest that tasks take which wait for one another, in seconds.
        critical_path_s: f64,
    },
}

impl Report {
    /// The report of what was done.
    ///
    /// # Errors
    /// When that is not what was to be done.
    pub fn of(done: &Tally, expected: &Expected) -> Result<Self, ReportFailure> {
        let counts = [
            ("tasks", expected.tasks, done.tasks),
            ("written files", expected.files, done.files),
            ("read files", expected.reads, done.reads),
            ("read bytes", expected.bytes, done.bytes),
        ];
        if let Some((what, expected, found)) =
            counts.into_iter().find(|(_, expected, found)| expected != found)
        {
            return Err(ReportFailure::Count { what, expected, found });
        }
        let makespan_ns = done.ended_ns.saturating_sub(done.began_ns);
        let (makespan_s, critical_path_s) = (seconds(makespan_ns), seconds(expected.critical_path_ns));
        if makespan_ns < expected.critical_path_ns {
            return Err(ReportFailure::TooFast { makespan_s, critical_path_s });
        }
        Ok(Self {
            tasks: done.tasks,
            files: done.files,
            files_checked: done.reads,
            bytes_checked: done.bytes,
            makespan_s,
            critical_path_s,
            ratio: (critical_path_s > 0.0).then(|| makespan_s / critical_path_s),
            scale: expected.scale,
        })
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_twice_or_too_fast_is_told() {
        let expected =
            Expected { tasks: 3, files: 2, reads: 2, bytes: 9, critical_path_ns: 1_000_000_000, scale: 0.5 };
        let done = Tally { began_ns: 10, ended_ns: 2_000_000_010, tasks: 3, files: 2, reads: 2, bytes: 9 };
        let report = Report::of(&done, &expected).expect("nothing is wrong");
        assert_eq!((report.makespan_s, report.ratio), (2.0, Some(2.0)));
        let said = |done: Tally| Report::of(&done, &expected).expect_err("it is wrong").to_string();
        assert_eq!(said(Tally { tasks: 4, ..done }), "4 tasks were counted instead of 3");
        assert_eq!(said(Tally { bytes: 8, ..done }), "8 read bytes were counted instead of 9");
        let fast = said(Tally { ended_ns: 500_000_010, ..done });
        assert_eq!(fast, "the makespan of 0.5 s is shorter than the critical path of 1 s");
    }
}
