//! Errors as AWS Lambda words them: a name, its HTTP status, and a JSON body.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sluice_types::{Code, Problem};

/// What a request is answered with instead of a success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Which of AWS's exceptions it is.
    pub kind: Kind,
    /// What happened.
    pub message: String,
}

/// AWS's exceptions, as far as they occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is AWS's exception of that name")]
pub enum Kind {
    AliasLimitExceeded,
    CodeStorageExceeded,
    InvalidParameterValue,
    InvalidRequestContent,
    PreconditionFailed,
    RequestEntityTooLarge,
    RequestTooLarge,
    ResourceConflict,
    ResourceNotFound,
    Service,
    TooManyRequests,
    UnknownOperation,
    Validation,
}

/// What handlers return.
pub type Answer<T> = Result<T, Failure>;

impl Kind {
    /// What AWS calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AliasLimitExceeded => "AliasLimitExceededException",
            Self::CodeStorageExceeded => "CodeStorageExceededException",
            Self::InvalidParameterValue => "InvalidParameterValueException",
            Self::InvalidRequestContent => "InvalidRequestContentException",
            Self::PreconditionFailed => "PreconditionFailedException",
            Self::RequestEntityTooLarge => "RequestEntityTooLargeException",
            Self::RequestTooLarge => "RequestTooLargeException",
            Self::ResourceConflict => "ResourceConflictException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::Service => "ServiceException",
            Self::TooManyRequests => "TooManyRequestsException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::Validation => "ValidationException",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::AliasLimitExceeded
            | Self::CodeStorageExceeded
            | Self::InvalidParameterValue
            | Self::InvalidRequestContent
            | Self::Validation => StatusCode::BAD_REQUEST,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::RequestEntityTooLarge | Self::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ResourceConflict => StatusCode::CONFLICT,
            Self::ResourceNotFound | Self::UnknownOperation => StatusCode::NOT_FOUND,
            Self::Service => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl Failure {
    /// A failure of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// A parameter that cannot be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidParameterValue, message)
    }

    /// A parameter that breaks a constraint of the API's model.
    pub fn constraint(name: &str, value: &str, constraint: &str) -> Self {
        let message = format!(
            "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {constraint}"
        );
        Self::new(Kind::Validation, message)
    }
}

/// What the node refuses.
impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let kind = match problem.code {
            Code::DOCUMENT_CONFLICT => Kind::ResourceConflict,
            Code::LIMIT_EXCEEDED => Kind::InvalidParameterValue,
            Code::OVERLOADED => Kind::TooManyRequests,
            _ => Kind::Service,
        };
        Self::new(kind, problem.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let fault = if status.is_client_error() { "User" } else { "Service" };
        let mut body = json!({ "Type": fault });
        // The models disagree about the name of the field.
        let field = match self.kind {
            Kind::ResourceNotFound | Kind::Service => "Message",
            _ => "message",
        };
        body[field] = Value::from(self.message);
        if self.kind == Kind::TooManyRequests {
            body["Reason"] = "ReservedFunctionConcurrentInvocationLimitExceeded".into();
        }
        let name = (HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(self.kind.name()));
        (status, [name], Json(body)).into_response()
    }
}
