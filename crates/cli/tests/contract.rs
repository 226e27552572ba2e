//! The machine-readable contract that outside programs rely on: `--json`, exit codes, HTTP.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use tool::server::Server;
use tool::{Folder, MANIFEST, try_run};

/// One function that copies what it gets, and one that waits until it is told to end.
const APP: &str = "
import sluicegate as sg, time
app = sg.App('contract')
items, slow = app.bucket('items'), app.bucket('slow')

@app.function(on=[items.each(), app.input.each()])
def copy(item):
    return item.value

@app.function(on=slow.each())
def wait(item, ctx):
    while not ctx.cancelled:
        time.sleep(0.01)
";

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn served() -> (Folder, Server) {
    let folder = Folder::with(&[("app/app.py", APP)]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app"]);
    (folder, server)
}

#[test]
fn the_run_object_has_the_fields_it_promises() {
    let called =
        try_run(APP, &[("a.txt", "text"), ("b.json", "[1]"), ("c", "\u{0}\u{1}")], &["items=*.*", "items=c"]);
    assert_eq!(called.exit, 0, "{}", called.stderr);
    let run = called.json();
    for (field, value) in [
        ("app", json!("contract")),
        ("status", json!("succeeded")),
        ("outputs", json!({"a.txt": "text", "b.json": [1], "c": "\u{0}\u{1}"})),
        ("output_types", json!({"a.txt": "text/plain", "b.json": "application/json", "c": "text/plain"})),
        ("error", Value::Null),
    ] {
        assert_eq!(run[field], value, "{field}");
    }
    assert!(run["run"].as_str().unwrap().starts_with("run_"));
    assert!(run["duration_ms"].is_u64());
    assert_eq!(called.stdout.lines().count(), 1, "one object, progress goes to stderr");
}

#[test]
fn a_failed_run_is_exit_1_with_its_error_in_the_run() {
    let app = "import sluicegate as sg\napp = sg.App('bad')\n\n@app.function(on=app.input.each(), retries=0)\n\
               def f(x):\n    raise ValueError('no')\n";
    let folder = Folder::with(&[("app.py", app)]);
    let called = folder.call(&["run", "app.py", "--json", "--input", "1"]);
    assert_eq!(called.exit, 1);
    let error = &called.json()["error"];
    assert_eq!(keys(error), BTreeSet::from(["code", "message", "where", "fix", "cause"]));
    assert_eq!(keys(&error["cause"]), BTreeSet::from(["type", "message", "stack"]));
    let people = folder.call(&["run", "app.py", "--input", "1"]);
    assert_eq!(people.exit, 1);
    assert!(
        people.stderr.contains("error[SLU0100]") && people.stderr.contains("ValueError: no"),
        "{}",
        people.stderr
    );
}

#[test]
fn starts_are_idempotent_by_id_waited_for_and_sealed() {
    let (_folder, server) = served();
    let start = |query: &str, body: Value| {
        server.ask("POST", &format!("/v1/apps/contract/runs{query}"), body.to_string().as_bytes())
    };
    let body = json!({"id": "order-7", "objects": {"items": {"a": "x", "b": {"base64": "AP8="}, "c": [1]}}});
    assert_eq!(start("", body.clone()).json(202), json!({"run": "order-7", "status": "running"}));
    assert_eq!(start("", body.clone()).json(202)["run"], "order-7");
    assert_eq!(start("", json!({"id": "order-7"})).error(409), "SLU0007");
    let ended = start("?wait=30s", body).json(200);
    assert_eq!(ended["outputs"], json!({"a": "x", "b": {"base64": "AP8="}, "c": [1]}));
    assert_eq!(
        start("?wait=30s", json!({"input": {"n": 1}})).json(200)["outputs"],
        json!({"input": {"n": 1}})
    );
    let named = start("", json!({})).json(202)["run"].as_str().unwrap().to_owned();
    assert!(named.len() == "run_".len() + 26 && named.starts_with("run_"), "{named}");

    assert_eq!(start("", json!({"id": "a b"})).error(400), "SLU0006");
    assert_eq!(start("", json!({"objects": {"nope": {"a": 1}}})).error(404), "SLU0001");
    assert_eq!(server.ask("POST", "/v1/apps/none/runs", b"{}").error(404), "SLU0001");
    assert_eq!(server.ask("POST", "/v1/apps/contract/runs", b"{").error(400), "SLU0006");
    assert_eq!(server.ask("GET", "/v1/runs/none", b"").error(404), "SLU0008");
    assert_eq!(server.ask("GET", "/nowhere", b"").error(404), "SLU0212");
}

#[test]
fn puts_into_an_open_run_conflict_seal_and_release() {
    let (_folder, server) = served();
    let begun = server.ask("POST", "/v1/apps/contract/runs", br#"{"id": "open", "seal": false}"#);
    assert_eq!(begun.json(202)["status"], "running");
    let put = |path: &str, body: &[u8]| server.ask("PUT", &format!("/v1/apps/contract/buckets/{path}"), body);
    assert_eq!(put("items/a/b?run=open", b"[1]").status / 100, 2);
    assert_eq!(put("items/a/b?run=open", b"[1]").status, 200, "the same bytes again");
    assert_eq!(put("items/a/b?run=open", b"[2]").error(409), "SLU0010");
    assert_eq!(put("none/a?run=open", b"1").error(404), "SLU0001");
    assert_eq!(put("items/a?run=none", b"1").error(404), "SLU0008");
    // A second open input keeps the run from ending when it is sealed.
    assert_eq!(put("slow/s?run=open", b"1").status / 100, 2);
    assert_eq!(server.ask("POST", "/v1/runs/open/seal", b"").status / 100, 2);
    assert_eq!(put("items/c?run=open", b"1").error(409), "SLU0009");
    assert_eq!(server.ask("GET", "/v1/runs/open", b"").json(200)["sealed"], true);
    assert_eq!(server.ask("POST", "/v1/runs/open/cancel", b"").status / 100, 2);
    let ended = server.ask("GET", "/v1/runs/open?wait=30s", b"").json(200);
    assert_eq!(ended["status"], "cancelled", "{ended}");
    assert_eq!(put("items/d?run=open", b"1").error(409), "SLU0015");
}

#[test]
fn objects_come_back_as_they_were_put_until_they_are_released() {
    let app = "
import sluicegate as sg
app = sg.App('contract')
items, middle = app.bucket('items'), app.bucket('middle')

@app.function(on=items.each(), into=middle)
def first(item):
    return item.text() + '!'

@app.function(on=middle.each())
def second(item):
    return item.text() + '?'
";
    let folder = Folder::with(&[("app/app.py", app)]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app"]);
    let body = json!({"id": "r", "objects": {"items": {"k": "v"}}});
    let ended = server.ask("POST", "/v1/apps/contract/runs?wait=30s", body.to_string().as_bytes()).json(200);
    assert_eq!(ended["outputs"], json!({"k": "v!?"}));
    let get = |path: &str| server.ask("GET", &format!("/v1/apps/contract/buckets/{path}"), b"");
    assert_eq!((get("items/k?run=r").body, get("output/k?run=r").body), (b"v".to_vec(), b"v!?".to_vec()));
    assert_eq!(get("output/none?run=r").error(404), "SLU0011");
    assert_eq!(get("middle/k?run=r").error(410), "SLU0012");
}

#[test]
fn history_tells_in_order_what_happened() {
    let (_folder, server) = served();
    let body = json!({"id": "r", "objects": {"items": {"k": "v"}}});
    server.ask("POST", "/v1/apps/contract/runs?wait=30s", body.to_string().as_bytes()).json(200);
    let history = server.ask("GET", "/v1/runs/r/history", b"").json(200);
    let events = history["events"].as_array().unwrap();
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.len() >= 3 && seqs.is_sorted_by(|a, b| a < b), "{history}");
    for event in events {
        assert!(["lsn", "time", "type"].iter().all(|field| event[*field].is_string()), "{event}");
    }
}

#[test]
fn lists_have_pages_and_filters() {
    let (_folder, server) = served();
    for n in 0..7 {
        let body = json!({"id": format!("r{n}"), "input": n});
        server.ask("POST", "/v1/apps/contract/runs?wait=30s", body.to_string().as_bytes()).json(200);
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = server.ask("GET", &format!("/v1/runs?app=contract&limit=3{cursor}"), b"").json(200);
        let runs = page["runs"].as_array().unwrap();
        assert!(runs.len() <= 3);
        seen.extend(runs.iter().map(|run| run["run"].as_str().unwrap().to_owned()));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (7, 3), "{seen:?}");
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 7);
    let succeeded = server.ask("GET", "/v1/runs?status=succeeded&limit=100", b"").json(200);
    assert_eq!(succeeded["runs"].as_array().unwrap().len(), 7);
    assert_eq!(server.ask("GET", "/v1/runs?status=failed", b"").json(200)["runs"], json!([]));
    assert_eq!(server.ask("GET", "/v1/runs?status=odd", b"").error(400), "SLU0006");
}

#[test]
fn two_thousand_objects_are_counted_in_process_and_by_a_server() {
    let app = "
import sluicegate as sg
app = sg.App('many')
texts, counts = app.bucket('texts'), app.bucket('counts')

@app.function(on=texts.each(), into=counts)
def count(text):
    return int(text.text())

@app.function(on=counts.join(of=count))
def total(parts):
    return [len(parts), sum(part.value for part in parts)]
";
    let folder = Folder::with(&[("app/app.py", app)]);
    for n in 0..2_000 {
        folder.write(&format!("in/{}/{n}.txt", n % 10), &n.to_string());
    }
    let arguments = ["run", "app", "--put", "texts=in/**/*.txt"];
    let expected = json!({"total": [2_000, 1_999_000]});
    let alone = folder.call(&[&arguments[..], &["--json"]].concat());
    assert_eq!((alone.exit, &alone.json()["outputs"]), (0, &expected), "{}", alone.stderr);
    let server = Server::start(&folder);
    assert_eq!(server.call(&folder, &arguments).json()["outputs"], expected);
    server.stop();
}

#[test]
fn events_and_objects_of_the_app_start_runs_of_their_own() {
    let app = "
import sluicegate as sg
app = sg.App('scoped')
orders = app.bucket('orders')

@app.function(on=orders.batch(2), scope='app')
def pairs(parts):
    return [part.key for part in parts]

@app.function(on=sg.event(type='order.*'), scope='app', into=app.output)
def heard(event):
    yield 'heard', [event.type, event.subject, event.data]
";
    let folder = Folder::with(&[("app/app.py", app)]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app"]);
    for key in ["a", "b", "c"] {
        let put = server.ask("PUT", &format!("/v1/apps/scoped/buckets/orders/{key}"), b"1");
        assert_eq!(put.status / 100, 2, "{}", String::from_utf8_lossy(&put.body));
    }
    let event = json!({"specversion": "1.0", "id": "1", "source": "/test", "type": "order.paid", "subject": "7",
                       "datacontenttype": "application/json", "data": {"n": 1}});
    let sent = tool::server::ask_as(
        &format!("{}/v1/events", server.url),
        "POST",
        "application/cloudevents+json",
        event.to_string().as_bytes(),
    );
    assert_eq!(sent.unwrap().status / 100, 2);
    let listed = server.ask("GET", "/v1/runs?app=scoped", b"").json(200);
    let mut outputs: Vec<Value> = Vec::new();
    for run in listed["runs"].as_array().unwrap() {
        let ended =
            server.ask("GET", &format!("/v1/runs/{}?wait=30s", run["run"].as_str().unwrap()), b"").json(200);
        outputs.push(ended["outputs"].clone());
    }
    outputs.sort_by_key(Value::to_string);
    assert_eq!(outputs, [json!({"heard": ["order.paid", "7", {"n": 1}]}), json!({"pairs-0": ["a", "b"]})]);
}

#[test]
fn an_exec_app_takes_the_same_road() {
    let folder = Folder::with(&[("sluice.yaml", MANIFEST), ("a", "hello")]);
    let server = Server::start(&folder);
    let run = server.call(&folder, &["run", ".", "--put", "texts=a"]).json();
    assert_eq!(run["outputs"], json!({"a": "hello"}));
}
