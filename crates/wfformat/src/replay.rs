//! A recording at a scale: tasks in the form in which they are run.
//!
//! Beside the tasks of the recording there are two kinds of others. Files that were there before are put there by *stages*,
//! one for all files that the same tasks read: so nobody is handed a byte that it does not read. And a *report* waits for
//! all tasks that nobody waits for.
//!
//! Everybody checks the files that it reads. Of those who get a result, the first *adopts* it: it checks the files of it that
//! nobody reads, too, and hands on what was counted up to there. So every file is checked, and the counts that arrive at the
//! report are exact.

use crate::assignment::{Assignment, Expected, Slice, Upstream, Work};
use crate::order;
use crate::recording::Recording;
use std::collections::{BTreeMap, HashSet};

/// Name of the last task, and so the key of what it returns.
pub const REPORT: &str = "report";

/// What stages are called, as far as no task is.
const STAGE: &str = "stage-in";

/// Fewest workers: one writes what it has done while the other goes on.
const WORKERS_MIN: u64 = 2;

/// Most workers: each is a process.
const WORKERS_MAX: u64 = 500;

/// What starting a worker takes of a core, in nanoseconds, as measured. Waiting that is shorter is not worth one.
const WORKER_NS: u64 = 10_000_000;

/// For how long the call of a task keeps its worker beyond the task's own time, in nanoseconds: about as long as a log
/// takes to be on disk. Calls that end meanwhile are logged together.
const CALL_NS: u64 = 100_000;

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
        Ok(Planner::new(recording, scale).replay())
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

/// A task on its way to its assignment.
struct Node<'a> {
    name: String,
    nanos: Option<u64>,
    after: Vec<usize>,
    writes: Vec<Slice<'a>>,
    rereads: Vec<usize>,
}

struct Planner<'a> {
    recording: &'a Recording,
    scale: f64,
    nodes: Vec<Node<'a>>,
    /// Of each file, who has it in its result, and where in its list.
    places: Vec<Option<(usize, usize)>>,
}

impl<'a> Planner<'a> {
    fn new(recording: &'a Recording, scale: f64) -> Self {
        let ids: HashSet<&str> = recording.tasks.iter().map(|task| &*task.id).chain([REPORT]).collect();
        let mut planner =
            Self { recording, scale, nodes: Vec::new(), places: vec![None; recording.files.len()] };
        for (task, after) in recording.tasks.iter().zip(recording.upstream()) {
            let writes = planner.result(&task.writes);
            let reads: HashSet<&usize> = task.reads.iter().collect();
            let rereads = (0..task.writes.len()).filter(|at| reads.contains(&task.writes[*at])).collect();
            let name = if task.id == REPORT { free(&ids, REPORT) } else { task.id.clone() };
            let nanos = Some((task.seconds * scale * 1e9).round() as u64);
            planner.nodes.push(Node { name, nanos, after, writes, rereads });
        }
        planner.add_stages(&ids);
        planner
    }

    /// The files of the next result, one after the other.
    fn result(&mut self, files: &[usize]) -> Vec<Slice<'a>> {
        let node = self.nodes.len();
        let mut at = 0;
        let mut slices = Vec::with_capacity(files.len());
        for (place, file) in files.iter().enumerate() {
            let recorded = &self.recording.files[*file];
            let bytes = (recorded.bytes * self.scale).round().max(1.0) as u64;
            slices.push(Slice { file: recorded.id.as_str().into(), at, bytes });
            self.places[*file] = Some((node, place));
            at += bytes;
        }
        slices
    }

    /// Files that nobody writes, by those who read them.
    fn add_stages(&mut self, ids: &HashSet<&str>) {
        let mut readers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, task) in self.recording.tasks.iter().enumerate() {
            let outside = task.reads.iter().filter(|file| self.recording.files[**file].producer.is_none());
            outside.for_each(|file| readers.entry(*file).or_default().push(at));
        }
        let mut stages: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        readers.into_iter().for_each(|(file, readers)| stages.entry(readers).or_default().push(file));
        for (number, (readers, files)) in stages.into_iter().enumerate() {
            let node = self.nodes.len();
            let writes = self.result(&files);
            let name = free(ids, &format!("{STAGE}/{}", number + 1));
            self.nodes.push(Node { name, nanos: None, after: Vec::new(), writes, rereads: Vec::new() });
            readers.iter().for_each(|reader| self.nodes[*reader].after.push(node));
        }
    }

    fn replay(self) -> Replay {
        let mut adopters: Vec<Option<usize>> = vec![None; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            node.after.iter().for_each(|before| {
                adopters[*before].get_or_insert(at);
            });
        }
        let last = self.nodes.len();
        let leaves: Vec<usize> = (0..last).filter(|at| adopters[*at].is_none()).collect();
        leaves.iter().for_each(|leaf| adopters[*leaf] = Some(last));
        let unread = self.unread();
        let mut expected = Expected {
            tasks: self.recording.tasks.len() as u64,
            files: self.nodes.iter().map(|node| node.writes.len() as u64).sum(),
            reads: 0,
            bytes: 0,
            critical_path_ns: 0,
            scale: self.scale,
        };
        let mut tasks = Vec::with_capacity(last + 1);
        for (at, node) in self.nodes.iter().enumerate() {
            let upstream = self.upstream(at, &node.after, &adopters, &unread);
            expected.add(&upstream, node);
            let writes = node.writes.clone();
            let work = match node.nanos {
                Some(nanos) => Work::Run { nanos, writes, rereads: node.rereads.clone() },
                None => Work::Stage(writes),
            };
            tasks.push(ReplayedTask::of(&node.name, &node.after, upstream, work));
        }
        expected.critical_path_ns = self.schedule(0).iter().map(|(_, ended)| *ended).max().unwrap_or(0);
        let upstream = self.upstream(last, &leaves, &adopters, &unread);
        let report = Node {
            name: REPORT.to_owned(),
            nanos: None,
            after: leaves,
            writes: Vec::new(),
            rereads: Vec::new(),
        };
        expected.add(&upstream, &report);
        tasks.push(ReplayedTask::of(REPORT, &report.after, upstream, Work::Report(expected)));
        let sizes = self.nodes.iter().flat_map(|node| &node.writes).map(|file| file.bytes);
        Replay {
            tasks,
            expected,
            workers: workers(self.schedule(CALL_NS)),
            longest_ns: self.nodes.iter().filter_map(|node| node.nanos).max().unwrap_or(0),
            bytes: sizes.sum(),
        }
    }

    /// Files of each result that no other task reads, by their place in it.
    fn unread(&self) -> Vec<Vec<usize>> {
        let mut is_read = vec![false; self.recording.files.len()];
        for (at, task) in self.recording.tasks.iter().enumerate() {
            let others = task.reads.iter().filter(|file| self.recording.files[**file].producer != Some(at));
            others.for_each(|file| is_read[*file] = true);
        }
        let mut unread = vec![Vec::new(); self.nodes.len()];
        for (file, place) in self.places.iter().enumerate() {
            if let Some((node, place)) = place.filter(|_| !is_read[file]) {
                unread[node].push(place);
            }
        }
        unread
    }

    /// What a task gets, and what it checks of that.
    fn upstream(
        &self,
        at: usize,
        after: &[usize],
        adopters: &[Option<usize>],
        unread: &[Vec<usize>],
    ) -> Vec<Upstream<'a>> {
        let mut reads: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let files = self.recording.tasks.get(at).map_or(&[][..], |task| &task.reads);
        for (node, place) in files.iter().filter_map(|file| self.places[*file]) {
            reads.entry(node).or_default().push(place);
        }
        let upstream = |before: &usize| {
            let node = &self.nodes[*before];
            let adopts = adopters[*before] == Some(at);
            let read = reads.remove(before).unwrap_or_default();
            let unread = if adopts { &unread[*before][..] } else { &[] };
            let files = read.iter().chain(unread).map(|place| node.writes[*place].clone());
            let bytes = node.writes.last().map_or(0, |last| last.at + last.bytes);
            Upstream { task: node.name.clone().into(), bytes, adopts, files: files.collect() }
        };
        after.iter().map(upstream).collect()
    }

    /// When each task begins and ends if nobody ever waits for a worker and each takes so much longer, in nanoseconds.
    fn schedule(&self, longer_ns: u64) -> Vec<(u64, u64)> {
        let upstream: Vec<Vec<usize>> = self.nodes.iter().map(|node| node.after.clone()).collect();
        let order = order::upstream_first(&upstream).expect("a recording has no cycle");
        let mut times = vec![(0, 0); self.nodes.len()];
        for at in order {
            let node = &self.nodes[at];
            let begun = node.after.iter().map(|before| times[*before].1).max().unwrap_or(0);
            times[at] = (begun, begun + node.nanos.unwrap_or(0) + longer_ns);
        }
        times
    }
}

impl Expected {
    /// What a task checks comes on top.
    fn add(&mut self, upstream: &[Upstream<'_>], node: &Node<'_>) {
        let slices = upstream.iter().flat_map(|upstream| &upstream.files);
        let own = node.rereads.iter().map(|place| &node.writes[*place]);
        for slice in slices.chain(own) {
            self.reads += 1;
            self.bytes += slice.bytes;
        }
    }
}

impl ReplayedTask {
    fn of(name: &str, after: &[usize], upstream: Vec<Upstream<'_>>, work: Work<'_>) -> Self {
        let assignment = Assignment { task: name.into(), upstream, work };
        let assignment = serde_json::to_string(&assignment).expect("an assignment has text for keys");
        Self { name: name.to_owned(), after: after.to_vec(), assignment }
    }
}

/// A name that no task has.
fn free(taken: &HashSet<&str>, wanted: &str) -> String {
    let mut name = wanted.to_owned();
    while taken.contains(name.as_str()) {
        name.push('\'');
    }
    name
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
        assert_eq!(wide(100, 100), 2, "it is over before a worker has started");
        assert_eq!(wide(100, 1_000_000), 100, "each waits longer than all workers take to start");
        assert_eq!(wide(100, 10_000), 10, "starting a hundred would take longer than ten that take turns");
        assert_eq!(wide(100_000, 100), 31, "short ones are many");
        let chain = (0..100).map(|at| (at * 1_000_000_000, (at + 1) * 1_000_000_000)).collect();
        assert_eq!(workers(chain), 2, "one at a time");
    }
}
