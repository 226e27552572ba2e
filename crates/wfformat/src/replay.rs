//! A recording at a scale: tasks in the form in which they are run.
//!
//! Beside the tasks of the recording there are two kinds of others. Files that were there before are put there by *stages*,
//! one for all files that the same tasks read: so nobody is handed a byte that it does not read. And a *report* waits for
//! all tasks that nobody waits for.

use crate::assignment::Expected;
use crate::plan::{Node, Plan};
use crate::recording::Recording;

/// Name of the last task, and so the key of what it returns.
pub const REPORT: &str = "report";

/// Fewest workers: while some write what they have done, others go on.
const WORKERS_MIN: u64 = 4;

/// Most workers: each is a process.
const WORKERS_MAX: u64 = 500;

/// About what starting a worker takes of a core, in nanoseconds. Waiting that is shorter is not worth one.
const WORKER_NS: u64 = 10_000_000;

/// Longest time of all tasks, one after the other, in seconds (100 years).
const SECONDS_MAX: f64 = 100.0 * 366.0 * 86_400.0;

/// Most bytes of all files (16 TiB).
const BYTES_MAX: f64 = (16_u64 << 40) as f64;

/// A recording at a scale.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The tasks of the recording, the stages, and the report.
    pub tasks: Vec<ReplayedTask>,
    /// What it must come to.
    pub expected: Expected,
    /// How many workers are worth having.
    pub workers: u32,
    /// The longest that a task takes, in nanoseconds.
    pub longest_ns: u64,
    /// Bytes of all results.
    pub bytes: u64,
}

/// A task of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedTask {
    /// Its name: for a task of the recording its id, unless that is taken.
    pub name: String,
    /// The tasks whose results it gets, in the order of its assignment.
    pub after: Vec<usize>,
    /// What it is told, as JSON.
    pub assignment: String,
}

impl Replay {
    /// The replay of a recording: all its times and sizes by this factor.
    ///
    /// # Errors
    /// When the factor is no number from 0 on, or makes more of the recording than can be run.
    pub fn of(recording: &Recording, scale: f64) -> Result<Self, Oversize> {
        if !(0.0..f64::INFINITY).contains(&scale) {
            return Err(Oversize::Scale(scale));
        }
        let seconds = scale * recording.tasks.iter().map(|task| task.seconds).sum::<f64>();
        if seconds > SECONDS_MAX {
            return Err(Oversize::Seconds(seconds));
        }
        let bytes = scale * recording.files.iter().map(|file| file.bytes).sum::<f64>();
        if bytes > BYTES_MAX {
            return Err(Oversize::Bytes(bytes));
        }
        let plan = Plan::of(recording, scale);
        let upstream = plan.all_upstream();
        let expected = plan.expected(&upstream);
        let tasks = plan.nodes.iter().zip(upstream).map(|(node, upstream)| node.task(upstream, expected));
        let runs = plan.nodes.iter().filter_map(Node::nanos);
        Ok(Self {
            tasks: tasks.collect(),
            workers: workers(plan.schedule()),
            longest_ns: runs.max().unwrap_or(0),
            bytes: plan.nodes.iter().map(Node::bytes).sum(),
            expected,
        })
    }
}

/// Why a recording cannot be run at a scale.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Oversize {
    /// It is no scale.
    #[error("{0} is no scale: it is a number from 0 on")]
    Scale(f64),
    /// All its tasks, one after the other.
    #[error("its tasks take {0} seconds in all; at most {SECONDS_MAX} can be run")]
    Seconds(f64),
    /// All its files.
    #[error("its files have {0} bytes in all; at most {BYTES_MAX} can be run")]
    Bytes(f64),
}

/// How many workers are worth having. As many as tasks wait at once are enough; and starting ever more of them takes longer
/// than they save: with `n` workers it is `n` times the start of one, and the waiting of all shared by `n`.
fn workers(schedule: Vec<(u64, u64)>) -> u32 {
    let waiting = schedule.iter().map(|(begun, ended)| u128::from(ended - begun)).sum::<u128>();
    let worth = (waiting / u128::from(WORKER_NS)).isqrt() as u64;
    let mut turns: Vec<(u64, i64)> = Vec::with_capacity(2 * schedule.len());
    for (begun, ended) in schedule.into_iter().filter(|(begun, ended)| begun < ended) {
        turns.extend([(begun, 1), (ended, -1)]);
    }
    turns.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, change) in turns {
        now += change;
        most = most.max(now);
    }
    worth.min(most as u64).clamp(WORKERS_MIN, WORKERS_MAX) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_worth_what_they_save() {
        let wide = |count: u64, us: u64| workers((0..count).map(|_| (0, us * 1_000)).collect());
        assert_eq!(wide(100, 100), 4, "it is over before a worker has started");
        assert_eq!(wide(100, 1_000_000), 100, "each waits longer than all workers take to start");
        assert_eq!(wide(100, 10_000), 10, "starting a hundred would take longer than ten that take turns");
        assert_eq!(wide(100_000, 100), 31, "short ones are many");
        let chain = (0..100).map(|at| (at * 1_000_000_000, (at + 1) * 1_000_000_000)).collect();
        assert_eq!(workers(chain), 4, "one at a time");
    }
}
