//! Every condition, as a user would tell it.

use sluice_engine::Status;
use sluice_sim::{Reaction, Recipe, World};

fn world(recipe: Recipe) -> World {
    let mut world = World::new(7);
    world.behaves("see", |call| Reaction::value(call.keys()));
    world.behaves("copy", |call| Reaction::value(call.text()));
    world.deploy(&recipe.build());
    world
}

#[test]
fn each_calls_once_per_object_and_returns_under_its_key() {
    let mut world = world(Recipe::new("app").function("see", &[]).on(|c| c.each("texts"), "see"));
    let run = world.start(&[("texts", "a", "1"), ("texts", "b", "2")]);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.outputs(run), [("a".into(), "a".into()), ("b".into(), "b".into())]);
}

#[test]
fn each_sees_only_objects_for_which_its_when_holds() {
    let watch = Recipe::new("app").function("see", &[]);
    let mut world = world(watch.on(|c| sluice_types::Condition::Each(c.when("texts", "key^a")), "see"));
    world.start(&[("texts", "ab", ""), ("texts", "ba", ""), ("texts", "aa", "")]);
    world.rest();
    assert_eq!(world.called_sorted("see"), ["aa", "ab"]);
}

#[test]
fn name_calls_for_keys_that_match_its_glob() {
    let mut world = world(Recipe::new("app").function("see", &[]).on(|c| c.name("texts", "*.txt"), "see"));
    world.start(&[("texts", "a.txt", ""), ("texts", "b.csv", ""), ("texts", "d/c.txt", "")]);
    world.rest();
    assert_eq!(world.called("see"), ["a.txt"]);
}

#[test]
fn set_calls_once_with_the_keys_in_the_declared_order() {
    let mut world = world(Recipe::new("app").function("see", &[]).on(|c| c.set("texts", &["x", "y"]), "see"));
    let run = world.start(&[("texts", "y", ""), ("texts", "other", ""), ("texts", "x", "")]);
    world.rest();
    assert_eq!(world.called("see"), ["x y"]);
    assert_eq!(world.outputs(run), [("see".into(), "x y".into())]);
}

#[test]
fn an_incomplete_set_fails_the_run_and_names_what_is_missing() {
    let mut world =
        world(Recipe::new("app").function("see", &[]).on(|c| c.set("texts", &["x", "y", "z"]), "see"));
    let run = world.start(&[("texts", "y", "")]);
    world.rest();
    let (status, message) = world.status(run);
    assert_eq!(status, Status::Failed);
    assert!(message.contains("\"x\", \"z\"") && message.contains("\"texts\""), "{message}");
}

#[test]
fn an_optional_set_may_stay_incomplete() {
    let recipe =
        Recipe::new("app").function("see", &[]).on(|c| c.set("texts", &["x", "y"]), "see").optional();
    let mut world = world(recipe);
    let run = world.start(&[("texts", "y", "")]);
    world.rest();
    assert!(world.succeeded(run));
    assert!(world.called("see").is_empty());
}

#[test]
fn batch_calls_for_every_n_objects_and_flushes_the_remainder_at_closing() {
    let mut world = world(Recipe::new("app").function("see", &[]).on(|c| c.batch("texts", 2, None), "see"));
    let run = world.start(&[("texts", "a", ""), ("texts", "b", ""), ("texts", "c", "")]);
    world.rest();
    assert_eq!(world.called("see"), ["a b", "c"]);
    assert_eq!(world.outputs(run), [("see-0".into(), "a b".into()), ("see-1".into(), "c".into())]);
}

#[test]
fn batch_within_calls_when_its_first_object_has_waited_long_enough() {
    let mut world =
        world(Recipe::new("app").function("see", &[]).on(|c| c.batch("texts", 9, Some(50)), "see"));
    let run = world.open(&[("texts", "a", "")]);
    world.now_ms += 30;
    world.put_into(run, "texts", "b", "");
    assert_eq!(world.engine.next_deadline(), Some(1_000_050));
    world.wait();
    assert_eq!(world.called("see"), ["a b"]);
    assert_eq!(world.now_ms, 1_000_050);
    world.seal(run);
    world.rest();
    assert!(world.succeeded(run));
}

#[test]
fn first_calls_with_the_first_k_and_cancels_stragglers() {
    let recipe = Recipe::new("app").function("work", &["done"]).on(|c| c.each("todo"), "work");
    let mut world = world(recipe.function("see", &[]).on(|c| c.first("done", 2, 4), "see"));
    world.behaves("work", |call| Reaction::value(call.keys()));
    let run = world.start(&[("todo", "a", ""), ("todo", "b", ""), ("todo", "c", ""), ("todo", "d", "")]);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.called("see").len(), 1);
    assert_eq!(world.stopped.len(), 2, "the two that were too late");
    assert_eq!(world.run(run).tallies()[0].cancelled, 2);
}

#[test]
fn first_of_all_cancels_nobody() {
    let recipe = Recipe::new("app").function("work", &["done"]).on(|c| c.each("todo"), "work");
    let mut world = world(recipe.function("see", &[]).on(|c| c.first("done", 2, 2), "see"));
    world.behaves("work", |call| Reaction::value(call.keys()));
    let run = world.start(&[("todo", "a", ""), ("todo", "b", "")]);
    world.rest();
    assert!(world.succeeded(run) && world.stopped.is_empty());
}

#[test]
fn stragglers_with_another_output_go_on() {
    let recipe = Recipe::new("app").function("work", &["done", "log"]).on(|c| c.each("todo"), "work");
    let recipe = recipe.function("copy", &[]).on(|c| c.each("log"), "copy");
    let mut world = world(recipe.function("see", &[]).on(|c| c.first("done", 1, 2), "see"));
    world.behaves("work", |call| Reaction::value(call.keys()));
    let run = world.start(&[("todo", "a", ""), ("todo", "b", "")]);
    world.rest();
    assert!(world.succeeded(run) && world.stopped.is_empty());
}

#[test]
fn a_producer_is_a_straggler_too_once_its_own_put_satisfied_the_first() {
    let recipe = Recipe::new("app").function("work", &["done"]).on(|c| c.each("todo"), "work");
    let mut world = world(recipe.function("see", &[]).on(|c| c.first("done", 1, 2), "see"));
    world.behaves("work", |_| Reaction::nothing().put("done", "one", "1").put("done", "two", "2"));
    let run = world.start(&[("todo", "a", "")]);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!((world.called("see"), world.stopped.len()), (vec!["one".to_owned()], 1));
}

#[test]
fn first_with_too_few_fails_the_run() {
    let mut world = world(Recipe::new("app").function("see", &[]).on(|c| c.first("texts", 2, 3), "see"));
    let run = world.start(&[("texts", "a", "")]);
    world.rest();
    let (status, message) = world.status(run);
    assert!(
        status == Status::Failed && message.contains("needs 2") && message.contains("only 1"),
        "{message}"
    );
}

#[test]
fn a_tumbling_window_calls_at_its_end_with_what_arrived_in_it() {
    let mut world =
        world(Recipe::new("app").function("see", &[]).on(|c| c.window("texts", 100, 100, None), "see"));
    let run = world.open(&[("texts", "a", "")]);
    world.now_ms += 60;
    world.put_into(run, "texts", "b", "");
    world.now_ms += 39;
    world.put_into(run, "texts", "c", "");
    world.wait();
    world.put_into(run, "texts", "d", "");
    world.seal(run);
    world.rest();
    assert_eq!(world.called("see"), ["a b c", "d"]);
    assert_eq!(world.outputs(run)[1].0, "see-1");
}

#[test]
fn sliding_windows_overlap() {
    let mut world =
        world(Recipe::new("app").function("see", &[]).on(|c| c.window("texts", 100, 50, None), "see"));
    let run = world.open(&[("texts", "a", "")]);
    world.now_ms += 50;
    world.put_into(run, "texts", "b", "");
    while world.wait() {}
    world.seal(run);
    world.rest();
    assert_eq!(world.called("see"), ["a", "a b", "b"]);
}

#[test]
fn keyed_windows_are_kept_apart() {
    let recipe = Recipe::new("app").function("see", &[]);
    let mut world = world(recipe.on(|c| c.window("texts", 100, 100, Some("prefix")), "see"));
    let run = world.start(&[("texts", "x/1", ""), ("texts", "y/1", ""), ("texts", "x/2", "")]);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.called("see"), ["x/1 x/2", "y/1"]);
    let groups: Vec<_> = world.calls.iter().map(|(_, call)| call.group.clone()).collect();
    assert_eq!(groups, [Some("x".into()), Some("y".into())]);
}

fn map_reduce(recipe: Recipe) -> World {
    let mut world = world(recipe);
    world.behaves("map", |call| Reaction::value(call.text()));
    world
}

#[test]
fn join_calls_once_when_the_function_is_done_in_key_order() {
    let recipe = Recipe::new("app").function("map", &["parts"]).on(|c| c.each("texts"), "map");
    let mut world = map_reduce(recipe.function("see", &[]).on(|c| c.join("parts", "map"), "see"));
    let run = world.start(&[("texts", "c", ""), ("texts", "a", ""), ("texts", "b", "")]);
    world.rest();
    assert_eq!(world.called("see"), ["a b c"]);
    assert_eq!(world.outputs(run)[0].0, "see");
}

#[test]
fn an_empty_join_calls_with_an_empty_list() {
    let recipe = Recipe::new("app").function("map", &["parts"]).on(|c| c.each("texts"), "map");
    let mut world = map_reduce(recipe.function("see", &[]).on(|c| c.join("parts", "map"), "see"));
    let run = world.start(&[]);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.called("see"), [""]);
    assert!(!world.calls[0].1.single);
}

#[test]
fn group_calls_once_per_group_and_returns_under_it() {
    let recipe = Recipe::new("app").function("map", &["parts"]).on(|c| c.each("texts"), "map");
    let mut world = world(recipe.function("see", &[]).on(|c| c.group("parts", "map", None), "see"));
    world.behaves("map", |call| {
        let key = call.key().to_owned();
        Reaction::nothing().put_in("parts", &format!("{key}-even"), "", "even").put_in(
            "parts",
            &format!("{key}-odd"),
            "",
            "odd",
        )
    });
    let run = world.start(&[("texts", "2", ""), ("texts", "1", "")]);
    world.rest();
    let expected = [("even".into(), "1-even 2-even".into()), ("odd".into(), "1-odd 2-odd".into())];
    assert_eq!(world.outputs(run), expected);
}

#[test]
fn group_by_an_expression_overrides_the_group_of_the_put_and_an_empty_one_calls_once() {
    let recipe = || Recipe::new("app").function("map", &["parts"]).on(|c| c.each("texts"), "map");
    let grouped = || recipe().function("see", &[]).on(|c| c.group("parts", "map", Some("prefix")), "see");
    let mut world = map_reduce(grouped());
    let run = world.start(&[("texts", "x/1", ""), ("texts", "y/1", ""), ("texts", "x/2", "")]);
    world.rest();
    assert_eq!(world.outputs(run), [("x".into(), "x/1 x/2".into()), ("y".into(), "y/1".into())]);
    let empty = world.start(&[]);
    world.rest();
    assert_eq!(world.outputs(empty), [("see".into(), "".into())]);
}

#[test]
fn all_calls_once_with_the_objects_of_every_part_in_their_order() {
    let recipe = Recipe::new("app").function("see", &[]);
    let recipe =
        recipe.on(|c| sluice_types::Condition::All(vec![c.each("left"), c.batch("right", 2, None)]), "see");
    let mut world = world(recipe);
    let run = world.start(&[("right", "r1", ""), ("left", "l", ""), ("right", "r2", ""), ("left", "m", "")]);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.called("see"), ["l r1 r2"]);
}

#[test]
fn an_all_of_which_a_part_can_never_fire_fails_the_run() {
    let recipe = Recipe::new("app").function("see", &[]);
    let mut world =
        world(recipe.on(|c| sluice_types::Condition::All(vec![c.each("left"), c.each("right")]), "see"));
    let run = world.start(&[("left", "l", "")]);
    world.rest();
    let (status, message) = world.status(run);
    assert!(status == Status::Failed && message.contains("part 2"), "{message}");
}

#[test]
fn an_event_takes_part_in_an_all_as_an_object_under_its_id() {
    let recipe = Recipe::new("app").function("copy", &[]);
    let mut world =
        world(recipe.on(|c| sluice_types::Condition::All(vec![c.each("left"), c.event("go")]), "copy"));
    let run = world.start(&[("left", "l", "text")]);
    world.rest();
    assert_eq!(world.status(run).0, Status::Running, "it waits for the event");
    world.event("e1", "go");
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.called("copy"), ["l e1"]);
    assert_eq!(world.outputs(run), [("copy".into(), "text data of e1".into())]);
}

#[test]
fn any_calls_whenever_one_part_fires() {
    let recipe = Recipe::new("app").function("see", &[]);
    let mut world =
        world(recipe.on(|c| sluice_types::Condition::Any(vec![c.each("left"), c.each("right")]), "see"));
    world.start(&[("left", "l", ""), ("right", "r", "")]);
    world.rest();
    assert_eq!(world.called_sorted("see"), ["l", "r"]);
}

#[test]
fn any_may_hold_an_all_and_an_all_may_hold_an_any() {
    use sluice_types::Condition::{All, Any};
    let recipe = Recipe::new("app").function("see", &[]);
    let recipe = recipe.on(|c| Any(vec![All(vec![c.each("a"), c.each("b")]), c.each("z")]), "see");
    let recipe = recipe.function("copy", &[]);
    let mut world =
        world(recipe.on(|c| All(vec![Any(vec![c.each("a"), c.batch("a", 2, None)]), c.each("b")]), "copy"));
    let run = world.start(&[("a", "a1", ""), ("z", "z1", ""), ("a", "a2", ""), ("b", "b1", "")]);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.called_sorted("see"), ["a1 b1", "z1"]);
    assert_eq!(world.called("copy"), ["a1 b1"]);
}
