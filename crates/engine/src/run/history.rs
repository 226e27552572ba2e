//! What happened in a run, compactly: numbers that point into the run's own tables.

use serde::{Deserialize, Serialize};
use sluice_types::{Attempt, Failure, FunctionIx, Lsn, TriggerIx};

/// One line of a run's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The record that caused it.
    pub lsn: Lsn,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What.
    pub kind: HistoryKind,
}

/// What a line of history says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistoryKind {
    /// The run started.
    RunStarted,
    /// An object arrived, in this slot.
    ObjectPut {
        /// Position among the run's objects.
        slot: u32,
    },
    /// All inputs are there.
    Sealed,
    /// A trigger fired.
    TriggerFired {
        /// The trigger.
        trigger: TriggerIx,
        /// Objects it passed on.
        objects: u32,
    },
    /// An invocation was created.
    InvocationCreated {
        /// Its number.
        invocation: u32,
        /// Its function.
        function: FunctionIx,
    },
    /// An invocation succeeded.
    InvocationSucceeded {
        /// Its number.
        invocation: u32,
        /// The attempt that did.
        attempt: Attempt,
    },
    /// An attempt failed.
    AttemptFailed {
        /// The invocation's number.
        invocation: u32,
        /// The attempt that failed.
        attempt: Attempt,
        /// Why.
        failure: Box<Failure>,
        /// When the next attempt is due; `None` when there is none.
        retry_ms: Option<u64>,
    },
    /// An invocation was stopped.
    InvocationCancelled {
        /// Its number.
        invocation: u32,
    },
    /// A late or forbidden put was discarded.
    PutDiscarded {
        /// The invocation's number.
        invocation: u32,
    },
    /// An event was emitted.
    EventEmitted {
        /// Its type.
        r#type: std::sync::Arc<str>,
    },
    /// An event arrived that fired nothing, because what listens to it is closed.
    EventIgnored {
        /// Its type.
        r#type: std::sync::Arc<str>,
    },
    /// An express run started again after a crash.
    Reincarnated {
        /// Which life begins.
        incarnation: u32,
    },
    /// The run ended.
    RunEnded,
}

impl super::Run {
    /// Adds a line. Express runs keep only start and end: hops are not recorded anywhere.
    pub(super) fn record(&mut self, cx: &super::Cx<'_>, kind: HistoryKind) {
        let lifecycle = matches!(
            kind,
            HistoryKind::RunStarted
                | HistoryKind::RunEnded
                | HistoryKind::Reincarnated { .. }
                | HistoryKind::AttemptFailed { .. }
        );
        if lifecycle || (!self.is_express() && self.history.len() < sluice_types::limits::HISTORY_EVENTS_MAX)
        {
            self.history.push(HistoryEntry { lsn: cx.lsn, at_ms: cx.now_ms, kind });
        }
    }
}
