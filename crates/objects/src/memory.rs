//! The objects of a node and where they are.
//!
//! Invariants: every object's extent exists and belongs to its app; an extent's `live` is the number of objects
//! (and open streams) in it; ids only grow.

use crate::EXTENT_BYTES_DEFAULT;
use crate::disk::Disk;
use crate::error::Error;
use crate::extent::{ALIGNMENT, Extent, ExtentId, Owner};
use crate::object::{OnDisk, Stored};
use crate::saving::{each_chunk, write};
use crate::stream::{Stream, StreamName};
use bytes::Bytes;
use sluice_types::limits::INLINE_BYTES_MAX;
use sluice_types::{AppKey, ObjectId, Payload};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// How a node keeps its objects.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory for durable and spilled objects; `objects/` is created in it.
    pub dir: PathBuf,
    /// Memory above which objects are spilled to disk, in bytes.
    pub limit_bytes: u64,
    /// Size of an extent, in bytes; larger objects get one of their own.
    pub extent_bytes: u64,
}

impl Options {
    /// Everything in `dir`, with a limit.
    pub fn new(dir: impl Into<PathBuf>, limit_bytes: u64) -> Self {
        Self { dir: dir.into(), limit_bytes, extent_bytes: EXTENT_BYTES_DEFAULT }
    }
}

/// The object memory of a node (or of one shard of it). Owned by one thread.
#[derive(Debug)]
pub struct Memory {
    pub(crate) options: Options,
    pub(crate) disk: Arc<Disk>,
    pub(crate) extents: BTreeMap<ExtentId, Extent>,
    pub(crate) objects: BTreeMap<ObjectId, Stored>,
    /// Objects that are still being written, for others to read.
    pub(crate) streams: BTreeMap<StreamName, Stream>,
    /// Extents that are gone; workers that mapped them must let go.
    pub(crate) dropped: Vec<(AppKey, ExtentId)>,
    /// Memory in use, in bytes; too high at times, too low only by what open objects have grown since it was counted.
    pub(crate) estimate_bytes: u64,
    next_extent: u32,
    next_object: u64,
}

impl Memory {
    /// Opens the directory and starts with empty memory.
    pub fn new(options: Options) -> Result<Self, Error> {
        let disk = Arc::new(Disk::open(&options.dir)?);
        Ok(Self {
            options,
            disk,
            extents: BTreeMap::new(),
            objects: BTreeMap::new(),
            streams: BTreeMap::new(),
            dropped: Vec::new(),
            estimate_bytes: 0,
            next_extent: 1,
            next_object: 1,
        })
    }

    /// Makes every id from now on at least `next`.
    pub fn seed(&mut self, next: ObjectId) {
        self.next_object = self.next_object.max(next.0);
    }

    /// The next id to be given.
    pub fn next_id(&self) -> ObjectId {
        ObjectId(self.next_object)
    }

    /// Keeps `bytes` for `app`: in the payload itself when they fit a log record, else in shared memory.
    pub fn store(&mut self, app: AppKey, bytes: &[u8]) -> Result<Payload, Error> {
        if bytes.len() <= INLINE_BYTES_MAX {
            return Ok(Payload::Inline(Bytes::copy_from_slice(bytes)));
        }
        self.store_apart(app, bytes)
    }

    /// Keeps `bytes` for `app` in shared memory, however few they are.
    pub fn store_apart(&mut self, app: AppKey, bytes: &[u8]) -> Result<Payload, Error> {
        let len = bytes.len() as u64;
        let (extent, offset) = self.allocate(app, len)?;
        if let Err(error) = self.extents[&extent].write(offset, bytes) {
            self.free(extent, offset, len);
            return Err(error);
        }
        Ok(stored(self.insert(Stored::at(app, len, extent, offset)), len))
    }

    /// Makes a file the object's own, without a copy. It must lie on the file system of [`Options::dir`].
    pub fn take_file(&mut self, app: AppKey, path: &Path) -> Result<Payload, Error> {
        let len = std::fs::metadata(path).map_err(Error::disk(path))?.len();
        let id = self.next_id();
        self.disk.take(id, path)?;
        self.insert(Stored { app: Some(app), on_disk: OnDisk::Written, ..Stored::on_disk(len) });
        Ok(stored(id, len))
    }

    /// The bytes, kept valid for as long as the result lives.
    pub fn bytes(&mut self, payload: &Payload) -> Result<Bytes, Error> {
        match payload {
            Payload::Inline(bytes) => Ok(bytes.clone()),
            Payload::Stored { id, len, .. } => {
                let (extent, offset) = self.locate(*id, *len)?;
                self.extents[&extent].bytes(offset, *len)
            }
            Payload::Open { .. } => Err(Error::Claim("the object is still being written")),
        }
    }

    /// XXH3-128 of an object's bytes; computed once.
    pub fn digest(&mut self, payload: &Payload) -> Result<u128, Error> {
        let Payload::Stored { id, len, digest } = payload else {
            return Ok(xxhash_rust::xxh3::xxh3_128(&self.bytes(payload)?));
        };
        let known = digest.or_else(|| self.objects.get(id)?.digest);
        if let Some(digest) = known {
            return Ok(digest);
        }
        let (extent, offset) = self.locate(*id, *len)?;
        let mut hash = Xxh3::new();
        each_chunk(self.extents[&extent].file(), offset, *len, |chunk| {
            hash.update(chunk);
            Ok(())
        })?;
        let digest = hash.digest128();
        self.objects.get_mut(id).expect("an object with a place is known").digest = Some(digest);
        Ok(digest)
    }

    /// Puts an object on disk so that it survives a crash of the machine, and returns the XXH3-128 of what is there. Call
    /// before the record that names it.
    pub fn persist(&mut self, id: ObjectId) -> Result<u128, Error> {
        self.write_file(id)?;
        let object = self.objects.get_mut(&id).ok_or(Error::Unknown(id))?;
        if object.on_disk < OnDisk::Synced {
            self.disk.sync(id)?;
            object.on_disk = OnDisk::Synced;
        }
        let len = object.len;
        self.digest(&stored(id, len))
    }

    /// Forgets an object, in memory and on disk. While it is pinned its bytes stay; the id is gone at once.
    pub fn release(&mut self, id: ObjectId) -> Result<(), Error> {
        match self.objects.get_mut(&id) {
            Some(object) if object.pins > 0 => {
                object.released = true;
                Ok(())
            }
            Some(_) => self.forget(id),
            // Left by an earlier process and never read by this one.
            None => self.disk.remove(id),
        }
    }

    /// Removes files that earlier processes left and nobody needs: those of ids from `from` on for which `live` does not
    /// hold, and those that were spilled and not made durable. Returns how many.
    pub fn sweep(&mut self, from: ObjectId, live: impl Fn(ObjectId) -> bool) -> Result<usize, Error> {
        self.disk.sweep(from, live, |id| self.objects.contains_key(&id))
    }

    /// Writes an object's file, unless it is there. Its digest is that of the file from then on, whatever a worker that
    /// still has the memory mapped does to it.
    pub(crate) fn write_file(&mut self, id: ObjectId) -> Result<(), Error> {
        let object = self.objects.get_mut(&id).ok_or(Error::Unknown(id))?;
        let Some((extent, offset)) = object.place.filter(|_| object.on_disk == OnDisk::No) else {
            return Ok(());
        };
        let digest = write(&self.disk, id, self.extents[&extent].file(), offset, object.len)?;
        object.on_disk = OnDisk::Written;
        object.digest = Some(digest);
        Ok(())
    }

    pub(crate) fn forget(&mut self, id: ObjectId) -> Result<(), Error> {
        let object = self.objects.remove(&id).ok_or(Error::Unknown(id))?;
        if let Some((extent, offset)) = object.place {
            self.free(extent, offset, object.len);
        }
        if object.on_disk == OnDisk::No { Ok(()) } else { self.disk.remove(id) }
    }

    /// Gives an object its id.
    pub(crate) fn insert(&mut self, object: Stored) -> ObjectId {
        let id = self.next_id();
        self.next_object += 1;
        self.objects.insert(id, object);
        id
    }

    /// Takes space in an extent that the host writes.
    pub(crate) fn allocate(&mut self, app: AppKey, len: u64) -> Result<(ExtentId, u64), Error> {
        self.make_room(len)?;
        for (id, extent) in &mut self.extents {
            if extent.app == Some(app) && extent.owner == Owner::Host {
                if extent.is_unused() {
                    extent.recycle();
                }
                if let Some(offset) = extent.allocate(len) {
                    return Ok((*id, offset));
                }
            }
        }
        let id = self.new_extent(app, len)?;
        let extent = self.extents.get_mut(&id).expect("it was just made");
        let offset = extent.allocate(len).expect("a new extent has room for what it was made for");
        Ok((id, offset))
    }

    /// Gives space back; a file that held only this object is closed.
    pub(crate) fn free(&mut self, id: ExtentId, offset: u64, len: u64) {
        let extent = self.extents.get_mut(&id).expect("an object's extent exists");
        extent.free(offset, len);
        if matches!(extent.owner, Owner::Disk | Owner::Nobody) {
            self.drop_extent(id);
        }
    }

    pub(crate) fn new_extent(&mut self, app: AppKey, len: u64) -> Result<ExtentId, Error> {
        let size = self.options.extent_bytes.max(len).next_multiple_of(ALIGNMENT);
        Ok(self.add_extent(Extent::in_memory(app, size)?))
    }

    pub(crate) fn add_extent(&mut self, extent: Extent) -> ExtentId {
        let id = self.next_extent_id();
        self.extents.insert(id, extent);
        id
    }

    pub(crate) fn next_extent_id(&mut self) -> ExtentId {
        let id = ExtentId(self.next_extent);
        self.next_extent = id.0.checked_add(1).expect("four thousand million extents outlast a process");
        id
    }

    pub(crate) fn drop_extent(&mut self, id: ExtentId) {
        if let Some(extent) = self.extents.remove(&id) {
            // What never had an app was never shown to a worker.
            self.dropped.extend(extent.app.map(|app| (app, id)));
        }
    }

    /// Where an object lies, mapped from its file if need be.
    pub(crate) fn locate(&mut self, id: ObjectId, len: u64) -> Result<(ExtentId, u64), Error> {
        let known = self.objects.get(&id);
        if known.is_some_and(|object| object.len != len) {
            return Err(Error::Unknown(id));
        }
        if let Some(place) = known.and_then(|object| object.place) {
            return Ok(place);
        }
        let app = known.and_then(|object| object.app);
        let file = self.disk.read(id, len)?;
        let mut extent = Extent::over(app, Owner::Disk, file, len);
        let offset = extent.allocate(len).expect("the file has the object's length");
        let place = (self.add_extent(extent), offset);
        let object = self.objects.entry(id).or_insert_with(|| Stored::on_disk(len));
        object.place = Some(place);
        Ok(place)
    }
}

/// The payload of an object whose digest nobody asked for yet.
pub(crate) fn stored(id: ObjectId, len: u64) -> Payload {
    Payload::Stored { id, len, digest: None }
}
