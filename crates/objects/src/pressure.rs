//! What happens when memory runs short: empty extents go first, then holes are punched, then objects are spilled.

use crate::error::Error;
use crate::extent::{ExtentId, Owner};
use crate::memory::Memory;
use crate::object::Stored;
use sluice_types::{AppKey, ObjectId};

impl Memory {
    /// Memory that objects cost now, those included that are still being written, in bytes.
    ///
    /// # Errors
    /// [`Error::Memory`] when the kernel does not tell.
    pub fn resident_bytes(&self) -> Result<u64, Error> {
        let objects: Result<u64, Error> =
            self.extents.values().map(crate::extent::Extent::resident_bytes).sum();
        Ok(objects? + self.stream_bytes()?)
    }

    /// Makes sure that `len` more bytes stay within the limit.
    pub(crate) fn make_room(&mut self, len: u64) -> Result<(), Error> {
        let limit_bytes = self.options.limit_bytes;
        self.estimate_bytes = self.estimate_bytes.saturating_add(len);
        if self.estimate_bytes <= limit_bytes {
            return Ok(());
        }
        let target = limit_bytes.checked_sub(len).ok_or(Error::Full { limit_bytes })?;
        let resident = self.trim(target)?;
        self.estimate_bytes = resident + len;
        if resident > target { Err(Error::Full { limit_bytes }) } else { Ok(()) }
    }

    /// Gives memory back until at most `target` bytes are in use, or everything left is; returns what is in use.
    pub fn trim(&mut self, target: u64) -> Result<u64, Error> {
        if self.resident_bytes()? > target {
            self.drop_unused();
        }
        if self.resident_bytes()? > target {
            self.punch_dead()?;
        }
        let mut resident = self.resident_bytes()?;
        let mut next = ObjectId(0);
        while resident > target {
            let Some(id) = self.spillable(next) else { break };
            self.spill(id)?;
            resident = self.resident_bytes()?;
            next = ObjectId(id.0 + 1);
        }
        Ok(resident)
    }

    fn drop_unused(&mut self) {
        let unused: Vec<ExtentId> = self
            .extents
            .iter()
            .filter(|(_, extent)| extent.owner == Owner::Host && extent.is_unused())
            .map(|(id, _)| *id)
            .collect();
        for id in unused {
            self.drop_extent(id);
        }
    }

    fn punch_dead(&mut self) -> Result<(), Error> {
        for extent in self.extents.values_mut().filter(|extent| !extent.is_lent()) {
            for range in std::mem::take(&mut extent.dead) {
                extent.punch(&range)?;
            }
        }
        Ok(())
    }

    /// The oldest object from `from` on that is in memory and that nobody reads.
    fn spillable(&self, from: ObjectId) -> Option<ObjectId> {
        let mut candidates = self.objects.range(from..);
        let found = candidates.find(|(_, object)| {
            object.pins == 0
                && object.place.is_some_and(|(extent, _)| {
                    let extent = &self.extents[&extent];
                    extent.owner != Owner::Disk && !extent.is_lent()
                })
        });
        found.map(|(id, _)| *id)
    }

    /// Where an object lies; one that is on disk only comes back to memory, if there is room. A file of its own would
    /// cost a worker a mapping per object.
    pub(crate) fn recall(&mut self, app: AppKey, id: ObjectId, len: u64) -> Result<(ExtentId, u64), Error> {
        let in_memory = self.objects.get(&id).is_some_and(|object| object.place.is_some());
        if in_memory || len > self.options.extent_bytes {
            return self.locate(id, len);
        }
        let mut file = self.disk.read(id, len)?;
        let Ok((extent, offset)) = self.allocate(app, len) else { return self.locate(id, len) };
        if let Err(error) = self.extents[&extent].fill(offset, &mut file, len) {
            self.free(extent, offset, len);
            return Err(error);
        }
        let object = self.objects.entry(id).or_insert_with(|| Stored::on_disk(len));
        object.place = Some((extent, offset));
        object.app.get_or_insert(app);
        Ok((extent, offset))
    }

    /// Moves an object to its file.
    fn spill(&mut self, id: ObjectId) -> Result<(), Error> {
        self.write_file(id)?;
        let object = self.objects.get_mut(&id).ok_or(Error::Unknown(id))?;
        if let Some((extent, offset)) = object.place.take() {
            let len = object.len;
            self.free(extent, offset, len);
            // One that held this object alone is gone.
            if let Some(extent) = self.extents.get_mut(&extent) {
                extent.dead.pop();
                extent.punch(&(offset..offset + len))?;
            }
        }
        Ok(())
    }
}
