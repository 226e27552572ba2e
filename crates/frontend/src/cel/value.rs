//! Objects, events and JSON as CEL values, and back.

use base64::prelude::*;
use bytes::Bytes;
use cel::Value;
use cel::objects::{Key, Map};
use chrono::{DateTime, SecondsFormat, TimeDelta};
use sluice_expression::Value as Json;
use sluice_types::{ContentType, EvalError, Event, Object, Payload};
use std::collections::HashMap;
use std::sync::Arc;

/// `object.{key,size,content_type,group,meta,bucket}`, and `object.value` where the bytes are inline JSON or text
/// and `with_content` asks for it.
pub(super) fn object(bucket: &str, object: &Object, with_content: bool) -> Value {
    let meta = object.meta.iter().flat_map(|meta| meta.iter());
    let mut fields = vec![
        ("bucket", string(bucket)),
        ("key", string(&object.key)),
        ("size", Value::Int(i64::try_from(object.payload.len()).unwrap_or(i64::MAX))),
        ("content_type", string(object.content_type.as_str())),
        ("group", optional(object.group.as_deref())),
        ("meta", map(meta.map(|(name, value)| (name.as_str(), string(value))))),
    ];
    if let (true, Payload::Inline(bytes)) = (with_content, &object.payload) {
        fields.extend(content(&object.content_type, bytes).map(|value| ("value", value)));
    }
    map(fields)
}

/// `event.{id,source,type,subject,time,data}`; data that is neither JSON nor text is bytes.
pub(super) fn event(event: &Event) -> Value {
    let time = i64::try_from(event.time_ms).ok().and_then(DateTime::from_timestamp_millis);
    let data = content(&event.content_type, &event.data);
    map([
        ("id", string(&event.id)),
        ("source", string(&event.source)),
        ("type", string(&event.r#type)),
        ("subject", optional(event.subject.as_deref())),
        ("time", time.map_or(Value::Null, |time| Value::Timestamp(time.fixed_offset()))),
        ("data", data.unwrap_or_else(|| Value::Bytes(Arc::new(event.data.to_vec())))),
    ])
}

/// A text as it is, a number or a boolean as JSON writes it.
pub(super) fn text(value: Value) -> Result<String, EvalError> {
    match value {
        Value::String(text) => Ok(Arc::unwrap_or_clone(text)),
        Value::Int(number) => Ok(number.to_string()),
        Value::UInt(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Float(number) if number.is_finite() => Ok(serde_json::Value::from(number).to_string()),
        other => Err(EvalError(format!("the expression gives a {}, not a text", other.type_of()))),
    }
}

fn content(content_type: &ContentType, bytes: &Bytes) -> Option<Value> {
    if content_type.is_json() {
        serde_json::from_slice(bytes).ok().map(json)
    } else if content_type.is_text() {
        std::str::from_utf8(bytes).ok().map(string)
    } else {
        None
    }
}

/// Whole numbers become CEL integers, so that arithmetic with integer literals works.
pub(super) fn json(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(truth),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(int) => Value::Int(int),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::String(Arc::new(text)),
        serde_json::Value::Array(items) => Value::List(Arc::new(items.into_iter().map(json).collect())),
        serde_json::Value::Object(entries) => {
            let entries = entries.into_iter().map(|(key, value)| (Key::from(key), json(value)));
            Value::Map(Map { map: Arc::new(entries.collect()) })
        }
    }
}

/// The way back; see [`super::evaluate`].
pub(super) fn to_json(value: &Value) -> Result<Json, EvalError> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(int) => Json::Int(*int),
        Value::UInt(int) => i64::try_from(*int).map_or(Json::Float(*int as f64), Json::Int),
        Value::Float(float) => match Json::number(*float) {
            Some(_) => Json::Float(*float),
            None if float.is_nan() => "NaN".into(),
            None if *float > 0.0 => "Infinity".into(),
            None => "-Infinity".into(),
        },
        Value::String(text) => Json::string(text.as_str()),
        Value::Bytes(bytes) => BASE64_STANDARD.encode(bytes.as_slice()).into(),
        Value::Duration(duration) => seconds(duration).into(),
        Value::Timestamp(time) => time.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true).into(),
        Value::List(items) => Json::array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        Value::Map(map) => {
            let mut fields = Vec::with_capacity(map.map.len());
            for (name, value) in map.map.iter() {
                fields.push((name.to_string(), to_json(value)?));
            }
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Json::fields(fields)
        }
        other => return Err(EvalError(format!("the expression gives a {}, not a value", other.type_of()))),
    })
}

/// As Protocol Buffers write a duration: `-1.5s`.
fn seconds(duration: &TimeDelta) -> String {
    let sign = if *duration < TimeDelta::zero() { "-" } else { "" };
    let (whole, nanos) = (duration.num_seconds().unsigned_abs(), duration.subsec_nanos().unsigned_abs());
    match nanos {
        0 => format!("{sign}{whole}s"),
        _ => format!("{sign}{whole}.{}s", format!("{nanos:09}").trim_end_matches('0')),
    }
}

fn string(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::Null, string)
}

fn map<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let map: HashMap<Key, Value> = fields.into_iter().map(|(name, value)| (Key::from(name), value)).collect();
    Value::Map(Map { map: Arc::new(map) })
}
