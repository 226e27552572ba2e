//! Functions that end right after their puts: their workers announce what they put and ring at the end only.

use crate::support::Stage;
use sluice_sandbox::SandboxEvent;
use sluice_types::invocation::Arguments;
use sluice_types::{Attempt, ContentType, FailureKind, Outcome};
use std::time::Instant;

/// Whether a function is prompt is a matter of time; here it says so itself.
const SOURCE: &str = r#"
def prompt(ctx):
    ctx._function.ending_ns = 0
    return ctx._worker.slot

def late():
    for _ in range(2_000_000):
        pass
    return "late"

def few(obj, ctx):
    prompt(ctx)
    for i in range(3):
        ctx.put("parts", str(i), b"x")
    print("printed")
    return "done"

def many(obj, ctx):
    prompt(ctx)
    for i in range(40):
        ctx.put("parts", str(i), bytes([i]) * (50_000 if i % 2 else 70_000))

def goes_on(obj, ctx):
    slot = prompt(ctx)
    ctx.put("parts", "announced", b"x")
    while not slot[4]:
        pass
    ctx.put("parts", "rung for", b"x")
    while not ctx.cancelled:
        pass
    raise RuntimeError("cancelled")

def by_bell(obj, ctx):
    ctx._worker.words = [0] * 5  # from now on it says nothing in the slot
    ctx.put("parts", "rung for", b"x")
    return "done"

def dies(obj, ctx):
    import os
    prompt(ctx)
    ctx.put("parts", "last", b"x")
    os._exit(3)

def overruns(obj, ctx):
    prompt(ctx)[8:12] = b"\xff\xff\xff\xff"
    return late()

def ends_silently(obj, ctx):
    slot = prompt(ctx)
    ctx._worker.send(4, 0, b"")
    slot[8] = 12
    value = late()
    ctx._worker._at = ctx._worker._rung_at = 0
    return value
"#;

const FUNCTIONS: [&str; 7] = ["few", "many", "goes_on", "overruns", "ends_silently", "dies", "by_bell"];

fn keys(stage: &Stage) -> Vec<&str> {
    let mut keys = Vec::new();
    for event in &stage.events {
        if let SandboxEvent::Put { put, .. } = event {
            keys.push(&*put.key);
        }
    }
    keys
}

#[test]
fn what_was_announced_comes_with_the_end() {
    let mut stage = Stage::python(SOURCE, &FUNCTIONS);
    let ran = stage.call(0, ContentType::Bytes, b"x");
    assert_eq!((ran.text().as_str(), ran.output.as_str()), ("done", "printed\n"));
    assert_eq!(keys(&stage), ["0", "1", "2"]);
}

#[test]
fn a_bell_that_was_not_read_for_some_calls_is_right_for_the_next() {
    let mut stage = Stage::python(SOURCE, &FUNCTIONS);
    for (function, keys) in [(0, vec!["0", "1", "2"]), (6, vec!["rung for"]), (0, vec!["0", "1", "2"])] {
        let ran = stage.call(function, ContentType::Bytes, b"x");
        let found: Vec<&str> = ran.puts.iter().map(|put| &*put.key).collect();
        assert_eq!((ran.text().as_str(), found), ("done", keys));
    }
}

#[test]
fn more_is_announced_than_the_message_area_holds() {
    let mut stage = Stage::python(SOURCE, &FUNCTIONS);
    let ran = stage.call(1, ContentType::Bytes, b"x");
    assert!(matches!(ran.outcome, Outcome::Succeeded { .. }), "{ran:?}");
    let numbers: Vec<String> = (0..40).map(|i| i.to_string()).collect();
    assert_eq!(keys(&stage), numbers);
}

#[test]
fn a_call_that_goes_on_is_heard_before_its_end() {
    let mut stage = Stage::python(SOURCE, &FUNCTIONS);
    let object = stage.object("k", ContentType::Bytes, b"x");
    let id = stage.start(2, Arguments::One(object));
    let is_put = |event: &&SandboxEvent| matches!(event, SandboxEvent::Put { .. });
    stage.until(|events| events.iter().filter(is_put).count() == 2);
    assert_eq!(keys(&stage), ["announced", "rung for"]);
    stage.pool.cancel(id, Attempt(1), Instant::now());
    let ran = stage.finish(id);
    assert_eq!((ran.outcome, ran.puts.len()), (Outcome::Cancelled, 2));
}

#[test]
fn what_was_announced_before_a_crash_counts() {
    let mut stage = Stage::python(SOURCE, &FUNCTIONS);
    let ran = stage.call(5, ContentType::Bytes, b"x");
    assert_eq!(ran.failure().kind, FailureKind::Crashed);
    assert_eq!(keys(&stage), ["last"]);
}

#[test]
fn a_lying_announcement_costs_the_worker_its_life_only() {
    let mut stage = Stage::python(SOURCE, &FUNCTIONS);
    for (function, expected) in [(3, "more than its message area"), (4, "did not ring")] {
        // A worker that gets its core late announces when nobody looks any more, and tries again.
        let ran = loop {
            let ran = stage.call(function, ContentType::Bytes, b"x");
            if matches!(ran.outcome, Outcome::Failed(_)) {
                break ran;
            }
        };
        let failure = ran.failure();
        assert_eq!(failure.kind, FailureKind::Protocol, "{failure:?}");
        assert!(failure.message.contains(expected), "{failure:?}");
    }
    assert_eq!(stage.call(0, ContentType::Bytes, b"x").text(), "done");
}
