//! Who gets what from whom.
//!
//! Everybody checks the files that it reads. Of those who get a result, the first *adopts* it: it checks the files of it that
//! nobody reads, too, and hands on what was counted up to there. So every file is checked, and the counts that arrive at the
//! report are exact.

use crate::assignment::{Assignment, Expected, Slice, Upstream, Work};
use crate::order;
use crate::recording::Recording;
use crate::replay::{REPORT, ReplayedTask};
use std::collections::{BTreeMap, HashSet};

/// What stages are called, as far as no task is.
const STAGE: &str = "stage-in";

/// The tasks of a replay, the report last.
pub(crate) struct Plan<'a> {
    recording: &'a Recording,
    scale: f64,
    pub nodes: Vec<Node<'a>>,
    /// Of each file, who has it in its result, and where in its list.
    places: Vec<Option<(usize, usize)>>,
}

/// A task on its way to its assignment.
pub(crate) struct Node<'a> {
    name: String,
    kind: Kind,
    after: Vec<usize>,
    writes: Vec<Slice<'a>>,
    rereads: Vec<usize>,
}

#[derive(Clone, Copy)]
enum Kind {
    Run { nanos: u64 },
    Stage,
    Report,
}

impl Node<'_> {
    /// How long it takes, if it is a task of the recording.
    pub fn nanos(&self) -> Option<u64> {
        match self.kind {
            Kind::Run { nanos } => Some(nanos),
            Kind::Stage | Kind::Report => None,
        }
    }

    /// Bytes of all files in its result.
    pub fn bytes(&self) -> u64 {
        self.writes.last().map_or(0, |last| last.at + last.bytes)
    }

    /// The task, which gets this.
    pub fn task(&self, upstream: Vec<Upstream<'_>>, expected: Expected) -> ReplayedTask {
        let writes = self.writes.clone();
        let work = match self.kind {
            Kind::Run { nanos } => Work::Run { nanos, writes, rereads: self.rereads.clone() },
            Kind::Stage => Work::Stage(writes),
            Kind::Report => Work::Report(expected),
        };
        let assignment = Assignment { task: self.name.as_str().into(), upstream, work };
        let assignment = serde_json::to_string(&assignment).expect("an assignment has text for keys");
        ReplayedTask { name: self.name.clone(), after: self.after.clone(), assignment }
    }
}

impl<'a> Plan<'a> {
    pub fn of(recording: &'a Recording, scale: f64) -> Self {
        let ids: HashSet<&str> = recording.tasks.iter().map(|task| &*task.id).chain([REPORT]).collect();
        let places = vec![None; recording.files.len()];
        let mut plan = Self { recording, scale, nodes: Vec::new(), places };
        for (task, after) in recording.tasks.iter().zip(recording.upstream()) {
            let writes = plan.result(&task.writes);
            let reads: HashSet<&usize> = task.reads.iter().collect();
            let rereads = (0..task.writes.len()).filter(|at| reads.contains(&task.writes[*at])).collect();
            let name = if task.id == REPORT { free(&ids, REPORT) } else { task.id.clone() };
            let kind = Kind::Run { nanos: (task.seconds * scale * 1e9).round() as u64 };
            plan.nodes.push(Node { name, kind, after, writes, rereads });
        }
        plan.add_stages(&ids);
        plan.add_report();
        plan
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
            self.nodes.push(Node { name, kind: Kind::Stage, after: Vec::new(), writes, rereads: Vec::new() });
            readers.iter().for_each(|reader| self.nodes[*reader].after.push(node));
        }
    }

    /// What waits for all that nobody waits for.
    fn add_report(&mut self) {
        let mut is_leaf = vec![true; self.nodes.len()];
        self.nodes.iter().flat_map(|node| &node.after).for_each(|before| is_leaf[*before] = false);
        let after = (0..is_leaf.len()).filter(|at| is_leaf[*at]).collect();
        let (name, writes) = (REPORT.to_owned(), Vec::new());
        self.nodes.push(Node { name, kind: Kind::Report, after, writes, rereads: Vec::new() });
    }

    /// What each task gets, and what it checks of that.
    pub fn all_upstream(&self) -> Vec<Vec<Upstream<'a>>> {
        let mut adopters = vec![None; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            node.after.iter().for_each(|before| {
                adopters[*before].get_or_insert(at);
            });
        }
        let unread = self.unread();
        (0..self.nodes.len()).map(|at| self.upstream(at, &adopters, &unread)).collect()
    }

    fn upstream(&self, at: usize, adopters: &[Option<usize>], unread: &[Vec<usize>]) -> Vec<Upstream<'a>> {
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
            Upstream { task: node.name.clone().into(), bytes: node.bytes(), adopts, files: files.collect() }
        };
        self.nodes[at].after.iter().map(upstream).collect()
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

    /// What all of it must come to, if each gets this.
    pub fn expected(&self, upstream: &[Vec<Upstream<'_>>]) -> Expected {
        let handed_on = upstream.iter().flatten().flat_map(|upstream| &upstream.files);
        let own = self.nodes.iter().flat_map(|node| node.rereads.iter().map(|place| &node.writes[*place]));
        let (mut reads, mut bytes) = (0, 0);
        for file in handed_on.chain(own) {
            reads += 1;
            bytes += file.bytes;
        }
        Expected {
            tasks: self.recording.tasks.len() as u64,
            files: self.nodes.iter().map(|node| node.writes.len() as u64).sum(),
            reads,
            bytes,
            critical_path_ns: self.schedule(0).iter().map(|(_, ended)| *ended).max().unwrap_or(0),
            scale: self.scale,
        }
    }

    /// When each task begins and ends if nobody ever waits for a worker and each takes so much longer, in nanoseconds.
    pub fn schedule(&self, longer_ns: u64) -> Vec<(u64, u64)> {
        let upstream: Vec<Vec<usize>> = self.nodes.iter().map(|node| node.after.clone()).collect();
        let order = order::upstream_first(&upstream).expect("a recording has no cycle");
        let mut times = vec![(0, 0); self.nodes.len()];
        for at in order {
            let node = &self.nodes[at];
            let begun = node.after.iter().map(|before| times[*before].1).max().unwrap_or(0);
            times[at] = (begun, begun + node.nanos().unwrap_or(0) + longer_ns);
        }
        times
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
