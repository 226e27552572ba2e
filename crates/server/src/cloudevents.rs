//! CloudEvents 1.0 over HTTP: binary, structured and batched content modes.
//!
//! Attributes that the engine has no use for (`dataschema`, extensions other than `sluicerun`) are checked for form
//! and then dropped.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use percent_encoding::percent_decode_str;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use sluice_types::{Code, ContentType, EventPack, EventPacker, HeadView, Problem};
use std::borrow::Cow;
use std::fmt;

/// The extension attribute that addresses an event to one run.
pub const RUN_ATTRIBUTE: &str = "sluicerun";

const PREFIX: &str = "ce-";

/// Why a request holds no CloudEvents.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "`problem` says each in words")]
pub enum Error {
    NotCloudEvents { content_type: String },
    Json(String),
    Missing { attribute: &'static str },
    Malformed { attribute: String, why: String },
    Version(String),
    TwoPayloads,
    InBatch { index: usize, error: Box<Error> },
}

impl Error {
    /// The error for the client.
    pub fn problem(self) -> Problem {
        let (message, fix) = match self {
            Self::NotCloudEvents { content_type } => (
                format!("a request of Content-Type `{content_type}` without `ce-id` holds no CloudEvent"),
                "send application/cloudevents+json, application/cloudevents-batch+json, or the attributes as ce- headers",
            ),
            Self::Json(why) => {
                (format!("the body is not what its Content-Type says: {why}"), "send valid JSON")
            }
            Self::Missing { attribute } => {
                (format!("the event has no `{attribute}`"), "give `id`, `source`, `type` and `specversion`")
            }
            Self::Malformed { attribute, why } => (
                format!("the event's `{attribute}` is malformed: {why}"),
                "see the CloudEvents 1.0 specification",
            ),
            Self::Version(version) => (format!("`specversion` is `{version}`"), "send CloudEvents 1.0"),
            Self::TwoPayloads => ("the event has `data` and `data_base64`".into(), "leave one out"),
            Self::InBatch { index, error } => {
                let mut problem = error.problem();
                problem.place = format!("[{index}]{}", problem.place);
                return problem;
            }
        };
        Problem::new(Code::EVENT_INVALID, message, fix)
    }
}

/// The events of a request, in order. `now_ms` is the time of those that tell none.
pub fn read(headers: &HeaderMap, body: &[u8], now_ms: u64) -> Result<EventPack, Error> {
    let content_type = headers.get(CONTENT_TYPE).map_or(Ok(""), |v| v.to_str()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/cloudevents+json" => {
            let members = serde_json::from_slice(body).map_err(|e| Error::Json(e.to_string()))?;
            let mut packer = EventPacker::with_capacity(body.len());
            structured(members, now_ms, &mut packer)?;
            Ok(packer.finish())
        }
        "application/cloudevents-batch+json" => read_batch(body, now_ms),
        _ if headers.contains_key("ce-id") || headers.contains_key("ce-specversion") => {
            let mut packer = EventPacker::default();
            binary(headers, content_type, body, now_ms, &mut packer)?;
            Ok(packer.finish())
        }
        _ => Err(Error::NotCloudEvents { content_type: content_type.to_owned() }),
    }
}

/// The events of a JSON array, in order.
pub fn read_batch(body: &[u8], now_ms: u64) -> Result<EventPack, Error> {
    let batch: Vec<Members<'_>> = serde_json::from_slice(body).map_err(|e| Error::Json(e.to_string()))?;
    let mut packer = EventPacker::with_capacity(body.len());
    for (index, members) in batch.into_iter().enumerate() {
        structured(members, now_ms, &mut packer).map_err(|e| Error::InBatch { index, error: Box::new(e) })?;
    }
    Ok(packer.finish())
}

/// The attributes that mean something here, in the order of their names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    DataContentType,
    Id,
    Run,
    Source,
    SpecVersion,
    Subject,
    Time,
    Type,
}

/// Names of the attributes by `Known`.
const NAMES: [&str; 8] =
    ["datacontenttype", "id", RUN_ATTRIBUTE, "source", "specversion", "subject", "time", "type"];
/// Most attributes of one event.
const ATTRIBUTES_MAX: usize = 1_000;

/// The attributes of one event.
#[derive(Default)]
struct Attributes<'a>([Option<Cow<'a, str>>; 8]);

impl<'a> Attributes<'a> {
    /// Keeps an attribute that means something, and checks any.
    fn set(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), Error> {
        let malformed = |why: &str| Err(Error::Malformed { attribute: name.to_owned(), why: why.to_owned() });
        if value.is_empty() {
            return malformed("it is empty");
        }
        match NAMES.iter().position(|known| *known == name) {
            Some(at) => self.0[at] = Some(value),
            None if name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) => {}
            None => return malformed("names of attributes are lower-case letters and digits"),
        }
        Ok(())
    }

    fn get(&self, known: Known) -> Option<&str> {
        self.0[known as usize].as_deref()
    }

    fn required(&self, known: Known) -> Result<&str, Error> {
        self.get(known).ok_or(Error::Missing { attribute: NAMES[known as usize] })
    }
}

fn binary(
    headers: &HeaderMap,
    content_type: &str,
    data: &[u8],
    now_ms: u64,
    packer: &mut EventPacker,
) -> Result<(), Error> {
    let mut attributes = Attributes::default();
    for (header, value) in headers {
        if let Some(name) = header.as_str().strip_prefix(PREFIX) {
            let malformed = |why: &str| Error::Malformed { attribute: name.to_owned(), why: why.to_owned() };
            let text = std::str::from_utf8(value.as_bytes()).map_err(|_| malformed("it is not UTF-8"))?;
            let text = unquoted(text).ok_or_else(|| malformed("its quotes do not match"))?;
            let text = percent_decode_str(&text).decode_utf8().map_err(|_| malformed("it is not UTF-8"))?;
            attributes.set(name, Cow::Owned(text.into_owned()))?;
        }
    }
    pack(&attributes, &ContentType::parse(content_type), data, now_ms, packer)
}

/// Undoes the quotes that some senders put around header values.
fn unquoted(text: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = text.strip_prefix('"') else { return Some(Cow::Borrowed(text)) };
    let mut plain = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return characters.as_str().is_empty().then_some(Cow::Owned(plain)),
            '\\' => plain.push(characters.next()?),
            other => plain.push(other),
        }
    }
}

/// The members of a JSON object that are attributes, in the order given, and its payload.
#[derive(Default)]
struct Members<'a> {
    attributes: Vec<(Name<'a>, &'a RawValue)>,
    data: Option<&'a RawValue>,
    base64: Option<&'a RawValue>,
}

/// The name of a member, borrowed where JSON lets it be.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an attribute")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a CloudEvent")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members { attributes: Vec::with_capacity(8), ..Members::default() };
                while let Some((Name(name), raw)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    match &*name {
                        "data" => members.data = Some(raw),
                        "data_base64" => members.base64 = Some(raw),
                        _ if members.attributes.len() == ATTRIBUTES_MAX => {
                            return Err(A::Error::custom("the event has too many attributes"));
                        }
                        _ => members.attributes.push((Name(name), raw)),
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

fn structured(members: Members<'_>, now_ms: u64, packer: &mut EventPacker) -> Result<(), Error> {
    let mut attributes = Attributes::default();
    for (Name(name), raw) in &members.attributes {
        if let Some(text) = attribute(name, raw.get())? {
            attributes.set(name, text)?;
        }
    }
    let present = |raw: &&RawValue| raw.get() != "null";
    let declared = attributes.get(Known::DataContentType);
    let (content_type, data) = match (members.data.filter(present), members.base64.filter(present)) {
        (Some(_), Some(_)) => return Err(Error::TwoPayloads),
        (Some(raw), None) => json_data(declared, raw)?,
        (None, Some(raw)) => (ContentType::parse(declared.unwrap_or("")), base64_data(raw)?.into()),
        (None, None) => (ContentType::parse(declared.unwrap_or("application/json")), Cow::default()),
    };
    pack(&attributes, &content_type, &data, now_ms, packer)
}

/// A context attribute in JSON is a string, a boolean or an integer; `null` means that it is absent.
fn attribute<'a>(name: &str, json: &'a str) -> Result<Option<Cow<'a, str>>, Error> {
    let malformed = |why: &str| Err(Error::Malformed { attribute: name.to_owned(), why: why.to_owned() });
    match json.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') if !json.contains('\\') => Ok(Some(Cow::Borrowed(&json[1..json.len() - 1]))),
        Some(b'"') => match serde_json::from_str(json) {
            Ok(text) => Ok(Some(Cow::Owned(text))),
            Err(_) => malformed("it is not valid Unicode"),
        },
        Some(b't' | b'f' | b'-' | b'0'..=b'9') => Ok(Some(Cow::Borrowed(json))),
        _ => malformed("attributes are strings, booleans or integers"),
    }
}

/// `data` is a JSON document, except that a string under another content type is that text.
fn json_data<'a>(declared: Option<&str>, raw: &'a RawValue) -> Result<(ContentType, Cow<'a, [u8]>), Error> {
    let content_type = ContentType::parse(declared.unwrap_or("application/json"));
    if raw.get().starts_with('"') && !content_type.is_json() {
        let text: String = serde_json::from_str(raw.get()).map_err(|e| Error::Json(e.to_string()))?;
        return Ok((content_type, Cow::Owned(text.into_bytes())));
    }
    Ok((content_type, Cow::Borrowed(raw.get().as_bytes())))
}

fn base64_data(raw: &RawValue) -> Result<Vec<u8>, Error> {
    let malformed = |why: String| Error::Malformed { attribute: "data_base64".into(), why };
    let text: String = serde_json::from_str(raw.get()).map_err(|e| malformed(e.to_string()))?;
    STANDARD.decode(text).map_err(|e| malformed(e.to_string()))
}

fn pack(
    attributes: &Attributes<'_>,
    content_type: &ContentType,
    data: &[u8],
    now_ms: u64,
    packer: &mut EventPacker,
) -> Result<(), Error> {
    let version = attributes.required(Known::SpecVersion)?;
    if version != "1.0" {
        return Err(Error::Version(version.to_owned()));
    }
    let id = attributes.required(Known::Id)?;
    let head = HeadView {
        source: attributes.required(Known::Source)?,
        r#type: attributes.required(Known::Type)?,
        subject: attributes.get(Known::Subject),
        content_type,
        run: attributes.get(Known::Run),
    };
    let time_ms = attributes.get(Known::Time).map_or(Ok(now_ms), time_ms)?;
    packer.push(head, id, time_ms, data);
    Ok(())
}

/// The `time` attribute, in milliseconds since the Unix epoch.
pub fn time_ms(text: &str) -> Result<u64, Error> {
    let malformed = |why: String| Error::Malformed { attribute: "time".into(), why };
    let time = DateTime::parse_from_rfc3339(text)
        .map_err(|e| malformed(format!("`{text}` is not RFC 3339: {e}")))?;
    u64::try_from(time.timestamp_millis()).map_err(|_| malformed(format!("`{text}` is before 1970")))
}
