//! When suspended calls want to go on. An entry whose call has ended or moved on is skipped by whoever pops it.

use sluice_types::{Attempt, InvocationId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Names one attempt.
pub(crate) type Ticket = (InvocationId, Attempt);

/// Earliest first; ties in the order of the tickets, so that replays agree.
#[derive(Default)]
pub(crate) struct Timers(BinaryHeap<Reverse<(u64, Ticket)>>);

impl Timers {
    pub fn add(&mut self, due_ms: u64, ticket: Ticket) {
        self.0.push(Reverse((due_ms, ticket)));
    }

    /// The earliest time.
    pub fn next_ms(&self) -> Option<u64> {
        self.0.peek().map(|&Reverse((due_ms, _))| due_ms)
    }

    /// Takes an entry that is due.
    pub fn pop_due(&mut self, now_ms: u64) -> Option<(u64, Ticket)> {
        if self.next_ms()? > now_ms {
            return None;
        }
        self.0.pop().map(|Reverse(entry)| entry)
    }
}
