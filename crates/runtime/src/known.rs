//! Events seen lately, by a fingerprint of source and id.

use rustc_hash::FxHashSet;
use std::collections::VecDeque;

/// How many events are remembered.
pub const KNOWN_EVENTS_MAX: usize = 1_000_000;
/// How many of them a checkpoint keeps, the newest; those logged after it are remembered from the log.
pub const KNOWN_EVENTS_STORED_MAX: usize = 65_536;

/// The last events, in the order they came.
#[derive(Default)]
pub struct KnownEvents {
    set: FxHashSet<u128>,
    order: VecDeque<u128>,
}

/// What an event is known by.
pub fn fingerprint(source: &str, id: &str) -> u128 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    hash.update(&(source.len() as u64).to_le_bytes());
    hash.update(source.as_bytes());
    hash.update(id.as_bytes());
    hash.digest128()
}

impl KnownEvents {
    /// Those that a checkpoint kept, oldest first.
    pub fn restore(stored: &[u128]) -> Self {
        let mut known = Self::default();
        stored.iter().for_each(|event| known.insert(*event));
        known
    }

    /// Those that a checkpoint keeps, oldest first.
    pub fn stored(&self) -> Vec<u128> {
        let skipped = self.order.len().saturating_sub(KNOWN_EVENTS_STORED_MAX);
        self.order.iter().skip(skipped).copied().collect()
    }

    /// Whether an event was seen.
    pub fn contains(&self, event: u128) -> bool {
        self.set.contains(&event)
    }

    /// Remembers an event that is logged.
    pub fn insert(&mut self, event: u128) {
        if !self.set.insert(event) {
            return;
        }
        self.order.push_back(event);
        if self.order.len() > KNOWN_EVENTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }
}
