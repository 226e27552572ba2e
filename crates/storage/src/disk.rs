//! The file system as the log needs it, and no more.
//!
//! Contract of every [`Disk`]:
//! * Bytes written are durable once [`DiskFile::sync_data`] has returned without an error; before that, any
//!   subset of the sectors written may survive a crash.
//! * A new name, a removal or a renaming is durable once [`Disk::sync_dir`] has returned; before that, each
//!   may survive or not. A renaming happens as a whole or not at all.
//! * After a failed sync nothing is known about the bytes that it covered, even if a later sync succeeds.
//! * Directories are made by whoever opens the data directory; a disk finds them in place.

pub mod mem;
mod real;

pub use mem::MemDisk;
pub use real::RealDisk;

use std::io;
use std::path::Path;

/// A file system.
pub trait Disk {
    /// An open file.
    type File: DiskFile;
    /// Creates a file for reading and writing. Fails if the name is taken.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// The names of the files in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that may still be written to the disk that holds `dir`.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// An open file.
#[expect(clippy::len_without_is_empty, reason = "a length on disk, not a collection")]
pub trait DiskFile {
    /// Length, in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts the file or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Reads into all of `into`, or as far as the file goes; returns the number of bytes read.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `bytes`, extending the file if needed. On an error any part may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes the bytes of the file, and the length needed to read them, durable.
    fn sync_data(&self) -> io::Result<()>;
}
