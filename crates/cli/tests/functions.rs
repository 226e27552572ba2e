//! What functions give and do, from the Python API to the outputs of the run.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use tool::server::Server;
use tool::{Folder, run, try_run};

const HEAD: &str = "import sluicegate as sg\n\napp = sg.App('functions')\nitems = app.bucket('items')\n";

#[track_caller]
fn ran(functions: &str) -> Value {
    run(&format!("{HEAD}{functions}"), &[("a", "alpha"), ("b", "beta")], &["items=a", "items=b"])
}

#[track_caller]
fn failed(functions: &str) -> Value {
    let called = try_run(&format!("{HEAD}{functions}"), &[("a", "alpha")], &["items=a"]);
    assert_eq!(called.exit, 1, "{} {}", called.stdout, called.stderr);
    let run = called.json();
    assert_eq!(run["status"], "failed");
    for field in ["code", "message", "where", "fix"] {
        assert!(run["error"][field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {run}");
    }
    assert!(called.stderr.contains(run["error"]["code"].as_str().unwrap()) || !called.stderr.is_empty());
    run["error"].clone()
}

#[test]
fn every_type_of_value_comes_out_as_it_went_in() {
    let run = ran("
VALUES = {
    'dict': {'a': [1, 2.5, None, True], 'ü': 'ß'}, 'list': [], 'tuple': (1, 2), 'int': 2**70, 'float': 0.1,
    'bool': False, 'text': 'grüße\\n', 'bytes': bytes(range(4)), 'bytearray': bytearray(b'\\xff'),
    'view': memoryview(b'abcd')[::2], 'empty': '', 'nothing': None,
}

@app.function(on=items.name('a'), into=app.output)
def give(item):
    for name, value in VALUES.items():
        if value is not None:
            yield name, value

@app.function(on=items.name('b'))
def none(item):
    return None
");
    assert_eq!(
        run["outputs"],
        json!({
            "dict": {"a": [1, 2.5, null, true], "ü": "ß"}, "list": [], "tuple": [1, 2],
            "int": serde_json::from_str::<Value>("1180591620717411303424").unwrap(), "float": 0.1, "bool": false,
            "text": "grüße\n", "bytes": {"base64": "AAECAw=="}, "bytearray": {"base64": "/w=="},
            "view": {"base64": "YWM="}, "empty": "",
        })
    );
    let types = &run["output_types"];
    assert_eq!(
        (&types["dict"], &types["text"], &types["view"]),
        (&json!("application/json"), &json!("text/plain"), &json!("application/octet-stream"))
    );
}

#[test]
fn a_context_puts_streams_emits_and_tells_about_its_call() {
    let run = ran(
        "
side = app.bucket('side')

@app.function(on=items.name('a'), into=[app.output, side], retries=1)
def busy(item, ctx):
    ctx.log('a line for the log')
    ctx.put(side, 'to', {'n': 1}, meta={'lang': 'en'}, group='g')
    with ctx.open(app.output, 'parts', content_type='text/plain') as out:
        out.write('one ')
        out.write(b'two')
    ctx.emit('busy.done', [1, 2], subject=item.key)
    return {'attempt': ctx.attempt, 'run': ctx.run == item.run, 'function': ctx.function,
            'key': len(ctx.idempotency_key) > 0, 'cancelled': ctx.cancelled}

@app.function(on=side.each())
def seen(item):
    return {'value': item.value, 'meta': item.meta, 'bucket': item.bucket, 'type': item.content_type, 'group': item.group}

@app.function(on=sg.event(type='busy.done'), into=app.output)
def heard(event):
    yield 'heard', {'data': event.data, 'subject': event.subject}
",
    );
    assert_eq!(
        run["outputs"],
        json!({
            "a": {"attempt": 1, "run": true, "function": "busy", "key": true, "cancelled": false},
            "parts": "one two",
            "to": {"value": {"n": 1}, "meta": {"lang": "en"}, "bucket": "side", "type": "application/json", "group": "g"},
            "heard": {"data": [1, 2], "subject": "a"},
        })
    );
}

#[test]
fn what_is_yielded_starts_consumers_while_the_producer_runs() {
    // The producer goes on until it is told that nobody needs more: it ends because its consumer was started.
    let run = ran("
import time
parts = app.bucket('parts')

@app.function(on=items.name('a'), into=parts, timeout=60)
def produce(item, ctx):
    yield 'first', 1
    while not ctx.cancelled:
        time.sleep(0.005)

@app.function(on=parts.first(1, of=2))
def consume(arrived):
    return [part.key for part in arrived]
");
    assert_eq!(run["outputs"], json!({"consume": ["first"]}));
    assert_eq!((&run["functions"][0]["cancelled"], &run["functions"][0]["failed"]), (&json!(1), &json!(0)));
}

#[test]
fn a_failed_attempt_is_tried_again_and_only_the_last_failure_counts() {
    let run = ran("
@app.function(on=items.each(), retries={'max': 3, 'initial': '10ms'})
def flaky(item, ctx):
    if ctx.attempt < 3:
        raise OSError('not yet')
    return ctx.attempt
");
    assert_eq!(run["outputs"], json!({"a": 3, "b": 3}));
    assert_eq!((&run["error"], &run["functions"][0]["retried"]), (&Value::Null, &json!(4)));
}

#[test]
fn puts_with_visibility_commit_are_seen_only_when_the_attempt_succeeds() {
    let run = ran("
parts = app.bucket('parts')

@app.function(on=items.name('a'), into=parts, visibility='commit', retries={'max': 1, 'initial': '10ms'})
def work(item, ctx):
    ctx.put(parts, f'of-attempt-{ctx.attempt}', ctx.attempt)
    if ctx.attempt == 1:
        raise ValueError('after the put')

@app.function(on=parts.each())
def seen(part):
    return part.value
");
    assert_eq!(run["outputs"], json!({"of-attempt-2": 2}));
}

#[test]
fn a_retry_that_puts_other_bytes_is_refused_and_the_same_bytes_are_not() {
    let error = failed(
        "
@app.function(on=items.each(), into=app.output, retries={'max': 1, 'initial': '10ms'})
def work(item, ctx):
    ctx.put(app.output, 'n', ctx.attempt)
    raise ValueError('again')
",
    );
    assert_eq!(error["code"], "SLU0106", "{error}");
    let run = ran("
@app.function(on=items.name('a'), into=app.output, retries={'max': 1, 'initial': '10ms'})
def work(item, ctx):
    ctx.put(app.output, 'n', 7)
    if ctx.attempt == 1:
        raise ValueError('again')
");
    assert_eq!(run["outputs"], json!({"n": 7}));
}

#[test]
fn a_key_has_one_owner() {
    let app = "
@app.function(on=items.each(), into=app.output, retries=0)
def work(item):
    yield 'same', item.key
";
    let called = try_run(&format!("{HEAD}{app}"), &[("a", "1"), ("b", "2")], &["items=a", "items=b"]);
    assert_eq!(called.exit, 1);
    assert_eq!(called.json()["error"]["code"], "SLU0107", "{}", called.stdout);
}

#[test]
fn a_put_elsewhere_fails_at_once_and_names_the_fix() {
    let error = failed(
        "
other = app.bucket('other')

@app.function(on=items.each())
def work(item, ctx):
    ctx.put(other, 'k', 1)
",
    );
    assert_eq!(error["code"], "SLU0105", "{error}");
    assert!(error["cause"]["message"].as_str().unwrap().contains("into="), "{error}");
}

#[test]
fn each_way_to_fail_has_its_code() {
    let ways = [
        ("raise KeyError('gone')", "SLU0100", "KeyError"),
        ("return object()", "SLU0104", "object"),
        ("return float('nan')", "SLU0104", "JSON"),
        ("import sys; sys.exit(3)", "SLU0100", "3"),
        ("import os; os._exit(3)", "SLU0101", "3"),
        ("import os; os.kill(os.getpid(), 9)", "SLU0101", "SIGKILL"),
        ("import time; time.sleep(1000)", "SLU0102", "300 ms"),
        ("while True: pass", "SLU0102", "300 ms"),
        ("x = []\n    while True: x.append(bytearray(1 << 20))", "SLU0103", "memory"),
    ];
    std::thread::scope(|scope| {
        for (body, code, says) in ways {
            scope.spawn(move || fails(body, code, says));
        }
    });
}

fn fails(body: &str, code: &str, says: &str) {
    let timeout = if code == "SLU0102" { "300ms" } else { "60s" };
    let error = failed(&format!(
        "\n@app.function(on=items.each(), retries=0, timeout='{timeout}', memory='64MiB')\ndef work(item):\n    {body}\n"
    ));
    assert_eq!(error["code"], code, "{body}: {error}");
    assert!(error.to_string().contains(says), "{body}: {error}");
    assert!(error["where"].as_str().unwrap().contains("work"), "{body}: {error}");
}

#[test]
fn a_failed_run_keeps_what_it_put_out() {
    let app = format!(
        "{HEAD}
@app.function(on=items.each(), into=app.output)
def work(item):
    return item.text()

@app.function(on=app.output.join(of=work), retries=0)
def total(parts):
    raise ValueError(str(len(parts)) + ' is too many')
"
    );
    let called = try_run(&app, &[("a", "1"), ("b", "2")], &["items=[ab]"]);
    assert_eq!(called.exit, 1);
    let run = called.json();
    assert_eq!(run["outputs"], json!({"a": "1", "b": "2"}), "{run}");
    assert_eq!(run["error"]["cause"]["message"], "2 is too many");
}

#[test]
fn what_functions_say_is_shown_and_stacks_name_the_users_files() {
    let app = format!(
        "{HEAD}
@app.function(on=items.each(), retries=0)
def work(item, ctx):
    print('printed')
    ctx.log('logged')
    raise ValueError('bad')
"
    );
    let called = try_run(&app, &[("a", "1")], &["items=a"]);
    assert_eq!(called.exit, 1);
    assert!(
        called.stderr.contains("work: printed\n") && called.stderr.contains("work: logged\n"),
        "{}",
        called.stderr
    );
    let stack = called.json()["error"]["cause"]["stack"].as_str().unwrap().to_owned();
    assert!(stack.contains("File \"app.py\", line 10, in work"), "{stack}");
}

#[test]
fn an_express_run_may_end_with_more_bytes_of_outputs_than_a_record_holds() {
    let outputs = 4_400;
    let app = "
import sluicegate as sg
app = sg.App('many', durability='express')
items = app.bucket('items')

@app.function(on=items.each())
def write(item, ctx):
    for n in range(OUTPUTS):
        ctx.put('output', f'{n:05}', b'x' * 63_000)
";
    let folder = Folder::with(&[("app.py", &app.replace("OUTPUTS", &outputs.to_string()))]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    server.ask("POST", "/v1/apps/many/runs", br#"{"id": "r", "objects": {"items": {"a": 1}}}"#).json(202);
    let ended = |server: &Server| loop {
        let runs = server.ask("GET", "/v1/runs?app=many", b"").json(200);
        if runs["runs"][0]["status"] != "running" {
            return runs["runs"][0]["status"].clone();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!(ended(&server), "succeeded");
    server.kill();
    let server = Server::start(&folder);
    assert_eq!(ended(&server), "succeeded");
    let last = format!("/v1/apps/many/buckets/output/{:05}?run=r", outputs - 1);
    assert_eq!(server.ask("GET", &last, b"").body.len(), 63_000);
    server.stop();
}
