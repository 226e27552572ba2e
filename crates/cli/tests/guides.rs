//! The applications of the tutorials, taken out of their pages.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::process::Command;
use tool::server::Server;
use tool::{Folder, repository, runs};

/// A folder with the files that a guide shows: fences of code whose first line is their name as a comment.
fn folder(guide: &str) -> Folder {
    let folder = Folder::with(&[]);
    let text = page(guide);
    for (index, fence) in text.split("\n```").enumerate() {
        // Every other part is inside a fence, after the word that names its language.
        let Some((_, code)) = fence.split_once('\n').filter(|_| index % 2 == 1) else { continue };
        let name = code.lines().next().and_then(|line| line.strip_prefix("# "));
        if let Some(name) = name.filter(|name| name.contains('.') && !name.contains(' ')) {
            folder.write(name, code);
        }
    }
    folder
}

fn page(guide: &str) -> String {
    std::fs::read_to_string(repository().join("docs/guides").join(guide)).unwrap()
}

#[track_caller]
fn outputs(folder: &Folder, arguments: &[&str]) -> Value {
    let called = folder.call(&[&["run"], arguments, &["--json"]].concat());
    assert_eq!(called.exit, 0, "{} {}", called.stdout, called.stderr);
    called.json()["outputs"].clone()
}

#[test]
fn workflows() {
    let folder = folder("workflows.md");
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "shop.py"]);
    let input = r#"{"amount": 5}"#;
    server.call(&folder, &["start", "shop", "--start", "order", "--id", "order-1", "--input", input]);
    runs::until(&server, "order-1", "TimerStarted", 1);
    let waiting = server.call(&folder, &["runs", "query", "order-1", "sluice.waiting"]).json();
    assert_eq!(waiting["result"], json!({"events": ["approved"]}));
    let shown = server.read(&folder, &["runs", "show", "order-1"]);
    assert!(shown.contains("\n  waits for command 2, timer of 259200.000 s, since "), "{shown}");
    assert!(shown.contains("\n  `sluice runs query order-1 sluice.waiting` tells which events"), "{shown}");
    server.call(&folder, &["runs", "signal", "order-1", "approved", "--data", "\"ada\""]);
    assert_eq!(runs::ended(&server, "order-1")["outputs"], json!({"order": "shipped"}));
    let shown = server.read(&folder, &["runs", "show", "order-1"]);
    assert!(shown.ends_with("\n  app shop, version 1\norder: shipped\n"), "{shown}");
}

#[test]
fn dags() {
    let folder = folder("dags.md");
    assert_eq!(outputs(&folder, &["sales.py", "--input", "{}"]), json!({"clean": "14 sold"}));
}

#[test]
fn from_temporal() {
    let folder = folder("from-temporal.md");
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    let input = r#"{"what": "tea", "amount": 5}"#;
    server.call(&folder, &["start", "shop", "--start", "order", "--id", "o-1", "--input", input]);
    let status = || server.call(&folder, &["runs", "query", "o-1", "status"]).json()["result"].clone();
    while status() != "charged" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    server.call(&folder, &["runs", "signal", "o-1", "approve", "--data", "\"ada\""]);
    let run = server.ask("GET", "/v1/runs/o-1?wait=60s", b"").json(200);
    assert_eq!(run["outputs"], json!({"order": "shipped tea"}));
    assert_eq!(status(), "approved by ada");
    server.stop();
    let mut test = Command::new("python3");
    test.args(["-c", "import test_app; test_app.test_orders()"]).current_dir(folder.path());
    let sdk = repository().join("sdk/python");
    let tested = test.env("PYTHONPATH", sdk).env("SLUICE", env!("CARGO_BIN_EXE_sluice")).output().unwrap();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
}

#[test]
fn from_airflow() {
    let folder = folder("from-airflow.md");
    assert_eq!(outputs(&folder, &["app.py"]), json!({"clean": "clean after 14"}));
    let explained = folder.call(&["explain", "app.py"]);
    assert!(explained.stdout.contains("0 3 * * *"), "{}", explained.stdout);
}

#[test]
fn from_step_functions() {
    let folder = folder("from-step-functions.md");
    let text = page("from-step-functions.md");
    let machine = text.split("\n```json\n").nth(1).and_then(|rest| rest.split("\n```").next()).unwrap();
    folder.write("order.asl.json", machine);
    for (what, output) in [("tea", "shipped tea"), ("saffron", "refunded: receipt for 5")] {
        let input = json!({"what": what, "amount": 5}).to_string();
        for app in [".", "app.py"] {
            assert_eq!(outputs(&folder, &[app, "--input", &input]), json!({"order": output}), "{app}");
        }
    }
}
