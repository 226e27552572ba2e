//! The object memory of a real node.

use super::bell::Queue;
use super::saver::Saver;
use crate::ports::Objects;
use bytes::Bytes;
use sluice_objects::{Error, Memory, Options, StreamName};
use sluice_types::{AppKey, BucketIx, ObjectId, Payload, Problem, Put, RunKey};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Shared memory that spills to files; see `sluice-objects`.
pub struct NodeMemory {
    pub(super) memory: Memory,
    saver: Saver,
}

impl NodeMemory {
    pub(super) fn new(dir: &Path, limit_bytes: u64, queue: Arc<Queue>) -> Result<Self, Problem> {
        let memory = Memory::new(Options::new(dir, limit_bytes)).map_err(|error| problem(&error))?;
        Ok(Self { memory, saver: Saver::new(queue, limit_bytes) })
    }
}

impl Objects for NodeMemory {
    fn store(&mut self, app: AppKey, bytes: &[u8]) -> Result<Payload, Problem> {
        self.memory.store(app, bytes).map_err(|error| problem(&error))
    }

    fn store_apart(&mut self, app: AppKey, bytes: &[u8]) -> Result<Payload, Problem> {
        self.memory.store_apart(app, bytes).map_err(|error| problem(&error))
    }

    fn read(&mut self, payload: &Payload) -> Result<Bytes, Problem> {
        self.memory.bytes(payload).map_err(|error| problem(&error))
    }

    fn persist(&mut self, payload: &mut Payload) -> Result<(), Problem> {
        let (id, digest) = match payload {
            Payload::Stored { id, digest, .. } if self.memory.contains(*id) => (*id, digest),
            // What this process never saw was on disk before it started.
            _ => return self.digest(payload),
        };
        let written = self.memory.persist(id).map_err(|error| problem(&error))?;
        match digest.replace(written) {
            Some(before) if before != written => Err(problem(&Error::Changed(id))),
            _ => Ok(()),
        }
    }

    fn save(&mut self, payload: &mut Payload) -> Result<bool, Problem> {
        if let Payload::Stored { id, .. } = payload
            && self.memory.contains(*id)
            && let Some(saving) = self.memory.save(*id).map_err(|error| problem(&error))?
        {
            if self.saver.has_room(saving.len_bytes()) {
                self.saver.start(saving);
                return Ok(false);
            }
            self.memory.saved(saving.run()).map_err(|error| problem(&error))?;
        }
        self.persist(payload).map(|()| true)
    }

    fn saved(&mut self) -> Option<(ObjectId, Result<(), Problem>)> {
        let saved = self.saver.done()?;
        Some((saved.id(), self.memory.saved(saved).map(drop).map_err(|error| problem(&error))))
    }

    fn digest(&mut self, payload: &mut Payload) -> Result<(), Problem> {
        if let Payload::Stored { digest: None, .. } = payload {
            let computed = self.memory.digest(payload).map_err(|error| problem(&error))?;
            if let Payload::Stored { digest, .. } = payload {
                *digest = Some(computed);
            }
        }
        Ok(())
    }

    fn duplicate(&mut self, app: AppKey, payload: &Payload) -> Result<Payload, Problem> {
        let Payload::Stored { .. } = payload else { return Ok(payload.clone()) };
        let bytes = self.read(payload)?;
        let mut copy = self.store(app, &bytes)?;
        self.persist(&mut copy)?;
        Ok(copy)
    }

    fn close(&mut self, app: AppKey, run: RunKey, put: &mut Put) -> Result<(), Problem> {
        let name = StreamName { run, bucket: put.bucket, key: put.key.clone() };
        put.payload =
            self.memory.close_stream(app, &name, put.payload.len()).map_err(|error| problem(&error))?;
        Ok(())
    }

    fn let_go(&mut self, run: RunKey, bucket: BucketIx, key: &Arc<str>) {
        self.memory.drop_stream(&StreamName { run, bucket, key: key.clone() });
    }

    fn abandon(&mut self, run: RunKey) {
        self.memory.drop_streams(run);
    }

    fn release(&mut self, id: ObjectId) {
        if let Err(error) = self.memory.release(id) {
            tracing::warn!(%error, "an object's file stays behind");
        }
    }

    fn sweep(&mut self, from: ObjectId, named: &BTreeSet<ObjectId>) {
        match self.memory.sweep(from, |id| named.contains(&id)) {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "objects that no record names were removed"),
            Err(error) => tracing::warn!(%error, "files of objects that no record names stay behind"),
        }
    }

    fn next_id(&self) -> ObjectId {
        self.memory.next_id()
    }

    fn skip_to(&mut self, id: ObjectId) {
        self.memory.seed(id);
    }

    fn resident_bytes(&self) -> u64 {
        self.memory.resident_bytes().unwrap_or(0)
    }
}

fn problem(error: &Error) -> Problem {
    let fix = match error {
        Error::Full { .. } => "wait until runs have ended, or give the node more object memory",
        Error::Disk { .. } => "look at the disk: its space, and the permissions of the data directory",
        _ => "see `sluice doctor` for what the host gives",
    };
    Problem::new(error.code(), error.to_string(), fix)
}

#[cfg(test)]
mod tests {
    use super::super::bell::Bell;
    use super::*;

    const OBJECT_BYTES: usize = 600 << 10;

    #[test]
    fn objects_that_come_faster_than_the_disk_takes_them_are_saved_in_place() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (_bell, queue) = Bell::new().expect("a descriptor");
        // A quarter of it, 1 MiB, may be under way.
        let mut memory = NodeMemory::new(dir.path(), 4 << 20, queue).expect("object memory");
        let mut stored = || memory.memory.store(AppKey(1), &[7; OBJECT_BYTES]).expect("there is room");
        let mut payloads = [stored(), stored(), stored()];
        let saved = payloads.each_mut().map(|payload| memory.save(payload).expect("there is a disk"));
        assert_eq!(saved, [false, true, true], "one is under way, and the others do not wait for it");
        let is_on_disk = |payload: &Payload| matches!(payload, Payload::Stored { digest: Some(_), .. });
        assert_eq!(payloads.each_ref().map(is_on_disk), saved);
        let (_, outcome) =
            std::iter::repeat_with(|| memory.saved()).flatten().next().expect("it does not end");
        outcome.expect("there is a disk");
        let mut next = memory.memory.store(AppKey(1), &[7; OBJECT_BYTES]).expect("there is room");
        assert!(!memory.save(&mut next).expect("there is a disk"), "there is room again");
    }
}
