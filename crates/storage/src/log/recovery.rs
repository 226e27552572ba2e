//! Finding out, when a log is opened, what it holds: the durable records, and a tail that may be torn.
//!
//! * Segments in order of their numbers; each counts from its base up to the base of the next.
//! * `evidence` is the highest lsn that something on disk, or the caller, says was durable. All records up
//!   to it must be intact, otherwise opening is refused.
//! * Records behind it count as far as they are intact: they may have been acknowledged just before the end.
//!   They are `suspect`, for they may be in the page cache only, so they are written again.

use super::reader::Reader;
use super::record;
use super::segment::{self, Header};
use crate::disk::Disk;
use crate::error::Error;
use sluice_types::Lsn;
use std::path::{Path, PathBuf};

/// A segment that holds records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) number: u64,
    pub(super) base: Lsn,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) log_id: u64,
    /// Segments that hold records, oldest first; empty for a new log.
    pub(super) extents: Vec<Extent>,
    /// Numbers of the files that hold none.
    pub(super) unused: Vec<u64>,
    /// The last record that is durable for certain.
    pub(super) evidence: Lsn,
    /// The last intact record.
    pub(super) last: Lsn,
    /// The segment with the last records, if there is any.
    tail: Option<Header>,
}

impl Found {
    /// Reads the log in `dir`. `known` is durable according to the caller.
    pub(super) fn read<D: Disk>(disk: &D, dir: &Path, known: Lsn, new_log_id: u64) -> Result<Self, Error> {
        let (headers, unused) = read_headers(disk, dir)?;
        let Some(last) = headers.last() else {
            if known.0 > 0 || !unused.is_empty() {
                return Err(corrupt(dir.to_owned(), 0, Lsn(known.0 + 1)));
            }
            return Ok(Self::nothing(new_log_id));
        };
        let mut found = Self {
            log_id: last.log_id,
            extents: headers.iter().map(|h| Extent { number: h.number, base: h.base }).collect(),
            unused,
            evidence: headers.iter().map(|h| h.durable).fold(known, Lsn::max),
            last: Lsn(0),
            tail: Some(*last),
        };
        check_order(dir, &headers)?;
        found.read_records(disk, dir, &headers, known)?;
        Ok(found)
    }

    fn nothing(log_id: u64) -> Self {
        Self { log_id, extents: vec![], unused: vec![], evidence: Lsn(0), last: Lsn(0), tail: None }
    }

    /// Reads every record from the checkpoint on.
    fn read_records<D: Disk>(
        &mut self,
        disk: &D,
        dir: &Path,
        headers: &[Header],
        known: Lsn,
    ) -> Result<(), Error> {
        let first = self.first_to_read(dir, headers, known)?;
        for (index, header) in headers.iter().enumerate().skip(first) {
            let path = segment::path(dir, header.number);
            let mut reader = open_reader(disk, &path, header.seed())?;
            let until = headers.get(index + 1).map(|next| next.base);
            self.last = Lsn(header.base.0 - 1);
            while until.is_none_or(|until| self.last.0 + 1 < until.0) {
                let next = Lsn(self.last.0 + 1);
                let Some(record) = reader.next(next).map_err(|e| Error::io(&path, e))? else { break };
                self.last = next;
                self.evidence = self.evidence.max(record.durable);
            }
            let end = Lsn(self.last.0 + 1);
            if until.map_or(self.evidence >= end, |until| end < until) {
                return Err(corrupt(path, reader.offset(), end));
            }
            if until.is_none() {
                self.check_behind(disk, dir, header, reader)?;
            }
        }
        Ok(())
    }

    /// Index of the segment that holds the first record behind the checkpoint.
    fn first_to_read(&self, dir: &Path, headers: &[Header], known: Lsn) -> Result<usize, Error> {
        let (oldest, newest) = (headers[0], headers[headers.len() - 1]);
        let first = headers.partition_point(|h| h.base.0 <= known.0 + 1);
        let Some(first) = first.checked_sub(1) else {
            return Err(corrupt(segment::path(dir, oldest.number), 0, Lsn(known.0 + 1)));
        };
        // A file without records among those with records is what a torn start of a segment leaves, or a
        // damaged header. Reading all segments tells.
        match self.unused.iter().find(|number| **number < newest.number) {
            Some(number) if *number < oldest.number && oldest.base.0 > 1 => {
                Err(corrupt(segment::path(dir, *number), 0, Lsn(oldest.base.0 - 1)))
            }
            Some(_) => Ok(0),
            None => Ok(first),
        }
    }

    /// Refuses if something behind the last intact record says that more than it was durable.
    fn check_behind<D: Disk>(
        &self,
        disk: &D,
        dir: &Path,
        last: &Header,
        mut reader: Reader<D::File>,
    ) -> Result<(), Error> {
        let (lost, offset) = (Lsn(self.last.0 + 1), reader.offset());
        let path = segment::path(dir, last.number);
        let mut evidence = reader.finds_evidence(lost).map_err(|e| Error::io(&path, e))?;
        for number in self.unused.iter().filter(|number| **number > last.number) {
            let later = segment::path(dir, *number);
            let mut reader = open_reader(disk, &later, record::seed(self.log_id, *number))?;
            evidence |= reader.finds_evidence(lost).map_err(|e| Error::io(&later, e))?;
        }
        if evidence { Err(corrupt(path, offset, lost)) } else { Ok(()) }
    }

    /// The suspect records, sealed for the segment with that seed. They are no more than what waited for one
    /// sync, all in the last segment: its header vouches for everything before it.
    pub(super) fn carry<D: Disk>(&self, disk: &D, dir: &Path, seed: u32) -> Result<Vec<u8>, Error> {
        let mut carried = Vec::new();
        let Some(tail) = self.tail.filter(|_| self.evidence < self.last) else { return Ok(carried) };
        let path = segment::path(dir, tail.number);
        let mut reader = open_reader(disk, &path, tail.seed())?;
        for lsn in (tail.base.0..=self.last.0).map(Lsn) {
            let offset = reader.offset();
            let bytes = reader.next_bytes(lsn).map_err(|e| Error::io(&path, e))?;
            let bytes = bytes.ok_or_else(|| corrupt(path.clone(), offset, lsn))?;
            if lsn > self.evidence {
                let start = carried.len();
                carried.extend_from_slice(bytes);
                record::seal(&mut carried[start..], seed, self.evidence);
            }
        }
        Ok(carried)
    }
}

/// The headers of the segments that hold records, in order, and the numbers of the other files.
fn read_headers<D: Disk>(disk: &D, dir: &Path) -> Result<(Vec<Header>, Vec<u64>), Error> {
    let (mut headers, mut unused) = (Vec::new(), Vec::new());
    let names = disk.list(dir).map_err(|e| Error::io(dir, e))?;
    for number in names.iter().filter_map(|name| segment::number(name)) {
        let path = segment::path(dir, number);
        let file = disk.open(&path).map_err(|e| Error::io(&path, e))?;
        match Header::read(&file, &path, number)? {
            Some(header) => headers.push(header),
            None => unused.push(number),
        }
    }
    Ok((headers, unused))
}

/// Segments of one log follow each other.
fn check_order(dir: &Path, headers: &[Header]) -> Result<(), Error> {
    for pair in headers.windows(2) {
        if pair[1].base < pair[0].base || pair[1].log_id != pair[0].log_id {
            return Err(corrupt(segment::path(dir, pair[1].number), 0, pair[1].base));
        }
    }
    Ok(())
}

pub(super) fn open_reader<D: Disk>(disk: &D, path: &Path, seed: u32) -> Result<Reader<D::File>, Error> {
    let file = disk.open(path).map_err(|e| Error::io(path, e))?;
    Reader::new(file, seed).map_err(|e| Error::io(path, e))
}

pub(super) fn corrupt(segment: PathBuf, offset: u64, lsn: Lsn) -> Error {
    Error::Corrupt { segment, offset, lsn }
}
