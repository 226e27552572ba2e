//! Shared memory of a native worker: mapped extents to read, and one to write.
//!
//! Invariants: an extent is mapped once for reading and once for writing at most; what the server was told of is never
//! written again; while a reservation lives, nothing else of the own extent is given out, and no other one is asked for.

use super::buffer::Reserved;
use crate::channel::{Channel, Received};
use crate::wire::{Control, ControlKind};
use sluice_objects::{ExtentId, Location, Mapping};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

/// Objects start at multiples of this, in bytes.
const ALIGNMENT: u64 = 4096;

#[derive(Debug, Default)]
pub(super) struct Extents {
    readable: BTreeMap<ExtentId, Rc<Mapping>>,
    writable: BTreeMap<ExtentId, Rc<Mapping>>,
    own: Option<Own>,
    /// Shared with a reservation that lives.
    reservation: Rc<()>,
}

/// The extent that is being filled.
#[derive(Debug)]
struct Own {
    extent: ExtentId,
    mapping: Rc<Mapping>,
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
        let extent = ExtentId(subject);
        match kind {
            ControlKind::Extent => {
                let descriptor = descriptors.first().ok_or(io::ErrorKind::InvalidData)?;
                // SAFETY: the server seals the size. It keeps objects where they are while a call has them as inputs,
                // and no worker that obeys the protocol writes to what it has put.
                let mapping = unsafe { Mapping::read_only(descriptor, number)? };
                self.readable.insert(extent, Rc::new(mapping));
            }
            ControlKind::Grant => {
                if let Some(descriptor) = descriptors.first() {
                    // SAFETY: as above; this worker is the only one that writes, and what it writes is reserved first.
                    let mapping = unsafe { Mapping::writable(descriptor, number)? };
                    self.writable.insert(extent, Rc::new(mapping));
                }
                let mapping = Rc::clone(self.writable.get(&extent).ok_or(io::ErrorKind::InvalidData)?);
                self.own = Some(Own { extent, mapping, at: 0, size: number });
            }
            // Inputs of a call keep the mapping for as long as the call lasts.
            ControlKind::Forget => {
                self.readable.remove(&extent);
                self.writable.remove(&extent);
            }
            ControlKind::Refused => {
                return Err(io::Error::other(String::from_utf8_lossy(&text).into_owned()));
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(kind)
    }

    /// The mapping that an object lies in.
    pub fn find(&self, at: Location) -> io::Result<Rc<Mapping>> {
        let mapping = self.readable.get(&at.extent).or_else(|| self.writable.get(&at.extent));
        let mapping = mapping.ok_or(io::ErrorKind::NotFound)?;
        if mapping.holds(at.offset, at.len) {
            Ok(Rc::clone(mapping))
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    /// Whether a reservation lives.
    pub fn is_reserved(&self) -> bool {
        Rc::strong_count(&self.reservation) > 1
    }

    /// Whether `len` bytes fit into the own extent.
    pub fn has_room(&self, len: u64) -> bool {
        let fits = |own: &Own| own.at.checked_add(len).is_some_and(|end| end <= own.size);
        self.own.as_ref().is_some_and(fits)
    }

    /// Waits for the extent that was asked for.
    pub fn await_grant(&mut self, channel: &Channel) -> io::Result<()> {
        assert!(!self.is_reserved(), "a grant may be of an extent that is reserved now");
        while self.obey(channel.receive(true)?)? != ControlKind::Grant {}
        Ok(())
    }

    /// Gives out the next `len` bytes of the own extent, which must have room.
    pub fn reserve(&mut self, len: u64) -> io::Result<Reserved> {
        assert!(!self.is_reserved(), "one reservation at a time");
        let Own { extent, mapping, at, size } = self.own.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let at = Location { extent: *extent, offset: *at, len };
        if at.offset.checked_add(len).is_none_or(|end| end > *size) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        // SAFETY: the server has not been told of this range, so nobody reads it; nothing else is reserved, and inputs
        // of this call lie in front of it: an extent is granted anew only when there is none in it.
        Ok(unsafe { Reserved::new(Rc::clone(mapping), at, Rc::clone(&self.reservation)) })
    }

    /// What was reserved becomes an object.
    pub fn seal(&mut self, reserved: Reserved) -> io::Result<Location> {
        let at = reserved.at;
        let own = self.own.as_mut().filter(|own| own.extent == at.extent && own.at == at.offset);
        own.ok_or(io::ErrorKind::InvalidInput)?.at = (at.offset + at.len).next_multiple_of(ALIGNMENT);
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    const SIZE: u64 = 1 << 20;

    /// A worker's side, and a server that has sent an extent for reading and one for writing.
    fn worker() -> (Extents, Channel, Channel, File) {
        let (server, inside) = Channel::pair().unwrap();
        let mut extents = Extents::default();
        let memory = || File::from(memfd_create("extent", MemfdFlags::CLOEXEC).unwrap());
        let (read, written) = (memory(), memory());
        for (kind, subject, file) in [(ControlKind::Extent, 1, &read), (ControlKind::Grant, 2, &written)] {
            ftruncate(file, SIZE).unwrap();
            let control = Control { kind, subject, number: SIZE };
            server.send(control, &[], &[file.as_fd()]).unwrap();
        }
        read.write_all_at(b"input", 4096).unwrap();
        extents.receive(&inside, 2).unwrap();
        (extents, server, inside, written)
    }

    fn at(extent: u32, offset: u64, len: u64) -> Location {
        Location { extent: ExtentId(extent), offset, len }
    }

    #[test]
    fn what_a_call_looks_at_outlives_the_order_to_forget_it() {
        let (mut extents, server, inside, _) = worker();
        let input = extents.find(at(1, 4096, 5)).unwrap();
        server.send(Control { kind: ControlKind::Forget, subject: 1, number: 0 }, &[], &[]).unwrap();
        extents.receive(&inside, 1).unwrap();
        assert_eq!(input.slice(4096, 5), b"input");
        assert_eq!(Rc::strong_count(&input), 1, "with the call the mapping goes");
        assert_eq!(extents.find(at(1, 4096, 5)).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn places_outside_a_mapping_are_refused() {
        let (extents, ..) = worker();
        for (offset, len) in [(SIZE, 1), (SIZE - 1, 2), (u64::MAX, 1), (1, u64::MAX), (0, SIZE + 1)] {
            let error = extents.find(at(1, offset, len)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{offset} {len}");
        }
        extents.find(at(1, 0, SIZE)).unwrap();
    }

    #[test]
    fn what_is_reserved_becomes_an_object_or_is_given_out_again() {
        let (mut extents, _server, _inside, written) = worker();
        let given_up = extents.reserve(100).unwrap();
        assert!(extents.is_reserved());
        drop(given_up);
        for offset in [0, 8192] {
            let reserved = extents.reserve(5000).unwrap();
            let mut buffer = super::super::Buffer(super::super::buffer::Memory::Shared(reserved));
            buffer.fill(7);
            let super::super::buffer::Memory::Shared(reserved) = buffer.0 else { unreachable!() };
            assert_eq!(extents.seal(reserved).unwrap(), at(2, offset, 5000));
        }
        let mut bytes = [0; 5000];
        written.read_exact_at(&mut bytes, 8192).unwrap();
        assert_eq!(bytes, [7; 5000]);
        assert!(
            extents.has_room(SIZE - 16384) && !extents.has_room(SIZE - 16383) && !extents.has_room(u64::MAX)
        );
        assert!(extents.reserve(SIZE).is_err());
    }
}
