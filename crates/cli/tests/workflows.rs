//! State machines as apps and in apps: what users see of them.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use tool::server::Server;
use tool::{Folder, until};

const GREETING: &str = r#"{
  "StartAt": "Greet",
  "States": {
    "Greet": {"Type": "Pass", "Parameters": {"hi.$": "States.Format('hello {}', $.name)"}, "End": true}
  }
}
"#;

/// Programs beside data triggers: a workflow spreads texts over a bucket, and a join tells their sizes.
const MIXED: &str = "
app: mixed
buckets: [texts, sizes]
functions:
  write: {runtime: python, handler: app.py:write, into: texts}
  size: {runtime: exec, command: [wc, -c], on: {each: texts}, into: sizes}
  total: {runtime: python, handler: app.py:total, on: {join: sizes, of: size}, into: output}
workflows:
  spread:
    asl:
      StartAt: Each
      States:
        Each:
          Type: Map
          ItemsPath: $.texts
          ItemProcessor:
            StartAt: Pause
            States: {Pause: {Type: Wait, Seconds: 1, Next: Write}, Write: {Type: Task, Resource: write, End: true}}
          End: true
  shout:
    asl:
      QueryLanguage: JSONata
      StartAt: Up
      States: {Up: {Type: Pass, Output: '{% $uppercase($states.input) %}', End: true}}
";

const MIXED_PYTHON: &str = "
def write(task, ctx):
    text = task.json()
    ctx.put('texts', text, text)
    return len(text)

def total(sizes):
    return sum(int(size.text()) for size in sizes)
";

fn outputs(folder: &Folder, arguments: &[&str]) -> Value {
    let called = folder.call(&[&["run"], arguments, &["--json"]].concat());
    assert_eq!(called.exit, 0, "{}", called.stderr);
    called.json()["outputs"].clone()
}

#[test]
fn a_state_machine_is_an_app() {
    let folder = Folder::with(&[("greeting.asl.json", GREETING), ("plain.json", GREETING)]);
    let input = ["--input", r#"{"name": "Ada"}"#];
    let greeted = |file, key: &str| {
        let found = outputs(&folder, &[&[file], &input[..]].concat());
        assert_eq!(found, json!({key: {"hi": "hello Ada"}}));
    };
    greeted("greeting.asl.json", "greeting");
    greeted("plain.json", "plain");
    let shown = folder.call(&["run", "greeting.asl.json", input[0], input[1]]);
    assert_eq!(shown.stdout, "greeting: {\n  \"hi\": \"hello Ada\"\n}\n");
    let explained = folder.call(&["explain", "greeting.asl.json", "--json"]).json();
    let trigger = &explained["workflows"][0]["triggers"][0];
    assert_eq!(
        (&trigger["name"], &trigger["when"]),
        (&json!("Greet"), &json!("a token arrives from the start"))
    );
}

#[test]
fn what_a_workflow_fails_with_is_told() {
    let failing =
        |state: &str| format!(r#"{{"TimeoutSeconds": 1, "StartAt": "A", "States": {{"A": {state}}}}}"#);
    let folder = Folder::with(&[
        ("fails.asl.json", &failing(r#"{"Type": "Fail", "Error": "Refused", "Cause": "no such luck"}"#)),
        ("late.asl.json", &failing(r#"{"Type": "Wait", "Seconds": 60, "End": true}"#)),
        ("raises/app.py", "def burn(task):\n    raise ValueError('too hot')\n"),
        (
            "raises/sluice.yaml",
            "app: raises
functions: {burn: {runtime: python, handler: app.py:burn}}
workflows: {w: {asl: {StartAt: A, States: {A: {Type: Task, Resource: burn, End: true}}}}}
",
        ),
    ]);
    let error = |app| folder.call(&["run", app, "--json"]).json()["error"].clone();
    let failed = error("fails.asl.json");
    assert_eq!(failed["code"], "SLU0116");
    assert_eq!(failed["message"], "workflow \"fails\" failed: Refused: no such luck");
    assert!(failed["where"].as_str().unwrap().starts_with("workflow fails, state "), "{failed}");
    assert_eq!(failed["cause"], json!({"type": "Refused", "message": "no such luck", "stack": ""}));
    assert_eq!(error("late.asl.json")["code"], "SLU0117");
    let raised = folder.call(&["run", "raises"]);
    assert_eq!(raised.exit, 1);
    let lines = [
        "error[SLU0116]: workflow \"w\" failed: ValueError: too hot",
        "  cause: ValueError: too hot",
        "raise ValueError",
    ];
    lines.iter().for_each(|line| assert!(raised.stderr.contains(line), "{line}: {}", raised.stderr));
}

#[test]
fn every_kind_of_wrong_definition_is_placed_and_has_a_fix() {
    let states = |states: &str| format!("{{\"StartAt\": \"A\", \"States\": {{\n{states}\n}}}}");
    let end = r#""B": {"Type": "Succeed"}"#;
    for (definition, code, place, message) in [
        (states(r#""A": {"Type": "Pass" "End": true}"#), "SLU0003", ":2:22", "INVALID_JSON_DESCRIPTION"),
        (states(r#""A": {"Type": "Nap", "End": true}"#), "SLU0004", ":2:15", "must be one of [Pass, Task"),
        (states(&format!("\"A\": {{\"Type\": \"Pass\"}},\n{end}")), "SLU0004", ":2:6", "required: [Next]"),
        (states(&format!("\"A\": {{\"Type\": \"Succeed\"}},\n{end}")), "SLU0004", ":3:1", "is not reachable"),
        (
            states(r#""A": {"Type": "Wait", "Seconds": "soon", "End": true}"#),
            "SLU0004",
            ":2:34",
            "an integer",
        ),
        (states(r#""A": {"Type": "Pass", "Ende": true, "End": true}"#), "SLU0004", ":2:23", "Ende"),
        (r#"{"StartAt": "A", "States": {}}"#.to_owned(), "SLU0004", ":1:28", "not an empty object"),
        ("[".repeat(100_000), "SLU0003", ":1:100000", "INVALID_JSON_DESCRIPTION"),
        (states("") + &" ".repeat(1 << 20), "SLU0004", ":1:1", "DEFINITION_TOO_LONG"),
    ] {
        let folder = Folder::with(&[("w.asl.json", &definition)]);
        let error = folder.call(&["run", "w.asl.json", "--json"]).error(2);
        assert_eq!(error["code"], code, "{error}");
        assert!(error["message"].as_str().unwrap().contains(message), "{error}");
        let found = error["where"].as_str().unwrap();
        assert!(found.starts_with(&format!("w.asl.json{place}: workflows.w")), "{error}");
        let shown = folder.call(&["run", "w.asl.json"]).stderr;
        assert!(shown.contains("  fix: ") && shown.lines().all(|line| line.len() < 250), "{shown}");
    }
}

#[test]
fn what_is_wrong_points_into_the_file() {
    let broken = GREETING.replace("\"StartAt\": \"Greet\"", "\"StartAt\": \"Great\"");
    let manifest = "app: shop\nworkflows: {greet: {file: asl/greeting.asl.json}}\n";
    let folder = Folder::with(&[("shop/sluice.yaml", manifest), ("shop/asl/greeting.asl.json", &broken)]);
    let called = folder.call(&["run", "shop"]);
    assert_eq!(called.exit, 2);
    let lines = ["  --> shop/asl/greeting.asl.json:2:14: workflows.greet /StartAt", "\"StartAt\": \"Great\""];
    lines.iter().for_each(|line| assert!(called.stderr.contains(line), "{line}: {}", called.stderr));
    let error = folder.call(&["run", "shop/asl/greeting.asl.json", "--json"]).error(2);
    assert_eq!(error["where"], "shop/asl/greeting.asl.json:2:14: workflows.greeting /StartAt");
    let missing = manifest.replace("asl/greeting", "asl/gretting");
    folder.write("shop/sluice.yaml", &missing);
    assert_eq!(folder.call(&["run", "shop", "--json"]).error(2)["code"], "SLU0002");
}

#[test]
fn workflows_and_data_triggers_work_together() {
    let folder = Folder::with(&[("mixed/sluice.yaml", MIXED), ("mixed/app.py", MIXED_PYTHON)]);
    let input = r#"{"texts": ["a", "bb", "ccc"]}"#;
    let spread = outputs(&folder, &["mixed", "--start", "spread", "--input", input]);
    // While the workflow pauses nothing is closed: `total` hears of all three texts.
    assert_eq!(spread, json!({"spread": [1, 2, 3], "total": 6}));
    let shouted = outputs(&folder, &["mixed", "--start", "shout", "--input", "\"hey\""]);
    assert_eq!(shouted, json!({"shout": "HEY", "total": 0}));
    let error = folder.call(&["run", "mixed", "--start", "spreed", "--json"]).error(2);
    assert_eq!(
        (&error["code"], &error["fix"]),
        (&json!("SLU0001"), &json!("its workflows are: spread, shout"))
    );
}

#[test]
fn one_of_several_workflows_has_to_be_named() {
    let two = "app: two
workflows:
  a: {asl: {StartAt: A, States: {A: {Type: Succeed}}}}
  b: {asl: {StartAt: B, States: {B: {Type: Pass, Result: 2, End: true}}}}
";
    let folder = Folder::with(&[("two.yaml", two)]);
    let error = folder.call(&["run", "two.yaml", "--json"]).error(2);
    assert!(error["message"].as_str().unwrap().ends_with("a, b"), "{error}");
    assert_eq!(outputs(&folder, &["two.yaml", "--start", "b"]), json!({"b": 2}));
}

#[test]
fn servers_start_workflows_that_were_deployed() {
    let folder = Folder::with(&[("mixed/sluice.yaml", MIXED), ("mixed/app.py", MIXED_PYTHON)]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "mixed"]);
    let started =
        server.call(&folder, &["start", "mixed", "--start", "shout", "--input", "\"hey\"", "--wait"]);
    assert_eq!(started.json()["outputs"]["shout"], "HEY");
    let body = br#"{"workflow": "shout", "input": "you"}"#;
    let answer = server.ask("POST", "/v1/apps/mixed/runs?wait=30s", body);
    let run: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &run["outputs"]["shout"]), (200, &json!("YOU")));
    let explained = server.call(&folder, &["apps", "mixed"]).json();
    assert_eq!(explained["program"]["workflows"][1]["name"], "shout");
    server.stop();
}

#[test]
fn a_changed_state_machine_is_deployed_again() {
    let folder = Folder::with(&[("greeting.asl.json", GREETING)]);
    let arguments = ["dev", "greeting.asl.json", "--addr", "127.0.0.1:0", "--data", "data"];
    let server = Server::spawn(folder.command(&arguments));
    let greets = |word: &str| {
        let body = br#"{"input": {"name": "Ada"}}"#;
        let answer = server.ask("POST", "/v1/apps/greeting/runs?wait=30s", body);
        let run: Value = serde_json::from_slice(&answer.body).unwrap();
        run["outputs"]["greeting"]["hi"] == format!("{word} Ada")
    };
    until("it greets", || greets("hello"));
    folder.write("greeting.asl.json", &GREETING.replace("hello", "good evening"));
    until("it greets as it says now", || greets("good evening"));
    server.stop();
}
