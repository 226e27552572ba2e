//! A recorded workflow: tasks and files by index, what was wrong with its notation told.
//!
//! Invariants of a [`Recording`]: every index is in range, no list names anything twice, a file has at most one producer,
//! and no task waits for itself, directly or through others.

use crate::fault::{Fault, Kind};
use crate::notation::{Execution, File as WrittenFile, Part, Reader, Task, Written};
use crate::order;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};

/// Most faults that are told; the rest is counted.
pub const FAULTS_MAX: usize = 100;

/// Longest id of a task or file, in bytes.
const ID_BYTES_MAX: usize = 1024;

/// Longest recorded time, in seconds (366 days).
const SECONDS_MAX: f64 = 366.0 * 86_400.0;

/// A workflow as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The tasks, in the order of the file.
    pub tasks: Vec<Recorded>,
    /// The files, in the order of the file.
    pub files: Vec<File>,
    /// Tasks whose time nobody recorded.
    pub untimed: usize,
}

/// A recorded task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Its id.
    pub id: String,
    /// How long it took; 0 when nobody recorded that.
    pub seconds: f64,
    /// Tasks that it waited for, whether or not it reads what they wrote.
    pub parents: Vec<usize>,
    /// Files that it read.
    pub reads: Vec<usize>,
    /// Files that it wrote.
    pub writes: Vec<usize>,
}

/// A recorded file.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Its id.
    pub id: String,
    /// Its size.
    pub bytes: f64,
    /// The task that wrote it; `None` for what was there before.
    pub producer: Option<usize>,
}

impl Recording {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, by place: the first [`FAULTS_MAX`] faults that were found.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader { text, faults: Vec::new(), more: 0 };
        let written = reader.read();
        let mut builder = Builder {
            reader,
            tasks: HashMap::new(),
            files: HashMap::new(),
            has_all_tasks: written.has_all_tasks,
            has_all_files: written.has_all_files,
        };
        let recording = builder.recording(&written);
        let Reader { mut faults, more, .. } = builder.reader;
        if faults.is_empty() {
            return Ok(recording);
        }
        faults.sort_by_key(|fault| (fault.line, fault.column));
        if let Some(last) = faults.last_mut().filter(|_| more > 0) {
            last.message = format!("{} (and {more} more faults)", last.message);
        }
        Err(faults)
    }

    /// The tasks that each waits for, each once: those whose files it reads, then the other parents.
    pub fn upstream(&self) -> Vec<Vec<usize>> {
        let upstream = |(at, task): (usize, &Recorded)| {
            let producers = task.reads.iter().filter_map(|file| self.files[*file].producer);
            let mut seen = HashSet::from([at]);
            producers.chain(task.parents.iter().copied()).filter(|before| seen.insert(*before)).collect()
        };
        self.tasks.iter().enumerate().map(upstream).collect()
    }
}

/// Resolves names.
struct Builder<'a> {
    reader: Reader<'a>,
    tasks: HashMap<String, usize>,
    files: HashMap<String, usize>,
    has_all_tasks: bool,
    has_all_files: bool,
}

impl<'a> Builder<'a> {
    fn recording(&mut self, written: &Written<'a>) -> Recording {
        self.tasks = self.ids(&written.tasks, "task", |task| &task.id);
        self.files = self.ids(&written.files, "file", |file| &file.id);
        let files = written.files.iter().map(|file| self.file(file)).collect();
        let tasks = written.tasks.iter().map(|task| self.task(task)).collect();
        let mut recording = Recording { tasks, files, untimed: 0 };
        if written.tasks.is_empty() && self.reader.faults.is_empty() {
            let message = "this workflow has no tasks".to_owned();
            self.reader.fault(
                Kind::Meaning,
                0,
                "workflow.specification.tasks",
                message,
                "record one that has some",
            );
        }
        self.add_children(&mut recording, written);
        self.add_times(&mut recording, &written.executions);
        self.add_producers(&mut recording, written);
        if self.reader.faults.is_empty() {
            self.refuse_cycle(&recording, written);
        }
        recording
    }

    /// Indices by id.
    fn ids<T>(
        &mut self,
        parts: &[Part<'a, T>],
        what: &str,
        id: impl Fn(&T) -> &str,
    ) -> HashMap<String, usize> {
        let mut ids = HashMap::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            let id = id(&part.value);
            if id.is_empty() || id.len() > ID_BYTES_MAX {
                let message =
                    format!("the id of a {what} has 1 to {ID_BYTES_MAX} bytes, this one {}", id.len());
                self.at(part, what, Kind::Limit, message, "give it another id");
            }
            if ids.insert(id.to_owned(), at).is_some() {
                let message = format!("two {what}s have the id `{id}`");
                self.at(part, what, Kind::Meaning, message, "give each an id of its own");
            }
        }
        ids
    }

    fn at<T>(&mut self, part: &Part<'a, T>, what: &str, kind: Kind, message: String, fix: &'static str) {
        let path = format!("workflow.specification.{what}s[{}]", part.index);
        let offset = self.reader.offset(part.raw.get());
        self.reader.fault(kind, offset, &path, message, fix);
    }

    fn file(&mut self, part: &Part<'a, WrittenFile<'a>>) -> File {
        let (id, bytes) = (part.value.id.to_string(), part.value.size_in_bytes);
        if bytes < 0.0 {
            let message = format!("file `{id}` has a size of {bytes} bytes");
            self.at(part, "file", Kind::Meaning, message, "give it a size of 0 or more");
        }
        File { id, bytes, producer: None }
    }

    fn task(&mut self, part: &Part<'a, Task<'a>>) -> Recorded {
        let Task { id, parents, input_files, output_files, .. } = &part.value;
        let path = format!("workflow.specification.tasks[{}]", part.index);
        Recorded {
            id: id.to_string(),
            seconds: 0.0,
            parents: self.named(parents.as_deref(), &format!("{path}.parents"), "task"),
            reads: self.named(input_files.as_deref(), &format!("{path}.inputFiles"), "file"),
            writes: self.named(output_files.as_deref(), &format!("{path}.outputFiles"), "file"),
        }
    }

    /// The indices of what a list names, each once.
    fn named(&mut self, names: Option<&[&'a RawValue]>, path: &str, what: &str) -> Vec<usize> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        for raw in names.unwrap_or_default() {
            let Some(name) = self.reader.name(raw, path) else { continue };
            let (known, has_all) = match what {
                "task" => (&self.tasks, self.has_all_tasks),
                _ => (&self.files, self.has_all_files),
            };
            match known.get(&*name) {
                Some(at) if seen.insert(*at) => found.push(*at),
                Some(_) => {}
                None if !has_all => {}
                None => {
                    let message = format!("there is no {what} `{name}`");
                    let fix = match what {
                        "task" => "name a task by its id, or add it to `workflow.specification.tasks`",
                        _ => "name a file by its id, or add it to `workflow.specification.files`",
                    };
                    let offset = self.reader.offset(raw.get());
                    self.reader.fault(Kind::Unknown, offset, path, message, fix);
                }
            }
        }
        found
    }

    /// A child waits for its parent, whichever of the two says so.
    fn add_children(&mut self, recording: &mut Recording, written: &Written<'a>) {
        let mut known: HashSet<(usize, usize)> = HashSet::new();
        for (at, task) in recording.tasks.iter().enumerate() {
            known.extend(task.parents.iter().map(|parent| (*parent, at)));
        }
        for (at, part) in written.tasks.iter().enumerate() {
            let path = format!("workflow.specification.tasks[{}].children", part.index);
            for child in self.named(part.value.children.as_deref(), &path, "task") {
                if known.insert((at, child)) {
                    recording.tasks[child].parents.push(at);
                }
            }
        }
    }

    fn add_times(&mut self, recording: &mut Recording, executions: &[Part<'a, Execution<'a>>]) {
        let mut timed = HashSet::new();
        for part in executions {
            let (id, seconds) = (&*part.value.id, part.value.runtime_in_seconds);
            let path = format!("workflow.execution.tasks[{}]", part.index);
            let offset = self.reader.offset(part.raw.get());
            let mut fault = |kind, message, fix| self.reader.fault(kind, offset, &path, message, fix);
            let Some(&at) = self.tasks.get(id) else {
                if self.has_all_tasks {
                    let fix = "name a task of `workflow.specification.tasks` by its id";
                    fault(Kind::Unknown, format!("there is no task `{id}`"), fix);
                }
                continue;
            };
            let Some(seconds) = seconds else { continue };
            if !timed.insert(at) {
                fault(Kind::Meaning, format!("the time of task `{id}` is told twice"), "remove one of them");
            }
            if !(0.0..=SECONDS_MAX).contains(&seconds) {
                let message = format!("task `{id}` took {seconds} seconds");
                fault(Kind::Meaning, message, "give a time between 0 and 366 days");
            }
            recording.tasks[at].seconds = seconds;
        }
        recording.untimed = recording.tasks.len() - timed.len();
    }

    fn add_producers(&mut self, recording: &mut Recording, written: &Written<'a>) {
        let Recording { tasks, files, .. } = recording;
        for (at, task) in tasks.iter().enumerate() {
            for file in &task.writes {
                let file = &mut files[*file];
                if let Some(other) = file.producer.replace(at) {
                    let message = format!(
                        "file `{}` is written by two tasks, `{}` and `{}`",
                        file.id, tasks[other].id, task.id
                    );
                    let fix = "give each its own file: which of the two a reader gets would depend on who is faster";
                    self.at(&written.tasks[at], "task", Kind::Meaning, message, fix);
                }
            }
        }
    }

    fn refuse_cycle(&mut self, recording: &Recording, written: &Written<'a>) {
        let mut upstream = recording.upstream();
        // A task that waits for itself by name is not one that updates its own file.
        for (at, task) in recording.tasks.iter().enumerate() {
            upstream[at].extend(task.parents.iter().filter(|parent| **parent == at));
        }
        let Err(cycle) = order::upstream_first(&upstream) else { return };
        let way = cycle.iter().chain(cycle.first()).map(|at| format!("`{}`", recording.tasks[*at].id));
        let way: Vec<String> = way.collect();
        let message = format!("these tasks wait for one another: {}", way.join(" → "));
        let fix = "remove one of them from the `parents` or `inputFiles` of the next";
        self.at(&written.tasks[cycle[0]], "task", Kind::Meaning, message, fix);
    }
}
