//! Functions that are workflows: a state machine, a DAG and code in one run, joined by a data trigger.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use tool::runs::ended;
use tool::server::Server;
use tool::{Folder, repository};

/// Each object in `numbers` goes through a state machine, a DAG and code that waits; `total` joins what came of them.
const APP: &str = "
import sluicegate as sg

app = sg.App('mixing', durability='DURABILITY')
numbers, squared, summed, done = (app.bucket(name) for name in ('numbers', 'squared', 'summed', 'done'))

@app.function(retries=20)
def square(x: int):
    return x * x

@app.function()
def fail(x):
    raise KeyError('no such thing')

task = {'Type': 'Task', 'Resource': 'square', 'Next': 'Wait'}
pause = {'Type': 'Wait', 'Seconds': 1, 'End': True}
machine = app.state_machine('machine', {'StartAt': 'Task', 'States': {'Task': task, 'Wait': pause}})

with app.dag('graph') as graph:
    @graph.task(retries=20)
    def parts(x):
        return [x.value] * 3
    @graph.task(retries=20)
    def twice(x):
        return x.value * 2
    @graph.task(retries=20)
    def add(xs):
        return sum(x.value for x in xs)
    twice.expand(parts) >> add

@app.workflow
async def code(ctx, x):
    await ctx.sleep(0.5)
    # A function that is a workflow is called as any other.
    return x + await ctx.call('step-1', 2)

app.workflow_function('step-1', machine, on=numbers.each(), into=squared)
app.workflow_function('step-2', graph, on=squared.each(), into=summed)
app.workflow_function('step-3', code, on=summed.each(), into=done)

@app.function(on=done.join(of='step-3'))
def total(xs):
    return {x.key: x.value for x in xs}

app.workflow_function('failing', app.state_machine('fails', {'StartAt': 'A', 'States': {
    'A': {'Type': 'Task', 'Resource': 'fail', 'End': True}}}))

@app.workflow
async def catching(ctx, x):
    try:
        await ctx.call('failing', x)
    except sg.CallFailed as error:
        return {'type': error.type, 'message': error.message}
";

fn app(durability: &str) -> String {
    APP.replace("DURABILITY", durability)
}

/// What `total` has to be for these numbers.
fn expected(numbers: std::ops::Range<u64>) -> Value {
    numbers.map(|x| (x.to_string(), json!(x * x * 6 + 4))).collect::<serde_json::Map<_, _>>().into()
}

fn start(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let objects: serde_json::Map<_, _> = numbers.map(|x| (x.to_string(), json!(x))).collect();
    json!({"id": "mixed", "objects": {"numbers": objects}}).to_string().into_bytes()
}

#[test]
fn workflows_of_every_kind_are_called_by_triggers_and_by_one_another() {
    for durability in ["durable", "express"] {
        let folder = Folder::with(&[("app.py", &app(durability))]);
        let server = Server::start(&folder);
        server.call(&folder, &["deploy", "app.py"]);
        server.ask("POST", "/v1/apps/mixing/runs", &start(1..6)).json(202);
        let run = ended(&server, "mixed");
        assert_eq!(run["outputs"], json!({"total": expected(1..6)}), "{durability}: {run}");
    }
}

#[test]
fn one_history_tells_of_all_of_them_in_the_order_of_the_log() {
    let folder = Folder::with(&[]);
    let server = Server::start(&folder);
    let example = repository().join("examples/settlement");
    let ran = server.call(&folder, &["run", example.to_str().unwrap()]).json();
    let history = server.call(&folder, &["runs", "history", ran["run"].as_str().unwrap()]).json();
    let events = history["events"].as_array().unwrap();
    let kinds: BTreeSet<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    for kind in
        ["TriggerFired", "ChoiceStateEntered", "TaskSucceeded", "CallMade", "TimerStarted", "RunEnded"]
    {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }
    assert!(events.is_sorted_by_key(|event| event["lsn"].as_str().unwrap()));
    let ends = events.iter().filter(|event| event["type"] == "RunEnded");
    let runs: Vec<&Value> = ends.map(|event| &event["run"]).collect();
    assert_eq!(runs.len(), 15, "twelve orders, the table, the code, and the run itself");
    assert_eq!(*runs[14], Value::Null, "the run itself ends last");
}

#[test]
fn a_run_names_its_version_the_runs_that_it_has_called_and_its_commands() {
    let folder = Folder::with(&[("app.py", &app("durable"))]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    server.ask("POST", "/v1/apps/mixing/runs", &start(1..6)).json(202);
    ended(&server, "mixed");
    let shown = server.read(&folder, &["runs", "show", "mixed"]);
    let called = shown.lines().find(|line| line.starts_with("  called ")).unwrap();
    assert!(shown.contains("\n  app mixing, version 1\n"), "{shown}");
    assert_eq!(called.matches("(succeeded)").count(), 5, "{called}");
    assert!(called.contains("mixed.step-3-") && called.ends_with(") and 10 more"), "{called}");
    // As it was when the first was called.
    let history = server.call(&folder, &["runs", "history", "mixed"]).json();
    let events = history["events"].as_array().unwrap();
    let first = events.iter().find(|event| event["type"] == "RunCalled").unwrap();
    let at = server.read(&folder, &["runs", "show", "mixed", "--at", first["lsn"].as_str().unwrap()]);
    let alone = format!("\n  called {}\n", first["called"].as_str().unwrap());
    assert!(at.contains(&alone), "{at}");
    // The code of one of them sleeps, then calls; JSON counts its commands from 0.
    let made = events.iter().find(|event| event["type"] == "CallMade").unwrap();
    assert_eq!(made["command"], 1);
    let (run, lsn) = (made["run"].as_str().unwrap(), made["lsn"].as_str().unwrap());
    let at = server.read(&folder, &["runs", "show", run, "--at", lsn]);
    assert!(at.contains("\n  waits for command 2, call step-1, since "), "{at}");
    let read = server.read(&folder, &["runs", "history", run]);
    for (what, details) in [("CommandDone", "command=1 (sleep)"), ("CommandDone", "command=2 (call step-1)")]
    {
        assert!(read.lines().any(|line| line.contains(what) && line.ends_with(details)), "{read}");
    }
}

#[test]
fn outputs_of_any_size_and_type_are_handed_over() {
    let app = "
import sluicegate as sg
app = sg.App('large', durability='DURABILITY')
made = app.bucket('made')

with app.dag('make') as dag:
    @dag.task
    def bytes_of(size):
        return b'x' * size.value

app.workflow_function('maker', dag, on=app.input, into=made)

@app.function(on=made)
def measure(found):
    return [len(found.data), found.content_type]
";
    for durability in ["durable", "express"] {
        let folder = Folder::with(&[("app.py", &app.replace("DURABILITY", durability))]);
        for size in [3, 100_000, 3_000_000] {
            let ran = folder.call(&["run", "app.py", "--input", &size.to_string(), "--json"]);
            let expected = json!({"input": [size, "application/octet-stream"]});
            assert_eq!(ran.json()["outputs"], expected, "{durability}: {}", ran.stderr);
        }
    }
}

#[test]
fn how_a_workflow_failed_is_told_to_whoever_called_it() {
    let folder = Folder::with(&[("app.py", &app("durable"))]);
    let ran = folder.call(&["run", "app.py", "--start", "catching", "--input", "1", "--json"]);
    let message = "'no such thing'";
    assert_eq!(
        ran.json()["outputs"]["catching"],
        json!({"type": "KeyError", "message": message}),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_exception_inside_a_called_workflow_is_the_cause_of_the_failure() {
    let app = "
import sluicegate as sg
app = sg.App('cause')

@app.workflow
async def breaks(ctx, x):
    return {}['dvd']

app.workflow_function('broken', breaks, on=app.input)
";
    let folder = Folder::with(&[("app.py", app)]);
    let ran = folder.call(&["run", "app.py", "--input", "1", "--json"]);
    let cause = &ran.json()["error"]["cause"];
    assert_eq!((&cause["type"], &cause["message"]), (&json!("KeyError"), &json!("'dvd'")));
    assert!(cause["stack"].as_str().unwrap().contains("return {}['dvd']"), "{cause}");
}

#[test]
fn nothing_is_lost_or_done_twice_when_the_server_is_killed() {
    let folder = Folder::with(&[("app.py", &app("durable"))]);
    let mut server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    server.ask("POST", "/v1/apps/mixing/runs", &start(0..20)).json(202);
    for pause_ms in [100, 400, 900, 300, 700] {
        std::thread::sleep(std::time::Duration::from_millis(pause_ms));
        server.kill();
        server = Server::start(&folder);
    }
    let run = ended(&server, "mixed");
    assert_eq!(run["outputs"], json!({"total": expected(0..20)}), "{run}");
    let runs = server.ask("GET", "/v1/runs?app=mixing&limit=1000", b"").json(200);
    // For each number: three workflows, one of which calls a fourth; and the run itself.
    assert_eq!(runs["runs"].as_array().unwrap().len(), 81);
    assert!(runs["runs"].as_array().unwrap().iter().all(|run| run["status"] == "succeeded"));
}

#[test]
fn a_run_that_is_cancelled_takes_those_with_it_that_it_has_called() {
    let folder = Folder::with(&[("app.py", &app("durable"))]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    server.ask("POST", "/v1/apps/mixing/runs", &start(0..5)).json(202);
    server.ask("POST", "/v1/runs/mixed/cancel", b"").json(200);
    let runs = server.ask("GET", "/v1/runs?app=mixing", b"").json(200);
    for run in runs["runs"].as_array().unwrap() {
        assert_eq!(ended(&server, run["run"].as_str().unwrap())["status"], "cancelled");
    }
}
