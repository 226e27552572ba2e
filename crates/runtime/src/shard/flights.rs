//! Attempts in sandboxes, as far as views and logs want to know. Soft state: a crash forgets it.

use crate::api::LogLine;
use rustc_hash::FxHashMap;
use sluice_types::{Attempt, InvocationId, RunKey};
use std::collections::VecDeque;
use std::sync::Arc;

/// Log lines kept per run.
const RUN_LOG_LINES_MAX: usize = 10_000;
/// Runs whose log lines are kept.
const LOGGED_RUNS_MAX: usize = 1_000;

/// An attempt in a sandbox.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub attempt: Attempt,
    pub started: bool,
}

/// Attempts in sandboxes, and what attempts wrote.
#[derive(Default)]
pub(super) struct Flights {
    flying: FxHashMap<InvocationId, Flight>,
    logs: FxHashMap<RunKey, VecDeque<LogLine>>,
    logged: VecDeque<RunKey>,
}

impl Flights {
    pub fn launched(&mut self, invocation: InvocationId, attempt: Attempt) {
        self.flying.insert(invocation, Flight { attempt, started: false });
    }

    pub fn started(&mut self, invocation: InvocationId, attempt: Attempt) {
        if let Some(flight) = self.flying.get_mut(&invocation).filter(|flight| flight.attempt == attempt) {
            flight.started = true;
        }
    }

    pub fn landed(&mut self, invocation: InvocationId, attempt: Attempt) {
        if self.flying.get(&invocation).is_some_and(|flight| flight.attempt == attempt) {
            self.flying.remove(&invocation);
        }
    }

    pub fn is_running(&self, invocation: InvocationId) -> bool {
        self.flying.get(&invocation).is_some_and(|flight| flight.started)
    }

    pub fn len(&self) -> usize {
        self.flying.len()
    }

    pub fn log(&mut self, run: RunKey, line: LogLine) {
        if !self.logs.contains_key(&run) {
            self.logged.push_back(run);
            if self.logged.len() > LOGGED_RUNS_MAX {
                self.logged.pop_front().into_iter().for_each(|old| drop(self.logs.remove(&old)));
            }
        }
        let lines = self.logs.entry(run).or_default();
        lines.push_back(line);
        if lines.len() > RUN_LOG_LINES_MAX {
            lines.pop_front();
        }
    }

    /// Drops what the attempts of a run wrote.
    pub fn forget(&mut self, run: RunKey) {
        if self.logs.remove(&run).is_some() {
            self.logged.retain(|logged| *logged != run);
        }
    }

    pub fn logs(&self, run: RunKey) -> Vec<LogLine> {
        self.logs.get(&run).into_iter().flatten().cloned().collect()
    }
}

/// The text of what an attempt wrote.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A log line's stream.
pub(super) fn stream(name: &'static str) -> Arc<str> {
    Arc::from(name)
}
