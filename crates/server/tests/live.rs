//! Live views, and the server behind a socket.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod double;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use double::{node, respond, router, run};
use serde_json::{Value, json};
use sluice_engine::Status;
use sluice_runtime::Command;
use sluice_runtime::api::{HistoryView, NodeStats};
use sluice_server::{Options, Server};
use sluice_types::Code;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

fn line(seq: u64) -> HistoryView {
    let time = "1970-01-01T00:00:00.000Z".into();
    HistoryView {
        seq,
        lsn: format!("lsn_{seq}"),
        time,
        r#type: "ObjectPut".into(),
        details: Default::default(),
    }
}

/// A run of three looks: one line of history each, and the end at the third.
fn three_looks() -> axum::Router {
    let looks = AtomicU32::new(0);
    router(move |command| match command {
        Command::Run(id, answer) => answer.send(Ok(run(&id, Status::Running))).unwrap(),
        Command::Wait(id, answer) => {
            let look = looks.fetch_add(1, Ordering::SeqCst) + 1;
            let status = if look == 2 { Status::Succeeded } else { Status::Running };
            let mut view = run(&id, status);
            view.functions[0].tally.succeeded += look;
            answer.send(Ok(view)).unwrap();
        }
        Command::History { after, answer, .. } => {
            let known = u64::from(looks.load(Ordering::SeqCst)) + 1;
            answer.send(Ok((after + 1..=known).map(line).collect())).unwrap();
        }
        other => panic!("{other:?}"),
    })
}

/// `event` and `id`/`data` of every message.
fn messages(text: &str) -> Vec<(String, String, Value)> {
    let field = |message: &str, name: &str| {
        let found = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.unwrap_or("").to_owned()
    };
    let parse = |message: &str| {
        let data = serde_json::from_str(&field(message, "data")).unwrap();
        (field(message, "event"), field(message, "id"), data)
    };
    text.split("\n\n").filter(|message| message.contains("event: ")).map(parse).collect()
}

async fn stream(router: &axum::Router, request: Request<Body>) -> Vec<(String, String, Value)> {
    let response = respond(router, request).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    messages(std::str::from_utf8(&body).unwrap())
}

#[tokio::test]
async fn a_live_view_tells_history_and_progress_and_ends_with_the_run() {
    let request = Request::get("/v1/runs/r/events").body(Body::empty()).unwrap();
    let told = stream(&three_looks(), request).await;
    let kinds: Vec<(&str, &str)> = told.iter().map(|(event, id, _)| (event.as_str(), id.as_str())).collect();
    let expected = [
        ("history", "1"),
        ("progress", ""),
        ("history", "2"),
        ("progress", ""),
        ("history", "3"),
        ("run", ""),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(told[1].2["functions"][0]["succeeded"], 1);
    assert_eq!((&told[5].2["status"], &told[5].2["outputs"]), (&json!("succeeded"), &json!({})));
}

#[tokio::test]
async fn who_reconnects_misses_nothing_and_sees_nothing_twice() {
    let request = Request::get("/v1/runs/r/events").header("last-event-id", "2").body(Body::empty()).unwrap();
    let told = stream(&three_looks(), request).await;
    let ids: Vec<&str> =
        told.iter().filter(|(event, ..)| event == "history").map(|(_, id, _)| id.as_str()).collect();
    assert_eq!(ids, ["3"]);
}

#[tokio::test]
async fn a_run_that_is_not_there_has_no_live_view() {
    let router = router(|command| match command {
        Command::Run(_, answer) => {
            answer.send(Err(sluice_types::Problem::new(Code::UNKNOWN_RUN, "no run", "list them"))).unwrap();
        }
        other => panic!("{other:?}"),
    });
    let response = respond(&router, Request::get("/v1/runs/r/events").body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 404);
}

async fn ask(addr: std::net::SocketAddr, host: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_server_answers_this_machine_until_it_is_stopped() {
    let node = node(|command| match command {
        Command::Stats(answer) => answer.send(Ok(NodeStats::default())).unwrap(),
        other => panic!("{other:?}"),
    });
    let server =
        Server::bind("127.0.0.1:0".parse().unwrap(), node.clone(), Options::default()).await.unwrap();
    let addr = server.local_addr();
    let taken = Server::bind(addr, node.clone(), Options::default()).await.err().unwrap();
    assert_eq!(taken.code, Code::ADDRESS_IN_USE);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
    assert!(ask(addr, "localhost").await.starts_with("HTTP/1.1 200"));
    let refused = ask(addr, "rebound.example").await;
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("SLU0211"), "{refused}");
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn who_waits_is_answered_when_the_server_stops() {
    let (waits, is_waiting) = oneshot::channel::<()>();
    let waiting = std::sync::Mutex::new((Some(waits), None));
    let node = node(move |command| match command {
        Command::Wait(_, answer) => {
            let mut waiting = waiting.lock().unwrap();
            waiting.1 = Some(answer);
            waiting.0.take().unwrap().send(()).unwrap();
        }
        Command::Run(id, answer) => answer.send(Ok(run(&id, Status::Running))).unwrap(),
        other => panic!("{other:?}"),
    });
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), node, Options::default()).await.unwrap();
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let serving = tokio::spawn(server.serve(async { drop(is_waiting.await) }));
    stream.write_all(b"GET /v1/runs/r?wait=60s HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"running\""), "{answer}");
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn beyond_loopback_a_token_is_needed() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let refused = Server::bind(everywhere, node(drop), Options::default()).await.err().unwrap();
    assert_eq!(refused.code, Code::UNAUTHORIZED);
    for token in ["", "two words", "é"] {
        let options = Options { token: Some(token.into()), ..Options::default() };
        assert_eq!(Server::bind(everywhere, node(drop), options).await.err().unwrap().code, Code::USAGE);
    }
    let options = Options { token: Some("s3cret".into()), ..Options::default() };
    assert!(Server::bind(everywhere, node(drop), options).await.is_ok());
}
