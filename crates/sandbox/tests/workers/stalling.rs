//! Workers that would make the server wait harm themselves only: it goes on to serve the others.

use crate::support::{APP, PARTS, Ran, Stage};
use sluice_isolation::{Feature, Host};
use sluice_objects::StreamName;
use sluice_sandbox::SandboxEvent;
use sluice_types::invocation::Arguments;
use sluice_types::{ContentType, FailureKind, Function, Object, Outcome, Payload, RunKey, Runtime};
use std::io::Write;
use std::sync::Arc;

const SOURCE: &str = r#"
import os, time

def fine(obj):
    return os.getpid()

def fill(bell):
    end = os.open(f"/proc/self/fd/{bell}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(end, b"x" * 4096)
    except BlockingIOError:
        pass

def before_a_flush(ctx):
    worker = ctx._worker
    fill(worker.call_fd)
    # It does not look whether it is woken, which would make room again.
    worker.call_fd, end = os.pipe()
    worker._flush()
    os.close(end)

def before_the_next_call(ctx):
    worker = ctx._worker
    fill(worker.call_fd)
    signal = worker.signal
    worker.signal = lambda: (signal(), time.sleep(600))

def while_others_are_behind_it(ctx):
    from sluicegate._worker import _is_unread
    while not _is_unread(ctx._worker.call_fd):
        pass
    fill(ctx._worker.call_fd)
    time.sleep(600)

def while_it_reads(obj, ctx):
    (stream,) = ctx._worker.memory.streams.values()
    fill(stream._bell)
    ctx.put("parts", "filled", b"")
    return obj.stream().read()
"#;

const FUNCTIONS: [&str; 5] =
    ["before_a_flush", "before_the_next_call", "while_it_reads", "fine", "while_others_are_behind_it"];
const FINE: u16 = 3;
const BEHIND: u16 = 4;

/// Workers with the server's user: they may open the other end of a pipe that they were given.
fn stage() -> Stage {
    let functions = FUNCTIONS.map(|name| {
        let runtime = Runtime::Python { module: "app.py".to_owned(), name: name.to_owned() };
        let mut function = Function::new(name, runtime);
        function.into = vec![PARTS];
        function.streams = name == "while_it_reads";
        function
    });
    let host = Host::new(env!("CARGO_BIN_EXE_sluice-noop-worker")).without(Feature::SeparateUser);
    Stage::on(Arc::new(host), functions.to_vec(), &[("app.py", SOURCE)])
}

fn call(stage: &mut Stage, function: u16) -> Ran {
    stage.call(function, ContentType::Bytes, b"x")
}

#[test]
fn a_full_call_bell_costs_the_worker_its_life() {
    let mut stage = stage();
    let flushed = call(&mut stage, 0);
    assert_eq!(flushed.failure().kind, FailureKind::Protocol, "{flushed:?}");
    assert!(flushed.failure().message.contains("cannot be woken"), "{flushed:?}");
    let first = call(&mut stage, 1);
    assert!(matches!(first.outcome, Outcome::Succeeded { .. }), "{first:?}");
    // The same worker is idle, and the next to be called; another takes its call.
    assert_ne!(call(&mut stage, FINE).text(), first.pid.to_string());
}

#[test]
fn a_bell_that_a_worker_rings_itself_is_not_read_for_ever() {
    let mut stage = stage().with_options(|options| {
        options.workers_max = 1;
        options.prompt_call = std::time::Duration::MAX;
    });
    let begin = |stage: &mut Stage| stage.start(BEHIND, Arguments::List(Vec::new()));
    let first = begin(&mut stage);
    begin(&mut stage);
    assert_eq!(stage.finish(first).failure().kind, FailureKind::Protocol);
}

#[test]
fn a_full_stream_bell_is_heard_as_well_as_any() {
    let mut stage = stage();
    let name = StreamName { run: RunKey(1), bucket: PARTS, key: "open".into() };
    let (_, file) = stage.memory.stream_writer(APP, &name).unwrap();
    let mut object = stage.object("open", ContentType::Bytes, b"");
    (object.bucket, object.payload) = (PARTS, Payload::Open { written: 0 });
    let id = stage.start(2, Arguments::One(object.clone()));
    stage.until(|events| events.iter().any(|event| matches!(event, SandboxEvent::Put { .. })));
    std::fs::File::from(file).write_all(b"whole").unwrap();
    let payload = stage.memory.close_stream(APP, &name, 5).unwrap();
    let whole = Object { payload, ..object };
    stage.pool.closed((APP, crate::support::VERSION), name.run, &whole, &mut stage.memory);
    assert_eq!(stage.finish(id).text(), "whole");
    call(&mut stage, FINE).text();
}

/// A module that passes the server a socket with unsent data. Whoever closes it last waits for ten minutes, or until
/// this process is killed.
const LINGERS: &str = r#"
import socket, struct, time
from sluicegate._wire import CONTROL, FORKED

listener = socket.create_server(("127.0.0.1", 0))
sender = socket.create_connection(listener.getsockname())
receiver, _ = listener.accept()
sender.setblocking(False)
try:
    while True:
        sender.send(bytes(1 << 20))
except BlockingIOError:
    pass
sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 600))
server = socket.socket(fileno=3)
socket.send_fds(server, [MESSAGE], [1] * OTHERS + [sender.fileno()])
sender.close()
time.sleep(600)
"#;

#[test]
fn closing_what_a_zygote_passes_does_not_hold_up_the_server() {
    // No message, an empty one, a lie, and more descriptors than the server ever expects.
    let lie = "CONTROL.pack(FORKED, 0, 0)";
    for (message, others) in [("b'x'", "0"), ("b''", "0"), (lie, "0"), (lie, "252")] {
        let source = LINGERS.replace("MESSAGE", message).replace("OTHERS", others);
        let ran = call(&mut Stage::python(&source, &["f"]), 0);
        assert_eq!(ran.failure().kind, FailureKind::Unstartable, "{ran:?}");
    }
}
