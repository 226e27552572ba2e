//! Putting an object on disk beside the thread that owns the memory: a gigabyte takes seconds.

use crate::disk::Disk;
use crate::error::Error;
use crate::extent::CHUNK_BYTES;
use crate::memory::Memory;
use crate::object::OnDisk;
use sluice_types::ObjectId;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// An object on its way to disk. [`Saving::run`] does the work, on any thread.
#[derive(Debug)]
#[must_use = "the object stays pinned until it is saved"]
pub struct Saving {
    id: ObjectId,
    len: u64,
    disk: Arc<Disk>,
    /// What to write; `None` when the file is written and not durable.
    source: Option<Range>,
}

/// Bytes of a file in shared memory.
#[derive(Debug)]
struct Range {
    file: File,
    offset: u64,
}

/// What came of it, for [`Memory::saved`].
#[derive(Debug)]
#[must_use = "the object stays pinned until the memory knows"]
pub struct Saved {
    id: ObjectId,
    len: u64,
    written: Result<Option<u128>, Error>,
}

impl Saving {
    /// Writes the file, unless it is there, and makes it durable. Whether that worked, [`Memory::saved`] tells.
    pub fn run(self) -> Saved {
        let Self { id, len, disk, source } = self;
        let write = || {
            let digest =
                source.map(|Range { file, offset }| write(&disk, id, &file, offset, len)).transpose()?;
            disk.sync(id)?;
            Ok(digest)
        };
        Saved { id, len, written: write() }
    }

    /// Number of bytes of the object, which stay in memory meanwhile.
    pub fn len_bytes(&self) -> u64 {
        self.len
    }
}

impl Saved {
    /// The object.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Number of bytes of the object.
    pub fn len_bytes(&self) -> u64 {
        self.len
    }
}

impl Memory {
    /// Begins to put an object on disk so that it survives a crash of the machine; `None` when it is there. Its bytes
    /// stay where they are until [`Self::saved`].
    ///
    /// # Errors
    /// [`Error::Unknown`], or [`Error::Memory`] when the kernel refuses another descriptor.
    pub fn save(&mut self, id: ObjectId) -> Result<Option<Saving>, Error> {
        let object = self.objects.get_mut(&id).ok_or(Error::Unknown(id))?;
        let source = match (object.on_disk, object.place) {
            (OnDisk::Synced, _) => return Ok(None),
            (OnDisk::No, Some((extent, offset))) => {
                Some(Range { file: self.extents[&extent].source()?, offset })
            }
            (OnDisk::Written | OnDisk::No, _) => None,
        };
        object.pins += 1;
        Ok(Some(Saving { id, len: object.len, disk: Arc::clone(&self.disk), source }))
    }

    /// Takes what came of saving an object; the XXH3-128 of what is on disk.
    ///
    /// # Errors
    /// [`Error::Disk`] when the object could not be saved; [`Error::Unknown`].
    pub fn saved(&mut self, saved: Saved) -> Result<u128, Error> {
        let Saved { id, written, .. } = saved;
        let object = self.objects.get_mut(&id).ok_or(Error::Unknown(id))?;
        let len = object.len;
        if let Ok(digest) = &written {
            object.on_disk = OnDisk::Synced;
            object.digest = digest.or(object.digest);
        }
        let digest = written.and_then(|_| self.digest(&crate::memory::stored(id, len)));
        self.unpin(id)?;
        digest
    }
}

/// Writes an object's file, not durable yet, and returns the XXH3-128 of what it holds, whatever a worker that still
/// has the memory mapped does to it.
pub(crate) fn write(disk: &Disk, id: ObjectId, from: &File, offset: u64, len: u64) -> Result<u128, Error> {
    let mut hash = Xxh3::new();
    disk.write(id, |file| {
        each_chunk(from, offset, len, |chunk| {
            hash.update(chunk);
            Ok(file.write_all(chunk)?)
        })
    })?;
    Ok(hash.digest128())
}

/// Visits the bytes of a range, some at a time.
pub(crate) fn each_chunk(
    from: &File,
    offset: u64,
    len: u64,
    mut visit: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut chunk = vec![0; CHUNK_BYTES.min(len as usize)];
    let mut done = 0;
    while done < len {
        let part = &mut chunk[..CHUNK_BYTES.min((len - done) as usize)];
        from.read_exact_at(part, offset + done)?;
        visit(part)?;
        done += part.len() as u64;
    }
    Ok(())
}
