//! Recorded workflows in WfFormat, run again by the built binary: every check holds, crashes or not.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tool::server::Server;
use tool::{Called, Folder, repository};

fn corpus() -> Option<PathBuf> {
    let root = repository().canonicalize().unwrap();
    root.ancestors().map(|folder| folder.join("shared/corpus/wfinstances")).find(|folder| folder.is_dir())
}

/// The report of a run that has succeeded, in which everything was executed exactly once.
#[track_caller]
fn report(called: &Called) -> Value {
    assert_eq!(called.exit, 0, "{} {}", called.stdout, called.stderr);
    assert!(called.stderr.contains("was executed exactly once"), "{}", called.stderr);
    let report = called.json()["outputs"]["report"].clone();
    assert!(report["makespan_s"].as_f64() >= report["critical_path_s"].as_f64(), "{report}");
    report
}

/// Layers of tasks, each of which reads two files of the layer before; one in three takes 10 ms.
fn layers(count: usize, width: usize) -> String {
    let name = |at: usize| format!("t{at}");
    let (mut tasks, mut files, mut executed) = (Vec::new(), Vec::new(), Vec::new());
    for at in 0..count * width {
        let before = |shift: usize| at.checked_sub(width).map(|up| up - up % width + (at + shift) % width);
        let reads: Vec<String> =
            [before(0), before(7)].into_iter().flatten().map(|up| format!("f{up}")).collect();
        tasks.push(
            json!({"id": name(at), "name": "t", "inputFiles": reads, "outputFiles": [format!("f{at}")]}),
        );
        files.push(json!({"id": format!("f{at}"), "sizeInBytes": at % 90}));
        executed.push(json!({"id": name(at), "runtimeInSeconds": if at % 3 == 0 { 0.01 } else { 0.0 }}));
    }
    let specification = json!({"tasks": tasks, "files": files});
    json!({
        "name": "layers", "schemaVersion": "1.5",
        "workflow": {"specification": specification, "execution": {"tasks": executed}},
    })
    .to_string()
}

#[test]
fn every_recording_of_the_corpus_passes_its_checks() {
    let Some(corpus) = corpus() else {
        return eprintln!("skipped: no shared/corpus/wfinstances in a folder around the repository");
    };
    let mut seen = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        let recorded: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let specified = &recorded["workflow"]["specification"];
        let folder = Folder::with(&[]);
        let called = folder.call(&["run", path.to_str().unwrap(), "--scale", "0.0001", "--json"]);
        let report = report(&called);
        let length = |of: &Value| of.as_array().unwrap().len();
        assert_eq!(report["tasks"], length(&specified["tasks"]), "{}", path.display());
        let reads: usize =
            specified["tasks"].as_array().unwrap().iter().map(|task| length(&task["inputFiles"])).sum();
        assert!(report["files_checked"].as_u64() >= Some(reads as u64), "{}: {report}", path.display());
        seen += 1;
    }
    assert!(seen >= 11, "{seen} recordings");
}

#[test]
fn what_the_format_allows_is_run() {
    let text = json!({
        "name": "odd", "schemaVersion": "1.5", "workflow": {
            "specification": {
                "tasks": [
                    {"id": "größe → 1", "name": "same", "children": ["b"], "outputFiles": ["x", "zero"]},
                    {"id": "b", "name": "same", "inputFiles": ["x", "zero", "in"], "outputFiles": ["y", "y"]},
                    {"id": "report", "name": "same", "parents": ["b"], "inputFiles": ["y", "own"], "outputFiles": ["own"]},
                    {"id": "stage-in/1", "name": "same", "inputFiles": ["in", "in"]},
                    {"id": "large", "name": "same", "inputFiles": ["y"], "outputFiles": ["unread"]},
                    {"id": "alone", "name": "same"},
                ],
                "files": [
                    {"id": "x", "sizeInBytes": 1000}, {"id": "zero", "sizeInBytes": 0}, {"id": "in", "sizeInBytes": 5},
                    {"id": "y", "sizeInBytes": 300_000}, {"id": "own", "sizeInBytes": 3}, {"id": "nobody", "sizeInBytes": 1},
                    {"id": "unread", "sizeInBytes": 70_000},
                ],
            },
            "execution": {"tasks": [{"id": "b", "runtimeInSeconds": 0.02}, {"id": "alone"}]},
        },
    });
    let folder = Folder::with(&[("odd.json", &text.to_string())]);
    let report = report(&folder.call(&["run", "odd.json", "--json"]));
    // What is read, each time, and what no other task reads.
    let bytes = 1000 + 1 + 5 + 300_000 + 3 + 5 + 300_000 + 3 + 70_000;
    let expected = json!({
        "tasks": 6, "files": 6, "files_checked": 9, "bytes_checked": bytes, "critical_path_s": 0.02, "scale": 1.0,
        "makespan_s": report["makespan_s"], "ratio": report["ratio"],
    });
    assert_eq!(report, expected);
    let explained = folder.call(&["explain", "odd.json"]);
    assert!(explained.stdout.contains("größe → 1"), "{}", explained.stdout);
}

#[test]
fn thousands_of_tasks_are_run() {
    let folder = Folder::with(&[("layers.json", &layers(40, 100))]);
    let report = report(&folder.call(&["run", "layers.json", "--scale", "0", "--json"]));
    assert_eq!((&report["tasks"], &report["files_checked"]), (&json!(4_000), &json!(39 * 200 + 100)));
    assert_eq!((&report["critical_path_s"], &report["ratio"]), (&json!(0.0), &Value::Null));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let old = r#"{"name": "x", "schemaVersion": "1.4", "workflow": {"tasks": []}}"#;
    let cycle = r#"{"schemaVersion": "1.5", "workflow": {"specification": {
        "tasks": [{"id": "a", "inputFiles": ["y"], "outputFiles": ["x"]}, {"id": "b", "parents": ["a"], "outputFiles": ["y"]}],
        "files": [{"id": "x", "sizeInBytes": 1}, {"id": "y", "sizeInBytes": 1}]}}}"#;
    let folder = Folder::with(&[("old.json", old), ("cycle.json", cycle), ("order.asl.json", "{}")]);
    let refused = |file: &str| folder.call(&["run", file, "--json"]).error(2);
    let error = refused("old.json");
    assert_eq!(error["message"], "this is WfFormat 1.4; 1.5 is understood");
    let error = refused("cycle.json");
    assert_eq!(error["message"], "these tasks wait for one another: `a` → `b` → `a`");
    let place = error["where"].as_str().unwrap();
    assert!(place.starts_with("cycle.json:2:19"), "{place}");
    let error = folder.call(&["run", "order.asl.json", "--scale", "2", "--json"]).error(2);
    assert!(error["message"].as_str().unwrap().contains("--scale is for recorded workflows"), "{error}");
    folder.write("layers.json", &layers(2, 4));
    for given in [["--input", "{}"], ["--put", "input=old.json"], ["--event", r#"{"type": "x"}"#]] {
        let error = folder.call(&["run", "layers.json", given[0], given[1], "--json"]).error(2);
        let message = error["message"].as_str().unwrap();
        assert!(message.ends_with("is a recorded workflow: it takes no input"), "{given:?} {message}");
    }
    folder.write("unknown.json", r#"{"orders": [1, 2]}"#);
    folder.write("list.json", "[1, 2]");
    assert!(refused("list.json")["message"].as_str().unwrap().contains("JSON, but no app"));
    let error = refused("unknown.json");
    assert_eq!(error["message"], "`unknown.json` is JSON, but no app: nothing in it tells which kind");
    let error = folder.call(&["run", "old.json", "--scale=-1", "--json"]).error(2);
    assert!(error["message"].as_str().unwrap().contains("from 0 on"), "{error}");
}

#[test]
fn workers_are_those_of_the_running_server_though_its_file_was_replaced() {
    let folder = Folder::with(&[("layers.json", &layers(2, 4))]);
    let own = folder.path().join("sluice");
    let given = folder.command(&[]);
    std::fs::copy(given.get_program(), &own).unwrap();
    let mut command = Command::new(&own);
    command.args(["server", "--addr", "127.0.0.1:0", "--data", "data"]).current_dir(folder.path());
    command.envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let server = Server::spawn(command);
    folder.write("newer", "#!/bin/sh\nexit 7\n");
    std::fs::rename(folder.path().join("newer"), &own).unwrap();
    server.call(&folder, &["deploy", "layers.json", "--scale", "0"]);
    let run = server.ask("POST", "/v1/apps/layers/runs?wait=60s", b"{}").json(200);
    assert_eq!(
        (&run["status"], &run["outputs"]["report"]["tasks"]),
        (&json!("succeeded"), &json!(8)),
        "{run}"
    );
    server.stop();
}

#[test]
fn a_crash_of_the_server_changes_nothing_of_the_report() {
    let folder = Folder::with(&[("layers.json", &layers(30, 20))]);
    let mut server = Server::start(&folder);
    server.call(&folder, &["deploy", "layers.json", "--scale", "0.5"]);
    server.ask("POST", "/v1/apps/layers/runs", br#"{"id": "r"}"#).json(202);
    let patience = Instant::now() + Duration::from_secs(60);
    let run = |server: &Server| server.ask("GET", "/v1/runs/r", b"").json(200);
    for crash in 1..=3_u64 {
        while run(&server)["functions"][0]["succeeded"].as_u64() < Some(crash * 150) {
            assert!(Instant::now() < patience, "{}", run(&server));
            std::thread::sleep(Duration::from_millis(5));
        }
        server.kill();
        server = Server::start(&folder);
    }
    let run = server.ask("GET", "/v1/runs/r?wait=60s", b"").json(200);
    assert_eq!(run["status"], "succeeded", "{run}");
    let report = &run["outputs"]["report"];
    assert_eq!((&report["tasks"], &report["files_checked"]), (&json!(600), &json!(29 * 40 + 20)), "{run}");
    assert!(report["makespan_s"].as_f64() >= report["critical_path_s"].as_f64(), "{report}");
    let calls = &run["functions"][0];
    assert_eq!((&calls["started"], &calls["succeeded"]), (&json!(601), &json!(601)), "{calls}");
    server.stop();
}
