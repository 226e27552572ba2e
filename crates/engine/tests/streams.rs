//! Objects that are read while they are written, as the engine sees them: opened, closed, broken off.

use sluice_engine::{Effect, HistoryKind, Input, InputKind, Status};
use sluice_sim::{Reaction, Recipe, World};
use sluice_types::{
    Attempt, BucketIx, ContentType, Failure, FailureKind, InvocationId, Lsn, Outcome, Payload, Put, RunKey,
};

/// A run in which `write` has been called and may put to `parts`; `read` streams these, `list` joins them.
fn begun(seed: u64) -> (World, RunKey) {
    let recipe = Recipe::new("app").function("write", &["parts"]).on(|c| c.each("todo"), "write");
    let recipe = recipe.function("read", &[]).streams().on(|c| c.each("parts"), "read");
    let recipe = recipe.function("list", &[]).on(|c| c.join("parts", "write"), "list");
    let mut world = World::new(seed);
    world.behaves("write", |_| Reaction::nothing());
    world.behaves("read", |_| Reaction::nothing());
    world.behaves("list", |call| Reaction::value(call.keys()));
    world.deploy(&recipe.build());
    let run = world.start(&[("todo", "a", "")]);
    (world, run)
}

fn put(world: &World, run: RunKey, payload: Payload) -> Put {
    let bucket: BucketIx = world.run(run).program().bucket("parts").expect("it is declared");
    Put { bucket, key: "p".into(), content_type: ContentType::Text, payload, group: None, meta: None }
}

fn writer(run: RunKey) -> InvocationId {
    InvocationId { run, seq: 0 }
}

fn open(world: &mut World, run: RunKey, attempt: u32) {
    let put = put(world, run, Payload::Open { written: 0 });
    world.submit(InputKind::Opened { invocation: writer(run), attempt: Attempt(attempt), put });
}

fn close(world: &mut World, run: RunKey, attempt: u32, text: &'static str) {
    let put = put(world, run, Payload::Inline(text.into()));
    world.submit(InputKind::Closed { invocation: writer(run), attempt: Attempt(attempt), put });
}

fn functions_called(world: &World, run: RunKey) -> Vec<u16> {
    let created = |kind: HistoryKind| match kind {
        HistoryKind::InvocationCreated { function, .. } => Some(function.0),
        _ => None,
    };
    world.run(run).history().filter_map(|entry| created(entry.kind)).collect()
}

#[test]
fn readers_start_when_it_is_opened_and_everybody_else_when_it_is_closed() {
    let (mut world, run) = begun(5);
    open(&mut world, run, 1);
    assert_eq!(functions_called(&world, run), [0, 1]);
    open(&mut world, run, 1);
    close(&mut world, run, 1, "whole");
    assert_eq!(functions_called(&world, run), [0, 1], "the reader is not started again");
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.outputs(run), [("list".into(), "p".into())]);
}

#[test]
fn one_that_is_never_finished_takes_its_readers_along() {
    let mut broken = 0;
    for seed in 0..16 {
        let (mut world, run) = begun(seed);
        world.behaves("write", |_| Reaction::fail(FailureKind::Unserialisable));
        open(&mut world, run, 1);
        world.rest();
        let (status, message) = world.status(run);
        assert_eq!(status, Status::Failed);
        assert!(message.contains("\"write\" failed"), "{message}");
        broken += usize::from(message.contains("will not be finished"));
    }
    assert!(broken > 0, "the reader is never the last");
}

#[test]
fn what_was_written_of_one_that_is_never_finished_is_abandoned() {
    // The run goes on: a join reports the failure at its closing.
    let recipe = Recipe::new("app").function("write", &["parts"]).on(|c| c.each("todo"), "write");
    let recipe = recipe.function("list", &[]).on(|c| c.join("parts", "write"), "list");
    let mut world = World::new(5);
    world.behaves("write", |_| Reaction::nothing());
    world.deploy(&recipe.build());
    let run = world.start(&[("todo", "a", "")]);
    open(&mut world, run, 1);
    let parts = world.run(run).program().bucket("parts").expect("it is declared");
    let failure = Failure {
        kind: FailureKind::Unserialisable,
        r#type: "Unserialisable".into(),
        message: "on purpose".into(),
        stack: String::new(),
    };
    let outcome = Outcome::Failed(failure);
    let kind = InputKind::Completed { invocation: writer(run), attempt: Attempt(1), outcome };
    let input = Input { now_ms: world.now_ms, kind };
    let mut effects = Vec::new();
    world.engine.apply(Lsn(world.log.len() as u64 + 1), input, &mut effects);
    assert!(effects.contains(&Effect::Abandon { run, bucket: parts, key: "p".into() }), "{effects:?}");
}

#[test]
fn only_the_attempt_that_runs_is_current() {
    let (mut world, run) = begun(5);
    let is_current = |world: &World, attempt| world.run(run).is_current(0, Attempt(attempt));
    assert!(is_current(&world, 1) && !is_current(&world, 2));
    open(&mut world, run, 1);
    close(&mut world, run, 1, "whole");
    world.rest();
    assert!(!is_current(&world, 1), "it has ended");
}

#[test]
fn a_function_that_leaves_it_open_has_failed() {
    let (mut world, run) = begun(5);
    open(&mut world, run, 1);
    world.rest();
    let failures = world.run(run).history().filter_map(|entry| match entry.kind {
        HistoryKind::AttemptFailed { failure, .. } => Some(failure.r#type.clone()),
        _ => None,
    });
    assert_eq!(failures.collect::<Vec<_>>().first().map(String::as_str), Some("StreamNotClosed"));
}
