//! Events seen lately, by a fingerprint of source and id.
//!
//! Invariant: between calls `set` holds exactly the fingerprints in `order`.

use rustc_hash::FxHashSet;
use sluice_types::EventPack;
use sluice_types::pack::{fingerprint_within, seed};
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

/// Fingerprints of events that were not known, to be remembered once they are logged.
#[must_use]
pub struct Offered(Vec<u128>);

impl KnownEvents {
    /// Leaves of a pack the events that are neither known nor twice in it.
    pub fn offer(&mut self, events: &mut EventPack) -> Offered {
        let mut new = Vec::with_capacity(events.len());
        let mut is_new = Vec::with_capacity(events.len());
        for fingerprint in fingerprints(events) {
            let fresh = self.set.insert(fingerprint);
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

    /// They are logged.
    pub fn accept(&mut self, offered: Offered) {
        self.changed |= !offered.0.is_empty();
        self.order.extend(offered.0);
        while self.order.len() > KNOWN_EVENTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }

    /// They are not logged.
    pub fn refuse(&mut self, offered: &Offered) {
        for fingerprint in &offered.0 {
            self.set.remove(fingerprint);
        }
    }

    /// Remembers events of a record that is applied again; those that are known stay where they are.
    pub fn remember(&mut self, events: &EventPack) {
        let new: Vec<u128> =
            fingerprints(events).filter(|fingerprint| self.set.insert(*fingerprint)).collect();
        self.accept(Offered(new));
    }

    /// All of them as bytes, if there are new ones since the last call.
    pub fn take_changed(&mut self) -> Option<Vec<u8>> {
        let changed = std::mem::take(&mut self.changed);
        changed.then(|| self.order.iter().flat_map(|fingerprint| fingerprint.to_le_bytes()).collect())
    }

    /// Those that `take_changed` gave.
    pub fn restore(bytes: &[u8]) -> Self {
        let order: VecDeque<u128> =
            bytes.as_chunks::<16>().0.iter().map(|fingerprint| u128::from_le_bytes(*fingerprint)).collect();
        Self { set: order.iter().copied().collect(), order, changed: false }
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
        known.accept(offered);
        let stored = known.take_changed().expect("there are new ones");
        let mut restored = KnownEvents::restore(&stored);
        let mut again = events(&[("a", "bc"), ("a", "c")]);
        let offered = restored.offer(&mut again);
        assert_eq!(again.len(), 1);
        assert!(restored.take_changed().is_none(), "what was only offered is not known");
        restored.refuse(&offered);
        let mut once_more = events(&[("a", "c")]);
        let offered = restored.offer(&mut once_more);
        restored.accept(offered);
        assert_eq!(once_more.len(), 1, "what was refused may come again");
    }
}
