//! The disk that the log is on: a `MemDisk` that looks at every answer given since the last sync, and that can lie.

use super::mutant::Mutant;
use super::scene::Scene;
use sluice_storage::disk::mem::MemFile;
use sluice_storage::disk::{Disk, DiskFile};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Syncs that a lying disk skips, in a thousand.
const LIES_PERMILLE: u32 = 300;

/// The log's disk.
pub(super) struct SimDisk(pub Rc<Scene>);

impl SimDisk {
    fn file(&self, path: &Path, file: MemFile) -> SimFile {
        SimFile { scene: self.0.clone(), path: path.to_owned(), file, written: std::cell::Cell::new(None) }
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn create(&self, path: &Path) -> io::Result<SimFile> {
        Ok(self.file(path, self.0.log_disk.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<SimFile> {
        Ok(self.file(path, self.0.log_disk.open(path)?))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.log_disk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.log_disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.log_disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.log_disk.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.0.log_disk.free_bytes(dir)
    }
}

/// A file of the log.
pub(super) struct SimFile {
    scene: Rc<Scene>,
    path: PathBuf,
    file: MemFile,
    /// Offset and length of the last write that is not synced.
    written: std::cell::Cell<Option<(u64, usize)>>,
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.written.set(Some((offset, bytes.len())));
        self.file.write_at(offset, bytes)
    }

    /// What was answered until now must have been durable until now.
    fn sync_data(&self) -> io::Result<()> {
        self.scene.take_answers();
        if self.scene.mutant == Some(Mutant::AckBeforeSync) && self.scene.chance(LIES_PERMILLE) {
            return Ok(());
        }
        self.file.sync_data()?;
        if let Some((offset, len)) = self.written.take() {
            *self.scene.last_synced.borrow_mut() = Some((self.path.clone(), offset, len));
        }
        Ok(())
    }
}
