//! Objects that arrive in parts.

use crate::error::Error;
use crate::extent::{Extent, ExtentId, Owner};
use crate::memory::{Memory, stored};
use crate::object::Stored;
use bytes::Bytes;
use sluice_types::limits::INLINE_BYTES_MAX;
use sluice_types::{AppKey, Payload};
use std::fs::File;
use std::io::Write;

/// An object being written. Must end in [`Writer::finish`] or [`Writer::abort`].
#[derive(Debug)]
#[must_use = "finish or abort gives its memory back"]
pub struct Writer {
    app: AppKey,
    written: u64,
    target: Target,
}

#[derive(Debug)]
enum Target {
    /// What fits a log record so far.
    Inline(Vec<u8>),
    /// Space of the announced length.
    Reserved { extent: ExtentId, offset: u64, expected: u64 },
    /// A memfd that grows, for a length nobody knows.
    Growing(File),
}

impl Writer {
    /// Starts an object. With the length known it lies among the others; without, it gets an extent of its own.
    pub fn open(memory: &mut Memory, app: AppKey, expected: Option<u64>) -> Result<Self, Error> {
        let target = match expected {
            Some(expected) if expected > INLINE_BYTES_MAX as u64 => {
                let (extent, offset) = memory.allocate(app, expected)?;
                Target::Reserved { extent, offset, expected }
            }
            _ => Target::Inline(Vec::new()),
        };
        Ok(Self { app, written: 0, target })
    }

    /// Appends `bytes`.
    pub fn write(&mut self, memory: &mut Memory, bytes: &[u8]) -> Result<(), Error> {
        let after = self.written + bytes.len() as u64;
        match &mut self.target {
            Target::Inline(buffer) if after <= INLINE_BYTES_MAX as u64 => buffer.extend_from_slice(bytes),
            Target::Inline(buffer) => {
                memory.make_room(after)?;
                let mut file = Extent::unsealed()?;
                file.write_all(buffer)?;
                file.write_all(bytes)?;
                self.target = Target::Growing(file);
            }
            Target::Reserved { expected, .. } if after > *expected => {
                return Err(Error::TooLong { expected: *expected });
            }
            Target::Reserved { extent, offset, .. } => {
                memory.extents[extent].write(*offset + self.written, bytes)?;
            }
            Target::Growing(file) => {
                memory.make_room(bytes.len() as u64)?;
                file.write_all(bytes)?;
            }
        }
        self.written = after;
        Ok(())
    }

    /// Number of bytes so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Makes the object.
    pub fn finish(self, memory: &mut Memory) -> Result<Payload, Error> {
        let (app, len) = (self.app, self.written);
        let (extent, offset) = match self.target {
            Target::Inline(buffer) => return Ok(Payload::Inline(Bytes::from(buffer))),
            Target::Reserved { extent, offset, .. } => (extent, offset),
            Target::Growing(file) => {
                let mut extent = Extent::over(Some(app), Owner::Host, file, len);
                extent.seal()?;
                let offset = extent.allocate(len).expect("the extent has the object's length");
                (memory.add_extent(extent), offset)
            }
        };
        Ok(stored(memory.insert(Stored::at(app, len, extent, offset)), len))
    }

    /// Gives up.
    pub fn abort(self, memory: &mut Memory) {
        if let Target::Reserved { extent, offset, expected } = self.target {
            memory.free(extent, offset, expected);
        }
    }
}
