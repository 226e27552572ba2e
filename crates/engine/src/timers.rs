//! Deadlines of all entities, ordered by (deadline, entity, timer).
//!
//! Invariant: an entity's own state says when its timers are due; this queue is an index of it, rebuilt at recovery. It
//! may hold stale timers of evicted runs, which do nothing when they come due.

use serde::{Deserialize, Serialize};
use sluice_types::{AppKey, RunKey, TriggerIx};
use std::collections::BTreeSet;

/// Who a timer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Entity {
    /// An app.
    App(AppKey),
    /// A run.
    Run(RunKey),
}

impl Entity {
    /// The run, if it is one.
    pub fn run(self) -> Option<RunKey> {
        match self {
            Self::Run(run) => Some(run),
            Self::App(_) => None,
        }
    }
}

/// What is to happen when a timer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TimerId {
    /// A condition has something to fire.
    Trigger(TriggerIx),
    /// An invocation is to be tried again.
    Retry(u32),
    /// The workflow has something to do.
    Workflow,
}

/// One deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timer {
    /// When, in milliseconds since the Unix epoch.
    pub due_ms: u64,
    /// Whose.
    pub entity: Entity,
    /// What.
    pub id: TimerId,
}

/// All deadlines.
#[derive(Debug, Default)]
pub(crate) struct TimerQueue(BTreeSet<Timer>);

impl TimerQueue {
    pub fn next_deadline(&self) -> Option<u64> {
        self.0.first().map(|timer| timer.due_ms)
    }

    /// Moves one timer from its old deadline to its new one; `None` means not set.
    pub fn update(&mut self, entity: Entity, id: TimerId, old_ms: Option<u64>, new_ms: Option<u64>) {
        if old_ms == new_ms {
            return;
        }
        if let Some(due_ms) = old_ms {
            self.0.remove(&Timer { due_ms, entity, id });
        }
        if let Some(due_ms) = new_ms {
            self.0.insert(Timer { due_ms, entity, id });
        }
    }

    /// Timers that are due at `now_ms`, in (deadline, entity, timer) order.
    pub fn due(&self, now_ms: u64) -> impl Iterator<Item = &Timer> {
        self.0.iter().take_while(move |timer| timer.due_ms <= now_ms)
    }

    pub fn remove(&mut self, timer: &Timer) {
        self.0.remove(timer);
    }
}
