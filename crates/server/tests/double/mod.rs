//! A node that answers every command as its test says, and ways to ask the router over it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file uses a part; a test that panics has failed"
)]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use serde_json::Value;
use sluice_engine::{Status, Tally};
use sluice_runtime::api::{FunctionView, ObjectView, RunView};
use sluice_runtime::handle::Submit;
use sluice_runtime::{Command, NodeHandle};
use sluice_types::{ContentType, RunKey};
use tower::ServiceExt;

struct Double<F>(F);

impl<F: Fn(Command) + Send + Sync> Submit for Double<F> {
    fn submit(&self, command: Command) -> bool {
        (self.0)(command);
        true
    }
}

/// A handle whose commands all go to `answer`; one that it drops is answered with `SHUTTING_DOWN`.
pub fn node(answer: impl Fn(Command) + Send + Sync + 'static) -> NodeHandle {
    NodeHandle::new(std::sync::Arc::new(Double(answer)))
}

/// A router over such a handle.
pub fn router(answer: impl Fn(Command) + Send + Sync + 'static) -> Router {
    sluice_server::router(node(answer), &Default::default())
}

/// A router over a node that must not be asked.
pub fn untouched() -> Router {
    router(|command| panic!("the node was asked: {command:?}"))
}

/// Asks; gives status and body.
pub async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, Vec<u8>) {
    let response = respond(router, request).await;
    let status = response.status();
    (status, to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
}

/// Asks; gives the whole response.
pub async fn respond(router: &Router, request: Request<Body>) -> Response<Body> {
    router.clone().oneshot(request).await.unwrap()
}

/// Asks with a text as body and reads JSON.
pub async fn ask_json(router: &Router, method: &str, uri: &str, body: &str) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(uri).body(Body::from(body.to_owned())).unwrap();
    let (status, body) = ask(router, request).await;
    (
        status,
        serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&body))),
    )
}

/// A run of app `shop`.
pub fn run(id: &str, status: Status) -> RunView {
    let tally = Tally { started: 3, succeeded: 1, failed: 0, cancelled: 0, retried: 2 };
    RunView {
        key: RunKey(0x2a),
        run: id.into(),
        app: "shop".into(),
        version: 4,
        status,
        sealed: true,
        started_ms: 1_000,
        ended_ms: (status != Status::Running).then_some(3_500),
        incarnation: 0,
        outputs: Vec::new(),
        error: None,
        functions: vec![FunctionView { function: "count".into(), tally, running: 1, queued: 1 }],
        retrying: Vec::new(),
        workflow: None,
        forked_from: None,
        at: None,
    }
}

/// An object of bucket `output`.
pub fn output(key: &str, content_type: ContentType, bytes: &'static [u8]) -> ObjectView {
    ObjectView { bucket: "output".into(), key: key.into(), content_type, bytes: bytes.into() }
}
