//! Reading a log from some record on.

use super::reader::Reader;
use super::record::{self, Record};
use super::recovery::{corrupt, open_reader};
use super::{Log, segment};
use crate::disk::Disk;
use crate::error::Error;
use sluice_types::Lsn;
use std::path::PathBuf;

/// The durable records of a log from some record on, in order; made by [`Log::replay`].
pub struct Replay<'a, D: Disk> {
    log: &'a Log<D>,
    /// Index of the segment that holds the next record.
    extent: usize,
    reader: Option<(PathBuf, Reader<D::File>)>,
    /// The next record to read.
    at: Lsn,
    /// The first record to give out.
    from: Lsn,
}

impl<'a, D: Disk> Replay<'a, D> {
    pub(super) fn new(log: &'a Log<D>, from: Lsn) -> Result<Self, Error> {
        let oldest = log.oldest();
        if from < oldest && from.0 > 0 {
            return Err(Error::Truncated { oldest });
        }
        let from = from.max(oldest);
        let extent = log.extents.partition_point(|extent| extent.base <= from) - 1;
        Ok(Self { log, extent, reader: None, at: log.extents[extent].base, from })
    }

    /// The next record, or `None` behind the last durable one.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the record is damaged, [`Error::Io`] if it cannot be read.
    #[expect(clippy::should_implement_trait, reason = "the record borrows the window it was read into")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Error> {
        while self.at < self.from {
            if self.step()?.is_none() {
                return Ok(None);
            }
        }
        self.step()
    }

    fn step(&mut self) -> Result<Option<Record<'_>>, Error> {
        let (log, lsn) = (self.log, self.at);
        if lsn > log.durable {
            return Ok(None);
        }
        while log.extents.get(self.extent + 1).is_some_and(|next| next.base <= lsn) {
            self.extent += 1;
            self.reader = None;
        }
        if self.reader.is_none() {
            let number = log.extents[self.extent].number;
            let path = segment::path(&log.dir, number);
            let reader = open_reader(&log.disk, &path, record::seed(log.log_id, number))?;
            self.reader = Some((path, reader));
        }
        let (path, reader) = self.reader.as_mut().expect("it was opened above");
        let offset = reader.offset();
        let record = reader.next(lsn).map_err(|e| Error::io(path, e))?;
        self.at = Lsn(lsn.0 + 1);
        record.map(Some).ok_or_else(|| corrupt(path.clone(), offset, lsn))
    }
}
