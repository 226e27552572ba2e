//! One file of a domain that holds objects: a sealed memfd, or the file of a single object on disk.
//!
//! Invariants: objects lie below `used`, do not overlap and never move; `used` falls back to 0 only when no object
//! is left, nobody reads through the host's mapping and no living worker can write; the size never changes.

use crate::error::Error;
use crate::mapping::Mapping;
use bytes::Bytes;
use rustix::fs::{
    FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags, fallocate, fchmod, fcntl_add_seals, fstat,
    ftruncate, memfd_create, open,
};
use sluice_types::AppKey;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

/// Objects start at multiples of this, in bytes, so that their pages can be given back one object at a time.
pub(crate) const ALIGNMENT: u64 = 4096;

/// Unit in which the kernel counts the memory of a file, in bytes.
pub(crate) const BLOCK_BYTES: u64 = 512;

/// Bytes copied at a time where a whole object need not be in reach at once.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// Names an extent to workers; never reused, never 0 (which stands for "inline" in the worker protocol).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtentId(pub u32);

/// A worker as a writer of extents; chosen by the sandbox, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterId(pub u64);

/// Who may write to an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Host,
    /// A living worker, which has it mapped for writing.
    Worker(WriterId),
    /// Nobody: the file of one object on disk.
    Disk,
    /// Nobody: the sealed memory of one object that was read while it was written.
    Nobody,
}

#[derive(Debug)]
pub(crate) struct Extent {
    /// Whose it is; `None` for the file of an object whose app is not known yet.
    pub app: Option<AppKey>,
    pub owner: Owner,
    pub size: u64,
    pub used: u64,
    /// Objects in it, streams being written included.
    pub live: u32,
    /// Ranges of released objects that still cost memory.
    pub dead: Vec<Range<u64>>,
    file: File,
    map: OnceLock<Arc<Mapping>>,
}

impl Extent {
    /// A sealed, sparse memfd.
    pub fn in_memory(app: AppKey, size: u64) -> Result<Self, Error> {
        let file = Self::unsealed()?;
        ftruncate(&file, size)?;
        let extent = Self::over(Some(app), Owner::Host, file, size);
        extent.seal()?;
        Ok(extent)
    }

    /// A memfd that may still grow.
    pub fn unsealed() -> Result<File, Error> {
        let fd = memfd_create("sluice-objects", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        // Only the server's user may open it anew: a read-only descriptor stays one.
        fchmod(&fd, Mode::RUSR | Mode::WUSR)?;
        Ok(File::from(fd))
    }

    /// The finished file of a stream, or the file of an object on disk.
    pub fn over(app: Option<AppKey>, owner: Owner, file: File, size: u64) -> Self {
        Self { app, owner, size, used: 0, live: 0, dead: Vec::new(), file, map: OnceLock::new() }
    }

    /// Fixes the size for good.
    pub fn seal(&self) -> Result<(), Error> {
        Ok(fcntl_add_seals(&self.file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?)
    }

    /// Takes `len` bytes, if that many are left.
    pub fn allocate(&mut self, len: u64) -> Option<u64> {
        let start = self.used;
        let end = start.checked_add(len).filter(|end| *end <= self.size)?;
        self.used = end.next_multiple_of(ALIGNMENT).min(self.size);
        self.live += 1;
        Some(start)
    }

    /// Gives back what [`Self::allocate`] took.
    pub fn free(&mut self, start: u64, len: u64) {
        self.live = self.live.checked_sub(1).expect("an object is freed once");
        self.dead.push(start..start + len);
    }

    /// Whether somebody reads through the host's mapping.
    pub fn is_lent(&self) -> bool {
        self.map.get().is_some_and(|map| Arc::strong_count(map) > 1)
    }

    /// Whether all of it may be written anew.
    pub fn is_unused(&self) -> bool {
        self.live == 0 && !self.is_lent()
    }

    /// Starts again from the front.
    pub fn recycle(&mut self) {
        assert!(self.is_unused(), "only an unused extent is recycled");
        self.used = 0;
        self.dead.clear();
    }

    /// Copies `bytes` to `offset`.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.file.write_all_at(bytes, offset)?)
    }

    /// Copies the next `len` bytes of `file` to `offset`.
    pub fn fill(&self, offset: u64, file: &mut File, len: u64) -> Result<(), Error> {
        let mut chunk = vec![0; (len as usize).min(CHUNK_BYTES)];
        let mut done = 0;
        while done < len {
            let part = &mut chunk[..CHUNK_BYTES.min((len - done) as usize)];
            file.read_exact(part)?;
            self.write(offset + done, part)?;
            done += part.len() as u64;
        }
        Ok(())
    }

    /// Copies from `offset` into `bytes`.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
        Ok(self.file.read_exact_at(bytes, offset)?)
    }

    /// The bytes at `offset`, without a copy unless a living worker may still change them.
    pub fn bytes(&self, offset: u64, len: u64) -> Result<Bytes, Error> {
        if matches!(self.owner, Owner::Worker(_)) {
            let mut copy = vec![0; len as usize];
            self.read(offset, &mut copy)?;
            return Ok(copy.into());
        }
        let map = match self.map.get() {
            Some(map) => map,
            None => {
                // SAFETY: the size is sealed (or the file is on disk in a directory of the server's), and bytes of
                // an object are not written again while it is lent: `recycle`, `punch` and grants check that.
                let map = unsafe { Mapping::read_only(&self.file, self.size)? };
                self.map.get_or_init(|| Arc::new(map))
            }
        };
        Ok(Bytes::from_owner(Lent { map: Arc::clone(map), offset, len }))
    }

    /// Gives the memory of a range back; its bytes read as zero from then on.
    pub fn punch(&self, range: &Range<u64>) -> Result<(), Error> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let len = range.end.next_multiple_of(ALIGNMENT) - range.start;
        Ok(fallocate(&self.file, flags, range.start, len)?)
    }

    /// Memory it costs now, in bytes.
    pub fn resident_bytes(&self) -> Result<u64, Error> {
        if self.owner == Owner::Disk { Ok(0) } else { Ok(fstat(&self.file)?.st_blocks as u64 * BLOCK_BYTES) }
    }

    /// The file, to read from.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file for another thread to read from.
    pub fn source(&self) -> Result<File, Error> {
        Ok(self.file.try_clone()?)
    }

    /// A descriptor for a worker that only reads.
    pub fn reader(&self) -> Result<OwnedFd, Error> {
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        Ok(open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// A descriptor for the worker that writes.
    pub fn writer(&self) -> Result<OwnedFd, Error> {
        Ok(self.file.try_clone()?.into())
    }
}

/// A part of the host's mapping on loan.
struct Lent {
    map: Arc<Mapping>,
    offset: u64,
    len: u64,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.map.slice(self.offset, self.len)
    }
}
