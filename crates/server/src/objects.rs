//! Objects: raw bytes in and out.

use crate::extract::{Body, Path, Query};
use crate::failure::{Answer, Failure};
use crate::front::Front;
use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sluice_runtime::api::{NewObject, PutReply};
use sluice_types::{Code, ContentType, limits};

/// Whose object it is: a run's, or the app's when absent.
#[derive(Deserialize)]
pub struct Owner {
    run: Option<String>,
}

/// `PUT /v1/apps/{app}/buckets/{bucket}/{key}`
pub async fn put(
    State(front): State<Front>,
    Path((app, bucket, key)): Path<(String, String, String)>,
    Query(owner): Query<Owner>,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Answer<Response> {
    if key.len() > limits::KEY_BYTES_MAX {
        let message =
            format!("the key has {} bytes, of at most {} (KEY_BYTES_MAX)", key.len(), limits::KEY_BYTES_MAX);
        return Err(Failure::new(Code::LIMIT_EXCEEDED, message, "use a shorter key"));
    }
    let content_type = content_type(&headers)?;
    let answer = serde_json::json!({ "bucket": bucket, "key": key, "size": bytes.len() });
    let object = NewObject { bucket, key, content_type, bytes };
    let status = match front.node.put(&app, owner.run.as_deref(), object).await? {
        PutReply::Created => StatusCode::CREATED,
        PutReply::Unchanged => StatusCode::OK,
    };
    Ok((status, Json(answer)).into_response())
}

fn content_type(headers: &HeaderMap) -> Answer<ContentType> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(ContentType::Bytes) };
    let text = value.to_str().map_err(|_| {
        Failure::bad_request("the Content-Type is not ASCII", "send a media type such as application/json")
    })?;
    Ok(ContentType::parse(text))
}

/// `GET /v1/apps/{app}/buckets/{bucket}/{key}`
pub async fn get(
    State(front): State<Front>,
    Path((app, bucket, key)): Path<(String, String, String)>,
    Query(owner): Query<Owner>,
) -> Answer<Response> {
    let object = front.node.object(&app, owner.run.as_deref(), &bucket, &key).await?;
    let content_type = HeaderValue::from_str(object.content_type.as_str())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    // Objects are the users' bytes: a browser must neither guess their type nor run them with this origin's rights.
    let headers = [
        (CONTENT_TYPE, content_type),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
    ];
    Ok((headers, object.bytes).into_response())
}
