//! What a handler answers instead of a success.

use crate::{status, views};
use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use sluice_api::{Error, ErrorBody};
use sluice_types::{Code, Problem};

/// A problem, with the status of its code unless another is given.
#[derive(Debug)]
pub struct Failure {
    code: Code,
    status: Option<StatusCode>,
    body: Box<ErrorBody>,
}

/// What handlers return.
pub type Answer<T> = Result<T, Failure>;

impl Failure {
    /// A failure with a code, what happened and what to do.
    pub fn new(code: Code, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Problem::new(code, message, fix).into()
    }

    /// The request is not what the route takes.
    pub fn bad_request(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Code::BAD_REQUEST, message, fix)
    }

    /// The same failure under another status.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// The first of several problems leads; all are listed.
    pub fn all(problems: Vec<Problem>) -> Self {
        let code = problems.first().map_or(Code::INTERNAL, |problem| problem.code);
        Self::listed(code, problems.iter().map(views::error).collect())
    }

    /// Runs do not go on on another version.
    pub fn findings(errors: Vec<Error>) -> Self {
        Self::listed(Code::WORKFLOW_DIVERGED, errors)
    }

    fn listed(code: Code, errors: Vec<Error>) -> Self {
        let fallback = || Problem::new(code, "a definition was refused without a reason", "");
        let error = errors.first().cloned().unwrap_or_else(|| views::error(&fallback()));
        let diagnostics = if errors.len() > 1 { errors } else { Vec::new() };
        Self { code, status: None, body: Box::new(ErrorBody { error, diagnostics }) }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::listed(problem.code, vec![views::error(&problem)])
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status.unwrap_or_else(|| status::of(self.code));
        let mut response = (status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
