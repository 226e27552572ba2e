//! Express runs as the durable engine sees them: a start, an end, no hops.

use sluice_engine::{Effect, ExpressEnded, InputKind, OutboxId, Status};
use sluice_sim::{Reaction, Recipe, World};
use sluice_types::limits::EXPRESS_RESTARTS_MAX;
use sluice_types::{Code, ContentType, Object, Payload, Problem, Program, RunKey, Version};

fn delegating() -> World {
    let mut world = World::durable(23);
    world.deploy(&Recipe::new("app").express().function("see", &[]).on(|c| c.each("todo"), "see").build());
    world
}

fn ended(run: RunKey, incarnation: u32, key: &str) -> InputKind {
    let output = Object {
        bucket: Program::OUTPUT,
        key: key.into(),
        content_type: ContentType::Text,
        payload: Payload::Inline("done".into()),
        group: None,
        meta: None,
    };
    let (error, cancelled, tallies) = (None, false, Vec::new());
    InputKind::ExpressEnded(Box::new(ExpressEnded {
        run,
        incarnation,
        error,
        cancelled,
        outputs: vec![output],
        tallies,
    }))
}

#[test]
fn an_express_run_is_delegated_with_its_inputs() {
    let mut world = delegating();
    let run = world.start(&[("todo", "a", "x")]);
    assert_eq!(world.delegated, [run]);
    assert!(world.calls.is_empty());
    let start = world.run(run).express_start();
    assert_eq!((start.objects.len(), start.seal, start.incarnation), (1, true, 0));
    world.submit(ended(run, 0, "k"));
    assert_eq!(world.outputs(run), [("k".into(), "done".into())]);
    assert_eq!(world.status(run).0, Status::Succeeded);
}

#[test]
fn an_earlier_life_cannot_end_a_run_that_started_again() {
    let mut world = delegating();
    let run = world.start(&[]);
    world.submit(InputKind::Reincarnate { run });
    assert_eq!(world.delegated, [run, run]);
    world.submit(ended(run, 0, "stale"));
    assert_eq!(world.status(run).0, Status::Running);
    world.submit(ended(run, 1, "k"));
    world.submit(ended(run, 1, "again"));
    assert_eq!(world.outputs(run), [("k".into(), "done".into())]);
}

#[test]
fn a_run_that_never_outlives_the_process_fails_in_the_end() {
    let mut world = delegating();
    let run = world.start(&[]);
    for life in 1..=EXPRESS_RESTARTS_MAX {
        world.submit(InputKind::Reincarnate { run });
        assert_eq!((world.status(run).0, world.run(run).incarnation()), (Status::Running, life));
    }
    world.submit(InputKind::Reincarnate { run });
    assert_eq!(world.run(run).error().map(|problem| problem.code), Some(Code::RUN_LIMIT));
    assert_eq!(
        (world.status(run).0, world.delegated.len()),
        (Status::Failed, 1 + EXPRESS_RESTARTS_MAX as usize)
    );
}

#[test]
fn a_delegated_run_starts_again_with_the_events_that_it_has_seen() {
    let mut world = World::durable(23);
    world.deploy(&Recipe::new("app").express().function("see", &[]).on(|c| c.event("go"), "see").build());
    let run = world.start(&[]);
    world.event("e-1", "go");
    world.event("e-2", "other");
    world.event_for(run, "e-3", "go");
    let ids =
        |world: &World| world.run(run).express_start().events.iter().map(|e| e.id.to_string()).collect();
    let seen: Vec<String> = ids(&world);
    assert_eq!(seen, ["e-1", "e-3"]);
    world.crash();
    assert_eq!(seen, ids(&world));
}

#[test]
fn a_delegated_run_that_is_cancelled_listens_no_more() {
    let mut world = World::durable(23);
    world.deploy(&Recipe::new("app").express().function("see", &[]).on(|c| c.event("go"), "see").build());
    let run = world.start(&[]);
    assert_eq!(world.engine.listening(World::APP).collect::<Vec<_>>(), [run]);
    world.cancel(run);
    assert!(world.engine.listening(World::APP).next().is_none());
    world.submit(ended(run, 0, "late"));
    assert_eq!(world.status(run).0, Status::Cancelled);
    assert!(world.outputs(run).is_empty());
}

#[test]
fn what_a_client_put_into_output_and_the_express_engine_reports_is_one_object() {
    let mut world = delegating();
    let run = world.start(&[("output", "k", "mine")]);
    world.submit(ended(run, 0, "k"));
    assert_eq!(world.outputs(run), [("k".into(), "mine".into())]);
}

#[test]
fn the_express_engine_keeps_no_hops_in_its_history() {
    let mut world = World::new(23);
    world.behaves("see", |call| Reaction::value(call.keys()));
    world.deploy(&Recipe::new("app").express().function("see", &[]).on(|c| c.each("todo"), "see").build());
    let run = world.start(&[("todo", "a", ""), ("todo", "b", "")]);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.run(run).history_len(), 2, "start and end");
}

#[test]
fn an_object_crosses_to_the_app_once_however_often_its_run_starts_again() {
    let mut world = World::durable(23);
    let recipe = Recipe::new("app").express().function("see", &[]).on_app(|c| c.each("todo"), "see");
    world.deploy(&recipe.build());
    let run = world.start(&[("todo", "a", "x")]);
    let object = world.run(run).inputs().next().expect("it was put").clone();
    let deliver = |seq| {
        let (app, version, from) = (World::APP, Version(1), OutboxId { run, seq });
        InputKind::Deliver { app, version, from, object: object.clone() }
    };
    assert!(world.submit(deliver(0)));
    world.crash();
    world.submit(InputKind::Reincarnate { run });
    assert!(!world.submit(deliver(0)) && !world.submit(deliver(1)), "the log holds it already");
}

#[test]
fn a_run_that_is_set_aside_leaves_nothing_behind() {
    let mut world = World::new(7);
    world.deploy(&Recipe::new("app").function("see", &[]).on(|c| c.each("todo"), "see").build());
    world.behaves("see", |_| Reaction::nothing());
    let (bad, good) = (world.start(&[("todo", "a", "x")]), world.start(&[("todo", "a", "x")]));
    let (problem, mut effects) = (Problem::new(Code::RUN_QUARANTINED, "", ""), Vec::new());
    let ended = world.engine.expel(bad, problem.clone(), &mut effects).expect("it was there");
    assert_eq!((ended.run, ended.error), (bad, Some(problem)));
    assert!(matches!(*effects, [Effect::Stop { invocation, .. }] if invocation.run == bad), "{effects:?}");
    assert!(world.engine.run(bad).is_none() && world.engine.run(good).is_some());
}
