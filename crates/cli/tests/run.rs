//! `sluice run` from nothing to outputs, with the real node and the real sandboxes.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use tool::{Folder, MANIFEST, repository};

const PYTHON: &str = r#"
import sluicegate as sg

app = sg.App("words")
texts, counts = app.bucket("texts"), app.bucket("counts")

@app.function(on=texts.each(), into=counts)
def count(text: sg.Object):
    return len(text.text().split())

@app.function(on=counts.join(of=count), into=app.output)
def total(parts: list[sg.Object]):
    return {"parts": len(parts), "words": sum(part.value for part in parts)}
"#;

#[test]
fn an_exec_app_gives_its_outputs() {
    let folder = Folder::with(&[("sluice.yaml", MANIFEST), ("in/a.txt", "hello"), ("in/b/c.txt", "world")]);
    let called = folder.call(&["run", ".", "--json", "--put", "texts=in/**"]);
    assert_eq!(called.exit, 0, "{}", called.stderr);
    let run = called.json();
    assert_eq!(
        (&run["app"], &run["status"], &run["error"]),
        (&json!("echo"), &json!("succeeded"), &Value::Null)
    );
    let keys: Vec<&String> = run["outputs"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["a.txt", "b/c.txt"]);
}

#[test]
fn a_python_app_counts() {
    let folder = Folder::with(&[("app.py", PYTHON), ("a.txt", "one two"), ("b.txt", "three")]);
    let called = folder.call(&["run", "app.py", "--json", "--put", "texts=*.txt"]);
    assert_eq!(called.exit, 0, "{}", called.stderr);
    assert_eq!(called.json()["outputs"], json!({"total": {"parts": 2, "words": 3}}));
    assert_eq!(called.json()["output_types"], json!({"total": "application/json"}));
}

#[test]
fn nothing_to_do_is_done_too() {
    let folder = Folder::with(&[("app.py", PYTHON)]);
    let called = folder.call(&["run", "app.py", "--json"]);
    assert_eq!((called.exit, &called.json()["outputs"]), (0, &json!({"total": {"parts": 0, "words": 0}})));
}

#[test]
fn the_example_needs_no_arguments() {
    let example = repository().join("examples/wordcount");
    let called = Folder::with(&[]).call(&["run", example.to_str().unwrap(), "--json"]);
    assert_eq!(called.exit, 0, "{}", called.stderr);
    assert!(called.stderr.contains("sample.json"), "{}", called.stderr);
    assert!(called.json()["outputs"]["total"]["words"].as_u64().unwrap() > 0);
}

#[test]
fn a_function_that_raises_fails_the_run_with_its_exception() {
    let app = "import sluicegate as sg\n\napp = sg.App('bad')\n\n@app.function(on=app.input.each(), retries=0)\n\
               def f(x):\n    raise ValueError('seven is too many')\n";
    let folder = Folder::with(&[("app.py", app)]);
    let called = folder.call(&["run", "app.py", "--json", "--input", "7"]);
    assert_eq!(called.exit, 1, "{}", called.stderr);
    let error = called.json()["error"].clone();
    assert_eq!(error["code"], "SLU0100");
    assert_eq!(error["cause"]["type"], "ValueError");
    assert_eq!(error["cause"]["message"], "seven is too many");
    assert!(error["cause"]["stack"].as_str().unwrap().contains("app.py"), "{error}");
}

#[test]
fn outputs_become_files() {
    let folder = Folder::with(&[("sluice.yaml", MANIFEST), ("in/a", "hello")]);
    let called = folder.call(&["run", ".", "--json", "--put", "texts=in/*", "--out", "out"]);
    assert_eq!(called.exit, 0, "{}", called.stderr);
    assert_eq!(std::fs::read(folder.path().join("out/a")).unwrap(), b"hello");
    if called.json()["output_types"]["a"] == "application/octet-stream" {
        assert_eq!(called.json()["outputs"]["a"], json!({"path": "out/a"}));
    }
}

#[test]
fn nothing_stays_behind() {
    let folder = Folder::with(&[("sluice.yaml", MANIFEST), ("a", "x")]);
    folder.write("tmp/keep", "");
    let mut command = folder.command(&["run", ".", "--json", "--put", "texts=a"]);
    let called = tool::called(command.env("TMPDIR", folder.path().join("tmp")).output().unwrap());
    assert_eq!(called.exit, 0, "{}", called.stderr);
    let left: Vec<_> =
        std::fs::read_dir(folder.path().join("tmp")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["keep"]);
}
