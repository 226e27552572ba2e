//! Reading the records of one segment in order, through a window that moves over the file.

use super::record::{self, HEADER_BYTES, Record};
use super::segment;
use crate::disk::DiskFile;
use sluice_types::Lsn;
use std::io;

/// Bytes read at once.
const WINDOW_BYTES: usize = 256 * 1024;

/// Reads the records of one segment.
pub(super) struct Reader<F> {
    file: F,
    seed: u32,
    file_bytes: u64,
    window: Vec<u8>,
    /// Where in the file the window starts.
    window_start: u64,
    /// Where in the window the next record starts.
    at: usize,
}

impl<F: DiskFile> Reader<F> {
    /// A reader before the first record. `seed` is that of the segment.
    pub(super) fn new(file: F, seed: u32) -> io::Result<Self> {
        let file_bytes = file.len()?;
        Ok(Self { file, seed, file_bytes, window: Vec::new(), window_start: segment::HEADER_BYTES, at: 0 })
    }

    /// Where in the file the next record starts, in bytes.
    pub(super) fn offset(&self) -> u64 {
        self.window_start + self.at as u64
    }

    /// The next record, if it is `lsn` and intact. Otherwise the reader stays where it is.
    pub(super) fn next(&mut self, lsn: Lsn) -> io::Result<Option<Record<'_>>> {
        Ok(self.next_bytes(lsn)?.map(record::decode))
    }

    /// As [`Reader::next`], but the whole record as it is on disk.
    pub(super) fn next_bytes(&mut self, lsn: Lsn) -> io::Result<Option<&[u8]>> {
        let Some(size) = self.intact(|header| header.lsn == lsn)? else { return Ok(None) };
        let start = self.at;
        self.at += size;
        Ok(Some(&self.window[start..self.at]))
    }

    /// From here to the end of the file: does an intact record say that `lsn` was durable?
    pub(super) fn finds_evidence(&mut self, lsn: Lsn) -> io::Result<bool> {
        while self.load(HEADER_BYTES)? {
            if self.intact(|header| header.lsn > lsn && header.durable >= lsn)?.is_some() {
                return Ok(true);
            }
            self.at += record::ALIGNMENT;
        }
        Ok(false)
    }

    /// The size of the record here, if its header satisfies `expected` and its checksum is right.
    fn intact(&mut self, expected: impl FnOnce(record::Header) -> bool) -> io::Result<Option<usize>> {
        if !self.load(HEADER_BYTES)? {
            return Ok(None);
        }
        let Some(header) = record::header(&self.window[self.at..]) else { return Ok(None) };
        if !expected(header) || !self.load(header.size)? {
            return Ok(None);
        }
        let bytes = &self.window[self.at..self.at + header.size];
        Ok(record::is_intact(bytes, self.seed).then_some(header.size))
    }

    /// Makes sure that the window holds `bytes` from here on; false if the file ends before.
    fn load(&mut self, bytes: usize) -> io::Result<bool> {
        if self.window.len() - self.at >= bytes {
            return Ok(true);
        }
        let left = self.file_bytes.saturating_sub(self.offset());
        if (bytes as u64) > left {
            return Ok(false);
        }
        self.window_start = self.offset();
        self.window.drain(..self.at);
        self.at = 0;
        let have = self.window.len();
        self.window.resize((WINDOW_BYTES.max(bytes) as u64).min(left) as usize, 0);
        let read = self.file.read_at(self.window_start + have as u64, &mut self.window[have..])?;
        self.window.truncate(have + read);
        Ok(self.window.len() >= bytes)
    }
}
