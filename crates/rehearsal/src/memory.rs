//! Objects in a map.

use bytes::Bytes;
use rustc_hash::FxHashMap;
use sluice_runtime::ports::Objects;
use sluice_types::{AppKey, BucketIx, Code, ObjectId, Payload, Problem, Put, RunKey, limits};
use std::collections::BTreeSet;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// Bytes by id. What is stored has its digest at once.
#[derive(Debug, Default)]
pub struct MapObjects {
    bytes: FxHashMap<ObjectId, Bytes>,
    next: u64,
}

impl Objects for MapObjects {
    fn store(&mut self, app: AppKey, bytes: &[u8]) -> Result<Payload, Problem> {
        match bytes.len() <= limits::INLINE_BYTES_MAX {
            true => Ok(Payload::Inline(Bytes::copy_from_slice(bytes))),
            false => self.store_apart(app, bytes),
        }
    }

    fn store_apart(&mut self, _app: AppKey, bytes: &[u8]) -> Result<Payload, Problem> {
        let id = self.next_id();
        self.next += 1;
        let (len, digest) = (bytes.len() as u64, Some(xxh3_128(bytes)));
        self.bytes.insert(id, Bytes::copy_from_slice(bytes));
        Ok(Payload::Stored { id, len, digest })
    }

    fn read(&mut self, payload: &Payload) -> Result<Bytes, Problem> {
        match payload {
            Payload::Inline(bytes) => Ok(bytes.clone()),
            Payload::Stored { id, .. } => self.bytes.get(id).cloned().ok_or_else(|| {
                Problem::new(Code::OBJECT_RELEASED, format!("the bytes of {id} are gone"), "report this")
            }),
            Payload::Open { .. } => Err(nothing_open()),
        }
    }

    fn persist(&mut self, _payload: &mut Payload) -> Result<(), Problem> {
        Ok(())
    }

    fn save(&mut self, _payload: &mut Payload) -> Result<bool, Problem> {
        Ok(true)
    }

    fn saved(&mut self) -> Option<(ObjectId, Result<(), Problem>)> {
        None
    }

    fn digest(&mut self, _payload: &mut Payload) -> Result<(), Problem> {
        Ok(())
    }

    fn duplicate(&mut self, app: AppKey, payload: &Payload) -> Result<Payload, Problem> {
        let bytes = self.read(payload)?;
        self.store(app, &bytes)
    }

    /// Functions of a rehearsal put whole objects only.
    fn close(&mut self, _app: AppKey, _run: RunKey, _put: &mut Put) -> Result<(), Problem> {
        Err(nothing_open())
    }

    fn let_go(&mut self, _run: RunKey, _bucket: BucketIx, _key: &Arc<str>) {}

    fn abandon(&mut self, _run: RunKey) {}

    fn release(&mut self, id: ObjectId) {
        self.bytes.remove(&id);
    }

    /// There are no earlier lives.
    fn sweep(&mut self, _from: ObjectId, _named: &BTreeSet<ObjectId>) {}

    fn next_id(&self) -> ObjectId {
        ObjectId(self.next)
    }

    fn skip_to(&mut self, id: ObjectId) {
        self.next = self.next.max(id.0);
    }

    fn resident_bytes(&self) -> u64 {
        self.bytes.values().map(|bytes| bytes.len() as u64).sum()
    }
}

fn nothing_open() -> Problem {
    Problem::new(Code::INTERNAL, "nothing is written piece by piece in a rehearsal", "report this")
}
