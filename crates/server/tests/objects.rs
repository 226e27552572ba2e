//! Apps, objects, metrics and health over HTTP.
#![allow(clippy::unwrap_used, clippy::result_large_err, reason = "a test that panics has failed")]

mod double;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use double::{ask, ask_json, output, respond, router, untouched};
use serde_json::json;
use sluice_runtime::Command;
use sluice_runtime::api::{AppView, NodeStats, PutReply};
use sluice_types::{Code, ContentType, Problem};

#[tokio::test]
async fn keys_may_hold_slashes_and_are_percent_decoded() {
    for (uri, owner, expected) in [
        ("/v1/apps/shop/buckets/texts/a/b%20c/%C3%A9.txt?run=r1", Some("r1"), "a/b c/é.txt"),
        ("/v1/apps/shop/buckets/texts/a%2Fb", None, "a/b"),
    ] {
        let router = router(move |command| match command {
            Command::Put { run, app, object, answer } => {
                assert_eq!((app.as_str(), run.as_deref()), ("shop", owner));
                assert_eq!((object.bucket.as_str(), object.key.as_str()), ("texts", expected));
                assert_eq!((object.content_type, &object.bytes[..]), (ContentType::Text, &b"hi"[..]));
                answer.send(Ok(PutReply::Created)).unwrap();
            }
            other => panic!("{other:?}"),
        });
        let request = Request::put(uri).header("content-type", "text/plain; charset=utf-8");
        let (status, _) = ask(&router, request.body(Body::from("hi")).unwrap()).await;
        assert_eq!(status, StatusCode::CREATED);
    }
}

#[tokio::test]
async fn puts_are_answered_by_what_became_of_them() {
    type Reply = fn() -> Result<PutReply, Problem>;
    let cases: [(Reply, u16); 3] = [
        (|| Ok(PutReply::Unchanged), 200),
        (|| Err(Problem::new(Code::OBJECT_CONFLICT, "other bytes", "use another key")), 409),
        (|| Err(Problem::new(Code::RUN_SEALED, "sealed", "start with seal: false")), 409),
    ];
    for (reply, expected) in cases {
        let router = router(move |command| match command {
            Command::Put { answer, .. } => answer.send(reply()).unwrap(),
            other => panic!("{other:?}"),
        });
        let (status, _) = ask_json(&router, "PUT", "/v1/apps/a/buckets/b/k", "x").await;
        assert_eq!(status.as_u16(), expected);
    }
}

#[tokio::test]
async fn keys_have_a_limit() {
    let uri = format!("/v1/apps/a/buckets/b/{}", "k".repeat(1025));
    let (status, answer) = ask_json(&untouched(), "PUT", &uri, "x").await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("SLU0013")));
}

#[tokio::test]
async fn an_object_comes_as_it_is_and_harmless_to_browsers() {
    let router = router(|command| match command {
        Command::Object { key, answer, .. } if key == "page" => {
            answer.send(Ok(output("page", ContentType::Other("text/html".into()), b"<script>"))).unwrap();
        }
        Command::Object { answer, .. } => {
            answer.send(Err(Problem::new(Code::OBJECT_RELEASED, "gone", "keep the bucket"))).unwrap();
        }
        other => panic!("{other:?}"),
    });
    let request = Request::get("/v1/apps/a/buckets/b/page").body(Body::empty()).unwrap();
    let response = respond(&router, request).await;
    assert_eq!(response.headers()["content-type"], "text/html");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(response.headers()["content-security-policy"].to_str().unwrap().starts_with("sandbox"));
    let (status, _) = ask_json(&router, "GET", "/v1/apps/a/buckets/b/other", "").await;
    assert_eq!(status, StatusCode::GONE);
}

const DEFINITION: &str = r#"{"app": "shop", "buckets": {"texts": {}},
    "functions": {"count": {"runtime": "python", "handler": "app.py:count", "on": {"each": "texts"}}}}"#;

#[tokio::test]
async fn a_deploy_hands_the_program_and_the_files_to_the_node() {
    let router = router(|command| match command {
        Command::Deploy(request, answer) => {
            assert_eq!((&*request.program.app, &*request.program.functions[0].name), ("shop", "count"));
            assert_eq!(&request.files["app.py"][..], b"def count(x): pass");
            assert_eq!(request.definition, DEFINITION.as_bytes());
            assert_eq!(request.reset_triggers, ["t"]);
            let view = AppView { app: "shop".into(), version: 2, deployed_ms: 0, changed: true };
            answer.send(Ok(view)).unwrap();
        }
        other => panic!("{other:?}"),
    });
    let body = format!(
        r#"{{"definition": {DEFINITION}, "files": {{"app.py": {{"base64": "ZGVmIGNvdW50KHgpOiBwYXNz"}}}}, "reset_triggers": ["t"]}}"#
    );
    let (status, answer) = ask_json(&router, "POST", "/v1/apps/shop", &body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(
        (&answer["app"], &answer["version"], &answer["changed"]),
        (&json!("shop"), &json!(2), &json!(true))
    );
}

#[tokio::test]
async fn a_deploy_that_cannot_be_is_refused_with_everything_that_is_wrong() {
    let wrong = r#"{"definition": {"app": "shop", "functions": {
        "a": {"runtime": "python", "handler": "app.py:a", "on": {"each": "nope"}},
        "b": {"runtime": "python", "handler": "app.py:b", "into": "neither"}}}}"#;
    let (status, answer) = ask_json(&untouched(), "POST", "/v1/apps/shop", wrong).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::NOT_FOUND, &json!("SLU0001")), "{answer}");
    assert_eq!(answer["diagnostics"].as_array().unwrap().len(), 2, "{answer}");
    let missing = format!(r#"{{"definition": {DEFINITION}}}"#);
    let (status, answer) = ask_json(&untouched(), "POST", "/v1/apps/shop", &missing).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("SLU0002")));
    let outside = format!(r#"{{"definition": {DEFINITION}, "files": {{"../x": ""}}}}"#);
    let (status, _) = ask_json(&untouched(), "POST", "/v1/apps/shop", &outside).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = ask_json(&untouched(), "POST", "/v1/apps/other", &missing).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[test]
fn others_are_served_while_a_definition_is_read() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.unwrap().block_on(async {
        // The one thread on which work may take its time does until it is let go.
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || held.recv());
        let body = r#"{"definition": {"app": "shop", "functions": {}}}"#;
        let front = untouched();
        let mut deploy = Box::pin(ask_json(&front, "POST", "/v1/apps/other", body));
        tokio::select! {
            biased;
            answer = &mut deploy => panic!("it was read on the thread that serves: {answer:?}"),
            (status, _) = ask_json(&front, "GET", "/openapi.json", "") => assert_eq!(status, StatusCode::OK),
        }
        let_go.send(()).unwrap();
        busy.await.unwrap().unwrap();
        assert_eq!(deploy.await.0, StatusCode::BAD_REQUEST);
    });
}

fn with_stats(stats: NodeStats) -> axum::Router {
    router(move |command| match command {
        Command::Stats(answer) => answer.send(Ok(stats.clone())).unwrap(),
        other => panic!("{other:?}"),
    })
}

#[tokio::test]
async fn health_is_progress() {
    for (stats, expected) in [
        (NodeStats { stalled_ms: 10, ..NodeStats::default() }, 200),
        (NodeStats { stalled_ms: 60_000, ..NodeStats::default() }, 503),
        (NodeStats { refusing: true, ..NodeStats::default() }, 503),
    ] {
        let (status, answer) = ask_json(&with_stats(stats), "GET", "/healthz", "").await;
        assert_eq!(status.as_u16(), expected, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_is_not_healthy() {
    let kept = std::sync::Mutex::new(Vec::new());
    let router = router(move |command| kept.lock().unwrap().push(command));
    let (status, _) = ask_json(&router, "GET", "/healthz", "").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let router = with_stats(NodeStats { attempts: 12, ..NodeStats::default() });
    let response = respond(&router, Request::get("/metrics").body(Body::empty()).unwrap()).await;
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let (_, body) = ask(&router, Request::get("/metrics").body(Body::empty()).unwrap()).await;
    assert!(String::from_utf8(body).unwrap().contains("\nsluice_attempts_total 12\n"));
}
