//! AWS Step Functions: `POST /` with the header `X-Amz-Target`.

use crate::front::Front;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sluice_aws::states::{Call, Fault, Place, SERVICE};

/// The protocol's content type.
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// Answers one action.
pub async fn act(State(front): State<Front>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let action = match target.split_once('.') {
        Some((SERVICE, action)) => action,
        _ => {
            let message = format!("`{target}` is no action of a service that is here");
            return answer(&Err(Fault::new("UnknownOperationException", message)));
        }
    };
    let place = Place { region: region(&headers), account: front.account.to_string() };
    let call = Call::new(&front.node, &place, action, &body);
    let done = tokio::select! {
        done = call.answer() => done,
        () = front.closed() => Err(Fault {
            status: 503,
            ..Fault::new("ServiceUnavailable", "the server is shutting down")
        }),
    };
    answer(&done)
}

fn answer(done: &Result<serde_json::Value, Fault>) -> Response {
    let (status, body) = match done {
        Ok(body) => (StatusCode::OK, body.clone()),
        Err(fault) => {
            let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, fault.body())
        }
    };
    let id = ulid::Ulid::new().to_string();
    let headers = [("content-type", CONTENT_TYPE), ("x-amzn-requestid", &*id)];
    (status, headers, body.to_string()).into_response()
}

/// The region that the request was signed for.
fn region(headers: &HeaderMap) -> String {
    let signed = headers.get("authorization").and_then(|value| value.to_str().ok());
    let scope = signed.and_then(|text| text.split_once("Credential=")).and_then(|(_, rest)| rest.split('/').nth(2));
    scope.filter(|region| !region.is_empty()).unwrap_or("us-east-1").to_owned()
}
