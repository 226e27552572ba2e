//! Every way in which a function can go wrong ends in an outcome that explains itself, and the next call works.

use crate::support::{APP, Ran, Stage};
use sluice_isolation::{Feature, Host};
use sluice_sandbox::SandboxEvent;
use sluice_types::invocation::Arguments;
use sluice_types::limits::CAPTURED_OUTPUT_BYTES_MAX;
use sluice_types::{Attempt, ContentType, FailureKind, Function, InvocationId, Outcome, Payload, Runtime};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SOURCE: &str = r#"
import fcntl, os, signal, sys, time

def fine(obj):
    return os.getpid()

def inner():
    raise ValueError("no such luck")

def raises(obj):
    inner()

def unserialisable(obj):
    return {1, 2}

def nested(obj):
    return {"a": object()}

def leaves(obj):
    sys.exit(3)

def exits(obj):
    os._exit(4)

def killed(obj):
    os.kill(os.getpid(), signal.SIGKILL)

def crashes(obj):
    print("about to crash", file=sys.stderr, flush=True)
    import ctypes
    ctypes.string_at(0)

def loops(obj):
    while True:
        pass

def grows(obj):
    data = []
    while True:
        data.append(bytearray(16 << 20))

def floods(obj):
    for _ in range(100):
        sys.stdout.write("x" * 9999 + "\n")
    os.system("echo from a child")
    return "done"

def recurses(obj):
    return recurses(obj)

def forks(obj):
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    return pid

def undeclared(obj, ctx):
    ctx.put("input", "k", b"v")

def garbage(ctx):
    worker = ctx._worker
    worker.slot[135168:135168 + 4096] = b"\xff" * 4096
    os.eventfd_write(worker.reply_fd, 4096)
    time.sleep(600)

def overruns(ctx):
    os.eventfd_write(ctx._worker.reply_fd, 1 << 40)
    time.sleep(600)

def overnotes(ctx):
    from sluicegate._wire import RUNG
    ctx._worker.words[RUNG] = 0xffffffff
    os.eventfd_write(ctx._worker.reply_fd, 12)
    time.sleep(600)

def reads(objects):
    return sum(len(found.data) for found in objects)

def steals(obj, ctx):
    from sluicegate._wire import PUT
    from sluicegate._record import pack
    worker = ctx._worker
    worker.send(PUT, 0, pack(2, "k", 0, None, b"", place=(1, 0, 1 << 20)))
    worker.signal()
    time.sleep(600)

def fills(ctx):
    try:
        os.open(f"/proc/self/fd/{ctx._worker.call_fd}", os.O_WRONLY | os.O_NONBLOCK)
    except PermissionError:
        return b"refused"

def drains(ctx):
    fd = ctx._worker.reply_fd
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    for _ in range(20_000):
        os.eventfd_write(fd, 1)
        os.eventfd_read(fd)
    return b"drained"

def waits(ctx):
    while not ctx.cancelled:
        time.sleep(0.001)
    raise RuntimeError("stopped")

def ignores(ctx):
    time.sleep(600)
"#;

fn run(function: &str) -> (Stage, Ran) {
    let mut stage = Stage::python(SOURCE, &[function, "fine"]);
    let ran = stage.call(0, ContentType::Bytes, b"x");
    (stage, ran)
}

/// Runs a function that fails, and then one that does not.
fn fails(function: &str, kind: FailureKind, message: &str) -> Ran {
    let (mut stage, ran) = run(function);
    let failure = ran.failure();
    assert_eq!(failure.kind, kind, "{failure:?}");
    assert!(failure.message.contains(message), "{failure:?}");
    stage.call(1, ContentType::Bytes, b"x").text();
    ran
}

#[test]
fn an_exception_is_told_with_the_users_part_of_the_stack() {
    let ran = fails("raises", FailureKind::Raised, "no such luck");
    let failure = ran.failure();
    assert_eq!(failure.r#type, "ValueError");
    assert!(failure.stack.contains("in inner") && failure.stack.contains("app.py"), "{}", failure.stack);
    assert!(!failure.stack.contains("_worker.py"), "{}", failure.stack);
}

#[test]
fn an_unserialisable_value_is_named_with_the_fix() {
    let ran = fails("unserialisable", FailureKind::Unserialisable, "builtins.set");
    assert!(ran.failure().message.contains("return bytes, str, a JSON value"));
    fails("nested", FailureKind::Unserialisable, "object is not JSON serializable");
}

#[test]
fn leaving_the_interpreter_is_explained() {
    fails("leaves", FailureKind::Raised, "sys.exit(3)");
    fails("exits", FailureKind::Crashed, "exit status 4");
}

#[test]
fn signals_are_named_and_stderr_is_kept() {
    fails("killed", FailureKind::Crashed, "SIGKILL");
    let ran = fails("crashes", FailureKind::Crashed, "SIGSEGV");
    assert!(ran.failure().stack.contains("about to crash"), "{:?}", ran.failure());
}

#[test]
fn an_endless_function_times_out() {
    let mut stage = Stage::python_with(SOURCE, &["loops", "fine"], |function| {
        if &*function.name == "loops" {
            function.timeout_ms = 100;
        }
    });
    let ran = stage.call(0, ContentType::Bytes, b"x");
    assert_eq!(ran.failure().kind, FailureKind::TimedOut);
    assert!(ran.failure().message.contains("100 ms"));
    stage.call(1, ContentType::Bytes, b"x").text();
}

#[test]
fn allocating_without_end_is_out_of_memory() {
    let mut stage = Stage::python_with(SOURCE, &["grows", "fine"], |f| f.resources.memory_bytes = 96 << 20);
    let ran = stage.call(0, ContentType::Bytes, b"x");
    assert_eq!(ran.failure().kind, FailureKind::OutOfMemory, "{:?}", ran.failure());
    stage.call(1, ContentType::Bytes, b"x").text();
}

/// A host that lacks parts of isolation still runs functions, and still bounds them.
#[test]
fn a_host_without_pid_namespaces_and_cgroups_will_do() {
    use Feature::*;
    let parts = [PidNamespace, IpcNamespace, UtsNamespace, MemoryCgroup, CpuCgroup, PidsCgroup];
    let host = Host::new(env!("CARGO_BIN_EXE_sluice-noop-worker"));
    let lacking = parts.into_iter().fold(host, Host::without);
    let functions = ["grows", "fine"].map(|name| {
        let runtime = Runtime::Python { module: "app.py".to_owned(), name: name.to_owned() };
        let mut function = Function::new(name, runtime);
        function.resources.memory_bytes = 96 << 20;
        function
    });
    let mut stage = Stage::on(Arc::new(lacking), functions.to_vec(), &[("app.py", SOURCE)]);
    let ran = stage.call(0, ContentType::Bytes, b"x");
    assert_eq!(ran.failure().kind, FailureKind::OutOfMemory, "{:?}", ran.failure());
    assert_eq!(ran.failure().r#type, "MemoryError");
    stage.call(1, ContentType::Bytes, b"x").text();
}

#[test]
fn a_flood_of_output_is_cut_and_counted() {
    let (_, ran) = run("floods");
    assert_eq!(ran.text(), "done");
    let note = ran.output.find("[").expect("the rest is counted");
    assert_eq!(note, CAPTURED_OUTPUT_BYTES_MAX);
    let dropped = 100 * 10_000 + "from a child\n".len() - CAPTURED_OUTPUT_BYTES_MAX;
    assert!(ran.output[note..].starts_with(&format!("[{dropped} bytes of output dropped")));
}

#[test]
fn deep_recursion_is_an_exception() {
    let ran = fails("recurses", FailureKind::Raised, "recursion");
    assert_eq!(ran.failure().r#type, "RecursionError");
}

#[test]
fn a_child_that_stays_behind_does_not_hold_up_the_result() {
    let (mut stage, ran) = run("forks");
    assert!(ran.text().parse::<u32>().unwrap() > 0);
    stage.call(1, ContentType::Bytes, b"x").text();
}

#[test]
fn a_put_to_an_undeclared_bucket_names_the_fix() {
    let ran = fails("undeclared", FailureKind::UndeclaredPut, "into=");
    assert!(ran.puts.is_empty());
}

#[test]
fn garbage_costs_the_worker_its_life_only() {
    fails("garbage", FailureKind::Protocol, "killed");
    fails("overruns", FailureKind::Protocol, "more than its message area");
    fails("overnotes", FailureKind::Protocol, "more than its message area");
    let ran = fails("steals", FailureKind::Protocol, "memory that is not its own");
    assert!(ran.puts.is_empty());
}

#[test]
fn nothing_that_a_worker_does_to_its_bells_stops_the_server() {
    // How its call ends depends on who is quicker; that it ends, and the next one too, does not.
    let (mut stage, _) = run("drains");
    stage.call(1, ContentType::Bytes, b"x").text();
    let (mut stage, filled) = run("fills");
    assert_eq!(filled.text(), "refused", "only the server rings the bell that wakes a worker");
    stage.call(1, ContentType::Bytes, b"x").text();
}

#[test]
fn a_call_whose_inputs_are_lost_leaves_no_trace_in_the_next() {
    let mut stage = Stage::python(SOURCE, &["reads"]);
    let [kept, lost] = ["a", "b"].map(|key| stage.object(key, ContentType::Bytes, &[1; 100_000]));
    let Payload::Stored { id, .. } = lost.payload else { panic!("it is large") };
    stage.memory.release(id).unwrap();
    let ran = stage.run(0, Arguments::List(vec![kept.clone(), lost]));
    assert_eq!(ran.failure().r#type, "InputUnavailable", "{ran:?}");
    assert_eq!(stage.run(0, Arguments::List(vec![kept])).text(), "100000");
}

#[test]
fn an_app_that_does_not_import_says_why() {
    for (source, expected) in [
        ("import nothing_like_it\n", "nothing_like_it"),
        ("def f(:\n", "SyntaxError"),
        ("import os\nos._exit(9)\n", "imported"),
        ("def g(): pass\n", "no function 'f'"),
    ] {
        let mut stage = Stage::python(source, &["f"]);
        for _ in 0..2 {
            let ran = stage.call(0, ContentType::Bytes, b"x");
            let failure = ran.failure();
            assert_eq!(failure.kind, FailureKind::Unstartable, "{failure:?}");
            let told = format!("{} {} {}", failure.r#type, failure.message, failure.stack);
            assert!(told.contains(expected), "{told}");
        }
    }
}

#[test]
fn a_cancelled_call_can_see_it() {
    let mut stage = Stage::python(SOURCE, &["waits", "fine"]);
    let object = stage.object("k", ContentType::Bytes, b"x");
    let id = stage.start(0, Arguments::One(object));
    stage.until(|events| !events.is_empty());
    stage.pool.cancel(id, Attempt(1), Instant::now());
    assert_eq!(stage.finish(id).outcome, Outcome::Cancelled);
    stage.call(1, ContentType::Bytes, b"x").text();
}

#[test]
fn a_cancelled_call_that_goes_on_is_killed_after_the_grace() {
    let mut stage = Stage::python(SOURCE, &["ignores", "fine"]);
    let object = stage.object("k", ContentType::Bytes, b"x");
    let id = stage.start(0, Arguments::One(object));
    stage.until(|events| !events.is_empty());
    let now = Instant::now();
    stage.pool.cancel(id, Attempt(1), now);
    // The grace is over as soon as the clock says so.
    stage.pool.poll(&mut stage.memory, now + Duration::from_secs(6), &mut stage.events).unwrap();
    assert_eq!(stage.finish(id).outcome, Outcome::Cancelled);
    stage.call(1, ContentType::Bytes, b"x").text();
}

#[test]
fn a_waiting_call_is_cancelled_at_once() {
    let mut stage = Stage::python(SOURCE, &["fine"]);
    let object = stage.object("k", ContentType::Bytes, b"x");
    let id = stage.start(0, Arguments::One(object));
    stage.pool.cancel(id, Attempt(1), Instant::now());
    assert_eq!(stage.finish(id).outcome, Outcome::Cancelled);
}

/// Whatever happens to whom: each attempt starts at most once and ends exactly once, and says nothing afterwards.
#[test]
fn every_attempt_ends_exactly_once() {
    let names = ["fine", "raises", "exits", "killed", "garbage", "forks", "floods", "unserialisable"];
    let mut stage = Stage::python(SOURCE, &names);
    let ids: Vec<InvocationId> = (0..48)
        .map(|i| {
            let object = stage.object("k", ContentType::Bytes, b"x");
            stage.start(i % names.len() as u16, Arguments::One(object))
        })
        .collect();
    stage.pool.cancel(ids[40], Attempt(1), Instant::now());
    let ended = |event: &SandboxEvent| matches!(event, SandboxEvent::Completed { .. });
    stage.until(|events| events.iter().filter(|event| ended(event)).count() >= 48);
    for (i, id) in ids.iter().enumerate() {
        let of_this: Vec<&SandboxEvent> = stage.events.iter().filter(|event| id_of(event) == *id).collect();
        let ends = of_this.iter().filter(|event| ended(event)).count();
        assert_eq!(ends, 1, "{of_this:?}");
        assert!(ended(of_this[of_this.len() - 1]), "{of_this:?}");
        let started = |event: &&SandboxEvent| matches!(event, SandboxEvent::Started { .. });
        let cancelled_in_line = i == 40 && of_this.len() == 1;
        assert!(cancelled_in_line || started(&of_this[0]), "{of_this:?}");
        assert!(!of_this[1..].iter().any(started), "{of_this:?}");
    }
}

fn id_of(event: &SandboxEvent) -> InvocationId {
    match event {
        SandboxEvent::Started { id, .. }
        | SandboxEvent::Put { id, .. }
        | SandboxEvent::Opened { id, .. }
        | SandboxEvent::Closed { id, .. }
        | SandboxEvent::Log { id, .. }
        | SandboxEvent::Completed { id, .. } => *id,
    }
}

#[test]
fn a_removed_app_leaves_no_process() {
    let (mut stage, _) = run("forks");
    let object = stage.object("k", ContentType::Bytes, b"");
    let id = stage.start(0, Arguments::One(object));
    stage.pool.remove_app(APP, crate::support::VERSION, Instant::now());
    assert_eq!(stage.finish(id).outcome, Outcome::Cancelled);
    let pool = &mut stage.pool;
    let memory = &mut stage.memory;
    while pool.worker_count() > 0 {
        pool.poll(memory, Instant::now(), &mut Vec::new()).unwrap();
        std::thread::yield_now();
    }
}
