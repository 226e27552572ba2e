//! The result of `states:::lambda:invoke`, in AWS's shape.

use super::chance::Chance;
use super::{Work, clock};
use sluice_expression::{Map, Value};

const LATEST: &str = "$LATEST";

/// The result of a task: of `lambda:invoke`, what the function gave with AWS's account of the call around it.
pub(super) fn result(work: &Work, output: Value, now_ms: u64, chance: &mut Chance) -> Value {
    match work {
        Work::Lambda { integration: true, asynchronous, function, .. } => {
            let request_id = Value::string(chance.uuid());
            let mut result = Map::default();
            if !asynchronous {
                result.insert("ExecutedVersion".into(), Value::string(version(function)));
            }
            let length = if *asynchronous { 0 } else { output.json_bytes() };
            result.insert("Payload".into(), if *asynchronous { Value::string("") } else { output });
            result.insert(
                "SdkHttpMetadata".into(),
                metadata(length, &request_id, now_ms, chance, *asynchronous),
            );
            result.insert("SdkResponseMetadata".into(), Value::fields([("RequestId", request_id)]));
            result.insert("StatusCode".into(), Value::Int(if *asynchronous { 202 } else { 200 }));
            Value::object(result)
        }
        _ => output,
    }
}

/// The version that a qualifier of digits names.
fn version(function: &str) -> &str {
    let qualifier = function.rsplit(':').next().unwrap_or_default();
    let named = function.contains(':') && qualifier.bytes().all(|byte| byte.is_ascii_digit());
    if named && !qualifier.is_empty() { qualifier } else { LATEST }
}

fn metadata(
    length: usize,
    request_id: &Value,
    now_ms: u64,
    chance: &mut Chance,
    asynchronous: bool,
) -> Value {
    let trace = format!("Root=1-{:08x}-{:024x};Sampled=0", now_ms / 1000, u128::from(chance.next()));
    let headers = [
        ("X-Amz-Executed-Version", Value::string(LATEST)),
        ("x-amzn-Remapped-Content-Length", Value::string("0")),
        ("Connection", Value::string("keep-alive")),
        ("x-amzn-RequestId", request_id.clone()),
        ("Content-Length", Value::string(length.to_string())),
        ("Date", Value::string(clock::http_date(now_ms))),
        ("X-Amzn-Trace-Id", Value::string(trace)),
        ("Content-Type", Value::string("application/json")),
    ];
    let all = headers.iter().map(|(name, value)| (*name, Value::array(vec![value.clone()])));
    Value::fields([
        ("AllHttpHeaders", Value::fields(all)),
        ("HttpHeaders", Value::fields(headers.iter().cloned())),
        ("HttpStatusCode", Value::Int(if asynchronous { 202 } else { 200 })),
    ])
}
