//! The object memory of a real node.

use crate::ports::Objects;
use bytes::Bytes;
use sluice_objects::{Error, Memory, Options, StreamName};
use sluice_types::{AppKey, ObjectId, Payload, Problem, Put, RunKey};
use std::collections::BTreeSet;
use std::path::Path;

/// Shared memory that spills to files; see `sluice-objects`.
pub struct NodeMemory(pub(super) Memory);

impl NodeMemory {
    pub(super) fn new(dir: &Path, limit_bytes: u64) -> Result<Self, Problem> {
        Memory::new(Options::new(dir, limit_bytes)).map(Self).map_err(|error| problem(&error))
    }
}

impl Objects for NodeMemory {
    fn store(&mut self, app: AppKey, bytes: &[u8]) -> Result<Payload, Problem> {
        self.0.store(app, bytes).map_err(|error| problem(&error))
    }

    fn read(&mut self, payload: &Payload) -> Result<Bytes, Problem> {
        self.0.bytes(payload).map_err(|error| problem(&error))
    }

    fn persist(&mut self, payload: &mut Payload) -> Result<(), Problem> {
        let (id, digest) = match payload {
            Payload::Stored { id, digest, .. } if self.0.contains(*id) => (*id, digest),
            // What this process never saw was on disk before it started.
            _ => return self.digest(payload),
        };
        let written = self.0.persist(id).map_err(|error| problem(&error))?;
        match digest.replace(written) {
            Some(before) if before != written => Err(problem(&Error::Changed(id))),
            _ => Ok(()),
        }
    }

    fn digest(&mut self, payload: &mut Payload) -> Result<(), Problem> {
        if let Payload::Stored { digest: None, .. } = payload {
            let computed = self.0.digest(payload).map_err(|error| problem(&error))?;
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
        put.payload = self.0.close_stream(app, &name, put.payload.len()).map_err(|error| problem(&error))?;
        Ok(())
    }

    fn abandon(&mut self, run: RunKey) {
        self.0.drop_streams(run);
    }

    fn release(&mut self, id: ObjectId) {
        if let Err(error) = self.0.release(id) {
            tracing::warn!(%error, "an object's file stays behind");
        }
    }

    fn sweep(&mut self, from: ObjectId, named: &BTreeSet<ObjectId>) {
        match self.0.sweep(from, |id| named.contains(&id)) {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "objects that no record names were removed"),
            Err(error) => tracing::warn!(%error, "files of objects that no record names stay behind"),
        }
    }

    fn next_id(&self) -> ObjectId {
        self.0.next_id()
    }

    fn skip_to(&mut self, id: ObjectId) {
        self.0.seed(id);
    }

    fn resident_bytes(&self) -> u64 {
        self.0.resident_bytes().unwrap_or(0)
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
