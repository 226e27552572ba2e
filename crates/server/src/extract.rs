//! Reading requests, so that everything that is wrong with one is answered as a problem.

use crate::failure::{Answer, Failure};
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use sluice_types::{Code, limits};
use std::fmt::Display;
use std::time::Duration;

/// Parts of the path, percent-decoded.
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(e) => Err(Failure::bad_request(e.body_text(), "percent-encode the path as UTF-8")),
        }
    }
}

/// Parameters of the query.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(e) => Err(Failure::bad_request(e.body_text(), "see /openapi.json for the parameters")),
        }
    }
}

/// The whole body.
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        Bytes::from_request(request, state).await.map(Self).map_err(unread)
    }
}

fn unread(rejection: BytesRejection) -> Failure {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message =
            format!("the body is larger than {} bytes (REQUEST_BYTES_MAX)", limits::REQUEST_BYTES_MAX);
        return Failure::new(
            Code::LIMIT_EXCEEDED,
            message,
            "put large objects one by one, then seal the run",
        );
    }
    Failure::bad_request(rejection.body_text(), "send the whole body")
}

/// A body that is one JSON object.
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Answer<T> {
    let refused = |why: &dyn Display| {
        let message = format!("the body is not what this route takes: {why}");
        Failure::bad_request(message, "see /openapi.json for the body")
    };
    // serde would take a list for a struct, too.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(refused(&"expected a JSON object at line 1 column 1"));
    }
    serde_json::from_slice(body).map_err(|e| refused(&e))
}

/// `30s`, `500ms`, `2m`, or a plain number of seconds.
pub fn duration(name: &str, text: &str, most: Duration) -> Answer<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => Some(0.001),
        "" | "s" => Some(1.0),
        "m" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    };
    let seconds = scale.and_then(|scale| Some(number.parse::<f64>().ok()? * scale));
    let Some(duration) = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok()) else {
        let message = format!("`{name}={text}` is not a duration");
        return Err(Failure::bad_request(message, format!("write {name}=30s, {name}=500ms or {name}=2m")));
    };
    if duration > most {
        let message = format!("`{name}={text}` is longer than {} s", most.as_secs());
        return Err(Failure::bad_request(message, "wait again when the answer is not there by then"));
    }
    Ok(duration)
}

/// A page size between 1 and `most`.
pub fn page(limit: Option<usize>, default: usize, most: usize) -> Answer<usize> {
    match limit.unwrap_or(default) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        limit => {
            let message = format!("`limit={limit}` is not between 1 and {most}");
            Err(Failure::bad_request(message, "ask for less, and follow `next`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        let most = Duration::from_secs(600);
        for (text, ms) in
            [("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("5", 5_000), ("0", 0), ("1.5s", 1_500)]
        {
            assert_eq!(duration("wait", text, most).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for text in ["", "s", "-1s", "1d", "1 s", "601s", "1h", "1e3", "..", "999999999999999999999m"] {
            assert!(duration("wait", text, most).is_err(), "{text}");
        }
    }
}
