//! What a journal says of a workflow, without its code: how far it has come, and an [`Execution`] that goes on from there.
//!
//! Which turns told what is not in the journal, but that one has ended where its commands are. So what counts as told here
//! may be less than what was told: whoever goes on from a past is told everything again.

use crate::command::Want;
use crate::entry::{Entry, News};
use crate::execution::{Execution, Line};
use crate::update::Updates;
use sluice_types::Lsn;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A workflow as the lines of its journal tell it, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Past {
    commands: u64,
    entries: u64,
    last: Option<Entry>,
    /// What no turn is known to have told, oldest first; the first `told` of it the turn that is out tells.
    news: Vec<Entry>,
    told: usize,
    /// The record of the last commands.
    turned: Option<Lsn>,
    /// Commands that are not done, and when they came to be.
    waiting: BTreeMap<u64, Undone>,
    /// Puts that were done.
    puts: BTreeMap<u64, Want>,
    end: Option<Want>,
    is_cancelled: bool,
    updates: Updates,
}

/// A command that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// What is wanted.
    pub want: Want,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}

impl Undone {
    /// When it is done by itself, in milliseconds since the Unix epoch; `None` if it is no sleep.
    pub fn due_ms(&self) -> Option<u64> {
        match self.want {
            Want::Sleep(ms) => Some(self.since_ms.saturating_add(ms)),
            _ => None,
        }
    }
}

impl Past {
    /// Takes in the next line of the journal: of which record it is, and of what time, in milliseconds since the Unix epoch.
    pub fn add(&mut self, lsn: Lsn, at_ms: u64, line: &Line) {
        match line {
            Line::Entry(entry) => self.entry(entry),
            Line::Command { number, want, .. } => self.command(lsn, at_ms, *number, want),
            Line::Run(_) => {}
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.entries += 1;
        self.news.push(entry.clone());
        self.last = Some(entry.clone());
        self.told = self.told.max(1);
        match &entry.news {
            News::Done(command) => {
                let done = self.waiting.remove(command).map(|undone| undone.want);
                let put = done.filter(|want| matches!(want, Want::Put { .. }));
                self.puts.extend(put.map(|want| (*command, want)));
            }
            News::Failed(command) => drop(self.waiting.remove(command)),
            News::Cancelled => self.is_cancelled = true,
            News::Update { id, .. } => drop(self.updates.ask(id)),
            News::Started | News::Signal(_) => {}
        }
    }

    fn command(&mut self, lsn: Lsn, at_ms: u64, number: u64, want: &Want) {
        if self.turned.replace(lsn) != Some(lsn) {
            self.news.drain(..self.told);
            self.told = self.news.len();
        }
        self.commands = number + 1;
        match want {
            Want::Call(_) | Want::Child(_) | Want::Put { .. } | Want::Emit(_) | Want::Sleep(_) => {
                self.waiting.insert(number, Undone { want: want.clone(), since_ms: at_ms });
            }
            Want::Cancel(of) => drop(self.waiting.remove(of)),
            Want::Answer(update) | Want::Refuse(update) => self.updates.forget(update),
            Want::Record(_) | Want::Patch(_) | Want::Checkpoint(_) => {}
            Want::Return | Want::Fail | Want::Stopped => {
                self.end = Some(want.clone());
                self.waiting.clear();
                self.news.clear();
            }
        }
    }

    /// How many commands there were.
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// Commands that are not done, by number.
    pub fn waiting(&self) -> impl Iterator<Item = (u64, &Undone)> {
        self.waiting.iter().map(|(number, undone)| (*number, undone))
    }

    /// What has happened since the last turn that wanted something began, oldest first.
    pub fn news(&self) -> &[Entry] {
        &self.news
    }

    /// Updates without an answer.
    pub fn updates(&self) -> Vec<Arc<str>> {
        self.updates.open()
    }

    /// The command that ended it.
    pub fn end(&self) -> Option<&Want> {
        self.end.as_ref()
    }

    /// What whoever goes on from here wants once more: calls that are not done, and puts, whose objects another run has not.
    pub fn again(&self) -> BTreeMap<u64, Want> {
        let calls = self.waiting.iter().filter(|(_, undone)| !matches!(undone.want, Want::Sleep(_)));
        let calls = calls.map(|(number, undone)| (*number, undone.want.clone()));
        calls.chain(self.puts.clone()).collect()
    }

    /// A workflow that goes on from here with a turn that tells everything, as [`crate::retold`] does. Timers are due when
    /// they were. `None` if it has ended, or not begun.
    pub fn resume(self) -> Option<Execution> {
        let again = self.again();
        let last = self.last.filter(|_| self.end.is_none())?;
        // A turn tells something, if only what was told before.
        let news = if self.news.is_empty() { vec![last] } else { self.news };
        let waiting = self.waiting.iter().map(|(number, undone)| (*number, undone.due_ms())).collect();
        Some(Execution::resumed(
            self.commands,
            self.entries,
            news,
            waiting,
            again,
            self.is_cancelled,
            self.updates,
        ))
    }
}
