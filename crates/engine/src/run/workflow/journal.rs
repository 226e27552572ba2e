//! The journal of a workflow that is code: which lines of the run's history are still needed, and what holds the values
//! that they name.
//!
//! Invariants:
//! * from line `from` of the history on, the journal has all that was told and wanted since the last checkpoint;
//! * `untold` has the line of each entry that no turn tells yet.

use super::super::{Cx, HistoryKind, Run};
use crate::objects::{Owner, Slot};
use serde::{Deserialize, Serialize};
use sluice_flow::{Command, Line, Want};
use sluice_types::{Payload, Program, ReturnValue};
use std::collections::VecDeque;

/// What a run knows of its journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    /// The first line that a worker has to be told that has lost the workflow.
    pub from: u64,
    /// The line of the first entry of the turn that was taken last.
    turn: u64,
    /// The lines of the entries that no turn tells yet. One may have come, by what the code itself has emitted, before the turn
    /// was taken that was asked for before it.
    untold: VecDeque<u64>,
    /// The lines of those that the turn tells that was taken last.
    told: Vec<u64>,
    /// Objects that hold values of the journal, which go at the next checkpoint.
    held: Vec<u32>,
}

impl Journal {
    /// One without a line.
    pub fn new() -> Self {
        Self { from: 1, turn: 1, untold: VecDeque::new(), told: Vec::new(), held: Vec::new() }
    }

    /// Entries that no turn tells yet.
    pub fn untold(&self) -> usize {
        self.untold.len()
    }

    /// A turn is taken that tells so many entries. The first of a workflow with the past of another one tells some that are in no
    /// line: they come before all of them.
    pub fn turn_taken(&mut self, entries: usize) {
        let known = entries.min(self.untold.len());
        self.told = self.untold.drain(..known).collect();
        self.turn = if known < entries { 1 } else { self.told[0] };
    }

    /// Nobody has what the turn tells that is out.
    pub fn turn_taken_back(&mut self) {
        std::mem::take(&mut self.told).into_iter().rev().for_each(|line| self.untold.push_front(line));
    }
}

impl Run {
    pub(super) fn write_line(&mut self, cx: &Cx<'_>, line: Line) {
        let is_entry = matches!(line, Line::Entry(_));
        self.record(cx, HistoryKind::Code(Box::new(line)));
        let at = self.history_len();
        if let Some(code) = self.code_mut().filter(|_| is_entry) {
            code.journal.untold.push_back(at);
        }
    }

    /// What is remembered of the commands of a turn stays with the run, wherever its bytes are. At a checkpoint the values
    /// go that nobody is told any more.
    pub(super) fn keep_values(&mut self, cx: &mut Cx<'_>, commands: &[Command]) {
        let followed = commands.iter().position(Command::is_last).map_or(commands.len(), |last| last + 1);
        for Command { want, value, .. } in &commands[..followed] {
            let takes = |at| self.code().is_some_and(|code| code.execution().takes(at));
            if matches!(want, Want::Checkpoint(at) if takes(*at)) {
                self.release_journal(cx);
            }
            let Some(value) = value else { continue };
            match want {
                Want::Record(_) | Want::Checkpoint(_) => self.hold_value(value),
                // Whoever asks again for an answer gets it; what the run failed with is looked at when it has ended.
                Want::Answer(_) | Want::Refuse(_) | Want::Fail => drop(self.keep_value(value)),
                _ => {}
            }
        }
    }

    /// A checkpoint is taken in the turn that has ended.
    fn release_journal(&mut self, cx: &mut Cx<'_>) {
        let Some(code) = self.code_mut() else { return };
        code.journal.from = code.journal.turn;
        for at in std::mem::take(&mut code.journal.held) {
            self.objects.let_go(at, cx.effects);
        }
    }

    /// The journal names a value: its bytes stay as long as the code may have to be told it.
    pub(super) fn hold_value(&mut self, value: &ReturnValue) {
        let at = self.keep_value(value);
        if let Some(code) = self.code_mut() {
            code.journal.held.extend(at);
        }
    }

    /// The bytes of a value stay as long as the run does. Gives their object, if they are not in the value itself.
    pub(super) fn keep_value(&mut self, value: &ReturnValue) -> Option<u32> {
        let Payload::Stored { .. } = value.payload else { return None };
        let object = super::object(Program::INPUT, "journal".into(), value.clone());
        Some(self.objects.push(Slot::new(object, Owner::Firing, None, true)))
    }
}
