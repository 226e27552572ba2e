//! Invocations that are not done.
//!
//! Invariant: iteration is by number, so that nothing the engine does depends on how the table hashes.

use super::workflow::Part;
use crate::condition::Items;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sluice_types::{Attempt, Failure, FunctionIx, Puts, RunKey};
use smallvec::SmallVec;
use std::sync::Arc;

/// An invocation that is not done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// Its function.
    pub function: FunctionIx,
    /// The current attempt.
    pub attempt: Attempt,
    /// Whether that attempt is with the runtime or waits for its time.
    pub state: PendingState,
    pub(super) items: Items,
    pub(super) group: Option<Arc<str>>,
    /// The number of the firing, for the key of the return value.
    pub(super) ordinal: Option<u32>,
    /// Slots of what it has put, over all attempts.
    pub(super) puts: SmallVec<[u32; 2]>,
    /// What this attempt has put and nobody sees before it succeeds.
    pub(super) held: Puts,
    /// Why the attempt before this one failed.
    pub failure: Option<Box<Failure>>,
    /// What of the run's workflow it is.
    pub(super) part: Option<Part>,
    /// Where the run is that the attempt is, if its function is a workflow.
    pub(super) child: Option<Child>,
}

/// A run that is an attempt at an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Child {
    /// To be, in the outbox.
    Sent(u32),
    /// Under way.
    Run(RunKey),
}

/// Where a pending invocation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PendingState {
    /// With the runtime: queued or running.
    Running,
    /// Waits to be tried again.
    Waiting {
        /// When, in milliseconds since the Unix epoch.
        due_ms: u64,
    },
}

impl Pending {
    /// Whether nothing of it waits for the runtime.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, PendingState::Waiting { .. }) || matches!(self.child, Some(Child::Run(_)))
    }

    pub(super) fn is_current(&self, attempt: Attempt) -> bool {
        self.attempt == attempt && self.state == PendingState::Running
    }
}

/// All of them, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct PendingTable(FxHashMap<u32, Pending>);

impl PendingTable {
    pub fn get(&self, seq: u32) -> Option<&Pending> {
        self.0.get(&seq)
    }

    pub fn get_mut(&mut self, seq: u32) -> Option<&mut Pending> {
        self.0.get_mut(&seq)
    }

    pub fn insert(&mut self, seq: u32, pending: Pending) {
        let before = self.0.insert(seq, pending);
        assert!(before.is_none(), "an invocation is pending once");
    }

    /// Visits what each was called with.
    pub fn each_items(&mut self, mut visit: impl FnMut(&mut Items)) {
        self.0.values_mut().for_each(|pending| visit(&mut pending.items));
    }

    pub fn remove(&mut self, seq: u32) -> Option<Pending> {
        self.0.remove(&seq)
    }

    pub fn values(&self) -> impl Iterator<Item = &Pending> {
        self.0.values()
    }

    /// In the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Pending)> {
        let mut entries: Vec<_> = self.0.iter().map(|(seq, pending)| (*seq, pending)).collect();
        entries.sort_unstable_by_key(|(seq, _)| *seq);
        entries.into_iter()
    }
}

impl Serialize for PendingTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for PendingTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Vec::<(u32, Pending)>::deserialize(deserializer)?;
        Ok(Self(entries.into_iter().collect()))
    }
}
