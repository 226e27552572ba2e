//! Functions that are workflows: an attempt is a run of its own, started once and told of once, whatever crashes between.

use sluice_engine::{Run, Status};
use sluice_sim::behaviour::{Call, Reaction};
use sluice_sim::{Faults, Recipe, World};
use sluice_types::{FailureKind, Program, RunKey};
use std::sync::Arc;

/// Each object in `orders` is checked by a workflow, whose task is `see`; `total` gets all that were.
fn program(attempts: u32) -> Arc<Program> {
    let recipe = Recipe::new("app").function("see", &[]).workflow("check", "see", &["checked"]);
    let recipe = recipe.attempts(attempts).function("total", &[]);
    recipe.on(|on| on.each("orders"), "check").on(|on| on.join("checked", "check"), "total").build()
}

fn see(call: &Call) -> Reaction {
    match call.text().contains("bad") {
        true => Reaction::fail(FailureKind::Raised),
        false => Reaction::value(format!("{:?}", call.text())),
    }
}

fn world(seed: u64, attempts: u32) -> World {
    let mut world = World::new(seed);
    world.faults =
        Faults { crash_attempts: 0, duplicates: 200, disobedience: 300, crash_process: 40, stored: 0 };
    world.behaves("see", see);
    world.behaves("total", |call| Reaction::value(format!("{} {}", call.keys(), call.objects.len())));
    world.deploy(&program(attempts));
    world
}

fn children(world: &World, run: RunKey) -> Vec<&Run> {
    let mut children: Vec<_> = world.engine.runs().filter(|other| other.key() != run).collect();
    children.sort_by_key(|run| run.key());
    children
}

#[test]
fn each_object_is_a_run_and_each_end_is_told_once() {
    for seed in 0..100 {
        let mut world = world(seed, 1);
        let objects = ["a", "b", "c", "d"].map(|key| ("orders", key, "1"));
        let run = world.start(&objects);
        world.rest();
        assert!(world.succeeded(run), "seed {seed}: {:?}", world.status(run));
        assert_eq!(world.outputs(run), [("total".into(), "a b c d 4".into())], "seed {seed}");
        let children = children(&world, run);
        assert_eq!(children.len(), 4, "seed {seed}: one run for each");
        assert!(children.iter().all(|child| child.status() == Status::Succeeded && child.outbox_len() == 0));
        // The triggers of the app are not theirs: no total of nothing.
        assert_eq!(world.called("total").len(), 1, "seed {seed}");
    }
}

#[test]
fn a_workflow_that_fails_is_run_again_as_its_function_says_and_then_fails_for_good() {
    for seed in 0..50 {
        let mut world = world(seed, 3);
        let run = world.start(&[("orders", "good", "1"), ("orders", "bad", "1")]);
        world.rest();
        let (status, why) = world.status(run);
        assert_eq!(status, Status::Failed, "seed {seed}");
        assert!(why.contains("\"check\" is out of attempts for missing keys \"bad\""), "{why}");
        let failed = children(&world, run).iter().filter(|child| child.status() == Status::Failed).count();
        assert_eq!(failed, 3, "seed {seed}: an attempt is a run");
    }
}

#[test]
fn a_run_that_ends_takes_the_runs_with_it_that_it_had_called() {
    for seed in 0..50 {
        let mut world = world(seed, 1);
        let run = world.start(&[("orders", "a", "1"), ("orders", "b", "1")]);
        for _ in 0..seed % 8 {
            world.step();
        }
        world.cancel(run);
        world.rest();
        world.run(run).check();
        let ended = |child: &&Run| child.status() != Status::Running && child.outbox_len() == 0;
        assert!(children(&world, run).iter().all(ended), "seed {seed}");
        assert_eq!(world.run(run).outbox_len(), 0, "seed {seed}");
    }
}
