//! A client of `/v1`.

pub mod transport;

use crate::exit::{Failure, Outcome};
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_api as api;
use sluice_types::Code;
use std::time::Duration;
use transport::{Answer, Ask, Transport};

const JSON: &str = "application/json";
/// What a part of a path may hold as it is.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// A key keeps its slashes.
const KEY: &AsciiSet = &PART.remove(b'/');

/// Asks one server.
pub struct Client(Transport);

/// The raw bytes of an object.
pub struct Bytes {
    /// Its media type.
    pub content_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Client {
    /// Over a transport.
    pub fn new(transport: Transport) -> Self {
        Self(transport)
    }

    /// The newest version of every app.
    pub fn apps(&self) -> Outcome<api::AppList> {
        self.get("/v1/apps")
    }

    /// One app.
    pub fn app(&self, app: &str) -> Outcome<api::App> {
        self.get(&format!("/v1/apps/{}", part(app)))
    }

    /// Deploys an app.
    pub fn deploy(&self, app: &str, deploy: &api::Deploy) -> Outcome<api::Deployed> {
        self.post(&format!("/v1/apps/{}", part(app)), deploy)
    }

    /// Starts a run; does not wait for its end.
    pub fn start(&self, app: &str, start: &api::Start) -> Outcome<api::RunState> {
        self.post(&format!("/v1/apps/{}/runs", part(app)), start)
    }

    /// A run once it has ended, or as it stands when patience is over.
    pub fn run(&self, run: &str, patience: Duration) -> Outcome<api::Run> {
        let uri = format!("/v1/runs/{}?wait={}ms", part(run), patience.as_millis());
        let ask = Ask { method: Method::GET, uri: &uri, content_type: "", body: Vec::new(), patience };
        decode(self.ask(ask)?)
    }

    /// A page of runs. `query` is percent-encoded.
    pub fn runs(&self, query: &str) -> Outcome<api::RunList> {
        self.get(&format!("/v1/runs?{query}"))
    }

    /// Says that a run has all its inputs.
    pub fn seal(&self, run: &str) -> Outcome<api::RunState> {
        self.post(&format!("/v1/runs/{}/seal", part(run)), &Empty {})
    }

    /// Cancels a run.
    pub fn cancel(&self, run: &str, reason: &str) -> Outcome<api::RunState> {
        self.post(&format!("/v1/runs/{}/cancel", part(run)), &Cancel { reason })
    }

    /// Starts a new run with the inputs of an ended one.
    pub fn retry(&self, run: &str) -> Outcome<api::RunState> {
        self.post(&format!("/v1/runs/{}/retry", part(run)), &Empty {})
    }

    /// A run as it was right after a record.
    pub fn run_at(&self, run: &str, at: &str) -> Outcome<api::Run> {
        self.get(&format!("/v1/runs/{}?at={}", part(run), part(at)))
    }

    /// Starts a new run with the past of another one.
    pub fn fork(&self, run: &str, fork: &api::Fork) -> Outcome<api::RunState> {
        self.post(&format!("/v1/runs/{}/fork", part(run)), fork)
    }

    /// Has a run go on on another version.
    pub fn go_on(&self, run: &str, version: Option<u32>) -> Outcome<api::RunState> {
        self.post(&format!("/v1/runs/{}/move", part(run)), &api::Move { version })
    }

    /// Asks the workflow of a run something that changes nothing.
    pub fn query(&self, run: &str, name: &str, question: &api::Question) -> Outcome<api::Reply> {
        self.post(&format!("/v1/runs/{}/queries/{}", part(run), part(name)), question)
    }

    /// Asks the workflow of a run to do something; what is known of it after `patience`.
    pub fn update(
        &self,
        run: &str,
        name: &str,
        question: &api::Question,
        patience: Duration,
    ) -> Outcome<api::Reply> {
        let uri = format!("/v1/runs/{}/updates/{}?wait={}ms", part(run), part(name), patience.as_millis());
        let body =
            serde_json::to_vec(question).map_err(|e| Failure::usage(format!("cannot be sent: {e}"), ""))?;
        decode(self.ask(Ask { method: Method::POST, uri: &uri, content_type: JSON, body, patience })?)
    }

    /// The whole history of a run, page by page.
    pub fn history(&self, run: &str) -> Outcome<api::History> {
        let mut whole = api::History::default();
        let mut after = 0;
        loop {
            let page = self.history_page(run, after)?;
            whole.events.extend(page.events);
            match page.next {
                Some(next) if next > after => after = next,
                _ => return Ok(whole),
            }
        }
    }

    /// Lines of the history of a run after this one, as many as the server puts on a page.
    pub fn history_page(&self, run: &str, after: u64) -> Outcome<api::History> {
        self.get(&format!("/v1/runs/{}/history?after={after}", part(run)))
    }

    /// What the functions of a run wrote.
    pub fn logs(&self, run: &str) -> Outcome<api::Logs> {
        self.get(&format!("/v1/runs/{}/logs", part(run)))
    }

    /// Puts an object into a run, or into the app. True when it is new, false when the same bytes were there.
    pub fn put(
        &self,
        app: &str,
        run: Option<&str>,
        bucket: &str,
        key: &str,
        value: api::Value,
    ) -> Outcome<bool> {
        let uri = object_uri(app, run, bucket, key);
        let content_type = &value.content_type;
        let ask =
            Ask { method: Method::PUT, uri: &uri, content_type, body: value.bytes, patience: Duration::ZERO };
        Ok(self.ask(ask)?.status() == http::StatusCode::CREATED)
    }

    /// An object of a run, or of the app.
    pub fn object(&self, app: &str, run: Option<&str>, bucket: &str, key: &str) -> Outcome<Bytes> {
        let answer = self.ask(get(&object_uri(app, run, bucket, key)))?;
        let content_type = answer.headers().get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        Ok(Bytes { content_type: content_type.unwrap_or("").to_owned(), bytes: answer.into_body() })
    }

    /// Sends one CloudEvent in its JSON form.
    pub fn event(&self, event: &impl Serialize) -> Outcome<api::EventsAccepted> {
        self.send(Method::POST, "/v1/events", "application/cloudevents+json", event)
    }

    /// Whether the server makes progress.
    pub fn health(&self) -> Outcome<serde_json::Value> {
        self.get("/healthz")
    }

    fn get<T: DeserializeOwned>(&self, uri: &str) -> Outcome<T> {
        decode(self.ask(get(uri))?)
    }

    fn post<T: DeserializeOwned>(&self, uri: &str, body: &impl Serialize) -> Outcome<T> {
        self.send(Method::POST, uri, JSON, body)
    }

    fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        uri: &str,
        content_type: &str,
        body: &impl Serialize,
    ) -> Outcome<T> {
        let body =
            serde_json::to_vec(body).map_err(|e| Failure::usage(format!("cannot be sent: {e}"), ""))?;
        decode(self.ask(Ask { method, uri, content_type, body, patience: Duration::ZERO })?)
    }

    fn ask(&self, ask: Ask<'_>) -> Outcome<Answer> {
        let answer = self.0.ask(ask)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(match serde_json::from_slice(answer.body()) {
            Ok(body) => Failure::answered(body),
            Err(_) => not_ours(&answer),
        })
    }
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Cancel<'a> {
    reason: &'a str,
}

fn get(uri: &str) -> Ask<'_> {
    Ask { method: Method::GET, uri, content_type: "", body: Vec::new(), patience: Duration::ZERO }
}

/// A part of a path or a value of a query, percent-encoded.
pub fn part(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

fn object_uri(app: &str, run: Option<&str>, bucket: &str, key: &str) -> String {
    let key = utf8_percent_encode(key, KEY);
    let run = run.map(|run| format!("?run={}", part(run))).unwrap_or_default();
    format!("/v1/apps/{}/buckets/{}/{key}{run}", part(app), part(bucket))
}

fn decode<T: DeserializeOwned>(answer: Answer) -> Outcome<T> {
    serde_json::from_slice(answer.body()).map_err(|_| not_ours(&answer))
}

fn not_ours(answer: &Answer) -> Failure {
    let start: String = String::from_utf8_lossy(answer.body()).chars().take(200).collect();
    let message = format!("the answer ({}) is not that of a Sluicegate server: {start}", answer.status());
    Failure::new(Code::SERVER_UNREACHABLE, message, "check --server")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_are_percent_encoded() {
        let uri = object_uri("a b", Some("r&1"), "b/c", "d/é ?#");
        assert_eq!(uri, "/v1/apps/a%20b/buckets/b%2Fc/d/%C3%A9%20%3F%23?run=r%261");
    }
}
