//! Two hundred workflows at a time, while the server and its workers are killed again and again.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tool::Folder;
use tool::server::Server;

const RUNS: usize = 200;
/// Times that the server, or all of its workers, are killed.
const KILLS: usize = 6;
const APP: &str = "
import json, os, urllib.request
import sluicegate as sg

app = sg.App('crashes')

@app.function(retries=20)
def apply(effect: dict, ctx):
    key = ctx.idempotency_key
    with urllib.request.urlopen(f'http://127.0.0.1:LEDGER/{effect[\"name\"]}/{key}', timeout=30) as answer:
        return json.load(answer)

@app.function(retries=20)
def double(x: int):
    return x * 2

@app.workflow
async def inner(ctx, n):
    await ctx.sleep(0.2)
    return await ctx.call(apply, {'name': f'inner-{n}'})

@app.workflow
async def outer(ctx, n):
    first = await ctx.call(apply, {'name': f'first-{n}'})
    await ctx.sleep(0.2 + n % 5 / 10)
    doubled = await ctx.map(double, range(5))
    child = await ctx.call_workflow(inner, n)
    told = await ctx.wait_event('go')
    last = await ctx.call(apply, {'name': f'last-{n}'})
    return [first, sum(doubled), child, told, last]
";

/// What was applied: effects by name, each with the keys that it was asked for by.
type Ledger = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// A service outside: it applies each effect once per idempotency key, and answers with the effect's name.
fn ledger() -> (u16, Ledger) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ledger = Ledger::default();
    let applied = ledger.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let applied = applied.clone();
            std::thread::spawn(move || answer(stream, &applied));
        }
    });
    (port, ledger)
}

fn answer(mut stream: std::net::TcpStream, applied: &Ledger) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            // Whoever asked was killed.
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap().trim_start_matches('/');
    let (name, key) = path.split_once('/').unwrap();
    let mut effects = applied.lock().unwrap();
    let keys = effects.entry(name.to_owned()).or_default();
    if !keys.iter().any(|known| known == key) {
        keys.push(key.to_owned());
    }
    drop(effects);
    let body = json!(name).to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    drop(stream.write_all((head + &body).as_bytes()));
}

/// Asks until the server, which may be killed in the middle, has answered.
fn asked(server: &Mutex<Option<Server>>, method: &str, path: &str, body: &Value) -> Value {
    let patience = Instant::now() + Duration::from_secs(120);
    loop {
        let url = server.lock().unwrap().as_ref().unwrap().url.clone();
        let is_event = path == "/v1/events";
        let content_type = if is_event { "application/cloudevents+json" } else { "application/json" };
        let (url, body) = (format!("{url}{path}"), body.to_string());
        let answer = tool::server::ask_as(&url, method, content_type, body.as_bytes());
        if let Ok(answer) = answer
            && answer.status < 300
        {
            return serde_json::from_slice(&answer.body).unwrap_or_default();
        }
        assert!(Instant::now() < patience, "{method} {path} is never answered");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn crashes_change_nothing_of_two_hundred_workflows() {
    let (port, ledger) = ledger();
    let folder = Folder::with(&[("app.py", &APP.replace("LEDGER", &port.to_string()))]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    let server = Mutex::new(Some(server));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..RUNS {
                let start = json!({"id": format!("r{n}"), "workflow": "outer", "input": n});
                asked(&server, "POST", "/v1/apps/crashes/runs", &start);
                let event = json!({
                    "specversion": "1.0", "id": format!("go-{n}"), "source": "/test", "type": "go",
                    "sluicerun": format!("r{n}"), "data": n,
                });
                asked(&server, "POST", "/v1/events", &event);
            }
        });
        scope.spawn(|| {
            for kill in 0..KILLS {
                std::thread::sleep(Duration::from_secs(1));
                let mut server = server.lock().unwrap();
                if kill % 2 == 0 {
                    server.take().unwrap().kill();
                    *server = Some(Server::start(&folder));
                } else {
                    server.as_ref().unwrap().kill_workers();
                }
            }
        });
    });
    for n in 0..RUNS {
        let run = asked(&server, "GET", &format!("/v1/runs/r{n}?wait=60s"), &Value::Null);
        let expected = json!([format!("first-{n}"), 20, format!("inner-{n}"), n, format!("last-{n}")]);
        assert_eq!(run["outputs"]["outer"], expected, "{run}");
    }
    let ledger = ledger.lock().unwrap();
    assert_eq!(ledger.len(), 3 * RUNS);
    let twice: Vec<_> = ledger.iter().filter(|(_, keys)| keys.len() != 1).collect();
    assert!(twice.is_empty(), "effects that were asked for by several keys: {twice:?}");
    server.into_inner().unwrap().unwrap().stop();
}
