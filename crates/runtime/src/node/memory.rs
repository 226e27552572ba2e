//! The object memory of a real node.

use crate::ports::Objects;
use bytes::Bytes;
use sluice_objects::{Memory, Options};
use sluice_types::{AppKey, ObjectId, Payload, Problem};
use std::path::Path;

/// Shared memory that spills to files; see `sluice-objects`.
pub struct NodeMemory(pub(super) Memory);

impl NodeMemory {
    pub(super) fn new(dir: &Path, limit_bytes: u64) -> Result<Self, Problem> {
        let memory = Memory::new(Options { dir: dir.to_owned(), limit_bytes });
        memory.map(Self).map_err(|error| error.problem())
    }
}

impl Objects for NodeMemory {
    fn store(&mut self, app: AppKey, bytes: &[u8]) -> Result<Payload, Problem> {
        self.0.store(app, bytes).map_err(|error| error.problem())
    }

    fn read(&self, payload: &Payload) -> Result<Bytes, Problem> {
        self.0.read(payload).map_err(|error| error.problem())
    }

    fn persist(&mut self, payload: &mut Payload) -> Result<(), Problem> {
        self.0.persist(payload).map_err(|error| error.problem())
    }

    fn digest(&mut self, payload: &mut Payload) -> Result<(), Problem> {
        self.0.digest(payload).map_err(|error| error.problem())
    }

    fn duplicate(&mut self, app: AppKey, payload: &Payload) -> Result<Payload, Problem> {
        self.0.duplicate(app, payload).map_err(|error| error.problem())
    }

    fn release(&mut self, id: ObjectId) {
        self.0.release(id);
    }

    fn next_id(&self) -> ObjectId {
        self.0.next_id()
    }

    fn skip_to(&mut self, id: ObjectId) {
        self.0.skip_to(id);
    }

    fn resident_bytes(&self) -> u64 {
        self.0.resident_bytes()
    }
}
