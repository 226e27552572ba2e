//! Memory that a function fills and then puts, without a copy if it is large.

use sluice_objects::{Location, Mapping};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

/// Bytes to be filled and put. What is in them at first is of no meaning: zeros, or what an earlier object of the app
/// has left.
pub struct Buffer(pub(super) Memory);

/// Where the bytes are.
pub(super) enum Memory {
    /// With the worker: they travel in a message.
    Own(Vec<u8>),
    /// In the worker's extent, at its end.
    Shared(Reserved),
}

/// The free end of the worker's extent, from a place on. While it lives nothing else is placed there, and the server is
/// asked for no other extent.
pub(super) struct Reserved {
    mapping: Rc<Mapping>,
    pub at: Location,
    _reservation: Rc<()>,
}

impl Reserved {
    /// # Safety
    /// The range lies in a writable mapping, and while the result lives nobody else reads or writes it.
    pub unsafe fn new(mapping: Rc<Mapping>, at: Location, reservation: Rc<()>) -> Self {
        assert!(mapping.holds(at.offset, at.len), "an extent that was granted is mapped whole");
        Self { mapping, at, _reservation: reservation }
    }
}

impl Buffer {
    /// Keeps the first `len` bytes, if there are more.
    pub fn truncate(&mut self, len: usize) {
        match &mut self.0 {
            Memory::Own(bytes) => bytes.truncate(len),
            Memory::Shared(reserved) => reserved.at.len = reserved.at.len.min(len as u64),
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Memory::Own(bytes) => bytes,
            // SAFETY: the range is the buffer's alone by the contract of `Reserved::new`, and borrowed with it.
            Memory::Shared(Reserved { mapping, at, .. }) => unsafe {
                mapping.range(at.offset, at.len).as_ref()
            },
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Memory::Own(bytes) => bytes,
            // SAFETY: as above, and the mapping is writable by the same contract.
            Memory::Shared(Reserved { mapping, at, .. }) => unsafe {
                mapping.range(at.offset, at.len).as_mut()
            },
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len()).finish_non_exhaustive()
    }
}
