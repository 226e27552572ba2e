//! Objects: immutable values with a key, in a bucket of a run.

use crate::id::{BucketIx, ObjectId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How the bytes of an object are to be read. The common types cost no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContentType {
    /// `application/octet-stream`
    #[default]
    Bytes,
    /// `application/json`
    Json,
    /// `text/plain` in UTF-8
    Text,
    /// Any other media type, as given.
    Other(Arc<str>),
}

impl ContentType {
    /// The media type as HTTP writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Bytes => "application/octet-stream",
            Self::Json => "application/json",
            Self::Text => "text/plain",
            Self::Other(name) => name,
        }
    }

    /// Parses a media type; parameters (`; charset=…`) are dropped. An empty string means bytes.
    pub fn parse(text: &str) -> Self {
        let essence = text.split(';').next().unwrap_or("").trim();
        match essence {
            "" | "application/octet-stream" => Self::Bytes,
            "application/json" => Self::Json,
            "text/plain" => Self::Text,
            other => Self::Other(Arc::from(other)),
        }
    }

    /// Whether the bytes are one JSON document (`application/json`, `…+json`).
    pub fn is_json(&self) -> bool {
        matches!(self, Self::Json) || self.as_str().ends_with("+json")
    }

    /// Whether the bytes are text of any kind.
    pub fn is_text(&self) -> bool {
        self.as_str().starts_with("text/")
    }
}

/// Where the bytes of an object are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// In the record itself; at most [`crate::limits::INLINE_BYTES_MAX`].
    Inline(Bytes),
    /// Outside the log, named by an id that the runtime resolves (shared memory, blob segment, spill file).
    Stored {
        /// Names the bytes.
        id: ObjectId,
        /// Number of bytes.
        len: u64,
        /// XXH3-128 of the bytes; `None` while nobody needed it (express runs compute it on a repeated put).
        digest: Option<u128>,
    },
    /// Still being written by the function that opened the object. Where they are, the runtime knows by run, bucket and
    /// key.
    Open {
        /// Number of bytes written, as far as whoever made this knew.
        written: u64,
    },
}

impl Payload {
    /// Number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Stored { len, .. } => *len,
            Self::Open { written } => *written,
        }
    }

    /// Whether the bytes are still being written.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both are known to hold the same bytes. Stored payloads compare by length and digest; a missing
    /// digest never counts as the same, except for the very same object.
    pub fn same_bytes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inline(a), Self::Inline(b)) => a == b,
            (Self::Stored { id: a, .. }, Self::Stored { id: b, .. }) if a == b => true,
            (Self::Stored { len: a, digest: Some(x), .. }, Self::Stored { len: b, digest: Some(y), .. }) => {
                a == b && x == y
            }
            _ => false,
        }
    }
}

/// Free attributes of an object, given by who put it.
pub type Meta = BTreeMap<String, String>;

/// An immutable value in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The bucket it lies in.
    pub bucket: BucketIx,
    /// Its name, unique in (run, bucket); at most [`crate::limits::KEY_BYTES_MAX`] bytes.
    pub key: Arc<str>,
    /// How to read the bytes.
    pub content_type: ContentType,
    /// The bytes, or where they are.
    pub payload: Payload,
    /// The group it was put with, for `group` triggers.
    pub group: Option<Arc<str>>,
    /// Free attributes; `None` when there are none.
    pub meta: Option<Arc<Meta>>,
}
