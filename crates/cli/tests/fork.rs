//! Runs as they were at a record, runs that begin with the past of another one, and runs that go on on another version.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tool::Folder;
use tool::runs::{ended, lines, record};
use tool::server::Server;

const HEAD: &str = "
import asyncio, os, time
import sluicegate as sg

app = sg.App('flow')
parts = app.bucket('parts')

@app.function()
def double(x):
    return x.value * 2

@app.function()
def echo(x):
    return x.value

@app.function(on=parts.each(), into=app.output)
def part(x):
    return x.value + 1
";

fn app(body: &str) -> String {
    let body: String = body.trim_matches('\n').lines().map(|line| format!("    {line}\n")).collect();
    format!("{HEAD}\n@app.workflow\nasync def flow(ctx, input):\n{body}")
}

fn started(folder: &Folder, run: &str, input: &Value) -> Server {
    let server = Server::start(folder);
    server.call(folder, &["deploy", "app.py"]);
    let body = json!({"id": run, "workflow": "flow", "input": input}).to_string();
    server.ask("POST", "/v1/apps/flow/runs", body.as_bytes()).json(202);
    server
}

fn calls_of(run: &Value, function: &str) -> u64 {
    let functions = run["functions"].as_array().unwrap();
    functions.iter().find(|counts| counts["function"] == function).unwrap()["started"].as_u64().unwrap()
}

#[test]
fn a_failed_run_is_forked_with_mended_code() {
    let body = |end: &str| {
        app(&format!(
            "
big = await ctx.call(echo, 'x' * 100_000)
token = ctx.record('token', lambda: os.urandom(4).hex())
a = await ctx.call(double, [str(ctx.uuid4()), ctx.run, token])
{end}
"
        ))
    };
    let folder = Folder::with(&[("app.py", &body("raise ValueError('broken')"))]);
    let mut server = started(&folder, "r", &json!(5));
    assert_eq!(ended(&server, "r")["error"]["code"], "SLU0116");
    folder.write(
        "app.py",
        &body("await ctx.wait_event('go')\nreturn [a, len(big), ctx.run, str(ctx.uuid4())]"),
    );
    server.call(&folder, &["deploy", "app.py"]);
    let fork = ["runs", "fork", "r", "--id", "f"];
    assert_eq!(server.call(&folder, &fork).json()["run"], "f");
    // The same again is the same; another one under that id is refused.
    server.call(&folder, &fork);
    let other = server.try_call(&folder, &[&fork[..], &["--version", "1"]].concat());
    assert_eq!(other.error(other.exit)["code"], "SLU0007");
    // A crash before the fork has gone on, and a worker that knows nothing, change nothing of it.
    server.kill();
    server = Server::start(&folder);
    server.call(&folder, &["runs", "signal", "f", "go"]);
    let run = ended(&server, "f");
    let (before, output) = (&lines(&server, "f", "RunStarted")[0], &run["outputs"]["flow"]);
    assert_eq!(run["status"], "succeeded", "{run}");
    // What was done is not done again, and what was drawn is as it was; from the fork on the run is the new one.
    assert_eq!((calls_of(&run, "double"), calls_of(&run, "echo")), (0, 0), "{run}");
    assert_eq!(
        (&output[1], &output[2], &output[0][1], &output[0][4]),
        (&json!(100_000), &json!("f"), &json!("r"), &json!("r"))
    );
    assert_eq!((&output[0][0], &output[0][2]), (&output[0][3], &output[0][5]));
    assert_eq!(run["version"], 2);
    let at = lines(&server, "r", "CommandDone").last().unwrap()["lsn"].clone();
    assert_eq!(run["forked_from"], json!({"run": "r", "lsn": at}));
    assert_eq!(before["forked_from"], run["forked_from"]);
    // A fork of the fork, on its own version and back to before what it did itself.
    let start = before["lsn"].as_str().unwrap();
    server.call(&folder, &["runs", "fork", "f", "--id", "g", "--at", start]);
    server.call(&folder, &["runs", "signal", "g", "go"]);
    let again = &ended(&server, "g")["outputs"]["flow"];
    assert_eq!(
        (&again[0], &again[1], &again[2], &again[3]),
        (&output[0], &output[1], &json!("g"), &output[3])
    );
    server.stop();
}

#[test]
fn what_was_under_way_is_done_again() {
    let body = "
await ctx.put('parts', 'p', 1)
late = asyncio.ensure_future(ctx.sleep(2))
one = ctx.call(double, 1)
two = ctx.call_workflow('inner', 2)
told = await ctx.wait_event('go')
await late
return [await one, await two, told, ctx.time()]
";
    let inner = "\n@app.workflow\nasync def inner(ctx, input):\n    return [input, ctx.run]\n";
    let folder = Folder::with(&[("app.py", &format!("{}{inner}", app(body)))]);
    let mut server = started(&folder, "r", &json!(null));
    let (calls, timer) = (record(&server, "r", "CallMade", 0), record(&server, "r", "TimerStarted", 0));
    assert_eq!(calls, timer, "one turn, one record");
    server.call(&folder, &["runs", "fork", "r", "--at", &calls, "--id", "f"]);
    server.kill();
    server = Server::start(&folder);
    for run in ["r", "f"] {
        server.call(&folder, &["runs", "signal", run, "go", "--data", &format!("{run:?}")]);
    }
    for run in ["r", "f"] {
        let ended = ended(&server, run);
        let output = &ended["outputs"]["flow"];
        assert_eq!((&output[0], &output[1]), (&json!(2), &json!([2, format!("{run}.2")])), "{ended}");
        assert_eq!((&output[2], &ended["outputs"]["p"]), (&json!(run), &json!(2)), "{ended}");
        assert_eq!((calls_of(&ended, "double"), calls_of(&ended, "part")), (1, 1), "{ended}");
    }
    // The timer of the fork was due when that of the run was.
    assert_eq!(lines(&server, "f", "TimerStarted").len(), 0);
    assert_eq!(lines(&server, "f", "CallMade").len(), 0, "the past has it");
    server.stop();
}

#[test]
fn a_fork_outlives_the_run_that_it_is_of() {
    let body = "
big = await ctx.call(echo, 'x' * 100_000)
await ctx.wait_event('go')
return len(big)
";
    let folder = Folder::with(&[("app.py", &app(body))]);
    let server = started(&folder, "r", &json!(null));
    record(&server, "r", "CommandDone", 0);
    server.call(&folder, &["runs", "fork", "r", "--id", "f"]);
    server.call(&folder, &["runs", "cancel", "r"]);
    ended(&server, "r");
    server.stop();
    let keeps_short = ["server", "--addr", "127.0.0.1:0", "--data", "data", "--retention", "1s"];
    let server = Server::spawn(folder.command(&keeps_short));
    let patience = Instant::now() + Duration::from_secs(60);
    while server.ask("GET", "/v1/runs/r", b"").status != 404 {
        assert!(Instant::now() < patience, "the run is never forgotten");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Its worker knows nothing of it: all is told, with bytes of its own.
    server.call(&folder, &["runs", "signal", "f", "go"]);
    assert_eq!(ended(&server, "f")["outputs"]["flow"], 100_000);
    server.stop();
}

#[test]
fn what_the_end_itself_did_is_not_of_the_past() {
    let folder = Folder::with(&[("app.py", &app("ctx.put('parts', 'p', 1)\nraise ValueError('broken')"))]);
    let server = started(&folder, "r", &json!(null));
    assert_eq!(ended(&server, "r")["status"], "failed");
    // The run has an object under this key, put in the very record in which it failed. The fork has not.
    folder.write("app.py", &app("await ctx.put('parts', 'p', 2)\nreturn 'put'"));
    server.call(&folder, &["deploy", "app.py"]);
    server.call(&folder, &["runs", "fork", "r", "--id", "f"]);
    assert_eq!(ended(&server, "f")["outputs"], json!({"flow": "put", "p": 3}));
    server.stop();
}

#[test]
fn code_that_did_something_else_in_the_past_says_so() {
    let folder = Folder::with(&[("app.py", &app("await ctx.call(double, 1)\nraise ValueError('broken')"))]);
    let server = started(&folder, "r", &json!(null));
    ended(&server, "r");
    folder.write("app.py", &app("return await ctx.call(double, 2)"));
    server.call(&folder, &["deploy", "app.py"]);
    server.call(&folder, &["runs", "fork", "r", "--id", "f"]);
    let patience = Instant::now() + Duration::from_secs(60);
    let retrying = loop {
        let run = server.call(&folder, &["runs", "show", "f"]).json();
        if let Some(retrying) = run["retrying"].get(0) {
            break retrying["error"].clone();
        }
        assert!(Instant::now() < patience, "{run}");
        std::thread::sleep(Duration::from_millis(10));
    };
    let message = "command 1: expected `call double`, the code wants `call double` with another value";
    assert_eq!((&retrying["type"], &retrying["message"]), (&json!("Diverged"), &json!(message)));
    // Code that does not may go on with it.
    folder.write("app.py", &app("return await ctx.call(double, 1)"));
    server.call(&folder, &["deploy", "app.py", "--move"]);
    let run = ended(&server, "f");
    assert_eq!((&run["outputs"]["flow"], &run["version"]), (&json!(2), &json!(3)), "{run}");
    server.stop();
}

#[test]
fn where_no_fork_can_be_is_told() {
    let folder = Folder::with(&[("app.py", &app("return await ctx.call(double, input)"))]);
    let server = started(&folder, "r", &json!(4));
    ended(&server, "r");
    let refused = |arguments: &[&str]| {
        let called = server.try_call(&folder, arguments);
        let error = called.error(called.exit);
        (error["code"].as_str().unwrap().to_owned(), error["message"].as_str().unwrap().to_owned())
    };
    let end = record(&server, "r", "RunEnded", 0);
    let (code, message) = refused(&["runs", "fork", "r", "--at", &end]);
    assert_eq!(code, "SLU0023");
    assert!(message.contains("has ended at record"), "{message}");
    for at in ["0000000000000001", "00000000ffffffff"] {
        assert_eq!(refused(&["runs", "fork", "r", "--at", at]).0, "SLU0006");
        assert_eq!(refused(&["runs", "show", "r", "--at", at]).0, "SLU0006");
    }
    assert_eq!(refused(&["runs", "fork", "r", "--at", "then"]).0, "SLU0006");
    // A run of triggers alone can only be started again.
    server.call(&folder, &["start", "flow", "--id", "t", "--put", "parts/k=app.py"]);
    server.ask("GET", "/v1/runs/t?wait=60s", b"").json(200);
    let end = record(&server, "t", "RunEnded", 0);
    assert_eq!(refused(&["runs", "fork", "t", "--at", &end]).0, "SLU0023");
    let begin = record(&server, "t", "RunStarted", 0);
    server.call(&folder, &["runs", "fork", "t", "--at", &begin, "--id", "u"]);
    assert_eq!(ended(&server, "u")["outputs"], ended(&server, "t")["outputs"]);
    server.stop();
}

#[test]
fn a_run_is_shown_as_it_was() {
    let body = "
a = await ctx.call(double, 1)
await ctx.gather(ctx.sleep(0.05), ctx.call(echo, a))
await ctx.wait_event('go')
return a
";
    let folder = Folder::with(&[("app.py", &app(body))]);
    let server = started(&folder, "r", &json!(null));
    record(&server, "r", "CommandDone", 2);
    server.call(&folder, &["runs", "signal", "r", "go"]);
    let last = ended(&server, "r");
    let at = |lsn: &str| server.call(&folder, &["runs", "show", "r", "--at", lsn]).json();
    let called = at(&record(&server, "r", "CallMade", 0));
    assert_eq!((&called["status"], &called["outputs"]), (&json!("running"), &json!({})));
    let code = &called["at"]["code"];
    assert_eq!((&code["commands"], &code["waiting"][0]["what"]), (&json!(1), &json!("call double")));
    assert_eq!(called["at"]["calls"][0]["function"], "double");
    assert_eq!((calls_of(&called, "double"), calls_of(&called, "echo")), (1, 0));
    let timed = at(&record(&server, "r", "TimerStarted", 0));
    let waiting = timed["at"]["code"]["waiting"].as_array().unwrap();
    let what: Vec<&Value> = waiting.iter().map(|command| &command["what"]).collect();
    assert_eq!(what, [&json!("call echo"), &json!("sleep 50")]);
    assert!(waiting[0]["due"].is_null() && waiting[1]["due"].is_string(), "{timed}");
    let signalled = at(&record(&server, "r", "SignalReceived", 0));
    assert!(
        signalled["at"]["code"]["news"].as_array().unwrap().iter().any(|news| news["what"] == "signal go")
    );
    let mut whole = at(&record(&server, "r", "RunEnded", 0));
    assert_eq!(whole["at"]["code"]["end"], "return");
    whole.as_object_mut().unwrap().remove("at");
    assert_eq!(whole, last, "at its last record it is as it is");
    server.stop();
}

#[test]
fn dags_and_machines_are_shown_as_they_were() {
    let dag = "
import sluicegate as sg
app = sg.App('flow')

@app.function()
def one(x):
    return 1

@app.function()
def two(x):
    return 2

with app.dag('d') as d:
    d.task(one) >> d.task(two)
";
    let machine = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Wait", "Seconds": 0, "Next": "C"}, "C": {"Type": "Succeed"}
    }});
    let folder = Folder::with(&[("app.py", dag), ("m.asl.json", &machine.to_string())]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    server.call(&folder, &["deploy", "m.asl.json"]);
    server.call(&folder, &["start", "flow", "--id", "d"]);
    server.call(&folder, &["start", "m", "--id", "m"]);
    assert_eq!(ended(&server, "d")["status"], "succeeded");
    assert_eq!(ended(&server, "m")["status"], "succeeded");
    let at =
        |run: &str, lsn: &str| server.call(&folder, &["runs", "show", run, "--at", lsn]).json()["at"].clone();
    let tasks = &at("d", &record(&server, "d", "TaskSucceeded", 0))["tasks"];
    assert_eq!(tasks, &json!({"one": "TaskSucceeded", "two": "TaskStarted"}));
    let states = &at("m", &record(&server, "m", "WaitStateEntered", 0))["states"];
    assert_eq!((&states[0]["state"], states.as_array().unwrap().len()), (&json!("B"), 1));
    assert!(at("m", &record(&server, "m", "RunEnded", 0)).get("states").is_none());
    assert_eq!(
        server.try_call(&folder, &["runs", "fork", "d", "--at", "00000000ffffffff"]).error(2)["code"],
        "SLU0023"
    );
    server.stop();
}

#[test]
fn a_sleeping_run_takes_the_new_way_from_where_it_is_moved() {
    let body = |change: &str| {
        app(&format!(
            "
seen = []
while True:
    {change}
    told = await ctx.first(ctx.wait_event('go'), ctx.sleep(3600))
    seen.append([way, told])
    if told == 'end':
        return seen
"
        ))
    };
    let folder = Folder::with(&[("app.py", &body("way = await ctx.call(echo, 'old')"))]);
    let mut server = started(&folder, "r", &json!(null));
    let go = |server: &Server, number: usize, data: &str| {
        record(server, "r", "TimerStarted", number);
        server.call(&folder, &["runs", "signal", "r", "go", "--data", &format!("{data:?}")]);
    };
    go(&server, 0, "a");
    record(&server, "r", "TimerStarted", 1);
    // Code that did something else keeps the run where it is, and says why.
    folder.write("app.py", &body("way = await ctx.call(double, 'new')"));
    let stayed = server.call(&folder, &["deploy", "app.py", "--move"]).json();
    assert_eq!((&stayed["runs"]["moved"], &stayed["runs"]["stayed"]), (&json!(0), &json!(1)), "{stayed}");
    let why = stayed["runs"]["why"][0]["message"].as_str().unwrap();
    assert!(
        why.contains("run r of") && why.contains("expected `call echo`, the code wants `call double`"),
        "{why}"
    );
    let refused = server.try_call(&folder, &["runs", "move", "r"]);
    assert_eq!(refused.error(refused.exit)["code"], "SLU0118");
    // Behind a patch it goes on; functions and buckets have other numbers by now.
    let patched =
        body("way = await (ctx.call(double, 'new') if ctx.patched('p') else ctx.call(echo, 'old'))");
    let added = "\nfirst = app.bucket('a_first')\n\n@app.function()\ndef a_first(x):\n    pass\n";
    let patched = patched.replace("app = sg.App('flow')\n", &format!("app = sg.App('flow')\n{added}"));
    folder.write("app.py", &patched);
    let moved = server.call(&folder, &["deploy", "app.py", "--move"]).json();
    assert_eq!((&moved["runs"]["moved"], &moved["runs"]["stayed"]), (&json!(1), &json!(0)), "{moved}");
    assert_eq!(server.call(&folder, &["runs", "show", "r"]).json()["version"], 3);
    go(&server, 1, "b");
    record(&server, "r", "TimerStarted", 2);
    for data in ["c", "end"] {
        server.kill();
        server = Server::start(&folder);
        go(&server, 2 + usize::from(data == "end"), data);
    }
    let run = ended(&server, "r");
    let expected = json!([["old", "a"], ["old", "b"], ["newnew", "c"], ["newnew", "end"]]);
    assert_eq!(run["outputs"]["flow"], expected, "{run}");
    let moves = lines(&server, "r", "RunMoved");
    assert_eq!(moves.len(), 1);
    assert_eq!((&moves[0]["from_version"], &moves[0]["version"]), (&json!(1), &json!(3)));
    // Lines from before name the functions of then.
    let created = lines(&server, "r", "InvocationCreated");
    let functions: Vec<&str> = created.iter().map(|line| line["function"].as_str().unwrap()).collect();
    assert_eq!(functions, ["echo", "echo", "double", "double"]);
    assert_eq!((calls_of(&run, "echo"), calls_of(&run, "double")), (2, 2));
    let then =
        server.call(&folder, &["runs", "show", "r", "--at", created[1]["lsn"].as_str().unwrap()]).json();
    assert_eq!((&then["version"], calls_of(&then, "echo")), (&json!(1), 2));
    server.stop();
}

#[test]
fn runs_that_cannot_go_on_for_one_reason_are_told_once() {
    let folder = Folder::with(&[("app.py", &app("await ctx.sleep(600)"))]);
    let server = started(&folder, "r0", &json!(null));
    for run in 1..7 {
        let body = json!({"id": format!("r{run}"), "workflow": "flow", "input": null}).to_string();
        server.ask("POST", "/v1/apps/flow/runs", body.as_bytes()).json(202);
    }
    (0..7).for_each(|run| drop(record(&server, &format!("r{run}"), "TimerStarted", 0)));
    folder.write("app.py", &app("await ctx.sleep(500)"));
    let refused = server.try_call(&folder, &["deploy", "app.py", "--check"]);
    let error = refused.error(2);
    assert_eq!((&error["code"], &error["where"]), (&json!("SLU0118"), &json!("7 of 7 runs under way")));
    let told = "7 runs of workflow \"flow\", among them r6, r5, r4, r3, r2, could not go on: command 1: expected `sleep";
    assert!(error["message"].as_str().unwrap().starts_with(told), "{error}");
    assert_eq!(
        (&error["run"], &error["count"], &error["reason"]),
        (&json!("r6"), &json!(7), &json!("diverged"))
    );
    assert_eq!(error["runs"].as_array().unwrap().len(), 5);
    assert!(refused.json().get("diagnostics").is_none(), "{}", refused.stdout);
    let text = folder.call(&["deploy", "app.py", "--move", "--server", &server.url]);
    assert_eq!((text.exit, text.stdout.matches("among them").count()), (0, 1), "{}", text.stdout);
    assert!(text.stdout.contains("moved 0 runs, 7 stay on their version\n  7 runs of"), "{}", text.stdout);
    // Where the code is not even asked, nothing is said of it.
    folder.write("app.py", &app("await ctx.sleep(600)").replace("def flow(", "def other("));
    let gone = server.try_call(&folder, &["deploy", "app.py", "--check"]).error(2);
    assert_eq!(
        (&gone["code"], &gone["reason"], &gone["count"]),
        (&json!("SLU0118"), &json!("workflow_gone"), &json!(7))
    );
    assert!(
        gone["message"].as_str().unwrap().ends_with("the app no longer has the workflow \"flow\""),
        "{gone}"
    );
    assert!(gone.get("cause").is_none() && !gone["fix"].as_str().unwrap().contains("patched"), "{gone}");
    server.stop();
}

#[test]
fn a_call_under_way_is_not_lost_by_a_move() {
    let body = "
one = ctx.call(double, 4)
await ctx.wait_event('go')
return await one
";
    // A call waits until it is let go.
    let gate = TcpListener::bind("127.0.0.1:0").unwrap();
    let waits =
        format!("socket.create_connection(('127.0.0.1', {})).recv(1)", gate.local_addr().unwrap().port());
    let code = |extra: &str| {
        let gated = format!("import socket\n    {waits}\n    return x.value * 2");
        app(body).replacen("return x.value * 2", &gated, 1) + extra
    };
    let folder = Folder::with(&[("app.py", &code(""))]);
    let server = started(&folder, "r", &json!(null));
    let (mut call, _) = gate.accept().unwrap();
    folder.write("app.py", &code("    # another version\n"));
    let moved = server.call(&folder, &["deploy", "app.py", "--move"]).json();
    assert_eq!(moved["runs"]["moved"], 1, "{moved}");
    call.write_all(b"x").unwrap();
    server.call(&folder, &["runs", "signal", "r", "go"]);
    let run = ended(&server, "r");
    assert_eq!((&run["outputs"]["flow"], calls_of(&run, "double")), (&json!(8), 1), "{run}");
    server.stop();
}

#[test]
fn a_run_that_failed_over_a_function_calls_the_mended_one_again() {
    let body = app("return await ctx.call(double, {'not': 'a number'})");
    let folder = Folder::with(&[("app.py", &body)]);
    let server = started(&folder, "r", &json!(5));
    assert_eq!(ended(&server, "r")["error"]["code"], "SLU0116");
    folder.write("app.py", &body.replace("x.value * 2", "len(x.value)"));
    server.call(&folder, &["deploy", "app.py"]);
    server.call(&folder, &["runs", "fork", "r", "--id", "f"]);
    let run = ended(&server, "f");
    assert_eq!(run["outputs"], json!({"flow": 1}), "{run}");
}

#[test]
fn what_another_run_has_called_is_forked_and_retried_with_that_run_only() {
    let body = app("return 1")
        + "\napp.workflow_function('called', flow, on=parts.each(), into=app.bucket('done'))\n";
    let folder = Folder::with(&[("app.py", &body)]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    server.ask("POST", "/v1/apps/flow/runs", br#"{"id": "r", "objects": {"parts": {"a": 1}}}"#).json(202);
    assert_eq!(ended(&server, "r")["status"], "succeeded");
    for act in ["fork", "retry"] {
        let refused = server.try_call(&folder, &["runs", act, "r.called-1"]);
        assert_eq!(refused.error(refused.exit)["code"], "SLU0023", "{act}");
    }
}

#[test]
fn a_run_whose_code_diverges_is_cancelled_at_once() {
    let body = app("await ctx.sleep(600)");
    let folder = Folder::with(&[("app.py", &body)]);
    let mut server = started(&folder, "r", &json!(5));
    record(&server, "r", "TimerStarted", 0);
    server.kill();
    server = Server::start(&folder);
    folder.write("app.py", &body.replace("600", "500"));
    server.call(&folder, &["deploy", "app.py"]);
    server
        .call(&folder, &["runs", "fork", "r", "--at", &record(&server, "r", "TimerStarted", 0), "--id", "f"]);
    record(&server, "f", "AttemptFailed", 0);
    server.ask("POST", "/v1/runs/f/cancel", b"").json(200);
    assert_eq!(ended(&server, "f")["status"], "cancelled");
}
