//! The bytes of one record; docs/reference/log-format.md says the same in prose.
//!
//! A record is written in two steps: [`begin`] and [`finish`] when it is appended, [`seal`] when it is
//! written, because only then is it known which segment it goes to and what is durable.

use super::options::{Head, RECORD_BYTES_MAX, Traceparent};
use crate::error::Error;
use sluice_types::Lsn;

/// Size of the fixed part of a record, in bytes.
pub const HEADER_BYTES: usize = 32;
/// Records begin at multiples of this, in bytes.
pub(super) const ALIGNMENT: usize = 8;

const CRC: usize = 0;
const LENGTH: usize = 4;
const LSN: usize = 8;
const DURABLE: usize = 16;
const ENGINE_VERSION: usize = 24;
const FORMAT: usize = 26;
const CODEC: usize = 27;
const KEY_ID: usize = 28;
const FLAGS: usize = 29;
const ZERO: usize = 30;

const FLAG_TRACEPARENT: u8 = 1;
const TRACEPARENT_BYTES: usize = size_of::<Traceparent>();

/// A record as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its position.
    pub lsn: Lsn,
    /// What was durable when it was written.
    pub durable: Lsn,
    /// Version of the engine that decided what it means.
    pub engine_version: u16,
    /// Version of the payload's notation.
    pub format: u8,
    /// Compression of the payload; 0 is none.
    pub codec: u8,
    /// Key that encrypts the payload; 0 is none.
    pub key_id: u8,
    /// Trace id, parent id and flags of W3C Trace Context.
    pub traceparent: Option<Traceparent>,
    /// What was appended.
    pub payload: &'a [u8],
}

/// What the checksums of a segment start from: a record of another log or segment never fits.
pub(super) fn seed(log_id: u64, segment: u64) -> u32 {
    let mut identity = [0; 16];
    identity[..8].copy_from_slice(&log_id.to_le_bytes());
    identity[8..].copy_from_slice(&segment.to_le_bytes());
    crc32c::crc32c(&identity)
}

/// Starts a record at the end of `buffer`; the payload is to follow.
#[inline]
pub(super) fn begin(buffer: &mut Vec<u8>, lsn: Lsn, head: &Head) {
    let mut header = [0; HEADER_BYTES];
    header[LSN..LSN + 8].copy_from_slice(&lsn.0.to_le_bytes());
    header[ENGINE_VERSION..ENGINE_VERSION + 2].copy_from_slice(&head.engine_version.to_le_bytes());
    header[FORMAT] = head.format;
    header[CODEC] = head.codec;
    header[KEY_ID] = head.key_id;
    header[FLAGS] = if head.traceparent.is_some() { FLAG_TRACEPARENT } else { 0 };
    buffer.extend_from_slice(&header);
    if let Some(traceparent) = &head.traceparent {
        buffer.extend_from_slice(traceparent);
    }
}

/// Ends the record that [`begin`] started at `start`: sets its length and pads it.
#[inline]
pub(super) fn finish(buffer: &mut Vec<u8>, start: usize, traced: bool) -> Result<(), Error> {
    let payload_start = start + HEADER_BYTES + if traced { TRACEPARENT_BYTES } else { 0 };
    let bytes = buffer.len().checked_sub(payload_start).expect("an encoder only adds to the buffer");
    if bytes > RECORD_BYTES_MAX {
        return Err(Error::RecordTooLarge { bytes, limit: RECORD_BYTES_MAX });
    }
    buffer[start + LENGTH..start + LENGTH + 4].copy_from_slice(&(bytes as u32).to_le_bytes());
    let padding = buffer.len().next_multiple_of(ALIGNMENT) - buffer.len();
    buffer.extend_from_slice(&[0; ALIGNMENT][..padding]);
    Ok(())
}

/// Completes a finished record for the segment that `seed` belongs to.
#[inline]
pub(super) fn seal(record: &mut [u8], seed: u32, durable: Lsn) {
    record[DURABLE..DURABLE + 8].copy_from_slice(&durable.0.to_le_bytes());
    let crc = crc32c::crc32c_append(seed, &record[LENGTH..]);
    record[CRC..LENGTH].copy_from_slice(&crc.to_le_bytes());
}

/// The fixed part of a record, not yet believed.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) lsn: Lsn,
    pub(super) durable: Lsn,
    /// Size of the whole record with padding, in bytes.
    pub(super) size: usize,
}

/// Reads the fixed part, or `None` if no record begins like this.
#[inline]
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    let bytes = bytes.first_chunk::<HEADER_BYTES>()?;
    let (lsn, length) = (Lsn(u64_at(bytes, LSN)), u32_at(bytes, LENGTH) as usize);
    let known = bytes[FLAGS] & !FLAG_TRACEPARENT == 0 && bytes[ZERO..] == [0; 2];
    if lsn.0 == 0 || length > RECORD_BYTES_MAX || !known {
        return None;
    }
    let traceparent = if bytes[FLAGS] & FLAG_TRACEPARENT != 0 { TRACEPARENT_BYTES } else { 0 };
    let size = (HEADER_BYTES + traceparent + length).next_multiple_of(ALIGNMENT);
    Some(Header { lsn, durable: Lsn(u64_at(bytes, DURABLE)), size })
}

/// Whether the checksum of a whole record is right.
pub(super) fn is_intact(record: &[u8], seed: u32) -> bool {
    u32_at(record, CRC) == crc32c::crc32c_append(seed, &record[LENGTH..])
}

/// Takes an intact record apart.
pub(super) fn decode(record: &[u8]) -> Record<'_> {
    let (header, rest) = record.split_at(HEADER_BYTES);
    let traced = header[FLAGS] & FLAG_TRACEPARENT != 0;
    let (traceparent, rest) = rest.split_at(if traced { TRACEPARENT_BYTES } else { 0 });
    Record {
        lsn: Lsn(u64_at(header, LSN)),
        durable: Lsn(u64_at(header, DURABLE)),
        engine_version: u16::from_le_bytes([header[ENGINE_VERSION], header[ENGINE_VERSION + 1]]),
        format: header[FORMAT],
        codec: header[CODEC],
        key_id: header[KEY_ID],
        traceparent: traceparent.try_into().ok(),
        payload: &rest[..u32_at(header, LENGTH) as usize],
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("the caller has checked the length"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("the caller has checked the length"))
}
