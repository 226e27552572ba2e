//! Functions on texts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sluice_expression::{Value, digest};

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("expected a string, found {}", value.type_name()))
}

/// The text without its escapes: a backslash makes the character after it stand for itself.
pub(super) fn unescape(text: &str) -> String {
    let mut characters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(c) = characters.next() {
        plain.push(if c == '\\' { characters.next().unwrap_or('\\') } else { c });
    }
    plain
}

/// Puts arguments at the places `{}`.
pub(super) fn format(format: &Value, arguments: &[Value]) -> Result<Value, String> {
    let format = text(format)?;
    let mut remaining = arguments.iter();
    let mut formatted = String::with_capacity(format.len());
    let mut characters = format.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' => formatted.push(characters.next().unwrap_or('\\')),
            '{' if characters.next_if_eq(&'}').is_some() => match remaining.next() {
                Some(Value::String(text)) => formatted.push_str(text),
                Some(value) => formatted.push_str(&value.to_json()),
                None => return Err(miscounted(arguments.len())),
            },
            '{' | '}' => return Err(format!("`{c}` is written as `\\{c}` where it is not a place `{{}}`")),
            c => formatted.push(c),
        }
    }
    match remaining.next() {
        Some(_) => Err(miscounted(arguments.len())),
        None => Ok(Value::string(formatted)),
    }
}

fn miscounted(arguments: usize) -> String {
    format!("the number of places {{}} in the format is not that of the arguments after it, {arguments}")
}

/// Splits at any of the separating characters; empty parts are left out.
pub(super) fn split(value: &Value, separators: &Value) -> Result<Value, String> {
    let (value, separators) = (text(value)?, text(separators)?);
    let parts = value.split(|c| separators.contains(c)).filter(|part| !part.is_empty());
    Ok(Value::array(parts.map(Value::from).collect()))
}

pub(super) fn encode(value: &Value) -> Result<Value, String> {
    Ok(Value::string(STANDARD.encode(text(value)?)))
}

pub(super) fn decode(value: &Value) -> Result<Value, String> {
    let bytes = STANDARD.decode(text(value)?).map_err(|error| format!("not Base64: {error}"))?;
    let decoded = String::from_utf8(bytes).map_err(|_| "the decoded bytes are not UTF-8".to_owned())?;
    Ok(Value::string(decoded))
}

/// The digest of a string, or of the JSON of another value.
pub(super) fn hash(data: &Value, algorithm: &Value) -> Result<Value, String> {
    let bytes = data.as_str().map_or_else(|| data.to_json(), str::to_owned);
    let hex = digest::hex(text(algorithm)?, bytes.as_bytes());
    hex.map(Value::string).ok_or_else(|| {
        format!("the algorithm {algorithm} is none of MD5, SHA-1, SHA-256, SHA-384 and SHA-512")
    })
}
