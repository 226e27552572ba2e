//! What the binary says to wrong requests, before it needs a node.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::Value;
use std::net::TcpListener;
use tool::{Folder, MANIFEST};

fn folder() -> Folder {
    Folder::with(&[("sluice.yaml", MANIFEST), ("a.txt", "a"), ("d/b.txt", "b")])
}

#[test]
fn a_mistyped_command_is_guessed() {
    let called = folder().call(&["rnu", "."]);
    assert_eq!(called.exit, 2);
    assert!(called.stderr.contains("did you mean") && called.stderr.contains("`run"), "{}", called.stderr);
    let error = folder().call(&["--json", "deplyo"]).error(2);
    assert_eq!(
        (&error["code"], &error["fix"]),
        (&Value::from("SLU0014"), &Value::from("did you mean `deploy`?"))
    );
    let error = folder().call(&["run", ".", "--inptu", "1", "--json"]).error(2);
    assert!(error["fix"].as_str().unwrap().contains("--input"), "{error}");
}

#[test]
fn no_command_is_a_wrong_request_and_a_wish_for_help_is_not() {
    assert_eq!(folder().call(&[]).exit, 2);
    for arguments in
        [&["--help"][..], &["run", "--help"], &["--version"], &["help"], &["help", "runs", "list"]]
    {
        let called = folder().call(arguments);
        assert_eq!(called.exit, 0, "{arguments:?}");
        assert!(!called.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_core_that_is_not_there_is_refused() {
    let error = folder().call(&["server", "--core", "1023", "--json"]).error(2);
    assert!(error["message"].as_str().unwrap().contains("may use the cores"), "{error}");
}

#[test]
fn exit_codes_are_documented() {
    let called = folder().call(&["help", "exit-codes"]);
    for code in ["0  ", "1  ", "2  ", "3  ", "130  "] {
        assert!(called.stdout.contains(code), "{}", called.stdout);
    }
    assert_eq!(folder().call(&["help", "exit-cods", "--json"]).error(2)["fix"], "did you mean `exit-codes`?");
}

#[test]
fn what_cannot_be_put_is_said() {
    let folder = folder();
    for (put, code, says) in [
        ("txts=a.txt", "SLU0001", "did you mean `texts`?"),
        ("zebra=a.txt", "SLU0001", "its buckets are: input, texts"),
        ("texts", "SLU0014", "BUCKET=FILE"),
        ("texts=*.pdf", "SLU0002", "**"),
        ("texts=b.txt", "SLU0002", "quote a glob"),
        ("texts=d", "SLU0014", "d/*"),
        ("texts/key={a,d/b}.txt", "SLU0014", "leave the key out"),
    ] {
        let error = folder.call(&["run", ".", "--json", "--put", put]).error(2);
        assert_eq!(error["code"], code, "{put}: {error}");
        assert!(error["fix"].as_str().unwrap().contains(says), "{put}: {error}");
    }
    let error = folder.call(&["run", ".", "--json", "--input", "hello"]).error(2);
    assert_eq!(error["code"], "SLU0014");
    let error = folder.call(&["run", ".", "--json", "--event", "{}"]).error(2);
    assert_eq!(error["code"], "SLU0014");
}

#[test]
fn an_app_that_cannot_be_read_is_said_with_its_place() {
    let wrong = "app: echo\nfunctions:\n  count: {runtime: exec, command: [cat], on: {each: nope}}\n";
    let folder =
        Folder::with(&[("sluice.yaml", wrong), ("text.txt", ""), ("none/x", ""), ("bad.yaml", "a: [")]);
    let error = folder.call(&["run", ".", "--json"]).error(2);
    assert_eq!(error["code"], "SLU0001");
    assert!(error["where"].as_str().unwrap().contains("sluice.yaml:3"), "{error}");
    for (app, code) in
        [("nowhere", "SLU0002"), ("text.txt", "SLU0004"), ("none", "SLU0002"), ("bad.yaml", "SLU0003")]
    {
        assert_eq!(folder.call(&["run", app, "--json"]).error(2)["code"], code, "{app}");
    }
    let people = folder.call(&["run", "."]);
    assert!(people.stdout.is_empty(), "{}", people.stdout);
    assert!(people.stderr.contains("error[SLU0001]") && people.stderr.contains("3 |"), "{}", people.stderr);
}

#[test]
fn joins_that_wait_for_each_other_are_refused() {
    let cycle = "app: cycle\nbuckets: [a, b]\nfunctions:\n\
                 \x20 f: {runtime: exec, command: [cat], on: {join: b, of: g}, into: [a]}\n\
                 \x20 g: {runtime: exec, command: [cat], on: {join: a, of: f}, into: [b]}\n";
    let error = Folder::with(&[("sluice.yaml", cycle)]).call(&["run", ".", "--json"]).error(2);
    assert_eq!(error["code"], "SLU0005");
    assert!(error["where"].as_str().unwrap().contains("sluice.yaml:4"), "{error}");
}

#[test]
fn without_python_a_python_app_says_so() {
    let folder = Folder::with(&[("app.py", "import sluicegate")]);
    let called = tool::called(folder.command(&["run", ".", "--json"]).env("PATH", "").output().unwrap());
    let error = called.error(2);
    assert_eq!(error["code"], "SLU0018");
    assert!(error["message"].as_str().unwrap().contains("python3"), "{error}");
}

#[test]
fn a_python_app_that_fails_names_the_line() {
    for (text, code, line, says) in [
        ("x = 1\ndef f(:\n", "SLU0003", ":2", "SyntaxError"),
        ("import nope_no_such_module\n", "SLU0003", ":1", "ModuleNotFoundError"),
        ("import sluicegate as sg\n", "SLU0004", "app.py", "no app"),
    ] {
        let folder = Folder::with(&[("app.py", text)]);
        let error = folder.call(&["explain", "app.py", "--json"]).error(2);
        assert_eq!(error["code"], code, "{error}");
        let place = error["where"].as_str().unwrap();
        assert!(place.contains("app.py") && place.contains(line), "{error}");
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
    }
}

#[test]
fn a_folder_with_one_python_app_is_that_app_and_with_two_is_not() {
    let app = "import sluicegate as sg\napp = sg.App('one')\n";
    let folder = Folder::with(&[("main.py", app), ("other.py", "x = 1\n")]);
    assert!(folder.call(&["explain", "."]).stdout.starts_with("app one"));
    folder.write("second.py", app);
    let error = folder.call(&["explain", ".", "--json"]).error(2);
    assert!(error["message"].as_str().unwrap().contains("main.py"), "{error}");
}

#[test]
fn a_server_that_is_not_there_is_exit_3() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    for arguments in
        [&["apps"][..], &["runs"], &["run", "."], &["deploy", "."], &["event", "t"], &["get", "a", "b/c"]]
    {
        let arguments = [arguments, &["--json", "--server", &url]].concat();
        let error = folder().call(&arguments).error(3);
        assert_eq!(error["code"], "SLU0200", "{arguments:?}");
        assert!(error["fix"].as_str().unwrap().contains("sluice server"), "{error}");
    }
    assert_eq!(folder().call(&["apps", "--json", "--server", "ftp://x"]).error(2)["code"], "SLU0014");
}

#[test]
fn explain_and_schema_need_no_server() {
    let folder = folder();
    assert!(folder.call(&["explain", "."]).stdout.contains("texts"));
    assert_eq!(folder.call(&["explain", "sluice.yaml", "--json"]).json()["app"], "echo");
    assert!(folder.call(&["schema"]).json()["$schema"].is_string());
}

#[test]
fn there_are_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let called = folder().call(&["completions", shell]);
        assert_eq!(called.exit, 0);
        assert!(called.stdout.contains("exit-codes") || called.stdout.contains("deploy"), "{shell}");
    }
}
