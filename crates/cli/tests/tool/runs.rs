//! Runs on a server: started, looked at, waited for.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use super::server::Server;
use super::{Folder, PATIENCE};
use serde_json::{Value, json};
use std::time::Instant;

/// Deploys `app.py`, which is the app `flow`, and starts a workflow of it under an id.
pub fn start(server: &Server, folder: &Folder, workflow: &str, run: &str, input: &Value) {
    server.call(folder, &["deploy", "app.py"]);
    let body = json!({"id": run, "workflow": workflow, "input": input}).to_string();
    server.ask("POST", "/v1/apps/flow/runs", body.as_bytes()).json(202);
}

/// The run once it has ended.
#[track_caller]
pub fn ended(server: &Server, run: &str) -> Value {
    let began = Instant::now();
    loop {
        let run = server.ask("GET", &format!("/v1/runs/{run}?wait=20s"), b"").json(200);
        if run["status"] != "running" {
            return run;
        }
        assert!(began.elapsed() < PATIENCE, "{run}");
    }
}

/// What has happened in a run.
pub fn history(server: &Server, run: &str) -> Vec<Value> {
    let history = server.ask("GET", &format!("/v1/runs/{run}/history?limit=10000"), b"").json(200);
    history["events"].as_array().unwrap().clone()
}

/// The lines of its history that are of this type.
pub fn lines(server: &Server, run: &str, of: &str) -> Vec<Value> {
    history(server, run).into_iter().filter(|line| line["type"] == of).collect()
}

/// Waits until there are so many lines of this type.
#[track_caller]
pub fn until(server: &Server, run: &str, of: &str, count: usize) {
    super::until(of, || lines(server, run, of).len() >= count);
}

/// The record of the line of this type and number, once it is there.
#[track_caller]
pub fn record(server: &Server, run: &str, of: &str, number: usize) -> String {
    until(server, run, of, number + 1);
    lines(server, run, of)[number]["lsn"].as_str().unwrap().to_owned()
}
