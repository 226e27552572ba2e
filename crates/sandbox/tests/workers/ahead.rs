//! The one worker of a workflow is given turns while it takes one, and a worker of functions calls of the one that it runs.
//! Whatever happens to it, each ends once, as its own.

use crate::support::{APP, Ran, Stage};
use rustix::process::{Pid, Signal, kill_process};
use sluice_sandbox::SandboxEvent;
use sluice_types::invocation::Arguments;
use sluice_types::{
    Attempt, BucketIx, ContentType, FailureKind, Function, InvocationId, Object, Outcome, Payload, RunKey,
    Runtime,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// As the sandbox has it.
const CALLS_AHEAD_MAX: usize = 16;

const SOURCE: &str = r#"
import logging, os, sys

logging.basicConfig(format="%(message)s")  # to the standard error of the module

async def flow(ctx, what):
    print("first line of", what)
    logging.warning("second line of %s", what)
    os.write(1, f"third line of {what}\n".encode())
    if what == "waits":
        while not os.path.exists(os.path.join(os.path.dirname(__file__), "go")):
            pass
    if what == "dies":
        os._exit(3)
    if what == "fails":
        raise ValueError(what)
    if what == "hangs":
        while True:
            pass
    for i in range(400 if what == "much" else 1):
        ctx.put("parts", f"{what} {i}", "x" * (2_000 if what == "much" else 1))
    return what
"#;

const FUNCTIONS: &str = r#"
import os, signal

def stop_after(worker):
    "Stops the process when the call has ended, before it looks for the next one."
    show_end = worker._show_end
    def stop():
        worker._show_end = show_end
        worker.signal()
        os.kill(os.getpid(), signal.SIGSTOP)
    worker._show_end = stop

class Leaves:
    def __del__(self):
        print("what it leaves")

def work(obj, ctx):
    what = obj.text()
    if what.startswith("prints"):
        print("this", what)
    if what == "waits":
        while not os.path.exists(os.path.join(os.path.dirname(__file__), "go")):
            pass
    if what == "dies":
        os._exit(3)
    if what == "hangs":
        while True:
            pass
    if what == "redirects":
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if what == "leaves":
        left = Leaves()
        raise ValueError(what)
    if what == "stops":
        stop_after(ctx._worker)
    if what == "much":
        for i in range(400):
            ctx.put("parts", f"much {i}", "x" * 2_000)
    ctx.put("parts", what, what)
    return what

def other():
    return "other"
"#;

/// Two functions that are given calls ahead however long they take, in so many workers.
fn functions(workers_max: usize) -> Stage {
    let stage = Stage::python_with(FUNCTIONS, &["work", "other"], |function| function.timeout_ms = 2_000);
    stage.with_options(|options| {
        options.workers_max = workers_max;
        options.prompt_call = Duration::MAX;
    })
}

/// Calls the first function with each of these at once.
fn call<'a>(stage: &mut Stage, what: impl IntoIterator<Item = &'a str>) -> Vec<InvocationId> {
    let calls = what.into_iter().map(|what| {
        let object = stage.object("key", ContentType::Text, what.as_bytes());
        stage.start(0, Arguments::One(object))
    });
    calls.collect()
}

fn stage() -> Stage {
    stage_with(1_000)
}

fn stage_with(timeout_ms: u64) -> Stage {
    let flow = Runtime::Workflow { module: "app.py".to_owned(), name: "flow".to_owned() };
    let function = Function { concurrency: 1, timeout_ms, ..Function::new("flow", flow) };
    Stage::new(vec![function], &[("app.py", SOURCE)])
}

/// Starts the first turns of so many runs at once, each told what it is to do.
fn begin<'a>(stage: &mut Stage, what: impl IntoIterator<Item = &'a str>) -> Vec<InvocationId> {
    let told = |key: &str, bytes: String| Object {
        bucket: BucketIx(0),
        key: key.into(),
        content_type: ContentType::Json,
        payload: Payload::Inline(bytes.into()),
        group: None,
        meta: None,
    };
    let turns = what.into_iter().zip(1..).map(|(what, run)| {
        let lines = vec![told("turn - 1 5", String::new()), told("1000 start", format!("{what:?}"))];
        stage.start_in(RunKey(run), APP, 0, Arguments::List(lines))
    });
    turns.collect()
}

/// The commands of a turn, without their digests.
fn wanted(ran: &Ran) -> Vec<String> {
    ran.puts.iter().map(|put| put.key.split_once(' ').unwrap().1.to_owned()).collect()
}

/// Each attempt began before it ended, and ended once. One that was cancelled need not have begun.
fn check_ends(stage: &Stage, ids: &[InvocationId]) {
    let (mut begun, mut ends) = (BTreeSet::new(), BTreeMap::<InvocationId, usize>::new());
    for event in &stage.events {
        match event {
            SandboxEvent::Started { id, .. } => drop(begun.insert(*id)),
            SandboxEvent::Completed { id, outcome, .. } => {
                assert!(begun.contains(id) || *outcome == Outcome::Cancelled, "{id} ends before it begins");
                *ends.entry(*id).or_default() += 1;
            }
            _ => {}
        }
    }
    assert_eq!(ends, ids.iter().map(|id| (*id, 1)).collect());
}

#[test]
fn each_turn_is_answered_and_prints_for_itself() {
    let names: Vec<String> = (0..50).map(|run| format!("run {run}")).collect();
    let mut stage = stage();
    let ids = begin(&mut stage, names.iter().map(String::as_str));
    let mut pids = Vec::new();
    for (name, id) in names.iter().zip(&ids) {
        let ran = stage.finish(*id);
        assert_eq!(ran.outcome, succeeded(), "{name}");
        assert_eq!(wanted(&ran), [format!("put parts {name} 0"), "return".to_owned()]);
        let mut lines: Vec<&str> = ran.output.lines().collect();
        lines.sort_unstable();
        let [first, second, third] =
            ["first", "second", "third"].map(|line| format!("{line} line of {name}"));
        assert_eq!(lines, [first, second, third]);
        pids.push(ran.pid);
    }
    pids.dedup();
    assert_eq!(pids.len(), 1, "one worker has all turns: {pids:?}");
    check_ends(&stage, &ids);
}

#[test]
fn code_that_fails_fails_alone() {
    let mut stage = stage();
    let ids = begin(&mut stage, ["a", "fails", "b", "fails", "c"]);
    let last = ids.iter().map(|id| wanted(&stage.finish(*id)).pop().unwrap());
    assert_eq!(last.collect::<Vec<_>>(), ["return", "fail", "return", "fail", "return"]);
    check_ends(&stage, &ids);
}

#[test]
fn turns_that_a_dead_worker_had_not_begun_go_to_the_next() {
    let mut stage = stage();
    let ids = begin(&mut stage, ["a", "b", "dies", "c", "d", "dies", "e"]);
    let ran: Vec<Ran> = ids.iter().map(|id| stage.finish(*id)).collect();
    let kinds: Vec<Option<FailureKind>> = ran.iter().map(failure).collect();
    let dead = Some(FailureKind::Crashed);
    assert_eq!(kinds, [None, None, dead, None, None, dead, None]);
    assert!(ran[2].failure().stack.contains("second line of dies"), "{:?}", ran[2]);
    assert_eq!([ran[2].pid, ran[5].pid], [ran[0].pid, ran[3].pid]);
    let first = ran[0].pid;
    assert_eq!(ran.iter().filter(|ran| ran.pid == first).count(), 3);
    check_ends(&stage, &ids);
}

#[test]
fn the_time_of_a_turn_begins_with_it() {
    let mut stage = stage();
    let ids = begin(&mut stage, ["a", "hangs", "b", "c"]);
    let ran: Vec<Ran> = ids.iter().map(|id| stage.finish(*id)).collect();
    let kinds: Vec<Option<FailureKind>> = ran.iter().map(failure).collect();
    assert_eq!(kinds, [None, Some(FailureKind::TimedOut), None, None]);
    check_ends(&stage, &ids);
}

#[test]
fn a_turn_that_was_cancelled_before_it_began_is_not_taken() {
    let mut stage = stage();
    let ids = begin(&mut stage, ["hangs", "a", "b"]);
    // The others wait behind the one that hangs.
    stage.until(|events| events.iter().any(|event| matches!(event, SandboxEvent::Log { .. })));
    stage.pool.cancel(ids[1], Attempt(1), Instant::now());
    let ran: Vec<Ran> = ids.iter().map(|id| stage.finish(*id)).collect();
    assert_eq!(failure(&ran[0]), Some(FailureKind::TimedOut));
    assert_eq!((&ran[1].outcome, &ran[1].output[..]), (&Outcome::Cancelled, ""));
    assert_eq!(ran[2].outcome, succeeded());
    check_ends(&stage, &ids);
}

#[test]
fn a_cancelled_turn_that_a_living_worker_has_is_cancelled_all_the_same() {
    let mut stage = stage_with(60_000);
    let ids = begin(&mut stage, ["waits", "a", "b"]);
    stage.until(|events| events.iter().any(|event| matches!(event, SandboxEvent::Log { .. })));
    stage.pool.cancel(ids[1], Attempt(1), Instant::now());
    std::fs::write(stage.bundle().join("go"), "").unwrap();
    let ran: Vec<Ran> = ids.iter().map(|id| stage.finish(*id)).collect();
    let outcomes = [&ran[0].outcome, &ran[1].outcome, &ran[2].outcome];
    assert_eq!(outcomes, [&succeeded(), &Outcome::Cancelled, &succeeded()]);
    assert_eq!(ran[2].pid, ran[0].pid);
    check_ends(&stage, &ids);
}

#[test]
fn turns_may_want_more_than_the_message_area_holds() {
    let mut stage = stage();
    let ids = begin(&mut stage, ["a", "much", "b", "much", "c"]);
    let counts: Vec<usize> = ids.iter().map(|id| wanted(&stage.finish(*id)).len()).collect();
    assert_eq!(counts, [2, 401, 2, 401, 2]);
    check_ends(&stage, &ids);
}

#[test]
fn each_call_is_answered_and_prints_for_itself() {
    let names: Vec<String> = (0..50).map(|call| format!("prints {call}")).collect();
    let mut stage = functions(1);
    let ids = call(&mut stage, names.iter().map(String::as_str));
    for (name, id) in names.iter().zip(&ids) {
        let ran = stage.finish(*id);
        assert_eq!((ran.text(), ran.output), (name.clone(), format!("this {name}\n")));
        let keys: Vec<&str> = ran.puts.iter().map(|put| &*put.key).collect();
        assert_eq!(keys, [name]);
    }
    check_ends(&stage, &ids);
}

#[test]
fn a_call_that_is_long_holds_nobody_up() {
    let mut stage = functions(2);
    let whats = ["waits", "a", "b", "c", "d", "e", "f", "g"];
    let ids = call(&mut stage, whats);
    for (id, what) in ids.iter().zip(whats).skip(1) {
        assert_eq!(stage.finish(*id).text(), what);
    }
    assert!(!stage.events.iter().any(|event| end(event) == Some(ids[0])));
    std::fs::write(stage.bundle().join("go"), "").unwrap();
    assert_eq!(stage.finish(ids[0]).text(), "waits");
    check_ends(&stage, &ids);
}

#[test]
fn nothing_is_given_behind_a_call_that_is_long() {
    let mut stage = functions(2);
    let waits = call(&mut stage, ["waits", "a"]);
    stage.finish(waits[1]);
    // It is looked after twice.
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(6));
        stage.until(|_| true);
    }
    let names: Vec<String> = (0..20).map(|call| call.to_string()).collect();
    let ids = call(&mut stage, names.iter().map(String::as_str));
    for (id, name) in ids.iter().zip(&names) {
        assert_eq!(stage.finish(*id).text(), *name);
    }
    assert!(!stage.events.iter().any(|event| end(event) == Some(waits[0])));
}

#[test]
fn a_call_that_its_worker_has_not_come_to_is_not_lost() {
    let mut stage = functions(1);
    let ids = call(&mut stage, ["stops", "b", "c"]);
    let stopped = stage.finish(ids[0]);
    let later = Instant::now() + Duration::from_millis(6);
    stage.until(|_| Instant::now() >= later);
    kill_process(Pid::from_raw(stopped.pid as i32).unwrap(), Signal::CONT).unwrap();
    assert_eq!([ids[1], ids[2]].map(|id| stage.finish(id).text()), ["b", "c"]);
    check_ends(&stage, &ids);
}

#[test]
fn a_call_may_close_its_output() {
    let mut stage = functions(1);
    let ids = call(&mut stage, ["a", "redirects", "b"]);
    let texts: Vec<String> = ids.iter().map(|id| stage.finish(*id).text()).collect();
    assert_eq!(texts, ["a", "redirects", "b"]);
    check_ends(&stage, &ids);
}

#[test]
fn what_a_failed_call_prints_while_it_is_cleared_away_is_its_own() {
    let mut stage = functions(1);
    let ids = call(&mut stage, ["leaves", "a", "leaves", "b"]);
    let printed: Vec<String> = ids.iter().map(|id| stage.finish(*id).output).collect();
    assert_eq!(printed, ["what it leaves\n", "", "what it leaves\n", ""]);
    check_ends(&stage, &ids);
}

#[test]
fn calls_that_a_dead_worker_had_not_begun_go_to_the_next() {
    let mut stage = functions(1);
    let ids = call(&mut stage, ["a", "b", "dies", "c", "hangs", "d", "much", "e"]);
    let ran: Vec<Ran> = ids.iter().map(|id| stage.finish(*id)).collect();
    let kinds: Vec<Option<FailureKind>> = ran.iter().map(failure).collect();
    let (dead, late) = (Some(FailureKind::Crashed), Some(FailureKind::TimedOut));
    assert_eq!(kinds, [None, None, dead, None, late, None, None, None]);
    assert_eq!(ran[6].puts.len(), 401);
    check_ends(&stage, &ids);
}

#[test]
fn a_call_that_was_cancelled_before_it_began_is_not_made() {
    let mut stage = functions(1);
    let ids = call(&mut stage, ["waits", "a", "b"]);
    stage.until(|events| events.iter().any(|event| matches!(event, SandboxEvent::Started { .. })));
    stage.pool.cancel(ids[1], Attempt(1), Instant::now());
    assert_eq!(stage.finish(ids[1]).outcome, Outcome::Cancelled);
    std::fs::write(stage.bundle().join("go"), "").unwrap();
    let texts = [ids[0], ids[2]].map(|id| stage.finish(id).text());
    assert_eq!(texts, ["waits", "b"]);
    let puts = stage.events.iter().filter(|event| matches!(event, SandboxEvent::Put { .. })).count();
    assert_eq!(puts, 2);
    check_ends(&stage, &ids);
}

#[test]
fn calls_ahead_do_not_keep_a_worker_from_another_function() {
    let mut stage = functions(1);
    let names: Vec<String> = (0..100).map(|call| call.to_string()).collect();
    let mut ids = call(&mut stage, names.iter().map(String::as_str));
    let other = stage.start(1, Arguments::List(Vec::new()));
    ids.push(other);
    ids.extend(call(&mut stage, names.iter().map(String::as_str)));
    ids.iter().for_each(|id| drop(stage.finish(*id)));
    let ends: Vec<InvocationId> = stage.events.iter().filter_map(end).collect();
    let place = ends.iter().position(|id| *id == other).unwrap();
    assert!(place <= 100 + CALLS_AHEAD_MAX, "it ended as number {place}");
    check_ends(&stage, &ids);
}

fn end(event: &SandboxEvent) -> Option<InvocationId> {
    match event {
        SandboxEvent::Completed { id, .. } => Some(*id),
        _ => None,
    }
}

fn succeeded() -> Outcome {
    Outcome::Succeeded { puts: Default::default(), value: None, emits: Vec::new() }
}

fn failure(ran: &Ran) -> Option<FailureKind> {
    match &ran.outcome {
        Outcome::Failed(failure) => Some(failure.kind),
        _ => None,
    }
}
