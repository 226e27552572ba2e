//! Objects that are read while they are written: a memfd that grows, shared by one writer and any number of readers.
//!
//! The length of the file is how much there is to read. When the object is closed the file is sealed against every
//! change, so a reader knows from the seal that nothing follows, and the file becomes the object's extent as it is. Until
//! all that begin to read are given the object itself, those that come by the name find the sealed file.

use crate::error::Error;
use crate::extent::{Extent, ExtentId, Owner};
use crate::memory::{Memory, stored};
use crate::object::Stored;
use bytes::Bytes;
use rustix::fs::{Mode, OFlags, SealFlags, fcntl_add_seals, open};
use sluice_types::limits::INLINE_BYTES_MAX;
use sluice_types::{AppKey, BucketIx, Payload, RunKey};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Names an object while it is open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName {
    /// The run it belongs to.
    pub run: RunKey,
    /// The bucket it lies in.
    pub bucket: BucketIx,
    /// Its key.
    pub key: Arc<str>,
}

/// The bytes of an open object.
#[derive(Debug)]
pub(crate) struct Stream {
    app: AppKey,
    extent: ExtentId,
    file: File,
    /// Whether it is an object already.
    is_closed: bool,
}

impl Memory {
    /// An open object's extent and a descriptor to write it with. Whoever comes first makes it.
    pub fn stream_writer(&mut self, app: AppKey, name: &StreamName) -> Result<(ExtentId, OwnedFd), Error> {
        self.forget_closed(name);
        let stream = self.stream(app, name)?;
        Ok((stream.extent, stream.file.try_clone()?.into()))
    }

    /// An open object's extent and a descriptor to read it with. Whoever comes first makes it, unless it was just closed.
    pub fn stream_reader(&mut self, app: AppKey, name: &StreamName) -> Result<(ExtentId, OwnedFd), Error> {
        let stream = self.stream(app, name)?;
        let path = format!("/proc/self/fd/{}", stream.file.as_raw_fd());
        Ok((stream.extent, open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// How many bytes of an open object there are; `None` when it is not open.
    pub fn stream_len(&self, name: &StreamName) -> Result<Option<u64>, Error> {
        let Some(stream) = self.streams.get(name).filter(|stream| !stream.is_closed) else { return Ok(None) };
        Ok(Some(stream.file.metadata()?.len()))
    }

    /// Makes an object of an open one of `len` bytes. Nothing of the claim is trusted.
    pub fn close_stream(&mut self, app: AppKey, name: &StreamName, len: u64) -> Result<Payload, Error> {
        let stream = self.streams.get_mut(name).filter(|stream| stream.app == app && !stream.is_closed);
        let stream = stream.ok_or(Error::Claim("the object is not open"))?;
        // From here on nobody can change it. Fails while somebody has it mapped for writing.
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        fcntl_add_seals(&stream.file, seals)?;
        if stream.file.metadata()?.len() != len {
            return Err(Error::Claim("the open object has another length"));
        }
        let (id, file) = (stream.extent, stream.file.try_clone()?);
        stream.is_closed = true;
        if len <= INLINE_BYTES_MAX as u64 {
            let mut bytes = vec![0; len as usize];
            file.read_exact_at(&mut bytes, 0)?;
            return Ok(Payload::Inline(Bytes::from(bytes)));
        }
        self.make_room(len)?;
        let mut extent = Extent::over(Some(app), Owner::Nobody, file, len);
        let offset = extent.allocate(len).expect("the file has the object's length");
        self.extents.insert(id, extent);
        Ok(stored(self.insert(Stored::at(app, len, id, offset)), len))
    }

    /// Whoever begins to read from now on is given the object that this one has become.
    pub fn forget_closed(&mut self, name: &StreamName) {
        if self.streams.get(name).is_some_and(|stream| stream.is_closed) {
            self.streams.remove(name);
        }
    }

    /// Frees what is open of a run.
    pub fn drop_streams(&mut self, run: RunKey) {
        if !self.streams.is_empty() {
            self.streams.retain(|name, _| name.run != run);
        }
    }

    fn stream(&mut self, app: AppKey, name: &StreamName) -> Result<&Stream, Error> {
        if !self.streams.contains_key(name) {
            let (extent, file) = (self.next_extent_id(), Extent::unsealed()?);
            let stream = Stream { app, extent, file, is_closed: false };
            self.streams.insert(name.clone(), stream);
        }
        let stream = &self.streams[name];
        if stream.app == app {
            Ok(stream)
        } else {
            Err(Error::Claim("the open object belongs to another app"))
        }
    }
}
