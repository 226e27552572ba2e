//! What one task of a replay is told: what it reads from where, how long it takes, and what it writes.

use crate::contents::Contents;
use crate::report::ReportFailure;
use crate::result::{HEADER_BYTES, Tally};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use xxhash_rust::xxh3::xxh3_64;

/// A task of a replay. Results come in the order of `upstream`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment<'a> {
    /// Its name.
    #[serde(borrow)]
    pub task: Cow<'a, str>,
    /// What it gets.
    #[serde(borrow)]
    pub upstream: Vec<Upstream<'a>>,
    /// What it does then.
    #[serde(borrow)]
    pub work: Work<'a>,
}

/// A result that a task gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upstream<'a> {
    /// Whose it is.
    #[serde(borrow)]
    pub task: Cow<'a, str>,
    /// Bytes of all files in it.
    pub bytes: u64,
    /// Whether what was done up to it is handed on from here. Of those who get a result, one does that.
    pub adopts: bool,
    /// The files that are read from it.
    #[serde(borrow)]
    pub files: Vec<Slice<'a>>,
}

/// A file in a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice<'a> {
    /// The file's id.
    #[serde(borrow)]
    pub file: Cow<'a, str>,
    /// Where it begins behind the header.
    pub at: u64,
    /// Its size.
    pub bytes: u64,
}

/// What a task does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work<'a> {
    /// It puts files there that were there before the workflow.
    #[serde(borrow)]
    Stage(Vec<Slice<'a>>),
    /// It is a task of the recording.
    Run {
        /// How long it takes, reading and writing included.
        nanos: u64,
        /// What it writes.
        #[serde(borrow)]
        writes: Vec<Slice<'a>>,
        /// Which of those, by their place in that list, it reads, too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rereads: Vec<usize>,
    },
    /// It says what came out.
    Report(Expected),
}

/// What a replay must come to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Tasks of the recording.
    pub tasks: u64,
    /// Files that are written, those that were there before included.
    pub files: u64,
    /// Files that are read, each as often as it is.
    pub reads: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// The longest that tasks take which wait for one another, in nanoseconds.
    pub critical_path_ns: u64,
    /// The factor of all times and sizes.
    pub scale: f64,
}

/// Why a task of a replay fails: something is not what it must be.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum Failure {
    /// The assignment itself.
    #[error("what the task was told is not an assignment: {0}")]
    Assignment(#[from] serde_json::Error),
    /// Other results than the task waits for.
    #[error("task `{task}` got {found} results instead of {expected}")]
    Results { task: String, expected: usize, found: usize },
    /// Not what a task returns, or not what this one does.
    #[error("task `{task}` got something else for the result of `{upstream}`")]
    NotTheResult { task: String, upstream: String },
    /// A result that was cut off, or goes on.
    #[error("task `{task}` got {found} bytes of files from `{upstream}` instead of {expected}")]
    Length { task: String, upstream: String, expected: u64, found: u64 },
    /// A byte of a file.
    #[error(
        "task `{task}` read file `{file}` of `{upstream}`: byte {offset} is {found:#04x} instead of {expected:#04x}"
    )]
    Byte { task: String, upstream: String, file: String, offset: u64, expected: u8, found: u8 },
    /// What came out in all.
    #[error(transparent)]
    Report(#[from] ReportFailure),
}

/// What tells the result of one task from that of another.
fn mark(task: &str) -> u64 {
    xxh3_64(task.as_bytes())
}

impl<'a> Assignment<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// [`Failure::Assignment`].
    pub fn parse(json: &'a [u8]) -> Result<Self, Failure> {
        Ok(serde_json::from_slice(json)?)
    }

    /// Files that it writes.
    fn writes(&self) -> &[Slice<'a>] {
        match &self.work {
            Work::Stage(writes) | Work::Run { writes, .. } => writes,
            Work::Report(_) => &[],
        }
    }

    /// How long it takes, in nanoseconds.
    pub fn nanos(&self) -> u64 {
        match self.work {
            Work::Run { nanos, .. } => nanos,
            Work::Stage(_) | Work::Report(_) => 0,
        }
    }

    /// Size of its result.
    pub fn result_bytes(&self) -> usize {
        HEADER_BYTES + self.writes().iter().map(|file| file.bytes as usize).sum::<usize>()
    }

    /// Checks every byte of the files that it reads; what was done so far.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(&self, results: &[&[u8]]) -> Result<Tally, Failure> {
        if results.len() != self.upstream.len() {
            let (expected, found) = (self.upstream.len(), results.len());
            return Err(Failure::Results { task: self.task.to_string(), expected, found });
        }
        let mut tally = Tally::default();
        for (upstream, result) in self.upstream.iter().zip(results) {
            let (task, from) = (|| self.task.to_string(), || upstream.task.to_string());
            let before = Tally::read(mark(&upstream.task), result)
                .ok_or_else(|| Failure::NotTheResult { task: task(), upstream: from() })?;
            let files = &result[HEADER_BYTES..];
            let (expected, found) = (upstream.bytes, files.len() as u64);
            if expected != found {
                return Err(Failure::Length { task: task(), upstream: from(), expected, found });
            }
            tally.span(&before);
            if upstream.adopts {
                tally.add(&before);
            }
            for file in &upstream.files {
                self.compare(&upstream.task, file, files)?;
                tally.reads += 1;
                tally.bytes += file.bytes;
            }
        }
        Ok(tally)
    }

    fn compare(&self, upstream: &str, slice: &Slice<'_>, files: &[u8]) -> Result<(), Failure> {
        let begin = (slice.at as usize).min(files.len());
        let end = begin.saturating_add(slice.bytes as usize).min(files.len());
        let Some(wrong) = Contents::of(&slice.file).difference(&files[begin..end]) else { return Ok(()) };
        Err(Failure::Byte {
            task: self.task.to_string(),
            upstream: upstream.to_owned(),
            file: slice.file.to_string(),
            offset: wrong.offset,
            expected: wrong.expected,
            found: wrong.found,
        })
    }

    /// Writes its files into its result, behind the header; what was done with that.
    ///
    /// # Errors
    /// When it does not read what it has just written.
    pub fn write(&self, result: &mut [u8]) -> Result<Tally, Failure> {
        let files = &mut result[HEADER_BYTES..];
        let mut tally = Tally::default();
        for file in self.writes() {
            let (begin, end) = (file.at as usize, (file.at + file.bytes) as usize);
            Contents::of(&file.file).write(&mut files[begin..end]);
            tally.files += 1;
        }
        if let Work::Run { writes, rereads, .. } = &self.work {
            tally.tasks = 1;
            for file in rereads.iter().filter_map(|at| writes.get(*at)) {
                self.compare(&self.task, file, files)?;
                tally.reads += 1;
                tally.bytes += file.bytes;
            }
        }
        Ok(tally)
    }

    /// Completes its result: what was done before it, by it, and when it began and ended.
    pub fn seal(&self, result: &mut [u8], before: &Tally, done: &Tally, began_ns: u64, ended_ns: u64) {
        let mut tally = *before;
        tally.add(done);
        // What was there before the workflow takes none of its time.
        if done.tasks > 0 {
            tally.span(&Tally { began_ns, ended_ns, ..Tally::default() });
        }
        let header = result.first_chunk_mut().expect("a result has a header");
        tally.write(mark(&self.task), header);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment() -> Assignment<'static> {
        let slice = |file: &'static str, at, bytes| Slice { file: file.into(), at, bytes };
        Assignment {
            task: "a".into(),
            upstream: Vec::new(),
            work: Work::Run {
                nanos: 5,
                writes: vec![slice("x", 0, 10), slice("y", 10, 1), slice("z", 11, 300)],
                rereads: vec![1],
            },
        }
    }

    fn reader() -> Assignment<'static> {
        let files = vec![Slice { file: "z".into(), at: 11, bytes: 300 }];
        let upstream = vec![Upstream { task: "a".into(), bytes: 311, adopts: true, files }];
        Assignment { task: "b".into(), upstream, work: Work::Stage(Vec::new()) }
    }

    fn result() -> Vec<u8> {
        let assignment = assignment();
        let mut result = vec![0; assignment.result_bytes()];
        let done = assignment.write(&mut result).expect("it is what was written");
        assignment.seal(&mut result, &Tally::default(), &done, 7, 9);
        result
    }

    fn said(result: &[u8]) -> String {
        reader().check(&[result]).expect_err("it is wrong").to_string()
    }

    #[test]
    fn what_was_written_is_read_and_counted() {
        let tally = reader().check(&[&result()]).expect("nothing is wrong");
        assert_eq!(tally, Tally { began_ns: 7, ended_ns: 9, tasks: 1, files: 3, reads: 2, bytes: 301 });
    }

    #[test]
    fn every_flipped_bit_of_the_files_that_are_read_is_found() {
        let result = result();
        for at in HEADER_BYTES + 11..result.len() {
            let mut wrong = result.clone();
            wrong[at] ^= 0x40;
            let offset = at - HEADER_BYTES - 11;
            let found = said(&wrong);
            assert!(
                found.starts_with(&format!("task `b` read file `z` of `a`: byte {offset} is 0x")),
                "{found}"
            );
        }
    }

    #[test]
    fn a_result_that_is_cut_off_goes_on_or_is_shifted_is_found() {
        let result = result();
        assert_eq!(
            said(&result[..result.len() - 1]),
            "task `b` got 310 bytes of files from `a` instead of 311"
        );
        let more = [&result[..], &[0]].concat();
        assert_eq!(said(&more), "task `b` got 312 bytes of files from `a` instead of 311");
        let mut shifted = result.clone();
        shifted[HEADER_BYTES..].rotate_left(1);
        assert!(said(&shifted).contains("byte 0 is"), "{}", said(&shifted));
        assert_eq!(
            reader().check(&[]).expect_err("it is wrong").to_string(),
            "task `b` got 0 results instead of 1"
        );
    }

    #[test]
    fn the_result_of_another_task_is_found() {
        let mut other = result();
        let done = Tally::default();
        Assignment { task: "c".into(), ..assignment() }.seal(&mut other, &done, &done, 7, 9);
        assert_eq!(said(&other), "task `b` got something else for the result of `a`");
        assert_eq!(said(&[0; 20]), "task `b` got something else for the result of `a`");
    }

    #[test]
    fn it_reads_what_it_writes() {
        let text = serde_json::to_string(&assignment()).expect("it is JSON");
        assert_eq!(Assignment::parse(text.as_bytes()).expect("it is an assignment"), assignment());
    }
}
