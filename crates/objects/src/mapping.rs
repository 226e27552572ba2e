//! A read-only mapping of a file.

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::{io, slice};

/// Bytes of a file, mapped for reading.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<c_void>,
    len: usize,
}

impl Mapping {
    /// Maps the first `len` bytes of `file`.
    ///
    /// # Safety
    /// While the mapping lives, nobody shortens the file or writes to a part of it that [`Mapping::slice`] gave out.
    pub unsafe fn read_only(file: impl AsFd, len: u64) -> io::Result<Self> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // SAFETY: a fresh mapping at an address of the kernel's choice replaces nothing.
        let start =
            unsafe { mmap(std::ptr::null_mut(), len.max(1), ProtFlags::READ, MapFlags::SHARED, file, 0)? };
        let start = NonNull::new(start).expect("the kernel maps nothing at address zero");
        Ok(Self { start, len })
    }

    /// The bytes at `offset`; they must lie inside the mapping.
    pub fn slice(&self, offset: u64, len: u64) -> &[u8] {
        let end = offset.checked_add(len).expect("lengths were checked when the object was made");
        assert!(end <= self.len as u64, "an object lies inside its extent");
        // SAFETY: the range lies inside the mapping, which lives as long as `self`, is readable, and is not
        // written to meanwhile by the contract of `read_only`.
        unsafe { slice::from_raw_parts(self.start.as_ptr().cast::<u8>().add(offset as usize), len as usize) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `read_only`, and slices of it borrow `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr(), self.len.max(1)) };
        debug_assert!(unmapped.is_ok(), "a whole mapping can be unmapped");
    }
}

// SAFETY: a mapping is memory of the whole process, and it is only read.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}
