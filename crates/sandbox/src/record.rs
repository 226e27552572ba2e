//! A record: one object, put, value or emission, in either direction.

use crate::wire::{HAS_GROUP, IS_OPEN, NO_BUCKET, OTHER_TYPE, RECORD_BYTES, Reader};
use bytes::Bytes;
use sluice_objects::{ExtentId, Location};
use sluice_types::ContentType;

/// Where the bytes of a record are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the record.
    Inline(Bytes),
    /// In an extent.
    Stored(Location),
    /// Still being written, to this stream.
    Open(ExtentId),
}

/// A record as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Index of the bucket, or [`NO_BUCKET`].
    pub bucket: u16,
    /// The key; the type of an emission.
    pub key: String,
    /// How to read the bytes.
    pub content_type: ContentType,
    /// The group; the subject of an emission.
    pub group: Option<String>,
    /// Attributes as a JSON object; empty when there are none.
    pub meta: Vec<u8>,
    /// The bytes.
    pub place: Place,
}

/// What a record is packed from.
#[derive(Clone, Copy, Debug)]
pub struct RecordParts<'a> {
    /// Index of the bucket, or [`NO_BUCKET`].
    pub bucket: u16,
    /// The key.
    pub key: &'a str,
    /// How to read the bytes.
    pub content_type: &'a ContentType,
    /// The group.
    pub group: Option<&'a str>,
    /// Attributes as a JSON object; empty when there are none.
    pub meta: &'a [u8],
    /// The bytes.
    pub place: &'a Place,
}

impl<'a> RecordParts<'a> {
    /// A value without key, bucket, group and attributes.
    pub fn value(content_type: &'a ContentType, place: &'a Place) -> Self {
        Self { bucket: NO_BUCKET, key: "", content_type, group: None, meta: &[], place }
    }

    /// Appends the record to `out`; `None` if a text is too long for its field.
    pub fn pack(&self, out: &mut Vec<u8>) -> Option<()> {
        let (code, type_name) = match self.content_type {
            ContentType::Bytes => (0, ""),
            ContentType::Json => (1, ""),
            ContentType::Text => (2, ""),
            ContentType::Other(name) => (OTHER_TYPE, &**name),
        };
        let group = self.group.unwrap_or("");
        let texts = self.key.len() + type_name.len() + group.len() + self.meta.len();
        let data_at = RECORD_BYTES + texts;
        let (extent, offset, len, tail): (_, _, _, &[u8]) = match self.place {
            Place::Inline(data) => (0, data_at as u64, data.len() as u64, data),
            Place::Stored(at) => (at.extent.0, at.offset, at.len, &[]),
            Place::Open(stream) => (stream.0, 0, 0, &[]),
        };
        let has_group = if self.group.is_some() { HAS_GROUP } else { 0 };
        let is_open = if matches!(self.place, Place::Open(_)) { IS_OPEN } else { 0 };
        let total = u32::try_from(data_at + tail.len()).ok()?;
        out.reserve(total as usize);
        out.extend_from_slice(&total.to_le_bytes());
        out.extend_from_slice(&self.bucket.to_le_bytes());
        out.extend_from_slice(&[code, has_group | is_open]);
        for text in [self.key, type_name, group] {
            out.extend_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
        }
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&u32::try_from(self.meta.len()).ok()?.to_le_bytes());
        out.extend_from_slice(&extent.to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        for part in [self.key.as_bytes(), type_name.as_bytes(), group.as_bytes(), self.meta, tail] {
            out.extend_from_slice(part);
        }
        Some(())
    }
}

impl Record {
    /// Reads the record at the front of `bytes` and what follows it; `None` if it is malformed. `bytes` must be the
    /// reader's own copy.
    pub fn unpack(bytes: &Bytes) -> Option<(Self, Bytes)> {
        let mut reader = Reader(bytes);
        let total = reader.u32()? as usize;
        let bucket = reader.u16()?;
        let (code, flags) = (reader.u8()?, reader.u8()?);
        let lens = [reader.u16()?, reader.u16()?, reader.u16()?].map(usize::from);
        reader.u16()?;
        let meta_len = reader.u32()? as usize;
        let (extent, offset, len) = (reader.u32()?, reader.u64()?, reader.u64()?);
        let key = reader.text(lens[0])?.to_owned();
        let content_type = content_type(code, reader.text(lens[1])?)?;
        let group = reader.text(lens[2])?;
        let meta = reader.take(meta_len)?.to_vec();
        let data_at = bytes.len() - reader.0.len();
        let (place, end) = match extent {
            0 => {
                let end = data_at.checked_add(usize::try_from(len).ok()?)?;
                if offset != data_at as u64 || end > bytes.len() {
                    return None;
                }
                (Place::Inline(own(bytes, data_at..end)), end)
            }
            _ if flags & IS_OPEN != 0 => (Place::Open(ExtentId(extent)), data_at),
            _ => (Place::Stored(Location { extent: ExtentId(extent), offset, len }), data_at),
        };
        let group = (flags & HAS_GROUP != 0).then(|| group.to_owned());
        (end == total).then(|| (Self { bucket, key, content_type, group, meta, place }, bytes.slice(end..)))
    }
}

fn content_type(code: u8, name: &str) -> Option<ContentType> {
    match code {
        0 => Some(ContentType::Bytes),
        1 => Some(ContentType::Json),
        2 => Some(ContentType::Text),
        OTHER_TYPE => Some(ContentType::parse(name)),
        _ => None,
    }
}

/// A part that does not keep a much larger whole alive.
fn own(bytes: &Bytes, range: std::ops::Range<usize>) -> Bytes {
    if range.len() * 2 < bytes.len() { Bytes::copy_from_slice(&bytes[range]) } else { bytes.slice(range) }
}
