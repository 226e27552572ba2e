//! App-scoped triggers: objects and events cross from runs, and every firing starts a run.

use sluice_engine::{Engine, Reply};
use sluice_sim::{Faults, Reaction, Recipe, World};
use sluice_types::{Code, Condition};

fn world(recipe: Recipe) -> World {
    let mut world = World::new(19);
    world.faults = Faults { stored: 500, duplicates: 300, ..Faults::default() };
    world.behaves("make", |call| Reaction::value(call.text()));
    world.behaves("collect", |call| Reaction::value(call.text()));
    world.deploy(&recipe.build());
    world
}

fn batches(n: u32) -> Recipe {
    let recipe = Recipe::new("app").function("make", &["made"]).on(|c| c.each("todo"), "make");
    recipe.function("collect", &[]).on_app(|c| c.batch("made", n, None), "collect")
}

#[test]
fn objects_cross_once_and_a_firing_starts_a_run_of_its_own() {
    let mut world = world(batches(3));
    let runs: Vec<_> = (0..4).map(|n| world.start(&[("todo", "k", &format!("text {n}"))])).collect();
    world.rest();
    assert!(runs.iter().all(|run| world.succeeded(*run)), "an app-scoped trigger holds no run open");
    assert_eq!(world.called("collect"), ["k k k"], "objects of several runs may have one key");
    let launched = *world.ended.iter().find(|run| !runs.contains(run)).expect("a run was started");
    let outputs = world.outputs(launched);
    assert_eq!(outputs[0].0, "collect-0");
    assert_eq!(outputs.len(), 1);
}

#[test]
fn firings_are_numbered_across_runs() {
    let mut world = world(batches(1));
    let first = world.start(&[("todo", "a", "")]);
    world.rest();
    world.start(&[("todo", "b", "")]);
    world.rest();
    let mut keys: Vec<_> =
        world.ended.iter().flat_map(|run| world.outputs(*run)).map(|(key, _)| key).collect();
    keys.sort();
    assert_eq!(keys, ["collect-0", "collect-1"]);
    assert!(world.outputs(first).is_empty());
}

#[test]
fn app_scoped_sets_firsts_and_alls_start_again() {
    let mut recipe =
        Recipe::new("app").function("collect", &[]).on_app(|c| c.set("in", &["a", "b"]), "collect");
    recipe = recipe.function("pick", &[]).on_app(|c| c.first("in", 1, 2), "pick");
    recipe = recipe.function("pair", &[]);
    recipe = recipe.on_app(|c| Condition::All(vec![c.name("in", "a"), c.event("go")]), "pair");
    let mut world = world(recipe.function("put", &["in"]).on(|c| c.each("todo"), "put"));
    world.behaves("put", |call| Reaction::value(call.text()));
    world.behaves("pick", |_| Reaction::nothing());
    world.behaves("pair", |_| Reaction::nothing());
    for round in 0..2 {
        world.start(&[("todo", "a", ""), ("todo", "b", "")]);
        world.event(&format!("e{round}"), "go");
        world.rest();
    }
    assert_eq!(world.called("collect"), ["a b", "a b"]);
    assert_eq!(world.called("pick").len(), 2);
    assert_eq!(world.called("pair").len(), 2);
}

#[test]
fn events_and_cron_start_runs() {
    let recipe = Recipe::new("app").function("collect", &[]).on_app(|c| c.event("go"), "collect");
    let mut world = world(recipe.function("make", &[]).on_app(|c| c.cron("* * * * *"), "make"));
    world.event("e1", "go");
    world.cron(1);
    world.cron(0);
    world.cron(9);
    world.rest();
    assert_eq!(world.called("collect"), ["e1"]);
    assert_eq!(world.called("make").len(), 1, "a cron that is not one is ignored");
    assert_eq!(world.ended.len(), 2);
}

#[test]
fn objects_may_be_put_into_the_app_itself() {
    let mut world = world(batches(2));
    assert_eq!(world.put_into_app("made", "a", "1"), Reply::Accepted);
    assert_eq!(world.put_into_app("made", "a", "1"), Reply::Unchanged);
    assert!(
        matches!(world.put_into_app("made", "a", "2"), Reply::Rejected(p) if p.code == Code::OBJECT_CONFLICT)
    );
    world.put_into_app("made", "b", "2");
    world.rest();
    assert_eq!(world.called("collect"), ["a b"]);
    assert!(world.app().object("made", "a").is_some() && world.app().object("made", "c").is_none());
}

#[test]
fn a_deploy_keeps_what_an_unchanged_condition_collected_even_when_numbers_shift() {
    let mut world = world(batches(2));
    world.start(&[("todo", "a", "old")]);
    world.rest();
    let shifted = Recipe::new("app").function("new", &["before"]).on(|c| c.each("before"), "new");
    let shifted = shifted.function("make", &["made"]).on(|c| c.each("todo"), "make");
    let shifted = shifted.function("collect", &[]).on_app(|c| c.batch("made", 2, None), "collect").build();
    assert_eq!(world.deploy(&shifted), Reply::Accepted);
    world.start(&[("todo", "b", "new")]);
    world.rest();
    assert_eq!(world.called("collect"), ["a b"]);
    assert_eq!(world.calls.last().map(|(_, call)| call.text()), Some("old new".into()));
}

#[test]
fn a_deploy_that_would_lose_objects_is_refused_unless_it_says_so() {
    let mut world = world(batches(2));
    world.faults.stored = 1000;
    world.start(&[("todo", "a", "old")]);
    world.rest();
    let live = world.ledger.live();
    let refused = world.deploy(&batches(5).build());
    assert!(
        matches!(&refused, Reply::Rejected(p) if p.code == Code::TRIGGER_STATE_WOULD_BE_LOST),
        "{refused:?}"
    );
    assert_eq!(world.app().versions().count(), 1);
    assert_eq!(world.deploy_resetting(&batches(5).build(), &["collect"]), Reply::Accepted);
    assert_eq!(world.ledger.live(), live - 1, "what is dropped is released");
}

#[test]
fn running_runs_keep_their_version() {
    let mut world = world(batches(1));
    let run = world.open(&[("todo", "a", "x")]);
    world.deploy(&Recipe::new("app").function("other", &[]).on(|c| c.each("todo"), "other").build());
    world.put_into(run, "todo", "b", "y");
    world.seal(run);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.called_sorted("make"), ["a", "b"]);
}

#[test]
fn a_run_that_a_firing_starts_is_confined_to_what_its_trigger_can_reach() {
    let recipe = Recipe::new("app").function("make", &["made"]).on(|c| c.each("todo"), "make");
    let recipe = recipe.function("total", &["totals"]).on(|c| c.join("made", "make"), "total");
    let recipe = recipe.function("strict", &[]).on(|c| c.set("todo", &["a"]), "strict");
    let mut world = world(recipe.function("collect", &[]).on_app(|c| c.each("totals"), "collect"));
    world.behaves("total", |call| Reaction::value(call.keys()));
    world.behaves("strict", |_| Reaction::nothing());
    world.start(&[("todo", "a", "")]);
    world.rest();
    assert_eq!((world.called("total").len(), world.called("collect").len()), (1, 1), "or it would never end");
    assert!(
        world.ended.iter().all(|run| world.succeeded(*run)),
        "the set of another run's bucket is not missed"
    );
}

#[test]
fn fingerprints_tell_namespaces_and_ids_apart() {
    assert_ne!(Engine::fingerprint("default", "a"), Engine::fingerprint("default", "b"));
    assert_ne!(Engine::fingerprint("ab", "c"), Engine::fingerprint("a", "bc"));
    // Stored in every data directory, so it may never change.
    assert_eq!(Engine::fingerprint("default", "run_1"), 0x5498cae01799274bf525c459e2720e14);
}
