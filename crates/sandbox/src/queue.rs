//! Invocations that wait for a sandbox: first come, first served within an app.

use crate::event::RunInfo;
use sluice_types::{Attempt, Invocation, InvocationId};
use std::collections::VecDeque;

#[derive(Debug)]
pub(crate) struct Waiting {
    /// Order of arrival in the app.
    pub ticket: u64,
    pub invocation: Invocation,
    pub run: RunInfo,
}

/// One line per function, so that a function at its concurrency limit does not hold up the others.
#[derive(Debug)]
pub(crate) struct Queue {
    lines: Vec<VecDeque<Waiting>>,
    next_ticket: u64,
    len: usize,
}

impl Queue {
    pub fn new(functions: usize) -> Self {
        Self { lines: (0..functions).map(|_| VecDeque::new()).collect(), next_ticket: 0, len: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn push(&mut self, invocation: Invocation, run: RunInfo) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.len += 1;
        self.lines[invocation.function.index()].push_back(Waiting { ticket, invocation, run });
    }

    /// The functions in whose line somebody waits, the longest waiting first.
    pub fn functions(&self) -> impl Iterator<Item = usize> + use<> {
        let heads = self.lines.iter().enumerate();
        let mut waiting: Vec<_> =
            heads.filter_map(|(function, line)| Some((line.front()?.ticket, function))).collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, function)| function)
    }

    /// How many wait for a function.
    pub fn waiting(&self, function: usize) -> usize {
        self.lines[function].len()
    }

    /// Those that wait for a function.
    pub fn line_mut(&mut self, function: usize) -> impl Iterator<Item = &mut Waiting> {
        self.lines[function].iter_mut()
    }

    /// How many wait that are to read an object while it is written.
    pub fn early_readers(&self) -> usize {
        let reads = |waiting: &&Waiting| crate::streams::open_input(&waiting.invocation).is_some();
        self.lines.iter().flatten().filter(reads).count()
    }

    /// Takes back one that was popped: it is the first in its line. Of several, the one that was popped last comes first.
    pub fn put_back(&mut self, waiting: Waiting) {
        self.len += 1;
        self.lines[waiting.invocation.function.index()].push_front(waiting);
    }

    pub fn pop(&mut self, function: usize) -> Option<Waiting> {
        let waiting = self.lines[function].pop_front()?;
        self.len -= 1;
        Some(waiting)
    }

    /// Takes all.
    pub fn drain(&mut self) -> impl Iterator<Item = Waiting> {
        self.len = 0;
        self.lines.iter_mut().flat_map(|line| line.drain(..))
    }

    /// Takes one out of its line.
    pub fn remove(&mut self, id: InvocationId, attempt: Attempt) -> Option<Waiting> {
        for line in &mut self.lines {
            let found = line.iter().position(|w| w.invocation.id == id && w.invocation.attempt == attempt);
            if let Some(waiting) = found.and_then(|position| line.remove(position)) {
                self.len -= 1;
                return Some(waiting);
            }
        }
        None
    }
}
