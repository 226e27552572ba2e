//! Objects as JSON carries them.
//!
//! Towards the server, a JSON string is text, an object whose only member is `base64` is bytes, and anything else is
//! a JSON document. From the server, a JSON document appears as it is, text as a string, other bytes as
//! `{"base64": …}`; the content type beside it tells these apart. JSON documents pass through byte by byte, so
//! numbers of any size and the order of members survive.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Content type of JSON documents.
pub const JSON: &str = "application/json";
/// Content type of text.
pub const TEXT: &str = "text/plain";
/// Content type of bytes that are neither.
pub const BYTES: &str = "application/octet-stream";

/// The bytes of an object and how to read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// A media type.
    pub content_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Why a JSON value does not stand for an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// `{"base64": …}` holds something else than standard base64.
    #[error("the value of `base64` is not standard base64 in a string: {0}")]
    Base64(String),
    /// A string with a lone surrogate.
    #[error("a string is not valid Unicode: {0}")]
    Text(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Base64<T> {
    base64: T,
}

impl Value {
    /// A JSON document; the caller vouches that the bytes are one.
    pub fn json(bytes: impl Into<Vec<u8>>) -> Self {
        Self { content_type: JSON.into(), bytes: bytes.into() }
    }

    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content_type: TEXT.into(), bytes: text.into().into_bytes() }
    }

    /// Bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { content_type: BYTES.into(), bytes: bytes.into() }
    }

    /// Reads what a client sent.
    pub fn from_json(json: &RawValue) -> Result<Self, ValueError> {
        let text = json.get();
        if text.starts_with('"') {
            let text: String = serde_json::from_str(text).map_err(|e| ValueError::Text(e.to_string()))?;
            return Ok(Self::text(text));
        }
        // Stops at the first other member, so that a large document is not read in vain.
        if text.starts_with('{') && serde_json::from_str::<Base64<&RawValue>>(text).is_ok() {
            let Base64 { base64 } = serde_json::from_str::<Base64<String>>(text)
                .map_err(|e| ValueError::Base64(e.to_string()))?;
            let bytes = STANDARD.decode(base64).map_err(|e| ValueError::Base64(e.to_string()))?;
            return Ok(Self::bytes(bytes));
        }
        Ok(Self::json(text))
    }

    /// Whether the same bytes and content type arrive when the value is sent in JSON.
    pub fn survives_json(&self) -> bool {
        match self.content_type.as_str() {
            BYTES => true,
            TEXT | JSON => Self::from_json(&self.to_json()).is_ok_and(|read| read == *self),
            _ => false,
        }
    }

    /// The value as the server shows it: see [`show`].
    pub fn to_json(&self) -> Box<RawValue> {
        show(&self.content_type, &self.bytes)
    }
}

/// Bytes as the server shows them. JSON that does not parse and text that is not UTF-8 appear as bytes.
pub fn show(content_type: &str, bytes: &[u8]) -> Box<RawValue> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if is_json(content_type) {
            if let Ok(document) = RawValue::from_string(text.trim().to_owned()) {
                return document;
            }
        } else if content_type.starts_with("text/") {
            return raw(&text);
        }
    }
    base64(bytes)
}

/// Whether a media type is that of JSON documents (`application/json`, `…+json`).
pub fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or("").trim();
    essence == JSON || essence.ends_with("+json")
}

/// `{"base64": …}`
fn base64(bytes: &[u8]) -> Box<RawValue> {
    raw(&Base64 { base64: STANDARD.encode(bytes) })
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("strings always serialise")
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_json(&json).map_err(serde::de::Error::custom)
    }
}

/// As a client sends it. What does not [survive](Value::survives_json) as it is goes as bytes.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_shown = self.content_type != BYTES && self.survives_json();
        if is_shown { self.to_json() } else { base64(&self.bytes) }.serialize(serializer)
    }
}
