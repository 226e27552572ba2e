//! What of a run another one begins with, and its journal as an object.

use serde::{Deserialize, Serialize};
use sluice_engine::{HistoryEntry, HistoryKind};
use sluice_flow::{Line, News, Past, Want};
use sluice_types::{Lsn, Payload};
use std::sync::Arc;

/// A line of a journal, its record, and when that was, in milliseconds since the Unix epoch.
pub(super) type Told = (Lsn, u64, Line);

/// An inherited journal as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored(Vec<Told>);

/// A journal that was stored; `None` if these bytes are none.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<Told>> {
    postcard::from_bytes::<Stored>(bytes).ok().map(|stored| stored.0)
}

/// What of a run a new one begins with.
#[derive(Default)]
pub(super) struct Prefix {
    pub journal: Vec<Told>,
    /// How large the journal is, with the values beside the log that it names.
    pub bytes: u64,
    /// The objects that had arrived: when, and their positions.
    pub objects: Vec<(Lsn, u32)>,
    pub sealed: bool,
    pub first: Option<Lsn>,
    pub last: Lsn,
    /// Where the workflow ended, or was told to end, if that counts.
    pub end: Option<Lsn>,
}

impl Prefix {
    /// That begins with a journal of another run.
    pub fn after(journal: Vec<Told>) -> Self {
        Self { bytes: journal.iter().map(bytes_of).sum(), journal, ..Self::default() }
    }

    pub fn add(&mut self, entry: HistoryEntry, ends_when_told: bool) {
        let HistoryEntry { lsn, at_ms, kind } = entry;
        self.first.get_or_insert(lsn);
        self.last = lsn;
        match kind {
            HistoryKind::RunEnded => drop(self.end.get_or_insert(lsn)),
            HistoryKind::Sealed => self.sealed = true,
            HistoryKind::ObjectPut { slot } => self.objects.push((lsn, slot)),
            HistoryKind::Code(line) => {
                if ends(&line, ends_when_told) {
                    self.end.get_or_insert(lsn);
                }
                let told = (lsn, at_ms, *line);
                self.bytes += bytes_of(&told);
                self.journal.push(told);
            }
            _ => {}
        }
    }

    /// What this record and later ones brought is not of the past.
    pub fn cut(&mut self, end: Lsn) {
        self.journal.retain(|(lsn, ..)| *lsn < end);
        // What ended it may be mended: a call whose failure the code was told last is made again.
        let is_failure =
            |line: &Line| matches!(line, Line::Entry(entry) if matches!(entry.news, News::Failed(_)));
        if let Some((failed, ..)) = self.journal.last().filter(|(.., line)| is_failure(line)).cloned() {
            self.journal.retain(|(lsn, ..)| *lsn < failed);
        }
        self.objects.retain(|(lsn, _)| *lsn < end);
        let told = self.journal.iter().rev().find(|(.., line)| !matches!(line, Line::Run(_)));
        self.last = told.map_or(Lsn(0), |(lsn, ..)| *lsn);
    }

    /// The workflow as the journal tells it.
    pub fn past(&self) -> Past {
        let mut past = Past::default();
        self.journal.iter().for_each(|(lsn, at_ms, line)| past.add(*lsn, *at_ms, line));
        past
    }

    /// The journal as an object of a fork, which [`read`] reads.
    pub fn stored(self, parent: &Arc<str>, id: &Arc<str>) -> Vec<u8> {
        let mut journal = self.journal;
        name_runs(&mut journal, parent, id);
        postcard::to_stdvec(&Stored(journal)).expect("lines are plain data")
    }
}

/// What a line takes in a stored journal, and what it names beside the log.
fn bytes_of(told: &Told) -> u64 {
    let line = postcard::experimental::serialized_size(told).expect("lines are plain data");
    let apart = value(&told.2).filter(|payload| !matches!(payload, Payload::Inline(_)));
    line as u64 + apart.map_or(0, Payload::len)
}

/// Where the value is that a line brought, if it brought one.
pub(super) fn value(line: &Line) -> Option<&Payload> {
    let value = match line {
        Line::Entry(entry) => entry.value.as_ref(),
        Line::Command { value, .. } => value.as_ref(),
        Line::Run(_) => None,
    };
    value.map(|value| &value.payload)
}

/// The same, to be changed.
pub(super) fn value_mut(line: &mut Line) -> Option<&mut Payload> {
    let value = match line {
        Line::Entry(entry) => entry.value.as_mut(),
        Line::Command { value, .. } => value.as_mut(),
        Line::Run(_) => None,
    };
    value.map(|value| &mut value.payload)
}

/// Whether no past goes beyond this line: the code ended, or it counts as such that it was told to.
fn ends(line: &Line, or_is_told: bool) -> bool {
    match line {
        Line::Command { want, .. } => matches!(want, Want::Return | Want::Fail | Want::Stopped),
        Line::Entry(entry) => or_is_told && entry.news == News::Cancelled,
        Line::Run(_) => false,
    }
}

/// Says in a journal which run the code sees: the other one up to the last thing that it wanted there, then the new one.
fn name_runs(journal: &mut Vec<Told>, parent: &Arc<str>, id: &Arc<str>) {
    let is_command = |told: &Told| matches!(told.2, Line::Command { .. });
    let after = journal.iter().rposition(is_command).map_or(0, |at| at + 1);
    let rest: Vec<Told> = journal.drain(after..).filter(|told| !matches!(told.2, Line::Run(_))).collect();
    let named = |id: &Arc<str>| (Lsn(0), 0, Line::Run(id.clone()));
    if matches!(journal.first(), Some(first) if !matches!(first.2, Line::Run(_))) {
        journal.insert(0, named(parent));
    }
    journal.push(named(id));
    journal.extend(rest);
}
