//! The middleware that lets only signed requests through.

use crate::signature::{Claimed, Credentials, Error, Head};
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

/// Checks the signature over the whole request. A body is read only if the head could be that of a request to be served.
pub async fn check(State(credentials): State<Credentials>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let now_ms =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    let head = Head {
        method: &parts.method,
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or(""),
        headers: &parts.headers,
    };
    let claimed = match Claimed::by(&credentials, head, now_ms) {
        Ok(claimed) => claimed,
        Err(error) => return refused(error),
    };
    let Ok(body) = to_bytes(body, SIGNED_BYTES_MAX).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the request is too large").into_response();
    };
    match claimed.verify(&credentials, &body) {
        Ok(()) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(error) => refused(error),
    }
}

fn refused(error: Error) -> Response {
    let name = HeaderName::from_static("x-amzn-errortype");
    let body = json!({ "__type": error.code(), "message": error.to_string() });
    (StatusCode::FORBIDDEN, [(name, error.code())], Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use tower::ServiceExt;

    #[test]
    fn nobody_reads_the_body_of_a_stranger() {
        let credentials = Credentials { access_key_id: "AKID".into(), secret_access_key: "secret".into() };
        let router = Router::new().fallback(|| async {}).layer(from_fn_with_state(credentials, check));
        // Who read it would say that it is too large.
        let request = Request::new(Body::from(vec![0; SIGNED_BYTES_MAX + 1]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let response = runtime.block_on(router.oneshot(request)).expect("an answer");
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
}
