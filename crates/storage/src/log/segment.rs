//! One file of the log: a header that says where it belongs, records, zeros.
//!
//! A segment is named by a number that is never used twice. A file whose header does not carry the number
//! of its name holds no records: it was filled ahead, or released and renamed to be used again.

use super::record::{self, u32_at, u64_at};
use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use sluice_types::Lsn;
use std::io;
use std::path::{Path, PathBuf};

/// Size of a segment's header, in bytes; the first record follows.
pub(super) const HEADER_BYTES: u64 = 64;
/// Version of the log's format; docs/reference/log-format.md describes it.
pub(super) const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"SLUICLOG";
const ZEROS: &[u8; 256 * 1024] = &[0; 256 * 1024];

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) log_id: u64,
    pub(super) number: u64,
    /// The first record of the segment; earlier segments are void from there on.
    pub(super) base: Lsn,
    /// What was durable when the segment took effect.
    pub(super) durable: Lsn,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES as usize] {
        let mut bytes = [0; HEADER_BYTES as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.log_id.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.number.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.base.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.durable.0.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of the segment `number`; `None` if the file holds no records of that segment.
    pub(super) fn read(file: &impl DiskFile, path: &Path, number: u64) -> Result<Option<Self>, Error> {
        let mut bytes = [0; HEADER_BYTES as usize];
        let read = file.read_at(0, &mut bytes).map_err(|e| Error::io(path, e))?;
        let crc = u32_at(&bytes, 12);
        bytes[12..16].fill(0);
        if read < bytes.len() || bytes[..8] != *MAGIC || crc32c::crc32c(&bytes) != crc {
            return Ok(None);
        }
        let version = u32_at(&bytes, 8);
        if version != FORMAT_VERSION {
            let (found, supported) = (version.to_string(), FORMAT_VERSION.to_string());
            return Err(Error::Version { path: path.to_owned(), found, supported });
        }
        let header = Self {
            log_id: u64_at(&bytes, 16),
            number: u64_at(&bytes, 24),
            base: Lsn(u64_at(&bytes, 32)),
            durable: Lsn(u64_at(&bytes, 40)),
        };
        Ok((header.number == number && header.base.0 > 0).then_some(header))
    }

    /// What the checksums of the segment's records start from.
    pub(super) fn seed(&self) -> u32 {
        record::seed(self.log_id, self.number)
    }
}

/// An open segment file.
#[derive(Debug)]
pub(super) struct Segment<F> {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) file: F,
    /// Length of the file: bytes that can be written without asking the file system for space.
    pub(super) filled: u64,
}

impl<F: DiskFile> Segment<F> {
    /// Creates an empty file; its name is not durable yet.
    pub(super) fn create<D: Disk<File = F>>(disk: &D, path: PathBuf, number: u64) -> Result<Self, Error> {
        let file = disk.create(&path).map_err(|e| Error::io(&path, e))?;
        Ok(Self { number, path, file, filled: 0 })
    }

    pub(super) fn open<D: Disk<File = F>>(disk: &D, path: PathBuf, number: u64) -> Result<Self, Error> {
        let file = disk.open(&path).map_err(|e| Error::io(&path, e))?;
        let filled = file.len().map_err(|e| Error::io(&path, e))?;
        Ok(Self { number, path, file, filled })
    }

    /// Fills the file with zeros up to `goal` bytes, without a sync. What was filled before an error counts.
    pub(super) fn fill(&mut self, goal: u64) -> io::Result<()> {
        while self.filled < goal {
            let slice = (goal - self.filled).min(ZEROS.len() as u64);
            self.file.write_at(self.filled, &ZEROS[..slice as usize])?;
            self.filled += slice;
        }
        Ok(())
    }
}

/// The path of the segment with that number.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.log"))
}

/// The number in a segment's name; `None` for other files.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}
