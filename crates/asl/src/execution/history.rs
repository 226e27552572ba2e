//! The history of an execution: what happened, in the order in which AWS tells it.

mod aws;
mod kind;

pub use kind::{ExecutionStep, HistoryKind, JoinStep, MapRunStep, Performer, StateType, TaskStep};

use super::Execution;
use super::frames::Frame;
use super::ledgers::OWN;
use super::turn::Turn;
use serde::{Deserialize, Serialize};

/// One event of a history.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct HistoryEvent {
    /// The child execution of a distributed Map whose history it belongs to; `None` for the execution itself.
    pub child: Option<ChildId>,
    /// Number within its history, from 1.
    pub id: u64,
    /// Number of the event it follows; 0 for none.
    pub previous: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    pub kind: HistoryKind,
}

/// Names a child execution of a distributed Map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChildId {
    /// Number of the map run, from 0.
    pub run: u32,
    /// Number of the child in the map run, from 0.
    pub index: u32,
}

impl Execution {
    /// Whether events of a frame are recorded.
    pub(super) fn records(&self, frame: &Frame) -> bool {
        self.settings.records_history && self.ledgers.get(frame.ledger).recorded
    }

    /// Records an event of a frame's history and gives its number. The number is taken even when nothing is recorded:
    /// causes name it.
    pub(super) fn note(
        &mut self,
        frame: &Frame,
        previous: u64,
        turn: &mut Turn<'_>,
        kind: impl FnOnce() -> HistoryKind,
    ) -> u64 {
        let ledger = self.ledgers.get(frame.ledger);
        if frame.ledger == OWN && self.status.is_running() && self.settings.limits(ledger.events) {
            self.is_full = true;
            return ledger.events;
        }
        if self.is_child_full(frame) {
            return self.ledgers.get(frame.ledger).events;
        }
        self.note_end(frame, previous, turn, kind)
    }

    /// Whether the history of a child execution takes no event but its end; the child fails before its next state.
    pub(super) fn is_child_full(&self, frame: &Frame) -> bool {
        frame.ledger != OWN && self.settings.limits(self.ledgers.get(frame.ledger).events)
    }

    /// As [`Execution::note`], of an event that ends an execution: there is room for it.
    pub(super) fn note_end(
        &mut self,
        frame: &Frame,
        previous: u64,
        turn: &mut Turn<'_>,
        kind: impl FnOnce() -> HistoryKind,
    ) -> u64 {
        let ledger = self.ledgers.get_mut(frame.ledger);
        ledger.events += 1;
        let id = ledger.events;
        if self.settings.records_history && ledger.recorded {
            let child = ledger.child.as_ref().map(|child| child.id);
            turn.out.history.push(HistoryEvent { child, id, previous, at_ms: turn.now_ms, kind: kind() });
        }
        id
    }

    /// Records an event that follows the last one of the frame, and is followed by the next.
    pub(super) fn follow(
        &mut self,
        frame: &mut Frame,
        turn: &mut Turn<'_>,
        kind: impl FnOnce() -> HistoryKind,
    ) {
        frame.trail.last = self.note(frame, frame.trail.last, turn, kind);
        frame.trail.entering = false;
    }
}
