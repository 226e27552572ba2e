//! Workflows written as code: what they can do, and that crashes change nothing of it.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tool::runs::{ended, lines, start, until};
use tool::server::Server;
use tool::{Called, Folder};

const HEAD: &str = "
import asyncio, os, time
import sluicegate as sg

app = sg.App('flow')

@app.function()
def double(x):
    return x.value * 2

@app.function(retries=0)
def fail(x):
    raise ValueError(f'no {x.value}')

@app.function()
def slow(x):
    time.sleep(30)
";

fn folder(code: &str) -> Folder {
    Folder::with(&[("app.py", &format!("{HEAD}{code}"))])
}

#[track_caller]
fn run(code: &str, input: &str) -> Called {
    folder(code).call(&["run", "app.py", "--json", "--input", input])
}

/// The output of a workflow with this body.
#[track_caller]
fn output(body: &str, input: &str) -> Value {
    let called = run(&workflow(body), input);
    assert_eq!(called.exit, 0, "{} {}", called.stdout, called.stderr);
    called.json()["outputs"]["flow"].clone()
}

fn workflow(body: &str) -> String {
    let body: String = body.trim_matches('\n').lines().map(|line| format!("    {line}\n")).collect();
    format!("\n@app.workflow\nasync def flow(ctx, input):\n{body}")
}

#[test]
fn calls_give_what_functions_return() {
    let body = "
a = await ctx.call(double, input)
b = await ctx.map(double, [1, 2, 3])
c = await ctx.map(double, range(5), concurrency=2)
d = await ctx.gather(ctx.call('double', 'x'), ctx.call(double, [1]))
return [a, b, c, d]
";
    assert_eq!(output(body, "21"), json!([42, [2, 4, 6], [0, 2, 4, 6, 8], ["xx", [1, 1]]]));
}

#[test]
fn values_of_every_type_come_through() {
    let code = "
@app.function()
def same(x):
    return x.value

@app.workflow
async def flow(ctx, input):
    values = [None, True, 0, 1.5, 'ü', b'\\x00\\xff', [], {'a': [None]}, 'x' * 100_000, b'y' * 300_000]
    back = await ctx.map(same, values)
    return [a == b and type(a) == type(b) for a, b in zip(values, back)]
";
    let called = run(code, "null");
    assert_eq!(called.json()["outputs"]["flow"], json!(vec![true; 10]), "{}", called.stderr);
}

#[test]
fn a_call_that_fails_raises() {
    let body = "
try:
    await ctx.call(fail, 'way')
except sg.CallFailed as error:
    caught = [error.function, error.type, error.message, error.attempts, 'raise ValueError' in error.stack]
try:
    await ctx.gather(ctx.call(fail, 1), ctx.call(slow))
except sg.CallFailed as error:
    caught.append(error.message)
try:
    await ctx.call('nothing')
except sg.CallFailed as error:
    caught.append(error.message)
return caught
";
    let expected =
        json!(["fail", "ValueError", "no way", 1, true, "no 1", "the app has no function \"nothing\""]);
    assert_eq!(output(body, "null"), expected);
}

#[test]
fn a_workflow_that_raises_fails_its_run() {
    let called = run(&workflow("await ctx.call(double, 1)\nraise KeyError('k')"), "null");
    assert_eq!(called.exit, 1);
    let error = &called.json()["error"];
    assert_eq!((&error["code"], &error["where"]), (&json!("SLU0116"), &json!("workflow flow")));
    assert_eq!(error["cause"]["type"], "KeyError");
    assert!(error["cause"]["stack"].as_str().unwrap().contains("app.py"), "{error}");
}

#[test]
fn what_is_first_wins_and_the_others_are_cancelled() {
    let started = Instant::now();
    let body = "
first = await ctx.first(ctx.call(slow), ctx.call(double, 4), ctx.sleep(60))
try:
    async with asyncio.timeout(0.05) if hasattr(asyncio, 'timeout') else _none():
        await ctx.call(slow)
except (TimeoutError, asyncio.TimeoutError):
    late = True
return [first, late]
";
    assert_eq!(output(body, "null"), json!([8, true]));
    assert!(started.elapsed() < Duration::from_secs(25), "nobody waits for what is cancelled");
}

#[test]
fn workflows_run_workflows() {
    let code = "
@app.workflow
async def inner(ctx, input):
    if input == 0:
        raise ValueError('too deep')
    return {'got': await ctx.call(double, input), 'run': ctx.run}

@app.workflow
async def text(ctx, input):
    return input

@app.workflow
async def flow(ctx, input):
    good = await ctx.gather(*(ctx.call_workflow(inner, n) for n in (1, 2)))
    try:
        await ctx.call_workflow(inner, 0)
    except sg.CallFailed as error:
        bad = [error.type, error.message]
    late = await ctx.first(ctx.call_workflow('waits'), ctx.sleep(0.1))
    try:
        await ctx.call_workflow('nothing')
    except sg.CallFailed as error:
        unknown = error.message
    return [good, bad, late, await ctx.call_workflow(text, 'ü'), unknown, ctx.run]

@app.workflow
async def waits(ctx, input):
    await ctx.wait_event('never')
";
    let folder = folder(code);
    let called = folder.call(&["run", "app.py", "--json", "--start", "flow"]);
    assert_eq!(called.exit, 0, "{} {}", called.stdout, called.stderr);
    let output = &called.json()["outputs"]["flow"];
    let run = output[5].as_str().unwrap();
    let good = json!([{"got": 2, "run": format!("{run}.0")}, {"got": 4, "run": format!("{run}.1")}]);
    let unknown = "the app has no workflow \"nothing\"";
    assert_eq!(*output, json!([good, ["ValueError", "too deep"], null, "ü", unknown, run]));
}

#[test]
fn a_workflow_starts_triggers_of_its_run() {
    let code = "
parts, told = app.bucket('parts'), app.bucket('told')

@app.function(on=parts.each(), into=told)
def part(x):
    return x.value + 1

@app.function(on=told.join(of=part))
def total(xs):
    return sum(x.value for x in xs)

@app.function(on=sg.event(type='finished'))
def last(event):
    return event.data

@app.workflow
async def flow(ctx, input):
    for n in range(3):
        await ctx.put(parts, f'p {n}', n)
    await ctx.put('parts', 'p 0', 0)
    refused = []
    for bucket, value in (('parts', 1), ('nowhere', 1)):
        try:
            await ctx.put(bucket, 'p 0', value)
        except sg.CallFailed as error:
            refused.append(error.message)
    await ctx.emit('finished', {'ok': True})
    return refused
";
    let folder = folder(code);
    let called = folder.call(&["run", "app.py", "--json", "--start", "flow"]);
    assert_eq!(called.exit, 0, "{} {}", called.stdout, called.stderr);
    let outputs = &called.json()["outputs"];
    let refused =
        ["key \"p 0\" of bucket \"parts\" already holds another object", "the app has no bucket \"nowhere\""];
    assert_eq!((&outputs["total"], &outputs["flow"]), (&json!(6), &json!(refused)));
    assert!(outputs.as_object().unwrap().values().any(|value| *value == json!({"ok": true})), "{outputs}");
}

#[test]
fn time_and_chance_are_the_runs_own() {
    let body = "
before = ctx.now()
await ctx.sleep(0.05)
after = ctx.now()
return [(after - before).total_seconds() >= 0.05, abs(ctx.time() - time.time()) < 5,
        str(ctx.uuid4()) != str(ctx.uuid4()), 0 <= ctx.random.random() < 1]
";
    assert_eq!(output(body, "null"), json!([true, true, true, true]));
}

#[test]
fn a_workflow_does_no_io_through_its_loop() {
    let body = "
try:
    await asyncio.to_thread(print, 'x')
except RuntimeError as error:
    return 'let a function do this' in str(error)
";
    assert_eq!(output(body, "null"), json!(true));
}

#[test]
fn what_is_wrong_with_a_definition_is_told() {
    let refused = |code: &str| {
        let called = run(code, "null");
        assert_eq!(called.exit, 2, "{} {}", called.stdout, called.stderr);
        called.error(2)["message"].as_str().unwrap().to_owned()
    };
    assert!(refused("\n@app.workflow\ndef flow(ctx, input):\n    pass\n").contains("async def"));
    let twice = "\n@app.workflow(name='double')\nasync def flow(ctx, input):\n    pass\n";
    assert!(refused(twice).contains("declared twice"));
}

#[test]
fn a_crash_changes_nothing() {
    let body = "
seen = [str(ctx.uuid4()), ctx.record('token', lambda: os.urandom(4).hex())]
total = len(await ctx.call(double, seen[1]))
for n in range(30):
    total += await ctx.call(double, n)
    seen.append(ctx.random.random())
    await ctx.sleep(0.02)
return [total, len(set(seen))]
";
    let folder = folder(&workflow(body));
    let mut server = Server::start(&folder);
    start(&server, &folder, "flow", "r", &json!(null));
    for crash in 1..=3 {
        until(&server, "r", "TimerStarted", crash * 7);
        server.kill();
        server = Server::start(&folder);
    }
    let run = ended(&server, "r");
    assert_eq!(run["outputs"]["flow"], json!([886, 32]), "{run}");
    // Every command is in the journal once, whoever ran the code.
    assert_eq!((lines(&server, "r", "CallMade").len(), lines(&server, "r", "TimerStarted").len()), (31, 30));
    server.stop();
}

#[test]
fn signals_wait_until_they_are_taken() {
    let body = "
first = await ctx.wait_event('go')
second = await ctx.wait_event('go', timeout=60)
try:
    await ctx.wait_event('stop', timeout=0.05)
except TimeoutError as error:
    return [first, second, str(error)]
";
    let folder = folder(&workflow(body));
    let server = Server::start(&folder);
    start(&server, &folder, "flow", "r", &json!(null));
    for n in 1..=2 {
        server.call(&folder, &["event", "go", "--data", &n.to_string(), "--run", "r"]);
    }
    assert_eq!(ended(&server, "r")["outputs"]["flow"], json!([1, 2, "no event 'stop' within 0.05 s"]));
    server.stop();
}

#[test]
fn workflows_answer_while_they_run_and_afterwards() {
    let body = "
items = []

def status(part=None):
    return {'count': len(items)} if part is None else items[part]

async def add(item):
    if item == 'bad':
        raise ValueError('no such thing')
    items.append(await ctx.call(double, item))
    return len(items)

ctx.on_query('status', status)
ctx.on_update('add', add)
await ctx.wait_event('done')
return items
";
    let folder = folder(&workflow(body));
    let mut server = Server::start(&folder);
    start(&server, &folder, "flow", "r", &json!(null));
    let ask = |server: &Server, what: &str, body: Value| {
        let path = format!("/v1/runs/r/{what}");
        server.ask("POST", &path, body.to_string().as_bytes())
    };
    let update = ask(&server, "updates/add?wait=60s", json!({"id": "u1", "value": "a"})).json(200);
    assert_eq!((&update["status"], &update["result"]), (&json!("done"), &json!(1)), "{update}");
    // The same again is the same update.
    assert_eq!(ask(&server, "updates/add?wait=60s", json!({"id": "u1", "value": "a"})).json(200), update);
    let refused = ask(&server, "updates/add?wait=60s", json!({"value": "bad"})).json(200);
    assert_eq!(
        (&refused["status"], &refused["error"]["message"]),
        (&json!("failed"), &json!("no such thing"))
    );
    for _ in 0..2 {
        assert_eq!(ask(&server, "queries/status", json!({})).json(200)["result"], json!({"count": 1}));
        assert_eq!(ask(&server, "queries/status", json!({"value": 0})).json(200)["result"], "aa");
        // The answer is the same when nothing is warm.
        server.kill();
        server = Server::start(&folder);
    }
    // Without a handler it says which events it waits for.
    let waiting = server.call(&folder, &["runs", "query", "r", "sluice.waiting"]).json();
    assert_eq!(waiting["result"], json!({"events": ["done"]}));
    let unknown = ask(&server, "queries/nothing", json!({})).json(404)["error"]["message"].to_string();
    assert!(unknown.contains("it has status"), "{unknown}");
    let told = server.call(&folder, &["runs", "update", "r", "add", "--data", "\"b\"", "--id", "u2"]);
    assert_eq!(told.json()["result"], 2);
    // Nobody handles this one, so its answer would be waited for as long as the run goes on.
    let silent = server.try_call(&folder, &["runs", "update", "r", "ad", "--id", "u3", "--timeout", "1"]);
    let message = silent.json()["error"]["message"].to_string();
    assert!(silent.exit != 0 && message.contains("u3, in time"), "{}", silent.stdout);
    server.call(&folder, &["runs", "signal", "r", "done"]);
    assert_eq!(ended(&server, "r")["outputs"]["flow"], json!(["aa", "bb"]));
    assert_eq!(server.call(&folder, &["runs", "query", "r", "status"]).json()["result"], json!({"count": 2}));
    let waiting = server.call(&folder, &["runs", "query", "r", "sluice.waiting"]).json();
    assert_eq!(waiting["result"], json!({"events": []}));
    let late = server.try_call(&folder, &["runs", "signal", "r", "done"]);
    assert_eq!((late.exit, &late.json()["error"]["code"]), (2, &json!("SLU0015")), "{}", late.stdout);
    let late = ask(&server, "updates/add", json!({})).json(409)["error"]["message"].to_string();
    assert!(late.contains("no workflow under way"), "{late}");
    server.stop();
}

#[test]
fn which_of_several_workflows_starts_must_be_said() {
    let code = "
@app.workflow
async def one(ctx, input):
    return 1

@app.workflow
async def two(ctx, input):
    return 2
";
    let folder = folder(code);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    let unsaid = server.try_call(&folder, &["start", "flow", "--input", "{}"]);
    let message = unsaid.json()["error"]["message"].to_string();
    assert!(unsaid.exit == 2 && message.contains("several workflows: one, two"), "{}", unsaid.stdout);
    let said = server.call(&folder, &["start", "flow", "--start", "two", "--wait"]);
    assert_eq!(said.json()["outputs"]["two"], 2, "{}", said.stdout);
    server.stop();
}

#[test]
fn a_cancelled_workflow_cleans_up() {
    let code = "
@app.function()
def undo(x):
    return x.value
";
    let body = "
try:
    await ctx.call(slow)
finally:
    await ctx.call(undo, 'undone')
    print('cleaned up')
";
    let folder = folder(&format!("{code}{}", workflow(body)));
    let server = Server::start(&folder);
    start(&server, &folder, "flow", "r", &json!(null));
    until(&server, "r", "CallMade", 1);
    server.call(&folder, &["runs", "cancel", "r"]);
    assert_eq!(ended(&server, "r")["status"], "cancelled");
    let logs = server.ask("GET", "/v1/runs/r/logs", b"").json(200).to_string();
    assert!(logs.contains("cleaned up"), "{logs}");
    server.stop();
}

#[test]
fn code_that_does_something_else_the_second_time_is_caught() {
    let body = "
await ctx.call(double, os.urandom(4).hex())
await ctx.wait_event('go')
return 'done'
";
    let folder = folder(&workflow(body));
    let server = Server::start(&folder);
    start(&server, &folder, "flow", "r", &json!(null));
    until(&server, "r", "CommandDone", 1);
    server.kill();
    let server = Server::start(&folder);
    server.call(&folder, &["event", "go", "--run", "r"]);
    until(&server, "r", "AttemptFailed", 1);
    let history = server.ask("GET", "/v1/runs/r/history?limit=1000", b"").json(200).to_string();
    let told = "command 1: expected `call double`, the code wants `call double` with another value";
    assert!(history.contains(told), "{history}");
    // Whoever waits is told what fails, how often it did, and when it is tried again.
    let run = server.ask("GET", "/v1/runs/r?wait=1s", b"").json(200);
    let retrying = &run["retrying"][0];
    let started = json!({"id": "r", "workflow": "flow", "input": null}).to_string();
    let waited = server.ask("POST", "/v1/apps/flow/runs?wait=1s", started.as_bytes());
    assert_eq!(waited.json(202)["retrying"][0]["error"], retrying["error"], "{run}");
    assert_eq!((&run["status"], &retrying["function"]), (&json!("running"), &json!("flow")), "{run}");
    assert_eq!(
        (&retrying["error"]["type"], &retrying["error"]["message"]),
        (&json!("Diverged"), &json!(told))
    );
    assert!(retrying["attempts"].as_u64() >= Some(1) && retrying["next_attempt_at"].is_string(), "{run}");
    assert!(retrying["error"]["stack"].as_str().unwrap().contains("line"), "{run}");
    server.stop();
}

#[test]
fn runs_keep_their_version_and_a_deploy_can_be_checked() {
    let version = |change: &str, output: &str| {
        let body = format!("{change}\nawait ctx.wait_event('go')\nreturn '{output}'");
        format!("{HEAD}{}", workflow(&body))
    };
    let folder = Folder::with(&[("app.py", &version("await ctx.call(double, 1)", "first"))]);
    let server = Server::start(&folder);
    start(&server, &folder, "flow", "r", &json!(null));
    until(&server, "r", "CommandDone", 1);
    // Code that does something else is refused, and nothing is deployed.
    folder.write("app.py", &version("await ctx.call(fail, 1)", "second"));
    let refused = server.try_call(&folder, &["deploy", "app.py", "--check"]);
    let error = refused.error(2);
    let told = "run r of workflow \"flow\" could not go on: command 1: expected `call double`, the code wants `call fail`";
    assert_eq!((&error["code"], &error["message"]), (&json!("SLU0118"), &json!(told)));
    assert!(error["cause"]["stack"].as_str().unwrap().contains("await ctx.call(fail, 1)"), "{error}");
    // Behind a patch it may do what it likes.
    let patched = "if ctx.patched('new'):\n    await ctx.sleep(0)\nelse:\n    await ctx.call(double, 1)";
    folder.write("app.py", &version(patched, "second"));
    assert_eq!(server.call(&folder, &["deploy", "app.py", "--check"]).json()["version"], 2);
    start(&server, &folder, "flow", "s", &json!(null));
    for run in ["r", "s"] {
        server.call(&folder, &["runs", "signal", run, "go"]);
    }
    // The run that was under way ends on the code that it was started with.
    assert_eq!(ended(&server, "r")["outputs"]["flow"], "first");
    assert_eq!(ended(&server, "s")["outputs"]["flow"], "second");
    assert_eq!((lines(&server, "r", "ChangeTaken").len(), lines(&server, "s", "ChangeTaken").len()), (0, 1));
    server.stop();
}

#[test]
fn code_that_never_ends_its_turn_is_stopped_and_tried_again() {
    let code = "
@app.workflow(timeout=0.5)
async def flow(ctx, input):
    await ctx.call(double, 1)
    if not os.path.exists('/tmp/been'):
        open('/tmp/been', 'w').close()
        while True:
            pass
    return 'went on'
";
    let called = run(code, "null");
    assert_eq!(called.exit, 0, "{} {}", called.stdout, called.stderr);
    assert_eq!(called.json()["outputs"]["flow"], "went on");
}

#[test]
fn an_express_workflow_survives_its_worker() {
    let code = "
@app.workflow(timeout=0.5)
async def flow(ctx, input):
    total = 0
    for n in range(5):
        total += await ctx.call(double, n)
    if not os.path.exists('/tmp/been'):
        open('/tmp/been', 'w').close()
        while True:
            pass
    return total
";
    let head = HEAD.replace("sg.App('flow')", "sg.App('flow', durability='express')");
    let folder = Folder::with(&[("app.py", &format!("{head}{code}"))]);
    let called = folder.call(&["run", "app.py", "--json", "--input", "null"]);
    assert_eq!(called.exit, 0, "{} {}", called.stdout, called.stderr);
    assert_eq!(called.json()["outputs"]["flow"], 20);
}

#[test]
fn a_crash_in_a_round_of_learning_changes_nothing() {
    let code = "
from sluicegate import federated

@app.function()
def train(task):
    client, model = task.value['client'], task.value['model']
    return None if client == 'outside' else {'sum': model['sum'] + len(client), 'noise': os.urandom(100_000)}

@app.function()
def add(given):
    updates = given.value['updates'].values()
    return {'sum': sum(update['sum'] for update in updates), 'rounds': given.value['model']['rounds'] + [b'\\xff']}

@app.workflow
async def flow(ctx, input):
    seen = []
    async for round in federated.rounds(
        ctx, {'sum': 0, 'rounds': []}, ['a', 'bb', 'outside'], train, add, count=4, reports='update'
    ):
        seen.append([round.model['sum'], len(round.model['rounds']), sorted(round.accepted), round.duplicate, round.late])
    return seen
";
    let folder = folder(code);
    let mut server = Server::start(&folder);
    start(&server, &folder, "flow", "r", &json!(null));
    for round in 1..=4 {
        // All calls of the round are done, its predecessors' too, and the last client has not reported.
        until(&server, "r", "CommandDone", round * 4 - 1);
        server.kill();
        server = Server::start(&folder);
        let report = |round| json!({"client": "outside", "round": round, "update": {"sum": 0}}).to_string();
        let send = |data: &str| server.call(&folder, &["event", "update", "--data", data, "--run", "r"]);
        send(&report(round - 1));
        send(&report(round));
    }
    let run = ended(&server, "r");
    let (all, late) = (json!(["a", "bb", "outside"]), json!(["outside"]));
    let expected: Vec<Value> = [(3, 1), (9, 2), (21, 3), (45, 4)]
        .iter()
        .map(|(sum, rounds)| json!([sum, rounds, all, json!([]), late]))
        .collect();
    assert_eq!(run["outputs"]["flow"], json!(expected), "{run}");
    assert_eq!(lines(&server, "r", "CallMade").len(), 16);
    server.stop();
}
