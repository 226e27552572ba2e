//! A mapping of a file.

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;

/// Bytes of a file, mapped into this process.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<c_void>,
    len: usize,
}

impl Mapping {
    /// Maps the first `len` bytes of `file` for reading.
    ///
    /// # Safety
    /// While the mapping lives, nobody shortens the file or writes to a part of it that [`Mapping::slice`] gave out.
    ///
    /// # Errors
    /// What the kernel says; [`io::ErrorKind::OutOfMemory`] when there are no addresses left.
    pub unsafe fn read_only(file: impl AsFd, len: u64) -> io::Result<Self> {
        Self::map(file, len, ProtFlags::READ)
    }

    /// Maps the first `len` bytes of `file` for reading and writing.
    ///
    /// # Safety
    /// As for [`Mapping::read_only`]; the writes are the owner's, through [`Mapping::range`].
    ///
    /// # Errors
    /// As those of [`Mapping::read_only`].
    pub unsafe fn writable(file: impl AsFd, len: u64) -> io::Result<Self> {
        Self::map(file, len, ProtFlags::READ | ProtFlags::WRITE)
    }

    fn map(file: impl AsFd, len: u64, access: ProtFlags) -> io::Result<Self> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // SAFETY: a fresh mapping at an address of the kernel's choice replaces nothing.
        let start = unsafe { mmap(std::ptr::null_mut(), len.max(1), access, MapFlags::SHARED, file, 0)? };
        let start = NonNull::new(start).expect("the kernel maps nothing at address zero");
        Ok(Self { start, len })
    }

    /// Whether a range lies inside.
    pub fn holds(&self, offset: u64, len: u64) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.len as u64)
    }

    /// Where the bytes at `offset` are, for as long as the mapping lives; they must lie inside.
    pub fn range(&self, offset: u64, len: u64) -> NonNull<[u8]> {
        assert!(self.holds(offset, len), "an object lies inside its extent");
        // SAFETY: the range lies inside the mapping, which is one piece of memory.
        let start = unsafe { self.start.cast::<u8>().add(offset as usize) };
        NonNull::slice_from_raw_parts(start, len as usize)
    }

    /// The bytes at `offset`; they must lie inside the mapping.
    pub fn slice(&self, offset: u64, len: u64) -> &[u8] {
        // SAFETY: the range lies inside the mapping, which lives as long as `self`, is readable, and is not
        // written to meanwhile by the contract of `read_only` and `writable`.
        unsafe { self.range(offset, len).as_ref() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `map`, and slices of it borrow `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr(), self.len.max(1)) };
        debug_assert!(unmapped.is_ok(), "a whole mapping can be unmapped");
    }
}

// SAFETY: a mapping is memory of the whole process, and it is only read through a reference.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}
