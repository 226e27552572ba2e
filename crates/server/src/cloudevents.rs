//! CloudEvents 1.0 over HTTP: binary, structured and batched content modes.
//!
//! Attributes that the engine has no use for (`dataschema`, extensions other than `sluicerun`) are checked for form
//! and then dropped.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::DateTime;
use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;
use sluice_types::{Code, ContentType, Event, Problem};
use std::borrow::Cow;
use std::collections::BTreeMap;

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
pub fn read(headers: &HeaderMap, body: Bytes, now_ms: u64) -> Result<Vec<Event>, Error> {
    let content_type = headers.get(CONTENT_TYPE).map_or(Ok(""), |v| v.to_str()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/cloudevents+json" => {
            let members = serde_json::from_slice(&body).map_err(|e| Error::Json(e.to_string()))?;
            Ok(vec![structured(members, now_ms)?])
        }
        "application/cloudevents-batch+json" => {
            let batch: Vec<Members<'_>> =
                serde_json::from_slice(&body).map_err(|e| Error::Json(e.to_string()))?;
            let events = batch.into_iter().enumerate().map(|(index, members)| {
                structured(members, now_ms).map_err(|e| Error::InBatch { index, error: Box::new(e) })
            });
            events.collect()
        }
        _ if headers.contains_key("ce-id") || headers.contains_key("ce-specversion") => {
            Ok(vec![binary(headers, content_type, body, now_ms)?])
        }
        _ => Err(Error::NotCloudEvents { content_type: content_type.to_owned() }),
    }
}

/// Attributes by name, and the payload.
struct Parts {
    attributes: BTreeMap<String, String>,
    content_type: ContentType,
    data: Bytes,
}

fn binary(headers: &HeaderMap, content_type: &str, data: Bytes, now_ms: u64) -> Result<Event, Error> {
    let mut attributes = BTreeMap::new();
    for (header, value) in headers {
        if let Some(name) = header.as_str().strip_prefix(PREFIX) {
            let malformed = |why: &str| Error::Malformed { attribute: name.to_owned(), why: why.to_owned() };
            let text = std::str::from_utf8(value.as_bytes()).map_err(|_| malformed("it is not UTF-8"))?;
            let text = unquoted(text).ok_or_else(|| malformed("its quotes do not match"))?;
            let text = percent_decode_str(&text).decode_utf8().map_err(|_| malformed("it is not UTF-8"))?;
            attributes.insert(name.to_owned(), text.into_owned());
        }
    }
    event(Parts { attributes, content_type: ContentType::parse(content_type), data }, now_ms)
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

type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

fn structured(mut members: Members<'_>, now_ms: u64) -> Result<Event, Error> {
    let data = members.remove("data").filter(|raw| raw.get() != "null");
    let base64 = members.remove("data_base64").filter(|raw| raw.get() != "null");
    let mut attributes = BTreeMap::new();
    for (name, raw) in members {
        if let Some(text) = attribute(&name, raw.get())? {
            attributes.insert(name.into_owned(), text);
        }
    }
    let declared = attributes.get("datacontenttype").map(String::as_str);
    let (content_type, data) = match (data, base64) {
        (Some(_), Some(_)) => return Err(Error::TwoPayloads),
        (Some(raw), None) => json_data(declared, raw)?,
        (None, Some(raw)) => (ContentType::parse(declared.unwrap_or("")), base64_data(raw)?),
        (None, None) => (ContentType::parse(declared.unwrap_or("application/json")), Bytes::new()),
    };
    event(Parts { attributes, content_type, data }, now_ms)
}

/// A context attribute in JSON is a string, a boolean or an integer; `null` means that it is absent.
fn attribute(name: &str, json: &str) -> Result<Option<String>, Error> {
    let malformed = |why: &str| Err(Error::Malformed { attribute: name.to_owned(), why: why.to_owned() });
    match json.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => match serde_json::from_str(json) {
            Ok(text) => Ok(Some(text)),
            Err(_) => malformed("it is not valid Unicode"),
        },
        Some(b't' | b'f' | b'-' | b'0'..=b'9') => Ok(Some(json.to_owned())),
        _ => malformed("attributes are strings, booleans or integers"),
    }
}

/// `data` is a JSON document, except that a string under another content type is that text.
fn json_data(declared: Option<&str>, raw: &RawValue) -> Result<(ContentType, Bytes), Error> {
    let content_type = ContentType::parse(declared.unwrap_or("application/json"));
    if raw.get().starts_with('"') && !content_type.is_json() {
        let text: String = serde_json::from_str(raw.get()).map_err(|e| Error::Json(e.to_string()))?;
        return Ok((content_type, Bytes::from(text)));
    }
    Ok((content_type, Bytes::from(raw.get().to_owned())))
}

fn base64_data(raw: &RawValue) -> Result<Bytes, Error> {
    let malformed = |why: String| Error::Malformed { attribute: "data_base64".into(), why };
    let text: String = serde_json::from_str(raw.get()).map_err(|e| malformed(e.to_string()))?;
    STANDARD.decode(text).map(Bytes::from).map_err(|e| malformed(e.to_string()))
}

fn event(parts: Parts, now_ms: u64) -> Result<Event, Error> {
    let Parts { mut attributes, content_type, data } = parts;
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if let Some(name) = attributes.keys().find(|name| !is_name(name)) {
        let why = "names of attributes are lower-case letters and digits".to_owned();
        return Err(Error::Malformed { attribute: name.clone(), why });
    }
    if let Some((name, _)) = attributes.iter().find(|(_, value)| value.is_empty()) {
        return Err(Error::Malformed { attribute: name.clone(), why: "it is empty".into() });
    }
    let mut required =
        |attribute: &'static str| attributes.remove(attribute).ok_or(Error::Missing { attribute });
    let version = required("specversion")?;
    if version != "1.0" {
        return Err(Error::Version(version));
    }
    Ok(Event {
        id: required("id")?.into(),
        source: required("source")?.into(),
        r#type: required("type")?.into(),
        subject: attributes.remove("subject").map(Into::into),
        time_ms: attributes.remove("time").map_or(Ok(now_ms), |text| time_ms(&text))?,
        content_type,
        data,
        run: attributes.remove(RUN_ATTRIBUTE).map(Into::into),
    })
}

/// The `time` attribute, in milliseconds since the Unix epoch.
pub fn time_ms(text: &str) -> Result<u64, Error> {
    let malformed = |why: String| Error::Malformed { attribute: "time".into(), why };
    let time = DateTime::parse_from_rfc3339(text)
        .map_err(|e| malformed(format!("`{text}` is not RFC 3339: {e}")))?;
    u64::try_from(time.timestamp_millis()).map_err(|_| malformed(format!("`{text}` is before 1970")))
}
