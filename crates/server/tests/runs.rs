//! Runs over HTTP, against a node that answers as each test says.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod double;

use axum::http::StatusCode;
use double::{ask_json, output, router, run, untouched};
use serde_json::json;
use sluice_engine::Status;
use sluice_runtime::Command;
use sluice_runtime::api::{HistoryView, StartRequest, Started};
use sluice_types::problem::Cause;
use sluice_types::{Code, ContentType, Problem, RunKey};
use std::sync::{Arc, Mutex};

fn starting(run_id: &'static str) -> (axum::Router, Arc<Mutex<Option<StartRequest>>>) {
    let seen = Arc::new(Mutex::new(None));
    let keep = seen.clone();
    let router = router(move |command| match command {
        Command::Start(request, answer) => {
            *keep.lock().unwrap() = Some(*request);
            answer.send(Ok(Started { run: run_id.into(), existing: false })).unwrap();
        }
        other => panic!("{other:?}"),
    });
    (router, seen)
}

#[tokio::test]
async fn a_start_is_answered_once_it_is_durable() {
    let (router, seen) = starting("run_1");
    let body = r#"{"objects": {"texts": {"a/b": "hi", "raw": {"base64": "AP8="}}}, "input": null, "workflow": "w",
                   "event": {"type": "go", "data": {"n": 1}}, "id": "order-7", "seal": false}"#;
    let answer = ask_json(&router, "POST", "/v1/apps/shop/runs", body).await;
    assert_eq!(answer, (StatusCode::ACCEPTED, json!({"run": "run_1", "status": "running"})));
    let request = seen.lock().unwrap().take().unwrap();
    assert_eq!((request.app.as_str(), request.id.as_deref()), ("shop", Some("order-7")));
    assert_eq!((request.workflow.as_ref().map(|workflow| &*workflow.name), request.seal), (Some("w"), false));
    let objects: Vec<_> = request
        .objects
        .iter()
        .map(|o| (o.bucket.as_str(), o.key.as_str(), o.content_type.as_str(), &o.bytes[..]))
        .collect();
    assert_eq!(
        objects,
        [
            ("texts", "a/b", "text/plain", &b"hi"[..]),
            ("texts", "raw", "application/octet-stream", &[0, 255]),
            ("input", "input", "application/json", b"null"),
        ]
    );
    let event = request.event.unwrap();
    assert_eq!((&*event.r#type, &*event.id, &*event.source), ("go", "order-7", "/sluice/start"));
    assert_eq!(&event.data[..], br#"{"n": 1}"#);
}

#[tokio::test]
async fn an_empty_body_starts_a_sealed_run_without_inputs() {
    let (router, seen) = starting("run_1");
    let (status, _) = ask_json(&router, "POST", "/v1/apps/shop/runs", "").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let request = seen.lock().unwrap().take().unwrap();
    assert!(request.seal && request.objects.is_empty() && request.id.is_none());
}

#[tokio::test]
async fn who_waits_gets_the_run_when_it_has_ended_and_its_state_otherwise() {
    for (ends, expected) in [(Status::Failed, StatusCode::OK), (Status::Running, StatusCode::ACCEPTED)] {
        let router = router(move |command| match command {
            Command::Start(_, answer) => {
                answer.send(Ok(Started { run: "r".into(), existing: false })).unwrap();
            }
            Command::Wait(id, answer) => answer.send(Ok(run(&id, ends))).unwrap(),
            other => panic!("{other:?}"),
        });
        let (status, body) = ask_json(&router, "POST", "/v1/apps/shop/runs?wait=30s", "{}").await;
        assert_eq!(status, expected);
        assert_eq!(body["status"], if ends == Status::Failed { "failed" } else { "running" });
        assert_eq!(body.get("outputs").is_some(), ends == Status::Failed);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_start_is_said_before_the_node_is_asked() {
    let long = "x".repeat(129);
    for (uri, body, says) in [
        ("", "{", "line 1 column 1"),
        ("", "nonsense", "line 1 column 1"),
        ("", "{\n \"id\": 5}", "line 2 column 8"),
        ("", "[]", "line 1"),
        ("", r#"{"inputs": 1}"#, "unknown field `inputs`"),
        ("", r#"{"id": ""}"#, "cannot be the id"),
        ("", r#"{"id": "a b"}"#, "cannot be the id"),
        ("", &format!(r#"{{"id": "{long}"}}"#), "cannot be the id"),
        ("", r#"{"input": {"base64": "?"}}"#, "base64"),
        ("", r#"{"event": {"data": 1}}"#, "`type`"),
        ("", r#"{"event": {"type": "t", "time": "noon"}}"#, "RFC 3339"),
        ("?wait=soon", "{}", "duration"),
        ("?wait=1000m", "{}", "longer"),
    ] {
        let (status, answer) =
            ask_json(&untouched(), "POST", &format!("/v1/apps/shop/runs{uri}"), body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
        assert_ne!(answer["error"]["fix"], "", "{message}");
    }
}

#[tokio::test]
async fn a_run_is_shown_as_the_contract_says() {
    let router = router(|command| match command {
        Command::Run(id, answer) => {
            let mut view = run(&id, Status::Failed);
            view.outputs = vec![
                output("j", ContentType::Json, b"{\"b\":12345678901234567890123}"),
                output("t", ContentType::Other("text/csv".into()), b"a,b"),
                output("x", ContentType::Bytes, b"\x00"),
            ];
            let cause = Cause { r#type: "ValueError".into(), message: "no".into(), stack: "at 1".into() };
            let problem = Problem::new(Code::FUNCTION_FAILED, "count failed", "see the stack").at("app.py:3");
            view.error = Some(Problem { cause: Some(cause), ..problem });
            answer.send(Ok(view)).unwrap();
        }
        other => panic!("{other:?}"),
    });
    let request = axum::http::Request::get("/v1/runs/r").body(axum::body::Body::empty()).unwrap();
    let (status, body) = double::ask(&router, request).await;
    assert_eq!(status, StatusCode::OK);
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains(r#""j":{"b":12345678901234567890123}"#), "numbers of any size survive: {text}");
    let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["outputs"]["t"], "a,b");
    assert_eq!(shown["outputs"]["x"], json!({"base64": "AA=="}));
    assert_eq!(shown["output_types"]["t"], "text/csv");
    assert_eq!((&shown["run"], &shown["app"], &shown["version"]), (&json!("r"), &json!("shop"), &json!(4)));
    assert_eq!(shown["duration_ms"], 2_500);
    assert_eq!(shown["ended_at"], "1970-01-01T00:00:03.500Z");
    assert_eq!(
        shown["error"],
        json!({"code": "SLU0100", "message": "count failed", "where": "app.py:3", "fix": "see the stack",
               "cause": {"type": "ValueError", "message": "no", "stack": "at 1"}})
    );
    assert_eq!(shown["functions"][0]["function"], "count");
    assert_eq!(shown["functions"][0]["retried"], 2);
}

#[tokio::test]
async fn a_run_without_an_error_says_so() {
    let router = router(|command| match command {
        Command::Run(id, answer) => answer.send(Ok(run(&id, Status::Succeeded))).unwrap(),
        other => panic!("{other:?}"),
    });
    let (_, shown) = ask_json(&router, "GET", "/v1/runs/r", "").await;
    assert_eq!(
        (&shown["error"], &shown["outputs"], &shown["output_types"]),
        (&json!(null), &json!({}), &json!({}))
    );
}

#[tokio::test]
async fn a_listing_has_pages() {
    let router = router(|command| match command {
        Command::List(request, answer) => {
            assert_eq!((request.app.as_deref(), request.status), (Some("shop"), Some(Status::Running)));
            let before = request.before.map_or(5, |key| key.0);
            let keys = (0..before).rev().take(request.limit);
            let view = |key: u64| {
                let mut view = run(&format!("r{key}"), Status::Running);
                view.key = RunKey(key);
                view
            };
            answer.send(Ok(keys.map(view).collect())).unwrap();
        }
        other => panic!("{other:?}"),
    });
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let uri = format!("/v1/runs?app=shop&status=running&limit=2{cursor}");
        let (_, page) = ask_json(&router, "GET", &uri, "").await;
        let runs = page["runs"].as_array().unwrap();
        pages.push(runs.iter().map(|r| r["run"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(pages, [vec!["r4", "r3"], vec!["r2", "r1"], vec!["r0"]]);
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_refused() {
    for uri in [
        "/v1/runs?limit=0",
        "/v1/runs?limit=1001",
        "/v1/runs?limit=x",
        "/v1/runs?status=done",
        "/v1/runs?cursor=zz",
        "/v1/runs/r/history?limit=10001",
        "/v1/runs/r/history?after=-1",
        "/v1/runs/%ff",
    ] {
        let (status, answer) = ask_json(&untouched(), "GET", uri, "").await;
        assert_eq!((status, &answer["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("SLU0006")), "{uri}");
    }
}

#[tokio::test]
async fn a_history_has_pages_and_keeps_its_details() {
    let router = router(|command| match command {
        Command::History { after, limit, answer, .. } => {
            let line = |seq: u64| HistoryView {
                seq,
                lsn: format!("lsn_{seq}"),
                time: "1970-01-01T00:00:00.000Z".into(),
                r#type: "ObjectPut".into(),
                details: [("key".to_owned(), json!("k"))].into_iter().collect(),
            };
            answer.send(Ok((after + 1..=3).take(limit).map(line).collect())).unwrap();
        }
        other => panic!("{other:?}"),
    });
    let (_, page) = ask_json(&router, "GET", "/v1/runs/r/history?limit=2", "").await;
    assert_eq!((page["events"].as_array().unwrap().len(), &page["next"]), (2, &json!(2)));
    assert_eq!(page["events"][0]["key"], "k");
    let (_, page) = ask_json(&router, "GET", "/v1/runs/r/history?after=2", "").await;
    assert_eq!((&page["events"][0]["seq"], page.get("next")), (&json!(3), None));
}

#[tokio::test]
async fn problems_of_the_node_have_the_status_of_their_code() {
    for (code, expected) in [
        (Code::UNKNOWN_RUN, 404),
        (Code::RUN_SEALED, 409),
        (Code::RUN_ENDED, 409),
        (Code::OUTCOME_UNKNOWN, 503),
        (Code::OVERLOADED, 429),
        (Code::INTERNAL, 500),
    ] {
        let router = router(move |command| match command {
            Command::Seal(_, answer) => {
                answer.send(Err(Problem::new(code, "what", "do").at("there"))).unwrap()
            }
            other => panic!("{other:?}"),
        });
        let (status, answer) = ask_json(&router, "POST", "/v1/runs/r/seal", "").await;
        assert_eq!(status.as_u16(), expected, "{code}");
        let error = json!({"code": code.to_string(), "message": "what", "where": "there", "fix": "do"});
        assert_eq!(answer, json!({ "error": error }));
    }
}

#[tokio::test]
async fn a_node_that_stops_says_so() {
    let (status, answer) = ask_json(&router(drop), "GET", "/v1/runs/r", "").await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("SLU0207")));
}

#[tokio::test]
async fn a_cancel_carries_its_reason_and_answers_the_state() {
    let router = router(|command| match command {
        Command::Cancel { reason, answer, .. } => {
            assert_eq!(reason, "too slow");
            answer.send(Ok(())).unwrap();
        }
        Command::Run(id, answer) => answer.send(Ok(run(&id, Status::Cancelled))).unwrap(),
        other => panic!("{other:?}"),
    });
    let answer = ask_json(&router, "POST", "/v1/runs/r/cancel", r#"{"reason": "too slow"}"#).await;
    assert_eq!(answer, (StatusCode::OK, json!({"run": "r", "status": "cancelled"})));
}
