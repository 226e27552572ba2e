//! The bytes of stored objects, and a watch over their release: exactly once, and never before the last use.

use bytes::Bytes;
use sluice_types::{ObjectId, Payload};
use std::collections::{BTreeMap, BTreeSet};

/// All bytes ever stored.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    live: BTreeMap<ObjectId, Bytes>,
    released: BTreeSet<ObjectId>,
    next: u64,
}

impl Ledger {
    /// Stores bytes under a new id.
    pub fn store(&mut self, bytes: Bytes) -> Payload {
        self.next += 1;
        let id = ObjectId(self.next);
        let (len, digest) = (bytes.len() as u64, Some(xxhash_rust::xxh3::xxh3_128(&bytes)));
        self.live.insert(id, bytes);
        Payload::Stored { id, len, digest }
    }

    /// The bytes of a payload. Panics when they were released.
    pub fn read(&self, payload: &Payload) -> Bytes {
        match payload {
            Payload::Inline(bytes) => bytes.clone(),
            Payload::Stored { id, .. } => {
                assert!(!self.released.contains(id), "{id} is used after its release");
                self.live[id].clone()
            }
            // Functions of this world do not wait for what is still being written.
            Payload::Open { .. } => Bytes::new(),
        }
    }

    /// A copy with an owner of its own.
    pub fn copy(&mut self, payload: &Payload) -> Payload {
        match payload {
            Payload::Inline(_) | Payload::Open { .. } => payload.clone(),
            Payload::Stored { .. } => self.store(self.read(payload)),
        }
    }

    /// The engine released an object.
    pub fn release(&mut self, id: ObjectId) {
        assert!(self.live.remove(&id).is_some(), "{id} is released twice, or never was");
        self.released.insert(id);
    }

    /// Stored objects that were not released.
    pub fn live(&self) -> usize {
        self.live.len()
    }
}
