//! The log: records in order, durable once [`Log::sync`] has returned.
//!
//! Records are appended to a buffer and written by `sync`, all that wait with one write and one fdatasync per
//! segment touched. The owner's thread does everything; nothing happens between its calls.
//!
//! Invariants (checked by `tests/log_crash.rs` and `tests/log_model.rs`):
//! * lsns count from 1 without a gap.
//! * Record bytes are written only where the file already has blocks, so a full disk is met before anything
//!   is half written, and fdatasync has no metadata to write.
//! * After a failed write or sync the handle is dead. Opening always begins a new segment, so bytes whose
//!   fate is unknown are never written over, and never read once the new segment has taken effect.
//! * A segment takes effect by its header: a record in an earlier segment counts only below its base.

mod opening;
mod options;
mod reader;
mod record;
mod recovery;
mod replay;
mod segment;
mod space;

pub use options::{Head, Options, Priority, RECORD_BYTES_MAX, Traceparent};
pub use record::{HEADER_BYTES, Record};
pub use replay::Replay;

use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use recovery::Extent;
use segment::{Header, Segment};
use sluice_types::Lsn;
use space::Space;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

/// A log, open for appending. One at a time per directory; [`crate::DataDir`] sees to that.
#[derive(Debug)]
pub struct Log<D: Disk> {
    disk: D,
    dir: PathBuf,
    options: Options,
    log_id: u64,
    /// Segments that hold records, oldest first; the last is `active`.
    extents: VecDeque<Extent>,
    active: Segment<D::File>,
    /// Where the next record goes in `active`, in bytes.
    head: u64,
    /// Segments to come, in the order of their numbers.
    prepared: VecDeque<Segment<D::File>>,
    next_number: u64,
    /// Finished records; those before `written` are durable.
    buffer: Vec<u8>,
    written: usize,
    durable: Lsn,
    next: Lsn,
    space: Space,
    failure: Option<String>,
}

impl<D: Disk> Log<D> {
    /// Takes a record into the buffer; it is durable once a later [`Log::sync`] has returned its lsn.
    ///
    /// `encode` adds the payload to the bytes that it is given and leaves those already there alone.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::BatchFull`], [`Error::RecordTooLarge`]: the record was not taken, the log
    /// goes on. [`Error::OutcomeUnknown`]: see [`Log::sync`].
    pub fn append(&mut self, head: Head, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Lsn, Error> {
        self.admit(head.priority)?;
        let (start, lsn) = (self.buffer.len(), self.next);
        record::begin(&mut self.buffer, lsn, &head);
        encode(&mut self.buffer);
        if let Err(error) = record::finish(&mut self.buffer, start, head.traceparent.is_some()) {
            self.buffer.truncate(start);
            return Err(error);
        }
        self.next = Lsn(lsn.0 + 1);
        Ok(lsn)
    }

    /// Makes every appended record durable; returns the last durable lsn. Also looks how much space there is,
    /// so after [`Error::DiskFull`] it is worth calling with nothing to write.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`]: some records still wait; sync again when there is space.
    /// [`Error::OutcomeUnknown`]: nothing more is taken or acknowledged; drop this handle and open the log again.
    pub fn sync(&mut self) -> Result<Lsn, Error> {
        self.check()?;
        while self.written < self.buffer.len() {
            let (end, last) = self.seal_batch();
            if end == self.written || !self.make_room(end)? {
                self.roll()?;
            } else {
                self.write_batch(end, last)?;
            }
        }
        self.buffer.clear();
        self.buffer.shrink_to(self.options.batch_bytes_max);
        self.written = 0;
        self.measure_space();
        Ok(self.durable)
    }

    /// The last record that is durable.
    pub fn durable(&self) -> Lsn {
        self.durable
    }

    /// The lsn that the next record will get.
    pub fn next_lsn(&self) -> Lsn {
        self.next
    }

    /// The oldest record kept, or the next one if there is none.
    pub fn oldest(&self) -> Lsn {
        self.extents[0].base
    }

    /// Bytes that still fit into the newest segment.
    pub fn segment_room_bytes(&self) -> u64 {
        self.options.segment_bytes.saturating_sub(self.head)
    }

    /// Bytes that wait for a sync.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len() - self.written
    }

    /// The durable records from `from` on (0: from the oldest).
    ///
    /// # Errors
    /// [`Error::Truncated`] if `from` has been released.
    pub fn replay(&self, from: Lsn) -> Result<Replay<'_, D>, Error> {
        Replay::new(self, from)
    }

    /// Releases the segments that hold nothing but records before `lsn`. Some are kept to be used again.
    ///
    /// # Errors
    /// [`Error::Io`]: some may have been released; the log goes on. [`Error::OutcomeUnknown`]: see [`Log::sync`].
    pub fn truncate_before(&mut self, lsn: Lsn) -> Result<(), Error> {
        self.check()?;
        let is_released = |extents: &VecDeque<Extent>| extents.get(1).is_some_and(|next| next.base <= lsn);
        if is_released(&self.extents) {
            // A segment may go only when the header of the next, which makes it void, is durable.
            self.active.file.sync_data().map_err(|error| self.fail(&error))?;
        }
        while is_released(&self.extents) {
            let number = self.extents[0].number;
            self.release(number)?;
            self.extents.pop_front();
            // One at a time: a crash must not leave a gap, nor a name that is taken back.
            self.disk.sync_dir(&self.dir).map_err(|error| self.fail(&error))?;
        }
        Ok(())
    }

    fn admit(&self, priority: Priority) -> Result<(), Error> {
        self.check()?;
        let buffered_bytes = self.buffered_bytes();
        if buffered_bytes >= self.options.batch_bytes_max {
            return Err(Error::BatchFull { buffered_bytes });
        }
        if buffered_bytes as u64 >= self.space.room(priority) { Err(Error::DiskFull) } else { Ok(()) }
    }

    fn check(&self) -> Result<(), Error> {
        self.failure.as_ref().map_or(Ok(()), |cause| Err(Error::OutcomeUnknown(cause.clone())))
    }

    /// Completes the waiting records that fit into the active segment. Returns where they end in the buffer
    /// and the last of them.
    fn seal_batch(&mut self) -> (usize, Lsn) {
        let seed = self.active_seed();
        let (mut end, mut last, mut head) = (self.written, self.durable, self.head);
        while let Some(header) = record::header(&self.buffer[end..]) {
            let is_first = head == segment::HEADER_BYTES;
            head += header.size as u64;
            if head > self.options.segment_bytes && !is_first {
                break;
            }
            record::seal(&mut self.buffer[end..end + header.size], seed, self.durable);
            end += header.size;
            last = header.lsn;
        }
        (end, last)
    }

    fn active_seed(&self) -> u32 {
        record::seed(self.log_id, self.active.number)
    }

    fn write_batch(&mut self, end: usize, last: Lsn) -> Result<(), Error> {
        let batch = &self.buffer[self.written..end];
        let result = self.active.file.write_at(self.head, batch).and_then(|()| self.active.file.sync_data());
        self.head += batch.len() as u64;
        result.map_err(|error| self.fail(&error))?;
        self.written = end;
        self.durable = last;
        Ok(())
    }

    /// Goes on in the next segment. Everything in the active one is durable.
    fn roll(&mut self) -> Result<(), Error> {
        if self.prepared.is_empty() {
            self.prepare_next()?;
        }
        let base = Lsn(self.durable.0 + 1);
        let next = self.prepared.front_mut().expect("there is a prepared segment now");
        let header = Header { log_id: self.log_id, number: next.number, base, durable: self.durable };
        let mut result = self.space.fill(&self.disk, &self.dir, next, segment::HEADER_BYTES);
        if result.is_ok() {
            result = next.file.write_at(0, &header.encode());
        }
        result.map_err(|error| self.full_or_fail(&error))?;
        let next = self.prepared.pop_front().expect("it was there above");
        self.extents.push_back(Extent { number: next.number, base });
        self.active = next;
        self.head = segment::HEADER_BYTES;
        Ok(())
    }

    /// Ends the life of this handle.
    fn fail(&mut self, error: &io::Error) -> Error {
        let cause = error.to_string();
        self.failure = Some(cause.clone());
        Error::OutcomeUnknown(cause)
    }
}
