//! Invocations.

use super::app::{Invocation, Waiting, app_name};
use super::ending::Ending;
use super::failure::{Answer, Failure, Kind};
use super::limits::{ASYNC_EVENT_BYTES_MAX, CLIENT_CONTEXT_BYTES_MAX, EVENT_BYTES_MAX, QUEUE_PATIENCE};
use super::record::{Configuration, Function, Qualified, Record};
use super::reference::Reference;
use super::{Lambda, log_tail};
use crate::account::Account;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use sluice_runtime::api::RunView;
use std::time::Duration;

/// A version that is to be executed.
#[derive(Clone, Debug)]
pub struct Target {
    /// The function.
    pub function: Function,
    /// Which of its versions.
    pub version: Qualified,
    /// The ARN that was invoked.
    pub arn: String,
}

impl Target {
    /// What an invocation of a reference executes now, given the function's record; of an alias with two versions one
    /// is drawn.
    pub fn of(record: Record, reference: &Reference, account: &Account) -> Answer<Self> {
        // 53 random bits are a fraction.
        let draw = (uuid::Uuid::new_v4().as_u128() & ((1 << 53) - 1)) as f64 / (1u64 << 53) as f64;
        let not_found = || reference.not_found(account);
        let function = record.function.ok_or_else(not_found)?;
        let version = function.resolve(reference.qualifier.as_ref(), draw).ok_or_else(not_found)?;
        Ok(Self { function, version, arn: reference.arn(account) })
    }

    /// The app that executes it.
    pub fn app(&self) -> String {
        app_name(&self.function.name, self.version)
    }

    /// How it is configured.
    pub fn configuration(&self) -> &Configuration {
        self.function.configuration(self.version).expect("a target was resolved to a version that is there")
    }
}

impl Lambda {
    /// The version that an invocation of a reference executes now; of an alias with two, one is drawn.
    pub async fn resolve(&self, reference: &Reference) -> Answer<Target> {
        let record = self.read(&reference.name).await?.record;
        Target::of(record, reference, &self.account)
    }

    /// `Invoke`
    pub(super) async fn invoke(
        &self,
        reference: &Reference,
        headers: &HeaderMap,
        body: Bytes,
        request_id: String,
    ) -> Answer<Response> {
        let kind = header(headers, "x-amz-invocation-type").unwrap_or("RequestResponse");
        let target = self.resolve(reference).await?;
        let client_context = header(headers, "x-amz-client-context").map(client_context).transpose()?;
        let invocation = |event, waiting| Invocation {
            app: target.app(),
            request_id,
            arn: target.arn.clone(),
            event,
            client_context,
            waiting,
        };
        match kind {
            "RequestResponse" => {
                let invocation = invocation(event(body, EVENT_BYTES_MAX)?, Waiting::Caller);
                self.call(&target, invocation, header(headers, "x-amz-log-type") == Some("Tail")).await
            }
            "Event" => {
                let event = event(body, ASYNC_EVENT_BYTES_MAX)?;
                if target.function.reserved_concurrency == Some(0) {
                    return Err(Failure::new(Kind::TooManyRequests, "Rate Exceeded."));
                }
                self.node.start(invocation(event, Waiting::Nobody).start()).await?;
                Ok(StatusCode::ACCEPTED.into_response())
            }
            "DryRun" => Ok(StatusCode::NO_CONTENT.into_response()),
            other => {
                let constraint = "Member must satisfy enum value set: [Event, RequestResponse, DryRun]";
                Err(Failure::constraint("invocationType", other, constraint))
            }
        }
    }

    async fn call(&self, target: &Target, invocation: Invocation, with_log: bool) -> Answer<Response> {
        let _place = match target.function.reserved_concurrency {
            Some(most) => Some(self.running.enter(&target.function.name, most)?),
            None => None,
        };
        let configuration = target.configuration();
        let (run, ending) = self.ended(target, invocation).await?;
        let version = target.version.text();
        let log = match with_log {
            true => {
                let lines = self.node.logs(&run.run).await?;
                Some(log_tail::tail(&run, &ending, &lines, &version, configuration.memory_mib))
            }
            false => None,
        };
        Ok(response(ending, &version, log))
    }

    /// An invocation once it has ended.
    async fn ended(&self, target: &Target, invocation: Invocation) -> Answer<(RunView, Ending)> {
        let timeout_s = target.configuration().timeout_s;
        let started = self.node.start(invocation.start()).await?;
        let run = self.node.wait(&started.run, Duration::from_secs(timeout_s) + QUEUE_PATIENCE).await?;
        match Ending::of(&run, timeout_s) {
            Some(ending) => Ok((run, ending)),
            None => Err(Failure::new(Kind::Service, "no sandbox became free for the function in time")),
        }
    }

    /// What a function makes of an event, for a caller within the node.
    pub(super) async fn returned(&self, function: &str, event: Bytes) -> Answer<Ending> {
        let target = self.resolve(&Reference::parse(function)?).await?;
        let invocation = Invocation {
            app: target.app(),
            request_id: uuid::Uuid::new_v4().to_string(),
            arn: target.arn.clone(),
            event,
            client_context: None,
            waiting: Waiting::Caller,
        };
        Ok(self.ended(&target, invocation).await?.1)
    }
}

fn response(ending: Ending, version: &str, log: Option<String>) -> Response {
    let (payload, failed) = match ending {
        Ending::Returned(payload) => (payload, false),
        Ending::Failed(error) => (error.payload.to_string().into(), true),
    };
    let mut response = payload.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut set = |name: &'static str, value: &str| {
        let value = HeaderValue::from_str(value).expect("versions and base64 are ASCII");
        headers.insert(HeaderName::from_static(name), value);
    };
    set("x-amz-executed-version", version);
    if failed {
        set("x-amz-function-error", "Unhandled");
    }
    if let Some(log) = log {
        set("x-amz-log-result", &log);
    }
    response
}

/// The event of an invocation: what was sent, or an empty object.
fn event(body: Bytes, bytes_max: usize) -> Answer<Bytes> {
    if body.len() > bytes_max {
        let message =
            format!("Request must be smaller than {bytes_max} bytes for the InvokeFunction operation");
        return Err(Failure::new(Kind::RequestTooLarge, message));
    }
    if body.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    // What is ignored is not looked at closely enough: strings may be anything.
    let wrong = match std::str::from_utf8(&body).map(serde_json::from_str::<IgnoredAny>) {
        Ok(Ok(_)) => return Ok(body),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    let message =
        format!("Could not parse request body into json: Could not parse payload into json: {wrong}");
    Err(Failure::new(Kind::InvalidRequestContent, message))
}

fn client_context(text: &str) -> Answer<Box<RawValue>> {
    let refused = || {
        Failure::new(
            Kind::InvalidRequestContent,
            "Client context must be a valid Base64-encoded JSON object.",
        )
    };
    if text.len() > CLIENT_CONTEXT_BYTES_MAX {
        return Err(refused());
    }
    let json = BASE64_STANDARD.decode(text).map_err(|_| refused())?;
    let value: Box<RawValue> = serde_json::from_slice(&json).map_err(|_| refused())?;
    if value.get().starts_with('{') { Ok(value) } else { Err(refused()) }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_json_in_utf_8() {
        for good in ["", "1", "\"\u{e9}\"", "{\"a\":[]}"] {
            assert!(event(Bytes::from(good), 100).is_ok(), "{good}");
        }
        for bad in [&b"{bad"[..], b"NaN", b"\"\xff\""] {
            let kind = event(Bytes::from_static(bad), 100).map_err(|failure| failure.kind.name());
            assert_eq!(kind, Err("InvalidRequestContentException"), "{bad:?}");
        }
    }
}
