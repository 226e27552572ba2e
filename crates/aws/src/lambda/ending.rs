//! What an invocation came to: the end of its run in AWS's words.

use bytes::Bytes;
use serde_json::{Value, json};
use sluice_engine::Status;
use sluice_runtime::api::RunView;
use sluice_types::problem::Cause;
use sluice_types::{Code, Problem};

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The function returned this, which is JSON unless it brings its own runtime and answers otherwise.
    Returned(Bytes),
    /// The function failed.
    Failed(Error),
}

/// Why a function failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// For example `ValueError` or `Sandbox.Timedout`.
    pub r#type: String,
    /// What happened.
    pub message: String,
    /// What the caller is answered: JSON with `errorType`, `errorMessage` and what else the runtime tells.
    pub payload: Value,
}

impl Ending {
    /// How an invocation ended whose run has; `None` while it is running. `timeout_s` is the function's.
    pub fn of(run: &RunView, timeout_s: u64) -> Option<Self> {
        match (run.status, &run.error) {
            (Status::Running, _) => None,
            (Status::Succeeded, _) => {
                let returned = run.outputs.first().map(|output| output.bytes.clone());
                Some(Self::Returned(returned.unwrap_or_else(|| Bytes::from_static(b"null"))))
            }
            (_, problem) => Some(Self::Failed(Error::of(problem.as_ref(), &run.run, timeout_s))),
        }
    }
}

impl Error {
    fn of(problem: Option<&Problem>, request_id: &str, timeout_s: u64) -> Self {
        let by_platform = |r#type: &str, what: &str| {
            let message = format!("RequestId: {request_id} Error: {what}");
            let payload = json!({ "errorType": r#type, "errorMessage": message });
            Self { r#type: r#type.to_owned(), message, payload }
        };
        let Some(problem) = problem else {
            return by_platform("Runtime.Unknown", "the invocation did not end by itself");
        };
        match (problem.code, &problem.cause) {
            (Code::FUNCTION_TIMED_OUT, _) => {
                by_platform("Sandbox.Timedout", &format!("Task timed out after {timeout_s}.00 seconds"))
            }
            (Code::FUNCTION_OUT_OF_MEMORY, _) => {
                by_platform("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")
            }
            (Code::WORKER_CRASHED, cause) => by_platform("Runtime.ExitError", &exit(cause.as_ref())),
            (_, Some(cause)) => Self::by_function(cause, request_id),
            (_, None) => by_platform("Runtime.Unknown", &problem.message),
        }
    }

    fn by_function(cause: &Cause, request_id: &str) -> Self {
        // A runtime of its own words the whole answer; what was cut on the way is no JSON any more.
        let own = serde_json::from_str(&cause.stack).ok().filter(Value::is_object);
        let payload = own.unwrap_or_else(|| {
            json!({
                "errorMessage": cause.message,
                "errorType": cause.r#type,
                "requestId": request_id,
                "stackTrace": frames(&cause.stack),
            })
        });
        Self { r#type: cause.r#type.clone(), message: cause.message.clone(), payload }
    }
}

/// A Python stack as a list of its frames, each with the line of code that belongs to it.
fn frames(stack: &str) -> Vec<String> {
    let mut frames: Vec<String> = Vec::new();
    for line in stack.split_inclusive('\n') {
        match frames.last_mut() {
            Some(frame) if !line.starts_with("  File \"") => frame.push_str(line),
            _ => frames.push(line.to_owned()),
        }
    }
    frames
}

/// How a runtime ended that was to answer.
fn exit(cause: Option<&Cause>) -> String {
    let message = cause.map_or("", |cause| &cause.message);
    let status =
        message.split_once("exit status ").map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()));
    match status.and_then(|mut digits| digits.next()) {
        Some("0") => "Runtime exited without providing a reason".to_owned(),
        Some(status) => format!("Runtime exited with error: exit status {status}"),
        None => "Runtime exited with error: signal: killed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: Code, cause: Option<(&str, &str, &str)>) -> Error {
        let mut problem = Problem::new(code, "it failed", "");
        problem.cause = cause.map(|(r#type, message, stack)| Cause {
            r#type: r#type.into(),
            message: message.into(),
            stack: stack.into(),
        });
        Error::of(Some(&problem), "id", 3)
    }

    #[test]
    fn an_exception_has_its_frames() {
        let stack = "  File \"/var/task/a.py\", line 2, in f\n    g()\n  File \"/var/task/a.py\", line 5, in g\n    raise X\n";
        let failed = error(Code::FUNCTION_FAILED, Some(("X", "no", stack)));
        let frames = [
            "  File \"/var/task/a.py\", line 2, in f\n    g()\n",
            "  File \"/var/task/a.py\", line 5, in g\n    raise X\n",
        ];
        let payload =
            json!({"errorMessage": "no", "errorType": "X", "requestId": "id", "stackTrace": frames});
        assert_eq!(failed.payload, payload);
        assert_eq!((failed.r#type.as_str(), failed.message.as_str()), ("X", "no"));
    }

    #[test]
    fn a_runtime_of_its_own_words_the_answer() {
        let body = r#"{"errorType":"Mine","errorMessage":"m","more":[1]}"#;
        let failed = error(Code::FUNCTION_FAILED, Some(("Mine", "m", body)));
        assert_eq!(failed.payload, serde_json::from_str::<Value>(body).unwrap());
    }

    #[test]
    fn the_platform_says_why_it_ended_a_function() {
        let timed_out = error(Code::FUNCTION_TIMED_OUT, None).payload;
        let message = "RequestId: id Error: Task timed out after 3.00 seconds";
        assert_eq!(timed_out, json!({"errorType": "Sandbox.Timedout", "errorMessage": message}));
        for (said, expected) in [
            (
                "the worker ended with exit status 7 during the call",
                "Runtime exited with error: exit status 7",
            ),
            (
                "the worker ended with exit status 0 during the call",
                "Runtime exited without providing a reason",
            ),
            ("the worker was killed by SIGKILL", "Runtime exited with error: signal: killed"),
        ] {
            let failed = error(Code::WORKER_CRASHED, Some(("WorkerCrashed", said, "")));
            assert_eq!(failed.message, format!("RequestId: id Error: {expected}"));
            assert_eq!(failed.r#type, "Runtime.ExitError");
        }
    }
}
