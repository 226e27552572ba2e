//! `sluice server` and the commands that talk to it.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::json;
use tool::server::Server;
use tool::{Folder, MANIFEST};

fn folder() -> Folder {
    Folder::with(&[("sluice.yaml", MANIFEST), ("a.txt", "a"), ("b.txt", "b")])
}

#[test]
fn an_app_is_deployed_started_watched_and_listed() {
    let folder = folder();
    let server = Server::start(&folder);
    let deployed = server.call(&folder, &["deploy", "."]).json();
    assert_eq!(
        (&deployed["app"], &deployed["version"], &deployed["changed"]),
        (&json!("echo"), &json!(1), &json!(true))
    );
    assert_eq!(server.call(&folder, &["deploy", "."]).json()["changed"], false);
    assert_eq!(server.call(&folder, &["apps"]).json()["apps"][0]["app"], "echo");
    let run = server.call(&folder, &["start", "echo", "--id", "r1", "--put", "texts=a.txt", "--wait"]).json();
    assert_eq!((&run["run"], &run["status"]), (&json!("r1"), &json!("succeeded")));
    let told = folder.call(&[
        "start",
        "echo",
        "--id",
        "r1",
        "--put",
        "texts=a.txt",
        "--wait",
        "--server",
        &server.url,
    ]);
    assert!(told.stderr.starts_with("run r1\n"), "{}", told.stderr);
    let again = server.call(&folder, &["start", "echo", "--id", "r1", "--put", "texts=a.txt"]).json();
    assert_eq!(again["run"], "r1");
    let other = folder.call(&[
        "start",
        "echo",
        "--id",
        "r1",
        "--put",
        "texts=b.txt",
        "--json",
        "--server",
        &server.url,
    ]);
    assert_eq!(other.error(2)["code"], "SLU0007");
    assert_eq!(server.call(&folder, &["runs"]).json()["runs"][0]["run"], "r1");
    assert!(
        !server.call(&folder, &["runs", "history", "r1"]).json()["events"].as_array().unwrap().is_empty()
    );
    let retried = server.call(&folder, &["runs", "retry", "r1"]).json();
    assert_eq!(retried["status"], "running");
    let object = server.call(&folder, &["get", "echo", "output/a.txt", "--run", "r1"]).json();
    assert_eq!(object["key"], "a.txt");
    server.stop();
}

#[test]
fn an_open_run_takes_puts_until_it_is_sealed() {
    let folder = folder();
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "."]);
    server.call(&folder, &["start", "echo", "--id", "r", "--open"]);
    server.call(&folder, &["put", "echo", "texts=a.txt", "--run", "r"]);
    server.call(&folder, &["put", "echo", "texts=b.txt", "--run", "r", "--seal"]);
    let sealed =
        folder.call(&["put", "echo", "texts/c=b.txt", "--run", "r", "--json", "--server", &server.url]);
    assert!(["SLU0009", "SLU0015"].contains(&sealed.error(2)["code"].as_str().unwrap()));
    server.stop();
}

#[test]
fn what_was_accepted_survives_kill_9() {
    let folder = folder();
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "."]);
    server.call(&folder, &["start", "echo", "--id", "open", "--open"]);
    server.call(&folder, &["put", "echo", "texts=a.txt", "--run", "open"]);
    server.kill();
    let server = Server::start(&folder);
    server.call(&folder, &["put", "echo", "texts=b.txt", "--run", "open", "--seal"]);
    let run =
        server.call(&folder, &["start", "echo", "--id", "after", "--put", "texts=a.txt", "--wait"]).json();
    assert_eq!(run["status"], "succeeded");
    let listed = server.call(&folder, &["runs"]).json();
    let ids: Vec<&str> =
        listed["runs"].as_array().unwrap().iter().map(|r| r["run"].as_str().unwrap()).collect();
    assert_eq!(ids, ["after", "open"]);
    server.stop();
}

#[test]
fn two_servers_do_not_share_an_address_or_a_directory() {
    let folder = folder();
    let server = Server::start(&folder);
    let addr = server.url.strip_prefix("http://").unwrap();
    let taken = folder.call(&["server", "--addr", addr, "--data", "other", "--json"]);
    assert_eq!(taken.error(3)["code"], "SLU0201");
    let shared = folder.call(&["server", "--addr", "127.0.0.1:0", "--data", "data", "--json"]);
    assert_eq!(shared.error(3)["code"], "SLU0202");
    server.stop();
}
