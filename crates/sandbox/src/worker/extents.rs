//! Shared memory of a native worker: extents to read, and one to write. Both through descriptors, not mappings.

use crate::channel::{Channel, Received};
use crate::wire::{Control, ControlKind};
use bytes::Bytes;
use sluice_objects::{ExtentId, Location};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Objects start at multiples of this, in bytes.
const ALIGNMENT: u64 = 4096;

#[derive(Debug, Default)]
pub(super) struct Extents {
    files: BTreeMap<ExtentId, File>,
    own: Option<ExtentId>,
    at: u64,
    size: u64,
}

impl Extents {
    /// Obeys `count` control messages.
    pub fn receive(&mut self, channel: &Channel, count: u8) -> io::Result<()> {
        (0..count).try_for_each(|_| self.obey(channel.receive(true)?).map(drop))
    }

    fn obey(&mut self, received: Received) -> io::Result<ControlKind> {
        let Received { control, text, descriptors } = received;
        let Control { kind, subject, number } = control;
        let id = ExtentId(subject);
        match kind {
            ControlKind::Extent | ControlKind::Grant => {
                if let Some(descriptor) = descriptors.into_iter().next() {
                    self.files.insert(id, descriptor.into());
                }
                if kind == ControlKind::Grant {
                    (self.own, self.at, self.size) = (Some(id), 0, number);
                }
            }
            ControlKind::Forget => drop(self.files.remove(&id)),
            ControlKind::Refused => {
                return Err(io::Error::other(String::from_utf8_lossy(&text).into_owned()));
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(kind)
    }

    /// Copies a range.
    pub fn read(&self, at: Location) -> io::Result<Bytes> {
        let file = self.files.get(&at.extent).ok_or(io::ErrorKind::NotFound)?;
        let len = usize::try_from(at.len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, at.offset)?;
        Ok(bytes.into())
    }

    /// Whether `len` bytes fit into the own extent.
    pub fn has_room(&self, len: u64) -> bool {
        self.own.is_some() && self.at.checked_add(len).is_some_and(|end| end <= self.size)
    }

    /// Waits for the extent that was asked for.
    pub fn await_grant(&mut self, channel: &Channel) -> io::Result<()> {
        while self.obey(channel.receive(true)?)? != ControlKind::Grant {}
        Ok(())
    }

    /// Copies `bytes` into the own extent.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Location> {
        let extent = self.own.ok_or(io::ErrorKind::NotFound)?;
        self.files[&extent].write_all_at(bytes, self.at)?;
        let at = Location { extent, offset: self.at, len: bytes.len() as u64 };
        self.at = (self.at + at.len).next_multiple_of(ALIGNMENT);
        Ok(at)
    }
}
