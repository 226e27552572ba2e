//! The slot: memory shared with one worker, read and written by copying only.

use crate::wire::SLOT_BYTES;
use bytes::Bytes;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// A mapped slot. The other side may write to it at any time, so no reference into it is ever made.
#[derive(Debug)]
pub struct Slot {
    start: NonNull<u8>,
}

impl Slot {
    /// A new slot and the descriptor to share it with.
    pub fn new() -> io::Result<(Self, OwnedFd)> {
        let fd = memfd_create("sluice-slot", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&fd, SLOT_BYTES as u64)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok((Self::map(&fd)?, fd))
    }

    /// Maps a slot that somebody shared; it must be sealed at its size.
    pub fn map(fd: impl AsFd) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh mapping at an address of the kernel's choice replaces nothing.
        let start = unsafe { mmap(std::ptr::null_mut(), SLOT_BYTES, access, MapFlags::SHARED, fd, 0)? };
        Ok(Self { start: NonNull::new(start.cast()).expect("the kernel maps nothing at address zero") })
    }

    /// Copies `bytes` to `at`.
    pub fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at <= SLOT_BYTES && bytes.len() <= SLOT_BYTES - at, "writes stay inside the slot");
        // SAFETY: the range lies inside the mapping, and `bytes` cannot overlap it because no reference into it exists.
        unsafe { self.start.as_ptr().add(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Copies `len` bytes from `at`. They may be torn if the other side writes meanwhile, which is its own loss.
    pub fn read(&self, at: usize, len: usize) -> Bytes {
        assert!(at <= SLOT_BYTES && len <= SLOT_BYTES - at, "reads stay inside the slot");
        let mut copy = Vec::with_capacity(len);
        // SAFETY: the source lies inside the mapping and the target has room for `len` bytes, all of which are written.
        unsafe {
            self.start.as_ptr().add(at).copy_to_nonoverlapping(copy.as_mut_ptr(), len);
            copy.set_len(len);
        }
        Bytes::from(copy)
    }

    /// The number at `at`, shared with the other side.
    pub fn number(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at < SLOT_BYTES, "numbers are aligned and inside the slot");
        // SAFETY: aligned, inside the mapping, which lives as long as `self`; atomics allow any writer.
        unsafe { AtomicU32::from_ptr(self.start.as_ptr().add(at).cast()) }
    }

    /// Sets the number at `at`.
    pub fn set_number(&self, at: usize, number: u32) {
        self.number(at).store(number, Ordering::Release);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `map`, and nothing borrows it longer than `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), SLOT_BYTES) };
        debug_assert!(unmapped.is_ok(), "a whole mapping can be unmapped");
    }
}

// SAFETY: a slot is memory of the whole process; sharing it with another thread is no different from sharing it with
// another process.
unsafe impl Send for Slot {}
