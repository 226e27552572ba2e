//! What the tasks of random machines do: a function of what they are called with, which says how often they were tried.

use crate::behaviour::{Call, Reaction};
use crate::states::plan::TIMEOUT;
use serde_json::Value;
use sluice_types::{ContentType, FailureKind};

/// How a task ends: a number, or the name of an error.
pub fn outcome(arguments: &Value) -> Result<i64, String> {
    let number = |name: &str| arguments[name].as_i64().unwrap_or_default();
    let mended = arguments["mends"] == Value::Bool(true) && number("redrives") > 0;
    if number("tries") < number("fails") && number("outer") < number("until") && !mended {
        return Err(arguments["error"].as_str().unwrap_or_default().to_owned());
    }
    Ok(number("n") + number("adds"))
}

/// What a function does that is a task.
pub fn react(call: &Call) -> Reaction {
    let arguments = call.objects.first().and_then(|(_, bytes)| serde_json::from_slice(bytes).ok());
    match outcome(&arguments.unwrap_or_default()) {
        Ok(number) => Reaction { content_type: ContentType::Json, ..Reaction::value(number.to_string()) },
        Err(error) if error == TIMEOUT => Reaction::fail(FailureKind::TimedOut),
        Err(error) => Reaction { error: Some(error), ..Reaction::fail(FailureKind::Raised) },
    }
}
