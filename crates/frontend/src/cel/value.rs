//! Objects and events as CEL values, and back to text.

use bytes::Bytes;
use cel::Value;
use cel::objects::{Key, Map};
use chrono::DateTime;
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
fn json(value: serde_json::Value) -> Value {
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
