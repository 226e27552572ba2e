//! Events seen lately, by a fingerprint of source and id.

use rustc_hash::FxHashSet;
use std::collections::VecDeque;

/// How many events are remembered.
pub const KNOWN_EVENTS_MAX: usize = 1_000_000;

/// The last events, in the order they came.
#[derive(Default)]
pub struct KnownEvents {
    set: FxHashSet<u128>,
    order: VecDeque<u128>,
}

impl KnownEvents {
    /// Remembers an event. False when it was known.
    pub fn insert(&mut self, source: &str, id: &str) -> bool {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        hash.update(&(source.len() as u64).to_le_bytes());
        hash.update(source.as_bytes());
        hash.update(id.as_bytes());
        let fingerprint = hash.digest128();
        if !self.set.insert(fingerprint) {
            return false;
        }
        self.order.push_back(fingerprint);
        if self.order.len() > KNOWN_EVENTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }
}
