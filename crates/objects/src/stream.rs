//! Objects that are read while they are written: a memfd that grows, shared by one writer and any number of readers.
//!
//! The length of the file is how much there is to read. When the object is closed the file is sealed against every
//! change, so a reader knows from the seal that nothing follows, and the file becomes the object's extent as it is. Until
//! all that begin to read are given the object itself, those that come by the name find the sealed file; so does a
//! further attempt of its writer, if the object was lost before anybody could name it.

use crate::error::Error;
use crate::extent::{BLOCK_BYTES, Extent, ExtentId, Owner};
use crate::memory::{Memory, stored};
use crate::object::Stored;
use bytes::Bytes;
use rustix::fs::{Mode, OFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, open};
use rustix::io::Errno;
use sluice_types::limits::INLINE_BYTES_MAX;
use sluice_types::{AppKey, BucketIx, Payload, RunKey};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
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
    /// The extent of the object that it has become, which has the same file.
    whole: Option<ExtentId>,
}

impl Memory {
    /// An open object's extent and a descriptor to write it with. Whoever comes first makes it. One that is sealed
    /// already can be written no more: a further attempt may only repeat it.
    ///
    /// # Errors
    /// [`Error::Claim`] when it belongs to another app, [`Error::Memory`] when the kernel refuses a file.
    pub fn stream_writer(&mut self, app: AppKey, name: &StreamName) -> Result<(ExtentId, OwnedFd), Error> {
        let stream = self.stream(app, name)?;
        Ok((stream.extent, stream.file.try_clone()?.into()))
    }

    /// An open object's extent and a descriptor to read it with. Whoever comes first makes it.
    ///
    /// # Errors
    /// As those of [`Self::stream_writer`].
    pub fn stream_reader(&mut self, app: AppKey, name: &StreamName) -> Result<(ExtentId, OwnedFd), Error> {
        let stream = self.stream(app, name)?;
        let path = format!("/proc/self/fd/{}", stream.file.as_raw_fd());
        Ok((stream.extent, open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// How many bytes of an open object there are; `None` when it is not open, or sealed.
    ///
    /// # Errors
    /// [`Error::Memory`] when the kernel does not tell.
    pub fn stream_len(&self, name: &StreamName) -> Result<Option<u64>, Error> {
        match self.streams.get(name) {
            Some(stream) if !stream.is_sealed()? => Ok(Some(stream.len()?)),
            _ => Ok(None),
        }
    }

    /// Makes an object of an open one of `len` bytes. Nothing of the claim is trusted. What was written stays to be read
    /// by the name until [`Self::drop_stream`], and may be made an object again should this one be lost.
    ///
    /// # Errors
    /// [`Error::Claim`] when it is not open, of another app, of another length, or mapped for writing;
    /// [`Error::Memory`] when the kernel refuses.
    pub fn close_stream(&mut self, app: AppKey, name: &StreamName, len: u64) -> Result<Payload, Error> {
        let stream = self.streams.get(name).filter(|stream| stream.app == app);
        let stream = stream.ok_or(Error::Claim("the object is not open"))?;
        // A false claim seals nothing, and a true one is looked at again when nobody can change the file any more.
        stream.check_len(len)?;
        stream.seal()?;
        stream.check_len(len)?;
        if len <= INLINE_BYTES_MAX as u64 {
            let mut bytes = vec![0; len as usize];
            stream.file.read_exact_at(&mut bytes, 0)?;
            return Ok(Payload::Inline(Bytes::from(bytes)));
        }
        let mut extent = Extent::over(Some(app), Owner::Nobody, stream.file.try_clone()?, len);
        let offset = extent.allocate(len).expect("the file has the object's length");
        // Its memory is in use already: if that is too much, whoever wants more makes room.
        self.estimate_bytes = self.estimate_bytes.saturating_add(len);
        let whole = self.add_extent(extent);
        self.streams.get_mut(name).expect("it was just found").whole = Some(whole);
        Ok(stored(self.insert(Stored::at(app, len, whole, offset)), len))
    }

    /// Forgets an open object, or one that has become an object which whoever begins to read is given from now on.
    pub fn drop_stream(&mut self, name: &StreamName) {
        self.streams.remove(name);
    }

    /// Forgets what is open of a run.
    pub fn drop_streams(&mut self, run: RunKey) {
        if !self.streams.is_empty() {
            self.streams.retain(|name, _| name.run != run);
        }
    }

    /// Memory that streams cost beside the objects, in bytes.
    pub(crate) fn stream_bytes(&self) -> Result<u64, Error> {
        let is_counted =
            |stream: &&Stream| stream.whole.is_some_and(|extent| self.extents.contains_key(&extent));
        let streams = self.streams.values().filter(|stream| !is_counted(stream));
        streams.map(|stream| Ok(stream.file.metadata()?.blocks() * BLOCK_BYTES)).sum()
    }

    fn stream(&mut self, app: AppKey, name: &StreamName) -> Result<&Stream, Error> {
        if !self.streams.contains_key(name) {
            let (extent, file) = (self.next_extent_id(), Extent::unsealed()?);
            let stream = Stream { app, extent, file, whole: None };
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

impl Stream {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.file.metadata()?.len())
    }

    fn check_len(&self, claimed: u64) -> Result<(), Error> {
        if self.len()? == claimed { Ok(()) } else { Err(Error::Claim("the open object has another length")) }
    }

    fn is_sealed(&self) -> Result<bool, Error> {
        Ok(fcntl_get_seals(&self.file)?.contains(SealFlags::WRITE))
    }

    /// From here on nobody can change it.
    fn seal(&self) -> Result<(), Error> {
        if self.is_sealed()? {
            return Ok(());
        }
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        fcntl_add_seals(&self.file, seals).map_err(|errno| match errno {
            Errno::BUSY => Error::Claim("the open object is mapped for writing"),
            errno => errno.into(),
        })
    }
}
