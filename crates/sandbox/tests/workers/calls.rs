//! What a Python function gets, and what becomes of what it gives.

use crate::support::{APP, PARTS, Stage};
use sluice_objects::{Memory, Options, StreamName};
use sluice_sandbox::{Level, SandboxEvent, Stream};
use sluice_types::invocation::Arguments;
use sluice_types::limits::INLINE_BYTES_MAX;
use sluice_types::{
    AppKey, Attempt, ContentType, Event, Function, Object, Outcome, Payload, RunKey, Runtime,
};
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

#[test]
fn bytes_go_in_and_come_out() {
    let mut stage = Stage::python("def double(obj):\n    return bytes(obj.data) * 2\n", &["double"]);
    let ran = stage.call(0, ContentType::Bytes, b"ab");
    assert_eq!(ran.text(), "abab");
    assert_eq!(ran.value().content_type, ContentType::Bytes);
    assert!(ran.pid > 0);
}

#[test]
fn json_is_decoded_and_encoded() {
    let source = "def count(obj):\n    return {'n': len(obj.value), 'key': obj.key, 'run': obj.run}\n";
    let mut stage = Stage::python(source, &["count"]);
    let ran = stage.call(0, ContentType::Json, b"[1, 2, 3]");
    assert_eq!(ran.text(), r#"{"n":3,"key":"key","run":"run_1"}"#);
    assert_eq!(ran.value().content_type, ContentType::Json);
}

#[test]
fn large_values_travel_in_shared_memory() {
    let source = "def invert(obj):\n    return bytes(255 - b for b in obj.data)\n";
    let mut stage = Stage::python(source, &["invert"]);
    let bytes: Vec<u8> = (0..200_000).map(|i| (i % 251) as u8).collect();
    let ran = stage.call(0, ContentType::Bytes, &bytes);
    let payload = ran.value().payload.clone();
    assert!(matches!(payload, Payload::Stored { len: 200_000, .. }));
    let inverted: Vec<u8> = bytes.iter().map(|b| 255 - b).collect();
    assert_eq!(stage.memory.bytes(&payload).unwrap(), inverted);
}

#[test]
fn a_generator_puts_what_it_yields() {
    let source =
        "def split(obj):\n    for i, word in enumerate(obj.text().split()):\n        yield str(i), word\n";
    let mut stage = Stage::python(source, &["split"]);
    let ran = stage.call(0, ContentType::Text, b"to be or");
    let keys: Vec<&str> = ran.puts.iter().map(|put| &*put.key).collect();
    assert_eq!(keys, ["0", "1", "2"]);
    assert!(ran.puts.iter().all(|put| put.bucket == PARTS && put.content_type == ContentType::Text));
}

#[test]
fn functions_take_what_they_ask_for() {
    let source = r#"
class Context: pass
def nothing(): return "nothing"
def context(ctx): return ctx.run
def both(obj, c: "Context"): return [obj.key, c.attempt, c.idempotency_key, c.function, c.group]
def optional(obj, scale=2): return len(obj.data) * scale
async def later(obj): return obj.text() + " later"
"#;
    let mut stage = Stage::python(source, &["nothing", "context", "both", "optional", "later"]);
    let mut text = |function| stage.call(function, ContentType::Text, b"abc").text();
    assert_eq!(text(0), "nothing");
    assert_eq!(text(1), "run_1");
    assert_eq!(text(2), r#"["key",1,"run_1/2","both",null]"#);
    assert_eq!(text(3), "6");
    assert_eq!(text(4), "abc later");
}

#[test]
fn values_keep_their_types() {
    let source = "def same(obj):\n    return obj.value\n";
    let mut stage = Stage::python(source, &["same"]);
    for (content_type, bytes) in [
        (ContentType::Json, &br#"{"a":[1,2.5,true,null,"\u00e4"]}"#[..]),
        (ContentType::Text, "Zürich".as_bytes()),
        (ContentType::Bytes, b"\0\xff"),
    ] {
        let ran = stage.call(0, content_type.clone(), bytes);
        assert_eq!(ran.value().content_type, content_type);
    }
    let none = stage.call(0, ContentType::Json, b"null");
    assert!(matches!(none.outcome, Outcome::Succeeded { value: None, .. }));
}

#[test]
fn lists_arrive_in_order_however_long() {
    let source =
        "def join(objects):\n    return [len(objects), sum(len(o.data) for o in objects), objects[-1].key]\n";
    let mut stage = Stage::python(source, &["join"]);
    for (count, len) in [(0, 0), (3, 10), (100, 60_000), (20, 100_000)] {
        let list: Vec<Object> =
            (0..count).map(|i| stage.object(&i.to_string(), ContentType::Bytes, &vec![1; len])).collect();
        if count == 0 {
            let ran = stage.run(0, Arguments::List(list));
            assert_eq!(ran.failure().r#type, "IndexError");
            continue;
        }
        let ran = stage.run(0, Arguments::List(list));
        assert_eq!(ran.text(), format!("[{count},{},\"{}\"]", count * len, count - 1));
    }
}

#[test]
fn events_have_their_attributes() {
    let source = r#"
def hear(event):
    return [event.id, event.type, event.source, event.subject, event.time.isoformat(), event.data]
"#;
    let mut stage = Stage::python(source, &["hear"]);
    let event = Event {
        id: "e1".into(),
        source: "/here".into(),
        r#type: "made".into(),
        subject: Some("s".into()),
        time_ms: 1_700_000_000_000,
        content_type: ContentType::Json,
        data: br#"{"n":1}"#[..].into(),
        run: None,
    };
    let ran = stage.run(0, Arguments::Event(Arc::new(event)));
    let expected = r#"["e1","made","/here","s","2023-11-14T22:13:20+00:00",{"n":1}]"#;
    assert_eq!(ran.text(), expected);
}

#[test]
fn the_context_puts_emits_and_logs() {
    let source = r#"
def work(obj, ctx):
    ctx.put("parts", "a", {"n": 1}, group="g", meta={"k": "v"})
    with ctx.open("parts", "b") as w:
        w.write(b"first ")
        w.write("second")
    ctx.emit("done", {"ok": True}, subject="s")
    ctx.log("a note", level="warn")
    print("printed")
"#;
    let mut stage = Stage::python(source, &["work"]);
    let ran = stage.call(0, ContentType::Bytes, b"");
    let Outcome::Succeeded { emits, value: None, .. } = &ran.outcome else { panic!("{ran:?}") };
    assert_eq!(
        (&*emits[0].r#type, emits[0].subject.as_deref(), &emits[0].data[..]),
        ("done", Some("s"), &br#"{"ok":true}"#[..])
    );
    let put = &ran.puts[0];
    assert_eq!((put.group.as_deref(), put.meta.as_ref().unwrap()["k"].as_str()), (Some("g"), "v"));
    assert_eq!(ran.puts[1].payload, Payload::Inline(b"first second"[..].into()));
    let warned = stage.events.iter().any(|event| {
        matches!(event, SandboxEvent::Log { stream: Stream::Log(Level::Warn), bytes, .. } if bytes == b"a note")
    });
    assert!(warned && ran.output.contains("printed\n"));
}

#[test]
fn what_a_call_prints_is_its_own_while_another_keeps_the_pool_busy() {
    let source = r#"
import os, time

def work(obj):
    what = obj.text()
    until = time.monotonic() + 0.0045 + int(what) % 50 / 50_000  # about when the pool looks after it
    while time.monotonic() < until:
        pass
    print(what)

def flood():
    while True:
        os.write(1, b"x" * 60_000)
"#;
    let mut stage = Stage::python(source, &["work", "flood"]);
    let flood = stage.start(1, Arguments::List(Vec::new()));
    for what in 0..400 {
        let what = what.to_string();
        let ran = stage.call(0, ContentType::Text, what.as_bytes());
        assert_eq!(ran.output.trim(), what);
        stage.events.clear();
    }
    let now = Instant::now();
    stage.pool.cancel(flood, Attempt(1), now);
    stage.finish(flood);
}

#[test]
fn more_puts_than_the_message_area_holds() {
    let source = r#"
def work(obj, ctx):
    for i in range(40):
        ctx.put("parts", str(i), bytes([i]) * (50_000 if i % 2 else 70_000))
"#;
    let mut stage = Stage::python(source, &["work"]);
    let ran = stage.call(0, ContentType::Bytes, b"");
    assert!(matches!(ran.outcome, Outcome::Succeeded { .. }));
    assert_eq!(ran.puts.len(), 40);
    for (i, put) in ran.puts.iter().enumerate() {
        let len = if i % 2 == 1 { 50_000 } else { 70_000 };
        assert_eq!(stage.memory.bytes(&put.payload).unwrap(), vec![i as u8; len]);
    }
}

#[test]
fn memory_that_a_function_still_looks_at_is_not_used_again() {
    let source = r#"
kept = None
def keep(obj):
    global kept
    kept = obj.data[10:20]
def look():
    return bytes(kept)
def drop():
    global kept
    kept = None
"#;
    let mut stage = Stage::python_with(source, &["keep", "look", "drop"], |_| {});
    let (first, other) = (vec![1; 100_000], vec![2; 100_000]);
    let object = stage.object("k", ContentType::Bytes, &first);
    let Payload::Stored { id, .. } = object.payload else { panic!("it is stored") };
    stage.run(0, Arguments::One(object));
    stage.memory.release(id).unwrap();
    stage.memory.store(APP, &other).unwrap();
    assert_eq!(stage.call(1, ContentType::Bytes, b"").text(), "\u{1}".repeat(10));
    assert_eq!(stage.memory.object_count(), 2, "the released object is still there");
    stage.call(2, ContentType::Bytes, b"");
    assert_eq!(stage.memory.object_count(), 1, "nobody looks at it any more");
}

#[test]
fn results_that_are_views_of_inputs_are_copied() {
    let source = "def tail(obj):\n    return obj.data[1:]\n";
    let mut stage = Stage::python(source, &["tail"]);
    let object = stage.object("k", ContentType::Bytes, &vec![3; 200_000]);
    let Payload::Stored { id, .. } = object.payload else { panic!("it is stored") };
    let ran = stage.run(0, Arguments::One(object));
    stage.memory.release(id).unwrap();
    assert_eq!(stage.memory.bytes(&ran.value().payload).unwrap(), vec![3; 199_999]);
    assert_eq!(stage.memory.object_count(), 1);
}

#[test]
fn workers_are_reused_and_their_randomness_is_not() {
    let source = "import os, random\ndef draw():\n    return [os.getppid(), random.random()]\n";
    let mut stage = Stage::python_with(source, &["draw"], |function| function.warm = 1);
    let ids: Vec<_> = (0..4)
        .map(|_| {
            let object = stage.object("k", ContentType::Bytes, b"");
            stage.start(0, Arguments::One(object))
        })
        .collect();
    let draws: BTreeSet<String> = ids.into_iter().map(|id| stage.finish(id).text()).collect();
    assert_eq!(draws.len(), 4);
    let pids: Vec<u32> = (0..10).map(|_| stage.call(0, ContentType::Bytes, b"").pid).collect();
    assert!(pids.iter().all(|pid| *pid == pids[0]), "the worker that ran last runs next: {pids:?}");
}

#[test]
fn warm_functions_have_workers_before_they_are_called() {
    let source = "def f():\n    return 1\n";
    let mut stage = Stage::python_with(source, &["f"], |function| function.warm = 2);
    stage.until_workers(2);
    assert_eq!(stage.call(0, ContentType::Bytes, b"").text(), "1");
    assert_eq!(stage.pool.worker_count(), 2);
}

#[test]
fn apps_share_too_few_workers() {
    let source = "def f(obj):\n    return obj.text()\n";
    let mut stage = Stage::python(source, &["f"]).limited_to(1);
    stage.add_again(AppKey(8));
    let ids: Vec<_> = (0..12)
        .map(|i| {
            let object = stage.object("k", ContentType::Text, i.to_string().as_bytes());
            stage.start_of(AppKey(7 + i % 2), 0, Arguments::One(object))
        })
        .collect();
    for (i, id) in ids.into_iter().enumerate() {
        assert_eq!(stage.finish(id).text(), i.to_string());
    }
}

#[test]
fn functions_see_their_environment_and_their_bundle() {
    let source = r#"
import os
from lib.words import WORD
GREETING = os.environ["GREETING"]
def greet():
    return GREETING + " " + WORD + open("data.txt").read()
"#;
    let runtime = Runtime::Python { module: "app.py".to_owned(), name: "greet".to_owned() };
    let mut function = Function::new("greet", runtime);
    function.env.insert("GREETING".to_owned(), "hello".to_owned());
    let files = [("app.py", source), ("lib/words.py", "WORD = 'big '\n"), ("data.txt", "world")];
    let mut stage = Stage::new(vec![function], &files);
    assert_eq!(stage.call(0, ContentType::Bytes, b"").text(), "hello big world");
}

#[test]
fn functions_of_an_app_are_found_by_their_registered_names() {
    let source = r#"
import sluicegate as sg
app = sg.App("test")
parts = app.bucket("parts")

@app.function(on=app.input.each(), into=parts, name="registered")
def declared(obj: sg.Object, ctx: sg.Context):
    ctx.put(parts, "k", "v")
    return isinstance(obj, sg.Object) and isinstance(ctx, sg.Context)
"#;
    let module = "app.py".to_owned();
    let runtime = Runtime::Python { module, name: "declared".to_owned() };
    let mut function = Function::new("registered", runtime);
    function.into = vec![PARTS];
    let mut stage = Stage::new(vec![function], &[("app.py", &format!("{source}\ndeclared = None\n"))]);
    let ran = stage.call(0, ContentType::Bytes, b"");
    assert_eq!((ran.text().as_str(), &*ran.puts[0].key), ("true", "k"));
}

#[test]
fn extents_that_are_gone_cost_no_call_its_inputs() {
    let mut stage =
        Stage::python("def count(objects):\n    return sum(len(o.data) for o in objects)\n", &["count"]);
    // Each object in an extent of its own.
    let dir = tempfile::tempdir().unwrap();
    let options = Options { extent_bytes: 4096, ..Options::new(dir.path(), 1 << 30) };
    stage.memory = Memory::new(options).unwrap();
    const LEN: usize = INLINE_BYTES_MAX + 1;
    let call = |stage: &mut Stage, count: usize| {
        let bytes = vec![1; LEN];
        let list: Vec<_> = (0..count).map(|_| stage.object("key", ContentType::Bytes, &bytes)).collect();
        let ran = stage.run(0, Arguments::List(list.clone()));
        assert_eq!(ran.text(), (count * LEN).to_string());
        for object in list {
            let Payload::Stored { id, .. } = object.payload else { panic!("it is inline") };
            stage.memory.release(id).unwrap();
        }
        ran.pid
    };
    let pid = call(&mut stage, 150);
    stage.memory.trim(0).unwrap();
    stage.pool.poll(&mut stage.memory, Instant::now(), &mut stage.events).unwrap();
    assert_eq!(call(&mut stage, 100), pid, "the same worker has 150 to forget, and 50 of them wait");
}

#[test]
fn a_reader_that_is_cancelled_between_two_waits_is_told_at_the_second() {
    let source = r#"
def reads(obj, ctx):
    obj.stream().read(1)
    ctx.put("parts", "begun", "")
    while not ctx.cancelled:
        pass
    try:
        obj.stream().read()
    except Exception as error:
        ctx.put("parts", "told", type(error).__name__)
        raise
"#;
    let mut stage = Stage::python_with(source, &["reads"], |function| function.streams = true);
    let name = StreamName { run: RunKey(1), bucket: PARTS, key: "open".into() };
    let (_, file) = stage.memory.stream_writer(APP, &name).unwrap();
    std::fs::File::from(file).write_all(b"x").unwrap();
    let mut object = stage.object("open", ContentType::Bytes, b"");
    (object.bucket, object.payload) = (PARTS, Payload::Open { written: 0 });
    let id = stage.start(0, Arguments::One(object));
    stage.until(|events| events.iter().any(|event| matches!(event, SandboxEvent::Put { .. })));
    stage.pool.cancel(id, Attempt(1), Instant::now());
    let ran = stage.finish(id);
    assert_eq!(ran.outcome, Outcome::Cancelled);
    let told = ran.puts.iter().find(|put| *put.key == *"told").expect("it was not killed in its wait");
    assert_eq!(told.payload, Payload::Inline(b"StreamBroken".as_slice().into()));
}

/// The news of a close may come later than the close itself: the object is put on disk first.
#[test]
fn a_reader_that_starts_after_the_close_reads_what_was_written() {
    let source = "def reads(obj):\n    return obj.stream().read()\n";
    let mut stage = Stage::python_with(source, &["reads"], |function| function.streams = true);
    let name = StreamName { run: RunKey(1), bucket: PARTS, key: "open".into() };
    let (_, file) = stage.memory.stream_writer(APP, &name).unwrap();
    std::fs::File::from(file).write_all(b"whole").unwrap();
    stage.memory.close_stream(APP, &name, 5).unwrap();
    let mut object = stage.object("open", ContentType::Bytes, b"");
    (object.bucket, object.payload) = (PARTS, Payload::Open { written: 0 });
    assert_eq!(stage.run(0, Arguments::One(object)).text(), "whole");
}

/// Apps A, B, C, A: what was imported for A is kept only where there is room for it.
#[test]
fn an_app_that_nobody_calls_is_imported_again() {
    let again = |zygotes_max| {
        let source = "import time\nBORN = time.monotonic_ns()\ndef born(obj):\n    return BORN\n";
        let mut stage = Stage::python(source, &["born"]).with_options(|options| {
            (options.workers_max, options.zygotes_max) = (1, zygotes_max);
        });
        let others = [AppKey(APP.0 + 1), AppKey(APP.0 + 2)];
        others.iter().for_each(|app| stage.add_again(*app));
        let born = [APP, others[0], others[1], APP].map(|app| {
            let object = stage.object("key", ContentType::Text, b"");
            let id = stage.start_of(app, 0, Arguments::One(object));
            stage.finish(id).text()
        });
        born[0] != born[3]
    };
    assert!(again(1));
    assert!(!again(3));
}
