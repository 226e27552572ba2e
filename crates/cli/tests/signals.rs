//! Ctrl-C and SIGTERM: what runs is cancelled, or goes on with the next server.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tool::server::{Server, signal};
use tool::{Folder, until};

/// An app whose function says two words and sleeps for a number of seconds that no other process sleeps.
fn sleeper() -> (Folder, String) {
    let seconds = format!("98{}", std::process::id());
    let manifest = format!(
        "app: sleeper\nbuckets: [items]\nfunctions:\n  nap: {{runtime: exec, command: [sh, -c, 'printf \"going\\non\\n\" >&2; sleep {seconds}'], on: {{each: items}}}}\n"
    );
    (Folder::with(&[("app/sluice.yaml", &manifest), ("a", "x")]), seconds)
}

/// Processes that sleep so long.
fn sleeping(seconds: &str) -> Vec<PathBuf> {
    let is_it = |path: &PathBuf| {
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        line == format!("sleep\0{seconds}\0").as_bytes()
    };
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    processes.filter(is_it).collect()
}

fn interrupt(command: &mut Command, seconds: &str) -> tool::Called {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the function runs", || !sleeping(seconds).is_empty());
    signal(child.id(), "INT");
    tool::called(child.wait_with_output().unwrap())
}

#[test]
fn ctrl_c_cancels_a_run_of_its_own_and_leaves_nothing() {
    let (folder, seconds) = sleeper();
    std::fs::create_dir(folder.path().join("tmp")).unwrap();
    let mut command = folder.command(&["run", "app", "--put", "items=a", "--json"]);
    let called = interrupt(command.env("TMPDIR", folder.path().join("tmp")), &seconds);
    assert_eq!(called.exit, 130, "{} {}", called.stdout, called.stderr);
    assert!(called.stderr.contains("nap: going\nnap: on\n"), "{}", called.stderr);
    until("the function has ended", || sleeping(&seconds).is_empty());
    assert_eq!(std::fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn ctrl_c_cancels_a_run_of_a_server() {
    let (folder, seconds) = sleeper();
    let server = Server::start(&folder);
    let mut command = folder.command(&["run", "app", "--put", "items=a", "--json", "--server", &server.url]);
    let called = interrupt(&mut command, &seconds);
    assert_eq!(called.exit, 130, "{} {}", called.stdout, called.stderr);
    let runs = server.ask("GET", "/v1/runs", b"").json(200);
    let id = runs["runs"][0]["run"].as_str().unwrap();
    let run = server.ask("GET", &format!("/v1/runs/{id}?wait=60s"), b"").json(200);
    assert_eq!((&run["status"], &run["error"]["code"]), (&json!("cancelled"), &json!("SLU0113")), "{run}");
    until("the function has ended", || sleeping(&seconds).is_empty());
    server.stop();
}

#[test]
fn sigterm_ends_a_busy_server_cleanly_and_the_next_one_goes_on() {
    let (folder, seconds) = sleeper();
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app"]);
    server.call(&folder, &["start", "sleeper", "--id", "r", "--put", "items=a"]);
    until("the function runs", || !sleeping(&seconds).is_empty());
    server.stop();
    until("the function has ended", || sleeping(&seconds).is_empty());
    let server = Server::start(&folder);
    let listed = server.ask("GET", "/v1/runs", b"").json(200);
    assert_eq!((&listed["runs"][0]["run"], &listed["runs"][0]["status"]), (&json!("r"), &json!("running")));
    until("the function runs again", || !sleeping(&seconds).is_empty());
    server.call(&folder, &["runs", "cancel", "r"]);
    let run = server.ask("GET", "/v1/runs/r?wait=60s", b"").json(200);
    assert_eq!(run["status"], "cancelled");
    server.stop();
}

#[test]
fn a_killed_server_leaves_no_process() {
    let (folder, seconds) = sleeper();
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app"]);
    server.call(&folder, &["start", "sleeper", "--id", "r", "--put", "items=a"]);
    until("the function runs", || !sleeping(&seconds).is_empty());
    server.kill();
    until("the function has ended", || sleeping(&seconds).is_empty());
}

#[test]
fn what_has_ended_is_listed_after_a_restart() {
    let folder = Folder::with(&[("app/sluice.yaml", tool::MANIFEST), ("a", "x")]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app"]);
    server.call(&folder, &["start", "echo", "--id", "r", "--put", "texts=a", "--wait"]);
    let before = server.ask("GET", "/v1/runs/r", b"").json(200);
    let history = server.ask("GET", "/v1/runs/r/history", b"").json(200);
    server.stop();
    let server = Server::start(&folder);
    assert_eq!(server.ask("GET", "/v1/runs/r", b"").json(200), before);
    assert_eq!(server.ask("GET", "/v1/runs/r/history", b"").json(200), history);
    let apps: Value = server.ask("GET", "/v1/apps", b"").json(200);
    assert_eq!(apps["apps"][0]["app"], "echo");
    server.stop();
}
