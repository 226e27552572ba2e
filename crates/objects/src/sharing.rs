//! How objects reach workers, and how what workers write becomes objects.

use crate::error::Error;
use crate::extent::{ALIGNMENT, ExtentId, Owner, WriterId};
use crate::memory::{Memory, stored};
use crate::object::Stored;
use sluice_types::{AppKey, ObjectId, Payload};
use std::fs::File;
use std::os::fd::OwnedFd;

/// Where the bytes of an object lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The extent.
    pub extent: ExtentId,
    /// Position in it, in bytes.
    pub offset: u64,
    /// Number of bytes.
    pub len: u64,
}

/// Memory that a worker may write.
#[derive(Debug)]
pub struct Grant {
    /// The extent, writable from 0 to its size.
    pub extent: ExtentId,
    /// Its size, in bytes.
    pub size: u64,
    /// A descriptor to map it with; `None` when this worker has had it before.
    pub descriptor: Option<OwnedFd>,
}

impl Memory {
    /// Where a worker of `app` finds an object.
    pub fn location(&mut self, app: AppKey, id: ObjectId, len: u64) -> Result<Location, Error> {
        let (extent, offset) = self.recall(app, id, len)?;
        let object = self.objects.get_mut(&id).expect("an object with a place is known");
        if *object.app.get_or_insert(app) != app {
            return Err(Error::Foreign(id));
        }
        self.extents.get_mut(&extent).expect("an object's extent exists").app.get_or_insert(app);
        Ok(Location { extent, offset, len })
    }

    /// A read-only descriptor of an extent, and its size in bytes.
    pub fn descriptor(&self, extent: ExtentId) -> Result<(OwnedFd, u64), Error> {
        let extent = self.extents.get(&extent).ok_or(Error::Claim("no such extent"))?;
        Ok((extent.reader()?, extent.size))
    }

    /// A read-only file that holds an object's bytes, and the offset at which they start. Pin the object while it is
    /// read.
    pub fn open(&mut self, id: ObjectId, len: u64) -> Result<(File, u64), Error> {
        let (extent, offset) = self.locate(id, len)?;
        Ok((self.extents[&extent].reader()?.into(), offset))
    }

    /// Keeps an object's bytes where they are until [`Self::unpin`].
    pub fn pin(&mut self, id: ObjectId) -> Result<(), Error> {
        self.objects.get_mut(&id).ok_or(Error::Unknown(id))?.pins += 1;
        Ok(())
    }

    /// Takes one pin away; the last one lets a released object go.
    pub fn unpin(&mut self, id: ObjectId) -> Result<(), Error> {
        let object = self.objects.get_mut(&id).ok_or(Error::Unknown(id))?;
        object.pins = object.pins.checked_sub(1).expect("a pin is taken away once");
        if object.pins == 0 && object.released { self.forget(id) } else { Ok(()) }
    }

    /// Gives a worker an extent of its own with room for `len` bytes: one of its former ones that is empty now, an
    /// unused one of its domain, or a new one.
    pub fn grant(&mut self, app: AppKey, writer: WriterId, len: u64) -> Result<Grant, Error> {
        self.make_room(len)?;
        let owners = [Owner::Worker(writer), Owner::Host];
        let unused = owners.into_iter().find_map(|owner| {
            self.extents.iter().find_map(|(id, extent)| {
                let fits = extent.app == Some(app)
                    && extent.owner == owner
                    && extent.size >= len
                    && extent.is_unused();
                fits.then_some(*id)
            })
        });
        let id = match unused {
            Some(id) => id,
            None => self.new_extent(app, len)?,
        };
        let extent = self.extents.get_mut(&id).expect("it was just found or made");
        extent.recycle();
        let descriptor = match extent.owner {
            Owner::Worker(_) => None,
            _ => Some(extent.writer()?),
        };
        extent.owner = Owner::Worker(writer);
        Ok(Grant { extent: id, size: extent.size, descriptor })
    }

    /// Makes an object of what a worker wrote. Nothing of the claim is trusted.
    pub fn adopt(&mut self, writer: WriterId, at: Location) -> Result<Payload, Error> {
        let extent = self.extents.get_mut(&at.extent).ok_or(Error::Claim("no such extent"))?;
        if extent.owner != Owner::Worker(writer) {
            return Err(Error::Claim("the extent belongs to somebody else"));
        }
        if !at.offset.is_multiple_of(ALIGNMENT) || at.offset < extent.used {
            return Err(Error::Claim("the range overlaps another object"));
        }
        let before = std::mem::replace(&mut extent.used, at.offset);
        if at.offset > extent.size || extent.allocate(at.len).is_none() {
            extent.used = before;
            return Err(Error::Claim("the range ends outside the extent"));
        }
        let app = extent.app.expect("an extent that was granted belongs to an app");
        self.estimate_bytes = self.estimate_bytes.saturating_add(at.len);
        let id = self.insert(Stored::at(app, at.len, at.extent, at.offset));
        Ok(stored(id, at.len))
    }

    /// Takes back all that was granted to a worker. It must have ended: nobody may have its memory mapped for writing.
    pub fn retire(&mut self, writer: WriterId) {
        for extent in self.extents.values_mut().filter(|extent| extent.owner == Owner::Worker(writer)) {
            extent.owner = Owner::Host;
        }
    }

    /// Extents that are gone since the last call; workers that mapped them must let go of them.
    pub fn take_dropped(&mut self) -> Vec<(AppKey, ExtentId)> {
        std::mem::take(&mut self.dropped)
    }

    /// Number of objects in memory or known to be on disk.
    pub fn object_count(&self) -> usize {
        self.objects.len()
    }

    /// Whether an object is known.
    pub fn contains(&self, id: ObjectId) -> bool {
        self.objects.get(&id).is_some_and(|object| !object.released)
    }
}
