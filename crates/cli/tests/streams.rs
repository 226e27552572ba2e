//! Objects that are read while they are written.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use tool::runs::{lines, until};
use tool::server::Server;
use tool::{Folder, try_run};

const HEAD: &str = "
import os, time
import sluicegate as sg

app = sg.App('streams')
items, parts = app.bucket('items'), app.bucket('parts')

def once(name):
    'Whether this is the first time; the workers of an app share /tmp.'
    try:
        os.close(os.open('/tmp/' + name, os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False

def wait_for(name):
    for _ in range(3000):
        if os.path.exists('/tmp/' + name):
            return
        time.sleep(0.01)
    raise TimeoutError(f'nobody has made {name}')
";

#[track_caller]
fn run(functions: &str) -> Value {
    try_run(&format!("{HEAD}{functions}"), &[("a", "alpha")], &["items=a"]).json()
}

#[track_caller]
fn output(run: &Value, key: &str) -> Value {
    assert_eq!(run["status"], "succeeded", "{run}");
    run["outputs"][key].clone()
}

#[test]
fn a_reader_has_the_beginning_before_the_end_is_written() {
    let run = run("
@app.function(on=items.each(), into=parts)
def write(item, ctx):
    with ctx.open(parts, 'p', content_type='text/plain') as out:
        out.write('first\\n')
        wait_for('read')
        out.write('second\\n')

@app.function(on=parts.each())
def read(part):
    lines = []
    for line in part.stream():
        lines.append(line.decode())
        once('read')
    return {'lines': lines, 'size': part.size, 'text': part.text(), 'type': part.content_type}

@app.function(on=parts.join(of=write))
def whole(parts):
    return [part.text() for part in parts]
");
    let text = "first\nsecond\n";
    let read = json!({"lines": ["first\n", "second\n"], "size": 13, "text": text, "type": "text/plain"});
    assert_eq!(output(&run, "p"), read);
    assert_eq!(output(&run, "whole"), json!([text]));
}

#[test]
fn what_never_streams_starts_at_the_end() {
    let run = run("
@app.function(on=items.each(), into=parts)
def write(item, ctx):
    with ctx.open(parts, 'p') as out:
        out.write(b'x' * 100_000)
        os.path.exists('/tmp/started') and out.write(b'too early')

@app.function(on=parts.name('p'))
def plain(part):
    once('started')
    return part.size
");
    assert_eq!(output(&run, "p"), json!(100_000));
}

#[test]
fn large_streams_pass_through_several_functions_as_they_are() {
    let run = run("
import hashlib
copies = app.bucket('copies')
SIZE, STEP = 20_000_000, 77_777

@app.function(on=items.each(), into=parts)
def write(item, ctx):
    data = bytes(range(256)) * (SIZE // 256)
    with ctx.open(parts, 'p') as out:
        for at in range(0, len(data), STEP):
            out.write(data[at:at + STEP])
    return None

@app.function(on=parts.each(), into=copies)
def copy(part, ctx):
    source = part.stream()
    with ctx.open(copies, 'c') as out:
        while chunk := source.read1(1 << 20):
            out.write(chunk)

@app.function(on=copies.each())
def digest(copy):
    found = hashlib.sha256()
    for chunk in iter(lambda: copy.stream().read(0), b''):
        pass
    source = copy.stream()
    while chunk := source.read(1 << 16):
        found.update(chunk)
    data = bytes(range(256)) * (SIZE // 256)
    return [copy.size == len(data), found.hexdigest() == hashlib.sha256(data).hexdigest(), copy.data == data]
");
    assert_eq!(output(&run, "c"), json!([true, true, true]));
}

#[test]
fn a_further_attempt_goes_on_and_readers_notice_nothing() {
    let run = run("
@app.function(on=items.each(), into=parts, retries={'max': 2, 'initial': 0})
def write(item, ctx):
    with ctx.open(parts, 'p') as out:
        out.write(b'one ')
        out.write(b'two ')
        if ctx.attempt == 1:
            wait_for('read')
            raise OSError('the first attempt fails')
        out.write(b'three')

@app.function(on=parts.each(), retries=0)
def read(part, ctx):
    source = part.stream()
    start = source.read(8)
    once('read')
    return {'all': (start + source.read()).decode(), 'attempt': ctx.attempt}
");
    assert_eq!(output(&run, "p"), json!({"all": "one two three", "attempt": 1}));
}

#[test]
fn what_was_shown_must_be_repeated() {
    for second in ["out.write(b'ONE ')", "out.write(b'on')"] {
        let run = run(&format!(
            "
@app.function(on=items.each(), into=parts, retries={{'max': 5, 'initial': 0}})
def write(item, ctx):
    with ctx.open(parts, 'p') as out:
        if ctx.attempt == 1:
            out.write(b'one ')
            wait_for('read')
            raise OSError('the first attempt fails')
        {second}

@app.function(on=parts.each())
def read(part):
    part.stream().read(4)
    once('read')
"
        ));
        assert_eq!(run["status"], "failed", "{run}");
        assert_eq!(run["error"]["code"], "SLU0106", "{run}");
        let functions = run["functions"].as_array().unwrap();
        assert_eq!(functions[0]["retried"], 1, "it is not tried again and again: {run}");
    }
}

#[test]
fn readers_of_what_is_broken_off_fail() {
    let run = run("
problems = app.bucket('problems')

@app.function(on=items.each(), into=parts, retries=0)
def write(item, ctx):
    with ctx.open(parts, 'p') as out:
        out.write(b'one ')
        wait_for('read')
        raise OSError('no more')

@app.function(on=parts.each(), retries=5)
def read(part):
    source = part.stream()
    source.read(4)
    once('read')
    source.read()

@app.function(on=parts.join(of=write))
def joined(parts):
    return len(parts)
");
    assert_eq!(run["status"], "failed", "{run}");
    let message = run["error"]["message"].as_str().unwrap();
    assert!(message.contains("no more") && message.contains("will not be finished"), "{message}");
}

#[test]
fn what_is_broken_off_costs_no_memory() {
    let folder = Folder::with(&[(
        "app.py",
        &format!(
            "{HEAD}
@app.function(on=items.each(), into=parts, retries=0)
def write(item, ctx):
    ctx.open(parts, 'p').write(bytes(5_000_000))
    raise OSError('no more')

@app.function(on=parts.each(), retries=0)
def read(part):
    return part.stream().read()

@app.function(on=sg.event(type='sluice.invocation.failed', subject='write'))
def cope(event):
    return 'coped'

@app.function(on=sg.event(type='sluice.invocation.failed', subject='read'))
def cope_too(event):
    return 'coped too'
"
        ),
    )]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    let body = json!({"id": "r", "objects": {"items": {"a": 1}}, "seal": false}).to_string();
    assert_eq!(server.ask("POST", "/v1/apps/streams/runs", body.as_bytes()).status, 202);
    until(&server, "r", "InvocationSucceeded", 2);
    let metrics = String::from_utf8(server.ask("GET", "/metrics", b"").body).unwrap();
    assert!(metrics.contains("sluice_object_bytes 0\n"), "{metrics}");
    server.stop();
}

#[test]
fn a_stream_that_is_left_open_fails_its_function() {
    let run = run("
@app.function(on=items.each(), into=parts, retries=0)
def write(item, ctx):
    ctx.open(parts, 'p').write(b'one ')

@app.function(on=parts.each())
def read(part):
    return part.stream().read()
");
    assert_eq!(run["status"], "failed", "{run}");
    let message = run["error"]["message"].as_str().unwrap();
    assert!(message.contains("without closing"), "{message}");
}

#[test]
fn a_call_has_so_many_objects_open_and_no_more() {
    let run = run("
@app.function(on=items.each(), into=parts, retries=3)
def write(item, ctx):
    return [ctx.open(parts, f'{n}') for n in range(129)]

@app.function(on=parts.each())
def read(part):
    return part.stream().read()
");
    assert_eq!(run["status"], "failed", "{run}");
    let message = run["error"]["message"].as_str().unwrap();
    assert!(message.contains("at most 128 objects open"), "{message}");
    assert_eq!(run["functions"][0]["retried"], 0, "{run}");
}

#[test]
fn what_was_shown_must_be_repeated_when_it_could_not_be_kept() {
    let folder = Folder::with(&[(
        "app.py",
        &format!(
            "{HEAD}
@app.function(on=items.each(), into=parts, retries={{'max': 5, 'initial': 0}})
def write(item, ctx):
    with ctx.open(parts, 'p') as out:
        out.write(bytes([ctx.attempt]) * 100_000)

@app.function(on=parts.each())
def read(part):
    return len(part.stream().read())
"
        ),
    )]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    // Files where the directories of objects would be.
    for low_byte in 0..=u8::MAX {
        std::fs::write(folder.path().join(format!("data/objects/objects/{low_byte:02x}")), "").unwrap();
    }
    let body = json!({"id": "r", "objects": {"items": {"a": 1}}}).to_string();
    let run = server.ask("POST", "/v1/apps/streams/runs?wait=60s", body.as_bytes()).json(200);
    assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!("SLU0106")), "{run}");
    assert_eq!(run["functions"][0]["retried"], 1, "{run}");
    let history = server.ask("GET", "/v1/runs/r/history?limit=1000", b"").json(200).to_string();
    assert!(history.contains("could not be kept"), "{history}");
    let part = server.ask("GET", "/v1/apps/streams/buckets/parts/p?run=r", b"").json(404).to_string();
    assert!(part.contains("was never finished"), "{part}");
    server.stop();
}

#[test]
fn readers_leave_workers_to_those_that_they_wait_for() {
    let run = run("
@app.function(on=items.each(), into=parts, retries={'max': 1, 'initial': '300ms'})
def write(item, ctx):
    files = [ctx.open(parts, f'{n:02}') for n in range(40)]
    for file in files:
        file.write(b'one ')
    if ctx.attempt == 1:
        wait_for('read')
        raise OSError('again, while all readers wait')
    for file in files:
        file.write(b'two')
        file.close()

@app.function(on=parts.each(), into=app.output)
def read(part):
    source = part.stream()
    start = source.read(4)
    once('read')
    return (start + source.read()).decode()
");
    assert_eq!(run["status"], "succeeded", "{run}");
    let outputs = run["outputs"].as_object().unwrap();
    assert_eq!(outputs.len(), 40);
    assert!(outputs.values().all(|text| text == "one two"), "{run}");
}

#[test]
fn express_runs_stream_too() {
    let run = try_run(
        &format!(
            "{}{}",
            HEAD.replace("sg.App('streams')", "sg.App('streams', durability='express')"),
            "
@app.function(on=items.each(), into=parts)
def write(item, ctx):
    with ctx.open(parts, 'p') as out:
        out.write(b'first')
        wait_for('read')
        out.write(b'second')

@app.function(on=parts.each())
def read(part):
    source = part.stream()
    start = source.read(5)
    once('read')
    return (start + source.read()).decode()
"
        ),
        &[("a", "alpha")],
        &["items=a"],
    );
    assert_eq!(output(&run.json(), "p"), json!("firstsecond"));
}

#[test]
fn a_stream_that_a_crash_cut_off_is_written_and_read_again() {
    let folder = Folder::with(&[(
        "app.py",
        &format!(
            "{HEAD}
@app.function(on=items.each(), into=parts)
def write(item, ctx):
    with ctx.open(parts, 'p', content_type='text/plain') as out:
        for n in range(60):
            out.write(f'{{n}}\\n')
            time.sleep(0.03)  # so that the server dies in the middle

@app.function(on=parts.each())
def read(part):
    return [int(line) for line in part.stream()]
"
        ),
    )]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    let body = json!({"id": "r", "objects": {"items": {"a": 1}}}).to_string();
    assert_eq!(server.ask("POST", "/v1/apps/streams/runs", body.as_bytes()).status, 202);
    until(&server, "r", "InvocationCreated", 2);
    server.kill();
    let server = Server::start(&folder);
    let run = server.ask("GET", "/v1/runs/r?wait=60s", b"").json(200);
    assert_eq!(output(&run, "p"), json!((0..60).collect::<Vec<_>>()));
    assert_eq!(
        (lines(&server, "r", "ObjectOpened").len(), lines(&server, "r", "InvocationCreated").len()),
        (1, 2)
    );
    server.stop();
}
