//! kill -9 of a server under workflows: what it acknowledged ends as its definition says, and its history tells each
//! thing once.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;
use tool::Folder;
use tool::server::{Answer, Server, act};

/// Workflows of each kind that are started.
const STARTS: usize = 12;
/// Kills, and how long the server lives before each, in milliseconds: one that has not begun, others amid the work.
const LIVES_MS: [u64; 5] = [30, 250, 600, 400, 900];
const ROLE: &str = "arn:aws:iam::123456789012:role/test";

const MANIFEST: &str = "\
app: steps
functions:
  double: {runtime: python, handler: steps.py:double}
  total: {runtime: python, handler: steps.py:total}
workflows:
  main: {file: main.asl.json}
";

/// Odd numbers need a second try.
const FUNCTIONS: &str = "
import time

class Busy(Exception):
    pass

def double(question):
    question = question.json()
    time.sleep(0.02)
    if question['number'] % 2 and question['tries'] == 0:
        raise Busy('once more')
    return question['number'] * 2

def total(numbers):
    return sum(numbers.json())

def double_handler(event, context):
    class Question:
        json = staticmethod(lambda: event)
    return double(Question)

def total_handler(event, context):
    return sum(event)

def ask_handler(event, context):
    return event['token']
";

/// A Map over a task that is retried, a Wait, and a task over all results.
fn definition(double: &str, total: &str) -> Value {
    let question = json!({"number.$": "$", "tries.$": "$$.State.RetryCount"});
    let retry = json!([{"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 2}]);
    json!({"StartAt": "All", "States": {
        "All": {"Type": "Map", "ItemsPath": "$.numbers", "MaxConcurrency": 2, "Next": "Rest", "ItemProcessor": {
            "StartAt": "Double", "States": {"Double": {
                "Type": "Task", "Resource": double, "Parameters": question, "Retry": retry, "End": true,
            }},
        }},
        "Rest": {"Type": "Wait", "Seconds": 1, "Next": "Total"},
        "Total": {"Type": "Task", "Resource": total, "End": true},
    }})
}

/// A callback: the function only tells the token.
fn question(ask: &str) -> Value {
    json!({"StartAt": "Ask", "States": {"Ask": {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "End": true,
        "Parameters": {"FunctionName": ask, "Payload": {"token.$": "$$.Task.Token"}},
    }}})
}

fn numbers(n: usize) -> Value {
    json!({"numbers": [n, n + 1, n + 2]})
}

fn expected(n: usize) -> usize {
    (3 * n + 3) * 2
}

/// How often a task is tried in one workflow: three numbers, those that are odd twice, and the total.
fn failures(n: usize) -> usize {
    (n..n + 3).filter(|number| number % 2 == 1).count()
}

#[test]
fn workflows_go_on_through_kill_9() {
    let text = definition("double", "total").to_string();
    let folder = Folder::with(&[
        ("app/sluice.yaml", MANIFEST),
        ("app/steps.py", FUNCTIONS),
        ("app/main.asl.json", &text),
    ]);
    let mut server = Server::start(&folder);
    server.call(&folder, &["deploy", "app"]);
    let double = create_lambda(&server, "double");
    let total = create_lambda(&server, "total");
    let machine = create_machine(&server, "main", &definition(&double, &total));
    let asking = create_machine(&server, "ask", &question(&create_lambda(&server, "ask")));
    let mut under_way = 0;
    let mut tokens = Vec::new();
    for (kill, life_ms) in LIVES_MS.into_iter().enumerate() {
        for n in (0..STARTS).filter(|n| n % LIVES_MS.len() == kill) {
            start(&server, &machine, n);
        }
        start_execution(&server, &asking, kill);
        // Whoever was told a token before the kill answers after it.
        if let Some(asked) = kill.checked_sub(1) {
            tokens.push(await_token(&server, &asking, asked));
            answer(&server, &tokens[asked], asked).json(200);
        }
        std::thread::sleep(Duration::from_millis(life_ms));
        let running = server.ask("GET", "/v1/runs?status=running&limit=1000", b"").json(200);
        under_way += running["runs"].as_array().unwrap().len();
        server.kill();
        server = Server::start(&folder);
    }
    assert!(under_way > 0, "nothing was under way at any kill");
    for n in 0..STARTS {
        check_run(&server, n);
        check_execution(&server, &machine, n);
    }
    for (asked, token) in tokens.iter().enumerate() {
        check_answered(&server, &asking, asked, token);
    }
    server.kill();
    server = Server::start(&folder);
    check_execution(&server, &machine, 0);
    check_answered(&server, &asking, 0, &tokens[0]);
    server.stop();
}

/// Makes a Lambda function of a handler. Its ARN.
fn create_lambda(server: &Server, name: &str) -> String {
    let zip = "import base64, io, sys, zipfile\nout = io.BytesIO()\nwith zipfile.ZipFile(out, 'w') as z:\n    z.writestr('steps.py', sys.argv[1])\nprint(base64.b64encode(out.getvalue()).decode(), end='')";
    let zipped = Command::new("python3").args(["-c", zip, FUNCTIONS]).output().unwrap();
    let zipped = String::from_utf8(zipped.stdout).unwrap();
    let request = json!({
        "FunctionName": name, "Runtime": "python3.12", "Role": ROLE, "Handler": format!("steps.{name}_handler"),
        "Timeout": 30, "Code": {"ZipFile": zipped},
    });
    let made = server.ask("POST", "/2015-03-31/functions", request.to_string().as_bytes()).json(201);
    made["FunctionArn"].as_str().unwrap().to_owned()
}

/// Makes a state machine. Its ARN.
fn create_machine(server: &Server, name: &str, definition: &Value) -> String {
    let request = json!({"name": name, "definition": definition.to_string(), "roleArn": ROLE});
    let made = act(&server.url, "CreateStateMachine", &request).unwrap().json(200);
    made["stateMachineArn"].as_str().unwrap().to_owned()
}

/// Starts workflow `n` of both kinds; both are acknowledged.
fn start(server: &Server, machine: &str, n: usize) {
    let body = json!({"id": format!("r{n}"), "workflow": "main", "input": numbers(n)}).to_string();
    server.ask("POST", "/v1/apps/steps/runs", body.as_bytes()).json(202);
    start_execution(server, machine, n);
}

fn start_execution(server: &Server, machine: &str, n: usize) {
    let body = json!({"stateMachineArn": machine, "name": format!("x{n}"), "input": numbers(n).to_string()});
    act(&server.url, "StartExecution", &body).unwrap().json(200);
}

/// A workflow over functions of its app.
fn check_run(server: &Server, n: usize) {
    let run = server.ask("GET", &format!("/v1/runs/r{n}?wait=60s"), b"").json(200);
    assert_eq!(
        (&run["status"], &run["outputs"]),
        (&json!("succeeded"), &json!({"main": expected(n)})),
        "{run}"
    );
    let history = server.ask("GET", &format!("/v1/runs/r{n}/history?limit=1000"), b"").json(200);
    let of_type = |kind: &str| {
        history["events"].as_array().unwrap().iter().filter(|event| event["type"] == kind).count()
    };
    let found = ["InvocationCreated", "InvocationSucceeded", "RunEnded"].map(of_type);
    assert_eq!(found, [4 + failures(n), 4, 1], "{history}");
}

fn execution(machine: &str, n: usize) -> String {
    format!("{}:x{n}", machine.replace(":stateMachine:", ":execution:"))
}

fn await_end(server: &Server, arn: &str) -> Value {
    loop {
        let request = json!({"executionArn": arn});
        let described = act(&server.url, "DescribeExecution", &request).unwrap().json(200);
        if described["status"] != "RUNNING" {
            return described;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the function that was asked has ended: the history holds what it returned.
fn await_token(server: &Server, asking: &str, asked: usize) -> String {
    loop {
        let events = history(server, &execution(asking, asked));
        if let Some(submitted) = events.iter().find(|event| event["type"] == "TaskSubmitted") {
            let output = submitted["taskSubmittedEventDetails"]["output"].as_str().unwrap();
            let output: Value = serde_json::from_str(output).unwrap();
            return output["Payload"].as_str().unwrap().to_owned();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn answer(server: &Server, token: &str, n: usize) -> Answer {
    act(&server.url, "SendTaskSuccess", &json!({"taskToken": token, "output": n.to_string()})).unwrap()
}

/// An execution whose callback was acknowledged: it ended by that, and by nothing else.
fn check_answered(server: &Server, asking: &str, asked: usize, token: &str) {
    let arn = execution(asking, asked);
    let described = await_end(server, &arn);
    assert_eq!(
        (&described["status"], &described["output"]),
        (&json!("SUCCEEDED"), &json!(asked.to_string()))
    );
    let events = history(server, &arn);
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let steps = [
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
        "TaskStateExited",
    ];
    let steps = ["ExecutionStarted"].into_iter().chain(steps).chain(["ExecutionSucceeded"]);
    assert!(types.iter().copied().eq(steps), "{types:?}");
    assert_eq!(answer(server, token, asked + 1).status, 400, "a token is taken once");
}

/// An execution over Lambda functions.
fn check_execution(server: &Server, machine: &str, n: usize) {
    let arn = execution(machine, n);
    let described = await_end(server, &arn);
    assert_eq!(
        (&described["status"], &described["output"]),
        (&json!("SUCCEEDED"), &json!(expected(n).to_string())),
        "{described}"
    );
    let events = history(server, &arn);
    let ids: Vec<u64> = events.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert!(ids.iter().copied().eq(1..=ids.len() as u64), "{ids:?}");
    let of_type = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    let counts = ["LambdaFunctionScheduled", "LambdaFunctionSucceeded", "LambdaFunctionFailed"];
    let found = counts.map(|kind| of_type(kind).len());
    assert_eq!(found, [4 + failures(n), 4, failures(n)], "{events:?}");
    let started =
        of_type("LambdaFunctionSucceeded").into_iter().map(|event| event["previousEventId"].as_u64());
    assert_eq!(started.collect::<BTreeSet<_>>().len(), 4, "{events:?}");
    let ends = ["MapIterationSucceeded", "MapStateSucceeded", "WaitStateExited", "ExecutionSucceeded"];
    assert_eq!(ends.map(|kind| of_type(kind).len()), [3, 1, 1, 1], "{events:?}");
}

/// The whole history of an execution, page by page.
fn history(server: &Server, arn: &str) -> Vec<Value> {
    let (mut events, mut token) = (Vec::new(), Value::Null);
    loop {
        let mut request = json!({"executionArn": arn, "maxResults": 7});
        if !token.is_null() {
            request["nextToken"] = token;
        }
        let page = act(&server.url, "GetExecutionHistory", &request).unwrap().json(200);
        events.extend(page["events"].as_array().unwrap().iter().cloned());
        token = page["nextToken"].clone();
        if token.is_null() {
            return events;
        }
    }
}
