//! The objects of one entity, and when their bytes may go.
//!
//! Invariants:
//! * a (bucket, key) names at most one slot, for ever: a released object keeps its slot, so that its key stays taken;
//! * `uses` is the number of condition buffers, pending invocations and outbox entries that hold the slot
//!   (`Run::check`);
//! * a payload is released exactly once, and only when nothing can need it again (`sluice-sim`'s ledger).

use crate::effect::Effect;
use crate::slots::Slots;
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use sluice_types::{BucketIx, FunctionIx, Object, ObjectId, Payload};
use std::hash::{Hash, Hasher};

/// Who put an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// A client, or the app for what was delivered to it.
    Client,
    /// An invocation of the run.
    Invocation(u32),
    /// The firing that started the run, or an event that takes part in a list: an argument, not found by its key.
    Firing,
}

/// An object and its bookkeeping.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slot {
    /// The object; after release its payload holds only length and digest.
    pub object: Object,
    /// Who put it.
    pub owner: Owner,
    /// The function that put it, for `join` and `group`.
    pub function: Option<FunctionIx>,
    /// Buffers and invocations that hold it.
    pub uses: u32,
    /// Whether it stays until the entity goes, used or not.
    pub keep: bool,
    /// Whether the payload is gone.
    pub released: bool,
}

impl Slot {
    /// A slot that nothing holds yet.
    pub(crate) fn new(object: Object, owner: Owner, function: Option<FunctionIx>, keep: bool) -> Self {
        Self { object, owner, function, uses: 0, keep, released: false }
    }
}

/// What a put met under its key.
#[derive(Debug, PartialEq, Eq)]
pub enum Present {
    /// Nothing: the key is free.
    Nothing,
    /// The same owner had put the same bytes.
    Same {
        /// Whether both puts name the very same stored bytes, which therefore must stay.
        shares_payload: bool,
    },
    /// The same owner had put other bytes.
    Differs,
    /// Somebody else owns the key.
    Taken,
}

/// Slots, found by position or by (bucket, key).
#[derive(Clone, Debug, Default)]
pub struct ObjectTable {
    slots: Slots,
    /// Positions by (bucket, key), each with its hash, so that growing looks at no key.
    index: HashTable<(u64, u32)>,
}

fn hash(bucket: BucketIx, key: &str) -> u64 {
    let mut hasher = rustc_hash::FxHasher::default();
    (bucket, key).hash(&mut hasher);
    hasher.finish()
}

impl ObjectTable {
    /// The slot of a key.
    pub fn find(&self, bucket: BucketIx, key: &str) -> Option<u32> {
        let hash = hash(bucket, key);
        let same = |(of, at): &(u64, u32)| {
            let object = &self.slots[*at as usize].object;
            *of == hash && object.bucket == bucket && *object.key == *key
        };
        self.index.find(hash, same).map(|(_, at)| *at)
    }

    /// All slots, by position.
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// One slot.
    pub fn slot(&self, at: u32) -> &Slot {
        &self.slots[at as usize]
    }

    /// What an owner's put of this payload meets under a key.
    pub fn present(&self, owner: Owner, bucket: BucketIx, key: &str, payload: &Payload) -> Present {
        let Some(at) = self.find(bucket, key) else { return Present::Nothing };
        let present = self.slot(at);
        if present.owner != owner {
            return Present::Taken;
        }
        match same_bytes(&present.object.payload, payload) {
            true => Present::Same { shares_payload: shares_payload(&present.object.payload, payload) },
            false => Present::Differs,
        }
    }

    /// Adds an object whose key is known to be free. Those of a firing are not found by their keys.
    pub fn push(&mut self, slot: Slot) -> u32 {
        let at = self.slots.len() as u32;
        let hash = (slot.owner != Owner::Firing).then(|| hash(slot.object.bucket, &slot.object.key));
        self.slots.push(slot);
        if let Some(hash) = hash {
            self.index.insert_unique(hash, (hash, at), |(hash, _)| *hash);
        }
        at
    }

    /// Sets the payload of an object to the same one with its digest.
    pub fn learn_payload(&mut self, bucket: BucketIx, key: &str, payload: Payload) {
        if let Some(at) = self.find(bucket, key) {
            let slot = &mut self.slots[at as usize];
            assert!(shares_payload(&slot.object.payload, &payload), "it is the same payload");
            slot.object.payload = payload;
        }
    }

    /// An opened object is whole.
    pub fn close(&mut self, at: u32, object: Object) {
        let slot = &mut self.slots[at as usize];
        assert!(slot.object.payload.is_open() && !slot.released, "an object is closed once");
        slot.object = object;
    }

    /// Further holders of a slot.
    pub fn hold(&mut self, at: u32, holders: u32) {
        self.slots[at as usize].uses += holders;
    }

    /// One holder less; releases the payload when that was the last and `owner_done`, or the bytes can still be
    /// compared by digest.
    pub fn drop_use(&mut self, at: u32, owner_done: bool, effects: &mut Vec<Effect>) {
        let slot = &mut self.slots[at as usize];
        assert!(slot.uses > 0, "a slot is dropped no more often than held");
        slot.uses -= 1;
        self.release_if_unused(at, owner_done, effects);
    }

    /// Releases the payload if nothing holds it or will.
    pub fn release_if_unused(&mut self, at: u32, owner_done: bool, effects: &mut Vec<Effect>) {
        let slot = &mut self.slots[at as usize];
        let comparable =
            !matches!(slot.object.payload, Payload::Stored { digest: None, .. } | Payload::Open { .. });
        if slot.uses == 0 && !slot.keep && !slot.released && (owner_done || comparable) {
            release(slot, owner_done, effects);
        }
    }

    /// Buckets and functions have other numbers from now on; a function may have none.
    pub fn rename(
        &mut self,
        bucket: impl Fn(BucketIx) -> BucketIx,
        function: impl Fn(FunctionIx) -> Option<FunctionIx>,
    ) {
        for slot in self.slots.iter_mut() {
            slot.object.bucket = bucket(slot.object.bucket);
            slot.function = slot.function.and_then(&function);
        }
        *self = Self::indexed(std::mem::take(&mut self.slots));
    }

    fn indexed(slots: Slots) -> Self {
        let mut index = HashTable::with_capacity(slots.len());
        for (at, slot) in slots.iter().enumerate().filter(|(_, slot)| slot.owner != Owner::Firing) {
            let hash = hash(slot.object.bucket, &slot.object.key);
            index.insert_unique(hash, (hash, at as u32), |(hash, _)| *hash);
        }
        Self { slots, index }
    }

    /// At the end of a run: releases every payload that need not be kept; those still `leaving` are held once.
    pub fn let_go_all(&mut self, leaving: impl Fn(u32) -> bool, effects: &mut Vec<Effect>) {
        for (at, slot) in self.slots.iter_mut().enumerate() {
            slot.uses = u32::from(leaving(at as u32));
            if slot.uses == 0 && !slot.keep && !slot.released {
                release(slot, true, effects);
            }
        }
    }

    /// Releases every payload, when the run itself goes.
    pub fn release_all(&mut self, effects: &mut Vec<Effect>) {
        for slot in self.slots.iter_mut().filter(|slot| !slot.released) {
            release(slot, true, effects);
        }
    }
}

/// The bytes go; what remains tells whether a repeated put brings the same ones.
fn release(slot: &mut Slot, owner_done: bool, effects: &mut Vec<Effect>) {
    slot.released = true;
    match &slot.object.payload {
        Payload::Stored { id, .. } => effects.push(Effect::Release(*id)),
        Payload::Inline(bytes) => {
            let digest = (!owner_done).then(|| xxhash_rust::xxh3::xxh3_128(bytes));
            slot.object.payload = Payload::Stored { id: ObjectId(0), len: bytes.len() as u64, digest };
        }
        // What was written of it goes by `Effect::Abandon`, or with the run.
        Payload::Open { .. } => {}
    }
}

fn shares_payload(a: &Payload, b: &Payload) -> bool {
    matches!((a, b), (Payload::Stored { id: a, .. }, Payload::Stored { id: b, .. }) if a == b)
}

/// Whether two payloads hold the same bytes, wherever they are: the same value may ride in one record and be stored
/// beside another.
pub(crate) fn same_bytes(a: &Payload, b: &Payload) -> bool {
    match (a, b) {
        (Payload::Inline(bytes), Payload::Stored { len, digest: Some(digest), .. })
        | (Payload::Stored { len, digest: Some(digest), .. }, Payload::Inline(bytes)) => {
            *len == bytes.len() as u64 && *digest == xxhash_rust::xxh3::xxh3_128(bytes)
        }
        _ => a.same_bytes(b),
    }
}

impl Serialize for ObjectTable {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.slots.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ObjectTable {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::indexed(Slots::deserialize(deserializer)?))
    }
}
