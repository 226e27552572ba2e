//! The B-tree's file, through the disk trait: the same on the host, in the simulator and in tests.

use crate::disk::DiskFile;
use redb::StorageBackend;
use std::fmt::Debug;
use std::io;

/// A file of any [`crate::disk::Disk`] as the B-tree wants it. The data directory's lock keeps others away.
#[derive(Debug)]
pub struct FileBackend<F>(F);

impl<F> FileBackend<F> {
    /// Hands the file over.
    pub fn new(file: F) -> Self {
        Self(file)
    }
}

impl<F: DiskFile + Debug + Send + Sync + 'static> StorageBackend for FileBackend<F> {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.0.read_at(offset, out)? < out.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}
