//! When a run ends, and what happens on the way.

use sluice_engine::Status;
use sluice_sim::{Reaction, Recipe, World};
use sluice_types::{Code, FailureKind};

fn world(recipe: Recipe) -> World {
    let mut world = World::new(13);
    world.behaves("see", |call| Reaction::value(call.keys()));
    world.behaves("copy", |call| Reaction::value(call.text()));
    world.deploy(&recipe.build());
    world
}

#[test]
fn a_run_without_triggers_ends_at_once() {
    let mut world = world(Recipe::new("app"));
    let run = world.start(&[]);
    assert!(world.succeeded(run));
    assert_eq!(world.ended, [run]);
}

#[test]
fn an_unsealed_run_stays_open() {
    let mut world = world(Recipe::new("app").function("see", &[]).on(|c| c.each("todo"), "see"));
    let run = world.open(&[("todo", "a", "")]);
    world.rest();
    assert_eq!(world.status(run).0, Status::Running);
    world.put_into(run, "todo", "b", "");
    world.rest();
    world.seal(run);
    assert!(world.succeeded(run));
    assert_eq!(world.called("see"), ["a", "b"]);
}

#[test]
fn a_function_that_feeds_its_own_bucket_closes_when_nothing_is_left() {
    let recipe = Recipe::new("app").function("halve", &["numbers"]).on(|c| c.each("numbers"), "halve");
    let mut world = world(recipe.function("see", &[]).on(|c| c.join("numbers", "halve"), "see"));
    world.behaves("halve", |call| match call.key().parse::<u32>() {
        Ok(n) if n > 1 => Reaction::nothing().put("numbers", &(n / 2).to_string(), ""),
        _ => Reaction::nothing(),
    });
    let run = world.start(&[("numbers", "20", "")]);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.called("see"), ["1 10 2 5"]);
}

#[test]
fn a_batch_within_a_cycle_flushes_its_remainder_until_nothing_comes_of_it() {
    let recipe = Recipe::new("app").function("merge", &["parts"]).on(|c| c.batch("parts", 3, None), "merge");
    let mut world = world(recipe);
    world.behaves("merge", |call| match call.objects.len() {
        1 => Reaction::nothing().put("output", "merged", call.keys()),
        _ => Reaction::nothing().put("parts", &call.keys().replace(' ', "+"), ""),
    });
    let keys: Vec<_> = ["a", "b", "c", "d", "e"].map(|key| ("parts", key, "")).to_vec();
    let run = world.start(&keys);
    world.rest();
    assert!(world.succeeded(run), "{:?}", world.status(run));
    assert_eq!(world.outputs(run).len(), 1);
}

#[test]
fn a_join_over_its_own_cycle_fires_once_and_the_run_still_ends() {
    let recipe = Recipe::new("app").function("step", &["steps"]).on(|c| c.each("todo"), "step");
    let mut world = world(recipe.function("again", &["todo"]).on(|c| c.join("steps", "step"), "again"));
    world.behaves("step", |call| Reaction::value(call.text()));
    world.behaves("again", |_| Reaction::nothing().put("todo", "round-2", ""));
    let run = world.start(&[("todo", "round-1", "")]);
    world.rest();
    assert!(world.succeeded(run), "{:?}", world.status(run));
    assert_eq!((world.called("step").len(), world.called("again").len()), (2, 1));
}

fn join_of_failing() -> Recipe {
    let recipe = Recipe::new("app").function("map", &["parts"]).on(|c| c.each("texts"), "map");
    recipe.function("see", &[]).on(|c| c.join("parts", "map"), "see")
}

#[test]
fn a_join_that_can_no_longer_complete_names_its_trigger_and_all_missing_keys() {
    let mut world = world(join_of_failing());
    world.behaves("map", |call| match call.key() {
        "ok" => Reaction::value(""),
        _ => Reaction::fail(FailureKind::Raised),
    });
    let run = world.start(&[("texts", "z", ""), ("texts", "ok", ""), ("texts", "b", "")]);
    world.rest();
    let error = world.run(run).error().expect("it failed").clone();
    assert_eq!((error.code, error.place.as_str()), (Code::JOIN_CANNOT_COMPLETE, "trigger see"));
    assert!(error.message.contains("\"b\", \"z\""), "{error:?}");
    assert_eq!(error.cause.map(|cause| cause.message), Some("on purpose".into()));
    assert!(world.called("see").is_empty());
}

#[test]
fn an_optional_join_takes_what_there_is() {
    let mut world = world(join_of_failing().optional());
    world.behaves("map", |call| match call.key() {
        "ok" => Reaction::value(""),
        _ => Reaction::fail(FailureKind::Raised),
    });
    let run = world.start(&[("texts", "z", ""), ("texts", "ok", "")]);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.called("see"), ["ok"]);
}

#[test]
fn joins_behind_joins_close_one_after_the_other() {
    let recipe = join_of_failing().function("last", &[]).on(|c| c.join("output", "see"), "last");
    let mut world = world(recipe);
    world.behaves("map", |call| Reaction::value(call.text()));
    world.behaves("last", |call| Reaction::nothing().put("output", "last", call.keys()));
    let run = world.start(&[("texts", "a", ""), ("texts", "b", "")]);
    world.rest();
    assert!(world.succeeded(run), "{:?}", world.status(run));
    assert_eq!(world.outputs(run)[0], ("last".into(), "see".into()));
}

#[test]
fn cancel_stops_everything_and_is_not_a_failure() {
    let mut world = world(Recipe::new("app").function("see", &[]).on(|c| c.each("todo"), "see"));
    let run = world.start(&[("todo", "a", ""), ("todo", "b", "")]);
    world.cancel(run);
    assert_eq!(world.status(run).0, Status::Cancelled);
    assert_eq!(world.stopped.len(), 2);
    world.cancel(run);
    world.rest();
    assert_eq!(world.ended, [run], "a run ends once");
}

#[test]
fn quarantine_fails_one_run_and_leaves_the_others() {
    let mut world = world(Recipe::new("app").function("see", &[]).on(|c| c.each("todo"), "see"));
    let (bad, good) = (world.start(&[("todo", "a", "")]), world.start(&[("todo", "a", "")]));
    world.submit(sluice_engine::InputKind::Quarantine { lsn: sluice_types::Lsn(2), run: bad });
    world.rest();
    assert_eq!(world.run(bad).error().map(|problem| problem.code), Some(Code::RUN_QUARANTINED));
    assert!(world.succeeded(good));
}

#[test]
fn objects_that_put_nothing_still_let_everything_close() {
    let recipe = Recipe::new("app").function("silent", &["parts"]).on(|c| c.each("todo"), "silent");
    let mut world = world(recipe.function("see", &[]).on(|c| c.join("parts", "silent"), "see"));
    world.behaves("silent", |_| Reaction::nothing());
    let run = world.start(&[("todo", "a", "")]);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.called("see"), [""]);
}
