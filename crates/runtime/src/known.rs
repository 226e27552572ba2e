//! Events seen lately, by a fingerprint of source and id.
//!
//! Invariant: `set` holds exactly the fingerprints in `order`.

use rustc_hash::FxHashSet;
use std::collections::VecDeque;

/// How many events are remembered.
pub const KNOWN_EVENTS_MAX: usize = 1_000_000;

/// The last events, in the order they came.
#[derive(Default)]
pub struct KnownEvents {
    set: FxHashSet<u128>,
    order: VecDeque<u128>,
    changed: bool,
}

impl KnownEvents {
    /// Whether an event is among the last.
    pub fn contains(&self, source: &str, id: &str) -> bool {
        self.set.contains(&fingerprint(source, id))
    }

    /// Remembers an event; one that is known stays where it is.
    pub fn insert(&mut self, source: &str, id: &str) {
        self.remember(fingerprint(source, id));
    }

    fn remember(&mut self, fingerprint: u128) {
        if !self.set.insert(fingerprint) {
            return;
        }
        self.changed = true;
        self.order.push_back(fingerprint);
        if self.order.len() > KNOWN_EVENTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }

    /// All of them as bytes, if there are new ones since the last call.
    pub fn take_changed(&mut self) -> Option<Vec<u8>> {
        let changed = std::mem::take(&mut self.changed);
        changed.then(|| self.order.iter().flat_map(|fingerprint| fingerprint.to_le_bytes()).collect())
    }

    /// Those that `take_changed` gave.
    pub fn restore(bytes: &[u8]) -> Self {
        let mut known = Self::default();
        for fingerprint in bytes.as_chunks::<16>().0 {
            known.remember(u128::from_le_bytes(*fingerprint));
        }
        known.changed = false;
        known
    }
}

fn fingerprint(source: &str, id: &str) -> u128 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    hash.update(&(source.len() as u64).to_le_bytes());
    hash.update(source.as_bytes());
    hash.update(id.as_bytes());
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::KnownEvents;

    #[test]
    fn what_is_stored_is_what_was_known() {
        let mut known = KnownEvents::default();
        assert!(known.take_changed().is_none());
        known.insert("a", "bc");
        assert!(known.contains("a", "bc") && !known.contains("ab", "c"));
        let stored = known.take_changed().expect("there is a new one");
        let mut restored = KnownEvents::restore(&stored);
        assert!(restored.contains("a", "bc"));
        assert!(restored.take_changed().is_none());
    }
}
