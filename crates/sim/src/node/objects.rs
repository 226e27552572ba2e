//! Object memory that forgets at a crash what was not put on disk, and that watches over use and release.

use super::mutant::Mutant;
use super::scene::Scene;
use super::verdict::Checker;
use bytes::Bytes;
use sluice_runtime::ports::Objects;
use sluice_types::{AppKey, BucketIx, Code, ObjectId, Payload, Problem, Put, RunKey};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// An open object: its run, bucket and key.
type Written = (RunKey, BucketIx, Arc<str>);

struct Kept {
    bytes: Bytes,
    on_disk: bool,
}

/// All bytes that there are.
#[derive(Default)]
pub(super) struct Vault {
    live: BTreeMap<ObjectId, Kept>,
    /// Removed from disk since the last crash, which may undo it.
    removed: Vec<(ObjectId, Bytes)>,
    next: u64,
    /// What functions have written to the end and the shard has not closed yet; more than once where an attempt from
    /// before a crash goes on beside its copy.
    pub written: BTreeMap<Written, Vec<Bytes>>,
    /// Objects that came back when a loss of power undid their removal.
    pub undone: BTreeSet<ObjectId>,
    /// Objects on their way to disk.
    pub saving: Vec<ObjectId>,
    /// Whether a log is being replayed: then releases are repeated.
    pub replaying: bool,
}

impl Vault {
    pub fn store(&mut self, bytes: Bytes) -> Payload {
        let id = ObjectId(self.next.max(1));
        self.next = id.0 + 1;
        let len = bytes.len() as u64;
        self.live.insert(id, Kept { bytes, on_disk: false });
        Payload::Stored { id, len, digest: None }
    }

    pub fn bytes(&self, id: ObjectId) -> Option<&Bytes> {
        self.live.get(&id).map(|kept| &kept.bytes)
    }

    /// Whether a crash leaves these bytes.
    pub fn is_on_disk(&self, id: ObjectId) -> bool {
        self.live.get(&id).is_some_and(|kept| kept.on_disk)
    }

    /// The process is gone. Ids are counted from 1 again, as the real memory does: the shard knows better. After a
    /// loss of power removals may be undone.
    pub fn crash(&mut self, mut undone: impl FnMut() -> bool) {
        self.live.retain(|_, kept| kept.on_disk);
        for (id, bytes) in std::mem::take(&mut self.removed) {
            if !self.live.contains_key(&id) && undone() {
                self.live.insert(id, Kept { bytes, on_disk: true });
                self.undone.insert(id);
            }
        }
        self.written.clear();
        self.saving.clear();
        self.next = 1;
    }
}

/// The shard's object memory.
pub(super) struct SimObjects(pub Rc<Scene>);

fn digest(bytes: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128(bytes)
}

impl SimObjects {
    fn look(&self, id: ObjectId) -> Result<Bytes, Problem> {
        let found = self.0.vault.borrow().bytes(id).cloned();
        found.ok_or_else(|| {
            self.0.complain(Checker::Objects, format!("{id} is read, but it was released or is lost"));
            Problem::new(Code::INTERNAL, format!("{id} is gone"), "")
        })
    }
}

impl Objects for SimObjects {
    fn store(&mut self, _app: AppKey, bytes: &[u8]) -> Result<Payload, Problem> {
        Ok(self.0.vault.borrow_mut().store(Bytes::copy_from_slice(bytes)))
    }

    fn store_apart(&mut self, app: AppKey, bytes: &[u8]) -> Result<Payload, Problem> {
        self.store(app, bytes)
    }

    fn read(&mut self, payload: &Payload) -> Result<Bytes, Problem> {
        match payload {
            Payload::Inline(bytes) => Ok(bytes.clone()),
            Payload::Stored { id, .. } => self.look(*id),
            Payload::Open { .. } => unreachable!("what is open is not read"),
        }
    }

    fn persist(&mut self, payload: &mut Payload) -> Result<(), Problem> {
        self.digest(payload)?;
        if let Payload::Stored { id, .. } = payload
            && let Some(kept) = self.0.vault.borrow_mut().live.get_mut(id)
        {
            kept.on_disk = true;
        }
        Ok(())
    }

    fn save(&mut self, payload: &mut Payload) -> Result<bool, Problem> {
        if let Payload::Stored { id, .. } = payload
            && !self.0.vault.borrow().is_on_disk(*id)
            && self.0.chance(500)
        {
            self.0.vault.borrow_mut().saving.push(*id);
            return Ok(false);
        }
        self.persist(payload).map(|()| true)
    }

    fn saved(&mut self) -> Option<(ObjectId, Result<(), Problem>)> {
        let waiting = self.0.vault.borrow().saving.len();
        if waiting == 0 || self.0.chance(500) {
            return None;
        }
        let id = self.0.vault.borrow_mut().saving.swap_remove(self.0.below(waiting));
        if self.0.fault("no space for an object", 100) {
            return Some((id, Err(Problem::new(Code::DISK_FULL, "no space", ""))));
        }
        if let Some(kept) = self.0.vault.borrow_mut().live.get_mut(&id) {
            kept.on_disk = true;
        }
        self.0.cover(|coverage| coverage.check("objects saved beside the shard", 1));
        Some((id, Ok(())))
    }

    fn digest(&mut self, payload: &mut Payload) -> Result<(), Problem> {
        if let Payload::Stored { id, digest: missing @ None, .. } = payload {
            *missing = Some(digest(&self.look(*id)?));
        }
        Ok(())
    }

    fn duplicate(&mut self, app: AppKey, payload: &Payload) -> Result<Payload, Problem> {
        let Payload::Stored { .. } = payload else { return Ok(payload.clone()) };
        let bytes = self.read(payload)?;
        let mut copy = self.store(app, &bytes)?;
        self.0.tell(|| format!("  {payload:?} is copied to {copy:?}"));
        self.persist(&mut copy)?;
        Ok(copy)
    }

    fn close(&mut self, _app: AppKey, run: RunKey, put: &mut Put) -> Result<(), Problem> {
        let name = (run, put.bucket, put.key.clone());
        let written = self.0.vault.borrow_mut().written.get_mut(&name).and_then(Vec::pop);
        let bytes = written.ok_or_else(|| Problem::new(Code::INTERNAL, "it is not open", ""))?;
        put.payload = match self.0.chance(400) {
            true => self.0.vault.borrow_mut().store(bytes),
            false => Payload::Inline(bytes),
        };
        Ok(())
    }

    /// What was closed is taken out already, and of what is broken off nothing is kept here.
    fn let_go(&mut self, _run: RunKey, _bucket: BucketIx, _key: &Arc<str>) {}

    fn abandon(&mut self, run: RunKey) {
        self.0.vault.borrow_mut().written.retain(|(of, _, _), _| *of != run);
    }

    fn release(&mut self, id: ObjectId) {
        self.0.tell(|| format!("  {id} is released"));
        let vault = &mut *self.0.vault.borrow_mut();
        match vault.live.remove(&id) {
            Some(kept) if kept.on_disk => vault.removed.push((id, kept.bytes)),
            Some(_) => {}
            None if vault.replaying => {}
            None => self.0.complain(Checker::Objects, format!("{id} is released twice in one life")),
        }
        if self.0.mutant == Some(Mutant::EarlyRelease) {
            vault.live.pop_last();
        }
    }

    fn sweep(&mut self, from: ObjectId, named: &BTreeSet<ObjectId>) {
        let vault = &mut *self.0.vault.borrow_mut();
        let orphans = vault.live.extract_if(from.., |id, _| !named.contains(id));
        let orphans = orphans.inspect(|(id, _)| self.0.tell(|| format!("  {id} is swept")));
        vault.removed.extend(orphans.filter(|(_, kept)| kept.on_disk).map(|(id, kept)| (id, kept.bytes)));
    }

    fn next_id(&self) -> ObjectId {
        ObjectId(self.0.vault.borrow().next.max(1))
    }

    fn skip_to(&mut self, id: ObjectId) {
        let vault = &mut *self.0.vault.borrow_mut();
        vault.next = vault.next.max(id.0);
    }

    fn resident_bytes(&self) -> u64 {
        self.0.vault.borrow().live.values().map(|kept| kept.bytes.len() as u64).sum()
    }
}
