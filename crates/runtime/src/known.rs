//! Events seen lately, by a fingerprint of source and id.
//!
//! Two generations: new events join the younger; when that is full it takes the place of the older, which is forgotten as
//! a whole. So nothing is removed one by one, and a look-up that finds nothing reads control bytes only.
//!
//! Invariant: no fingerprint is in both.

use rustc_hash::FxHashSet;
use sluice_types::EventPack;
use sluice_types::pack::{fingerprint_within, seed};

/// How many of the last events are remembered at least; at most twice as many are.
pub const KNOWN_EVENTS_MIN: usize = 1_000_000;

/// The last events.
#[derive(Default)]
pub struct KnownEvents {
    younger: FxHashSet<u128>,
    older: FxHashSet<u128>,
    changed: bool,
}

/// Fingerprints of events that were not known, to be remembered once they are logged.
#[must_use]
pub struct Offered(Vec<u128>);

impl KnownEvents {
    /// Leaves of a pack the events that are neither known nor twice in it.
    pub fn offer(&mut self, events: &mut EventPack) -> Offered {
        let mut new = Vec::with_capacity(events.len());
        let mut is_new = Vec::with_capacity(events.len());
        for fingerprint in fingerprints(events) {
            let fresh = self.insert(fingerprint);
            is_new.push(fresh);
            if fresh {
                new.push(fingerprint);
            }
        }
        if new.len() < events.len() {
            let mut is_new = is_new.into_iter();
            events.retain(|_| is_new.next().expect("there is one for every event"));
        }
        Offered(new)
    }

    fn insert(&mut self, fingerprint: u128) -> bool {
        !self.older.contains(&fingerprint) && self.younger.insert(fingerprint)
    }

    /// They are logged.
    pub fn accept(&mut self, offered: &Offered) {
        self.changed |= !offered.0.is_empty();
        self.make_room();
    }

    fn make_room(&mut self) {
        if self.younger.len() >= KNOWN_EVENTS_MIN {
            std::mem::swap(&mut self.younger, &mut self.older);
            self.younger.clear();
        }
    }

    /// They are not logged.
    pub fn refuse(&mut self, offered: &Offered) {
        for fingerprint in &offered.0 {
            self.younger.remove(fingerprint);
        }
    }

    /// Remembers events of a record that is applied again; those that are known stay where they are.
    pub fn remember(&mut self, events: &EventPack) {
        let new: Vec<u128> = fingerprints(events).filter(|fingerprint| self.insert(*fingerprint)).collect();
        self.accept(&Offered(new));
    }

    /// All of them as bytes, the older first, if there are new ones since the last call.
    pub fn take_changed(&mut self) -> Option<Vec<u8>> {
        let all = || self.older.iter().chain(&self.younger);
        std::mem::take(&mut self.changed)
            .then(|| all().flat_map(|fingerprint| fingerprint.to_le_bytes()).collect())
    }

    /// Those that `take_changed` gave.
    pub fn restore(bytes: &[u8]) -> Self {
        let mut known = Self::default();
        for fingerprint in bytes.as_chunks::<16>().0 {
            known.insert(u128::from_le_bytes(*fingerprint));
            known.make_room();
        }
        known.changed = false;
        known
    }
}

fn fingerprints(events: &EventPack) -> impl Iterator<Item = u128> + use<'_> {
    let seeds: Vec<u64> = events.heads().iter().map(|head| seed(&head.source)).collect();
    events.iter().map(move |event| fingerprint_within(seeds[event.head_at], event.id))
}

#[cfg(test)]
mod tests {
    use super::KnownEvents;
    use sluice_types::{ContentType, EventPacker, HeadView};

    fn events(of: &[(&str, &str)]) -> sluice_types::EventPack {
        let mut packer = EventPacker::default();
        for (source, id) in of {
            let content_type = &ContentType::Json;
            let head = HeadView { source, r#type: "t", subject: None, content_type, run: None };
            packer.push(head, id, 0, b"");
        }
        packer.finish()
    }

    #[test]
    fn what_is_stored_is_what_was_known() {
        let mut known = KnownEvents::default();
        assert!(known.take_changed().is_none());
        let mut first = events(&[("a", "bc"), ("ab", "c"), ("a", "bc")]);
        let offered = known.offer(&mut first);
        assert_eq!(first.iter().map(|event| event.id.to_owned()).collect::<Vec<_>>(), ["bc", "c"]);
        known.accept(&offered);
        let stored = known.take_changed().expect("there are new ones");
        let mut restored = KnownEvents::restore(&stored);
        let mut again = events(&[("a", "bc"), ("a", "c")]);
        let offered = restored.offer(&mut again);
        assert_eq!(again.len(), 1);
        assert!(restored.take_changed().is_none(), "what was only offered is not known");
        restored.refuse(&offered);
        let mut once_more = events(&[("a", "c")]);
        let offered = restored.offer(&mut once_more);
        restored.accept(&offered);
        assert_eq!(once_more.len(), 1, "what was refused may come again");
    }
}
