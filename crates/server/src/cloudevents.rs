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
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
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
    // Checked once as a whole, not text by text.
    let body = std::str::from_utf8(body).map_err(|e| Error::Json(e.to_string()))?;
    let mut packer = EventPacker::with_capacity(body.len());
    let mut refused = None;
    let mut deserializer = serde_json::Deserializer::from_str(body);
    let batch = Batch { now_ms, packer: &mut packer, refused: &mut refused };
    let read = deserializer.deserialize_seq(batch).and_then(|()| deserializer.end());
    match (refused, read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(Error::Json(error.to_string())),
        (None, Ok(())) => Ok(packer.finish()),
    }
}

/// Packs the events of an array one by one, up to the first that is none.
struct Batch<'p> {
    now_ms: u64,
    packer: &'p mut EventPacker,
    refused: &'p mut Option<Error>,
}

impl<'de> Visitor<'de> for Batch<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of CloudEvents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(members) = events.next_element::<Members<'de>>()? {
            if let Err(error) = structured(members, self.now_ms, self.packer) {
                self.refused.get_or_insert(Error::InBatch { index, error: Box::new(error) });
            }
            index += 1;
        }
        Ok(())
    }
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

    fn set_scalar(&mut self, name: &str, value: Scalar<'a>) -> Result<(), Error> {
        match value {
            Scalar::Text(text) => self.set(name, text),
            Scalar::Absent => Ok(()),
            Scalar::Wrong => {
                let why = "attributes are strings, booleans or integers".to_owned();
                Err(Error::Malformed { attribute: name.to_owned(), why })
            }
        }
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

/// The members of a JSON object: attributes and payload.
#[derive(Default)]
struct Members<'a> {
    attributes: Attributes<'a>,
    data: Option<&'a RawValue>,
    base64: Option<&'a RawValue>,
    refused: Option<Error>,
}

/// The value of an attribute in JSON: a string, a boolean or a number; `null` means that it is absent.
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Absent,
    Wrong,
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a boolean or an integer")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(if value { "true" } else { "false" })))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_string())))
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Wrong)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Wrong)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
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
                let mut members = Members::default();
                while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
                    match &*name {
                        "data" => members.data = Some(map.next_value()?),
                        "data_base64" => members.base64 = Some(map.next_value()?),
                        name => {
                            let set = members.attributes.set_scalar(name, map.next_value()?);
                            members.refused = members.refused.or(set.err());
                        }
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

fn structured(members: Members<'_>, now_ms: u64, packer: &mut EventPacker) -> Result<(), Error> {
    let Members { attributes, refused, .. } = members;
    if let Some(error) = refused {
        return Err(error);
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
