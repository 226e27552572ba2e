//! Events that reach runs and leave them.

use sluice_engine::{Reply, Status};
use sluice_sim::{Reaction, Recipe, World};
use sluice_types::{Code, FailureKind};

fn world(recipe: Recipe) -> World {
    let mut world = World::new(17);
    world.behaves("see", |call| Reaction::value(call.keys()));
    world.behaves("handle", |_| Reaction::value("handled"));
    world.deploy(&recipe.build());
    world
}

#[test]
fn a_waiting_event_trigger_keeps_its_run_open_until_it_fired_once() {
    let mut world = world(Recipe::new("app").function("handle", &[]).on(|c| c.event("order.*"), "handle"));
    let run = world.start(&[]);
    world.event("e0", "other");
    world.rest();
    assert_eq!(world.status(run).0, Status::Running);
    world.event("e1", "order.paid");
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.outputs(run), [("e1".into(), "handled".into())]);
    assert!(world.engine.listening(World::APP).next().is_none());
}

#[test]
fn an_event_addressed_to_one_run_is_not_seen_by_others() {
    let mut world = world(Recipe::new("app").function("handle", &[]).on(|c| c.event("go"), "handle"));
    let (mine, other) = (world.start(&[]), world.start(&[]));
    world.event_for(mine, "e1", "go");
    world.rest();
    assert!(world.succeeded(mine));
    assert_eq!(world.status(other).0, Status::Running);
}

#[test]
fn what_a_function_emits_takes_effect_when_it_succeeds() {
    let recipe = Recipe::new("app").function("work", &[]).attempts(2).on(|c| c.each("todo"), "work");
    let mut world = world(recipe.function("handle", &[]).on(|c| c.event("done"), "handle"));
    world.behaves("work", |call| match call.attempt.0 {
        1 => Reaction::nothing().emit("done").then_fail(FailureKind::Raised),
        _ => Reaction::nothing().emit("done"),
    });
    let run = world.start(&[("todo", "a", "")]);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.called("handle"), ["run-1/0/0"]);
    assert_eq!(world.emitted.len(), 1);
}

#[test]
fn a_trigger_may_emit_and_names_the_keys_that_it_collected() {
    let recipe = Recipe::new("app").emit(|c| c.batch("todo", 2, None), "pair");
    let mut world = world(recipe.function("handle", &[]).on(|c| c.event("pair"), "handle"));
    let run = world.start(&[("todo", "a", ""), ("todo", "b\"", ""), ("todo", "c", "")]);
    world.rest();
    assert!(world.succeeded(run));
    let mut data: Vec<_> =
        world.emitted.iter().map(|event| String::from_utf8_lossy(&event.data).into_owned()).collect();
    data.sort();
    assert_eq!(data, ["{\"keys\":[\"a\",\"b\\\"\"]}", "{\"keys\":[\"c\"]}"]);
    assert_eq!(world.called("handle").len(), 2, "the event of a flush is seen, too");
}

#[test]
fn a_failure_that_a_trigger_handles_does_not_fail_the_run() {
    let recipe = Recipe::new("app").function("work", &[]).on(|c| c.each("todo"), "work");
    let mut world =
        world(recipe.function("handle", &[]).on(|c| c.event("sluice.invocation.failed"), "handle"));
    world.behaves("work", |call| match call.key() {
        "bad" => Reaction::fail(FailureKind::Raised),
        _ => Reaction::value("fine"),
    });
    let run = world.start(&[("todo", "bad", ""), ("todo", "good", "")]);
    world.rest();
    assert!(world.succeeded(run), "{:?}", world.status(run));
    let (_, call) = world.calls.iter().find(|(_, call)| call.function == "handle").expect("it was called");
    let event = call.event.as_ref().expect("with the event");
    assert_eq!(event.subject.as_deref(), Some("work"));
    let data = String::from_utf8_lossy(&event.data).into_owned();
    assert!(data.contains("\"keys\":[\"bad\"]") && data.contains("SLU0100"), "{data}");
}

#[test]
fn waiting_for_failures_holds_no_run_open() {
    let recipe =
        Recipe::new("app").function("handle", &[]).on(|c| c.event("sluice.invocation.failed"), "handle");
    let mut world = world(recipe);
    let run = world.start(&[]);
    assert!(world.succeeded(run));
}

#[test]
fn a_failing_failure_handler_fails_the_run() {
    let recipe = Recipe::new("app").function("work", &[]).on(|c| c.each("todo"), "work");
    let mut world =
        world(recipe.function("handle", &[]).on(|c| c.event("sluice.invocation.failed"), "handle"));
    world.behaves("work", |_| Reaction::fail(FailureKind::Raised));
    world.behaves("handle", |call| match call.event.as_ref().and_then(|event| event.subject.as_deref()) {
        Some("work") => Reaction::fail(FailureKind::Raised),
        _ => Reaction::nothing(),
    });
    let run = world.start(&[("todo", "a", "")]);
    world.rest();
    assert_ne!(world.status(run).0, Status::Running);
}

#[test]
fn events_that_cause_one_another_without_end_fail_the_run() {
    let recipe = Recipe::new("app").emit(|c| c.each("todo"), "ping").emit(|c| c.event("ping"), "ping");
    let mut world = world(recipe);
    let run = world.start(&[("todo", "a", "")]);
    world.rest();
    assert_eq!(world.run(run).error().map(|problem| problem.code), Some(Code::RUN_LIMIT));
}

#[test]
fn an_event_for_a_run_that_has_ended_is_taken_and_changes_nothing() {
    let recipe = Recipe::new("app").function("see", &[]).on(|c| c.event("go"), "see");
    let mut world = world(recipe);
    let run = world.start(&[]);
    world.cancel(run);
    assert_eq!(world.event_for(run, "late", "go"), Reply::Accepted);
    world.rest();
    assert!(world.called("see").is_empty());
}
