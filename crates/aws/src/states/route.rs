//! The door: `POST /` with the header `X-Amz-Target`.

use super::{Call, Fault, SERVICE};
use crate::account::Account;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use sluice_runtime::NodeHandle;

/// The protocol's content type.
const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
/// Which action is asked for.
const TARGET: &str = "x-amz-target";
/// Largest request, in bytes: a definition and its envelope, escaped.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Clone)]
struct Door {
    node: NodeHandle,
    account: Account,
}

/// The API over a node.
pub fn router(node: NodeHandle, account: Account) -> Router {
    let body = DefaultBodyLimit::max(REQUEST_BYTES_MAX);
    Router::new().route("/", post(act)).layer(body).with_state(Door { node, account })
}

/// Whether a request is for [`router`].
pub fn is_states(path: &str, headers: &HeaderMap) -> bool {
    path == "/" && headers.contains_key(TARGET)
}

async fn act(State(door): State<Door>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    let target = headers.get(TARGET).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let done = match (target.split_once('.'), body) {
        (_, Err(refused)) => Err(unread(&refused)),
        (Some((SERVICE, action)), Ok(body)) => {
            let account = Account { region: region(&headers, &door.account), ..door.account.clone() };
            match Call::new(&door.node, &account, action, &body) {
                Ok(call) => call.answer().await,
                Err(fault) => Err(fault),
            }
        }
        _ => {
            let message = format!("`{target}` is no action of a service that is here");
            Err(Fault::new("UnknownOperationException", message))
        }
    };
    let (status, body) = match done {
        Ok(body) => (StatusCode::OK, body),
        Err(fault) => {
            let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, fault.body())
        }
    };
    let id = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).expect("a UUID is ASCII");
    let headers = [(CONTENT_TYPE, JSON), (HeaderName::from_static("x-amzn-requestid"), id)];
    (status, headers, body.to_string()).into_response()
}

fn unread(refused: &BytesRejection) -> Fault {
    match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Fault {
            status: 413,
            ..Fault::new(
                "RequestEntityTooLargeException",
                format!("The request is longer than {REQUEST_BYTES_MAX} bytes"),
            )
        },
        _ => Fault::new("SerializationException", refused.body_text()),
    }
}

/// The region that the request was signed for; ARNs in answers name it.
fn region(headers: &HeaderMap, own: &Account) -> std::sync::Arc<str> {
    let signed = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let scope =
        signed.and_then(|text| text.split_once("Credential=")).and_then(|(_, rest)| rest.split('/').nth(2));
    let known = scope.and_then(|region| Account::new(region, &own.id));
    known.map_or_else(|| own.region.clone(), |account| account.region)
}
