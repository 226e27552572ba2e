//! The middleware that lets only signed requests through.

use crate::signature::{self, Credentials, Error, Signed};
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::SystemTime;

/// Largest body of a signed request, in bytes: the largest that any AWS operation takes here.
pub const SIGNED_BYTES_MAX: usize = crate::lambda::limits::REQUEST_BYTES_MAX;

/// Checks the signature over the whole request.
pub async fn check(State(credentials): State<Credentials>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, SIGNED_BYTES_MAX).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the request is too large").into_response();
    };
    let now_ms =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    let signed = Signed {
        method: &parts.method,
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or(""),
        headers: &parts.headers,
        body: &body,
    };
    match signature::verify(&credentials, signed, now_ms) {
        Ok(()) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(error) => refused(error),
    }
}

fn refused(error: Error) -> Response {
    let name = HeaderName::from_static("x-amzn-errortype");
    let body = json!({ "__type": error.code(), "message": error.to_string() });
    (StatusCode::FORBIDDEN, [(name, error.code())], Json(body)).into_response()
}
