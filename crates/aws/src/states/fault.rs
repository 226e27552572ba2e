//! Errors as Step Functions answers them: a name, a message, and HTTP status 400 unless it is the server's fault.

use super::arn::Resource;
use serde_json::{Value, json};
use sluice_types::{Code, Problem};

/// An error of the API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct Fault {
    /// The exception's name, for example `StateMachineDoesNotExist`.
    pub name: &'static str,
    /// What happened, worded as AWS words it.
    pub message: String,
    /// HTTP status.
    pub status: u16,
    /// More fields of the exception, for example `reason` of `ValidationException`.
    pub details: Vec<(&'static str, Value)>,
}

impl Fault {
    /// An error of the client.
    pub fn new(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, message: message.into(), status: 400, details: Vec::new() }
    }

    /// A value that its parameter does not take.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// A value that does not fit, and why: one of the API's `ValidationExceptionReason`.
    pub fn because(reason: &str, message: impl Into<String>) -> Self {
        Self { details: vec![("reason", reason.into())], ..Self::validation(message) }
    }

    /// An ARN that is not one, or not of the kind that is asked for.
    pub fn invalid_arn(arn: &str) -> Self {
        let why = match arn.split(':').nth(5) {
            _ if !arn.starts_with("arn:") => format!("Invalid ARN prefix: {arn}"),
            Some(kind) if Resource::parse(arn).is_some() => {
                format!("Resource type not valid in this context: {kind}")
            }
            _ => arn.to_owned(),
        };
        Self::new("InvalidArn", format!("Invalid Arn: '{why}'"))
    }

    /// A state machine of the other type is asked for.
    pub fn wrong_type() -> Self {
        let message = "This operation is not supported by this type of state machine";
        Self::new("StateMachineTypeNotSupported", message)
    }

    /// A change that another change, or what is there, stands against.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self { status: 409, ..Self::new("ConflictException", message) }
    }

    /// A resource that is not there.
    pub fn not_found(arn: &str, message: impl Into<String>) -> Self {
        Self { details: vec![("resourceName", arn.into())], ..Self::new("ResourceNotFound", message) }
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let mut body = json!({"__type": self.name, "message": self.message});
        for (name, value) in &self.details {
            body[*name] = value.clone();
        }
        body
    }
}

/// What the node refuses for reasons that AWS has no name for.
impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let (name, status) = match problem.code {
            Code::DOCUMENT_CONFLICT => ("ConflictException", 409),
            Code::LIMIT_EXCEEDED | Code::BAD_REQUEST => ("ValidationException", 400),
            Code::OVERLOADED => ("ThrottlingException", 400),
            Code::DISK_FULL | Code::OUTCOME_UNKNOWN | Code::SHUTTING_DOWN => ("ServiceUnavailable", 503),
            _ => ("InternalServerError", 500),
        };
        let mut message = format!("{}: {}", problem.code, problem.message);
        if !problem.fix.is_empty() {
            message = format!("{message} ({})", problem.fix);
        }
        Self { name, message, status, details: Vec::new() }
    }
}
