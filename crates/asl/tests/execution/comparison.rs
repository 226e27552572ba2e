//! Comparison with recordings, in which what differs from run to run is replaced by names.

use sluice_expression::{Map, Value};

const WILD: [&str; 10] = [
    "timestamp",
    "datetime",
    "date",
    "X-Amzn-Trace-Id",
    "RequestId",
    "x-amzn-RequestId",
    "map_run_arn",
    "RandomNumberGenerated",
    "stateExitedEventDetails.output",
    "executionSucceededEventDetails.output",
];
/// Transport and interpreter details of one recording.
const PASSED_OVER: [&str; 2] = ["SdkHttpMetadata", "stackTrace"];

/// Strings of JSON objects and arrays as what they hold.
pub fn decode(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with(['{', '[']) => match Value::parse(text.as_bytes()) {
            Ok(inner) => decode(&inner),
            Err(_) => value.clone(),
        },
        Value::Object(fields) => {
            Value::fields(fields.iter().map(|(name, field)| (name.clone(), decode(field))))
        }
        Value::Array(items) => Value::array(items.iter().map(decode).collect()),
        _ => value.clone(),
    }
}

/// Whether a value is as recorded; both are decoded.
pub fn matches(want: &Value, got: &Value) -> bool {
    match (want, got) {
        (Value::String(want), got) => matches_text(want, got),
        (Value::Object(want), _) if want.contains_key("__undecodable__") => true,
        (Value::Object(want), Value::Object(got)) => {
            let kept = |fields: &Map| fields.keys().filter(|name| !PASSED_OVER.contains(&&***name)).count();
            let mut names = want.iter().filter(|(name, _)| !PASSED_OVER.contains(&&***name));
            kept(want) == kept(got)
                && names.all(|(name, want)| got.get(name).is_some_and(|got| matches(want, got)))
        }
        (Value::Array(want), Value::Array(got)) => {
            want.len() == got.len() && want.iter().zip(got.iter()).all(|(want, got)| matches(want, got))
        }
        (want, got) => match (want.as_f64(), got.as_f64()) {
            (Some(want), Some(got)) => (want - got).abs() <= 1e-9 * want.abs().max(1.0),
            _ => want == got,
        },
    }
}

fn matches_text(want: &str, got: &Value) -> bool {
    if WILD.contains(&want) {
        return true;
    }
    let pieces = pieces(want);
    match got {
        Value::String(got) if pieces.len() > 1 => matches_pieces(&pieces, got),
        Value::String(got) => want == &**got,
        _ => pieces.len() == 2 && pieces.iter().all(|piece| piece.is_empty()),
    }
}

/// The text between `<placeholders>`.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, inner)) = rest.split_once('<') {
        let Some((name, after)) = inner.split_once('>') else { break };
        if name.contains('<') {
            break;
        }
        pieces.push(before);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

fn matches_pieces(pieces: &[&str], got: &str) -> bool {
    let (first, last) = (pieces[0], pieces[pieces.len() - 1]);
    let Some(rest) = got.strip_prefix(first) else { return false };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    for piece in &pieces[1..pieces.len() - 1] {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}
