//! Who owns an output, when it becomes visible, and when its bytes go.

use sluice_engine::{Reply, Status};
use sluice_sim::{Faults, Reaction, Recipe, World};
use sluice_types::{Code, FailureKind};

fn world(recipe: Recipe) -> World {
    let mut world = World::new(11);
    world.faults = Faults { stored: 1000, ..Faults::default() };
    world.behaves("see", |call| Reaction::value(call.keys()));
    world.deploy(&recipe.build());
    world
}

fn producer_and_consumer() -> Recipe {
    let recipe = Recipe::new("app").function("make", &["made"]).attempts(2).on(|c| c.each("todo"), "make");
    recipe.function("see", &[]).on(|c| c.each("made"), "see")
}

#[test]
fn outputs_are_visible_while_their_producer_still_runs() {
    let mut world = world(producer_and_consumer());
    world.behaves("make", |_| Reaction::nothing().put("made", "early", "x").put("made", "later", "y"));
    world.start(&[("todo", "a", "")]);
    world.step();
    assert_eq!(world.called("see"), ["early"]);
    world.rest();
    assert_eq!(world.called_sorted("see"), ["early", "later"]);
}

#[test]
fn a_retry_that_puts_the_same_bytes_changes_nothing() {
    let mut world = world(producer_and_consumer());
    world.behaves("make", |call| match call.attempt.0 {
        1 => Reaction::nothing().put("made", "k", "same").then_fail(FailureKind::Raised),
        _ => Reaction::nothing().put("made", "k", "same"),
    });
    let run = world.start(&[("todo", "a", "")]);
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.called("see"), ["k"]);
}

#[test]
fn a_retry_that_puts_other_bytes_fails_the_invocation() {
    for stored in [0, 1000] {
        let mut world = world(producer_and_consumer());
        world.faults.stored = stored;
        world.behaves("make", |call| match call.attempt.0 {
            1 => Reaction::nothing().put("made", "k", "one").then_fail(FailureKind::Raised),
            _ => Reaction::nothing().put("made", "k", "two"),
        });
        let run = world.start(&[("todo", "a", "")]);
        world.rest();
        assert_eq!(world.run(run).error().map(|problem| problem.code), Some(Code::OUTPUT_NOT_REPEATABLE));
    }
}

#[test]
fn a_retry_may_repeat_what_was_consumed_and_released_meanwhile() {
    for stored in [0, 1000] {
        let mut world = world(producer_and_consumer());
        world.faults.stored = stored;
        world.behaves("make", |call| match call.attempt.0 {
            1 => Reaction::nothing().put("made", "k", "same").then_fail(FailureKind::Raised),
            _ => Reaction::nothing().put("made", "k", "same"),
        });
        let run = world.open(&[("todo", "a", "")]);
        while world.called("see").is_empty() || world.outputs(run).is_empty() {
            world.step();
        }
        world.seal(run);
        world.rest();
        assert!(world.succeeded(run), "{:?}", world.status(run));
    }
}

#[test]
fn a_key_of_another_invocation_is_taken() {
    let mut world = world(producer_and_consumer());
    world.behaves("make", |_| Reaction::nothing().put_late("made", "k", "same"));
    let run = world.start(&[("todo", "a", ""), ("todo", "b", "")]);
    world.rest();
    assert_eq!(world.run(run).error().map(|problem| problem.code), Some(Code::OUTPUT_KEY_TAKEN));
}

#[test]
fn a_put_to_an_undeclared_bucket_fails_without_a_retry_and_names_the_fix() {
    let mut world = world(producer_and_consumer());
    world.behaves("make", |_| Reaction::nothing().put_late("made", "k", "x").put_late("todo", "k", "x"));
    let run = world.start(&[("todo", "a", "")]);
    world.rest();
    let error = world.run(run).error().expect("it failed").clone();
    assert!(error.code == Code::PUT_UNDECLARED && error.fix.contains("into="), "{error:?}");
    assert!(world.called("see").is_empty(), "nothing of a refused completion is seen");
}

#[test]
fn the_output_bucket_needs_no_declaration() {
    let mut world = world(producer_and_consumer());
    world.behaves("make", |_| Reaction::nothing().put("output", "k", "x"));
    let run = world.start(&[("todo", "a", "")]);
    world.rest();
    assert_eq!(world.outputs(run), [("k".into(), "x".into())]);
}

fn committing() -> Recipe {
    let recipe =
        Recipe::new("app").function("make", &["made"]).attempts(2).commits().on(|c| c.each("todo"), "make");
    recipe.function("see", &[]).on(|c| c.each("made"), "see")
}

#[test]
fn with_commit_visibility_puts_stay_hidden_until_the_attempt_succeeds() {
    let mut world = world(committing());
    world.behaves("make", |call| {
        let reaction = Reaction::nothing().put("made", "k", format!("attempt {}", call.attempt.0));
        if call.attempt.0 == 1 { reaction.then_fail(FailureKind::Raised) } else { reaction }
    });
    let run = world.start(&[("todo", "a", "")]);
    world.step();
    assert!(world.called("see").is_empty(), "it is put, but not committed");
    world.rest();
    assert!(world.succeeded(run));
    assert_eq!(world.calls.last().map(|(_, call)| call.text()), Some("attempt 2".into()));
}

#[test]
fn a_commit_is_all_or_nothing() {
    let mut world = world(committing());
    world.behaves("make", |_| {
        Reaction::nothing().put("made", "a", "1").put("made", "k", "1").put("made", "k", "2")
    });
    let run = world.start(&[("todo", "a", "")]);
    world.rest();
    assert_eq!(world.run(run).error().map(|problem| problem.code), Some(Code::OUTPUT_NOT_REPEATABLE));
    assert!(world.called("see").is_empty());
}

#[test]
fn late_puts_of_a_stopped_attempt_are_discarded_and_recorded() {
    let recipe = Recipe::new("app").function("make", &["made"]).on(|c| c.each("todo"), "make");
    let mut world = world(recipe.function("see", &[]).on(|c| c.first("made", 1, 2), "see"));
    world.faults.disobedience = 1000;
    world.behaves("make", |call| Reaction::nothing().put("made", call.key(), "x").put("made", "more", "y"));
    let run = world.start(&[("todo", "a", ""), ("todo", "b", "")]);
    world.rest();
    assert!(world.succeeded(run));
    let discarded = |entry: &sluice_engine::HistoryEntry| {
        matches!(entry.kind, sluice_engine::HistoryKind::PutDiscarded { .. })
    };
    assert!(world.run(run).history().filter(discarded).count() >= 2);
}

#[test]
fn intermediates_go_at_their_last_use_and_inputs_and_outputs_stay_until_the_run_is_forgotten() {
    let recipe = producer_and_consumer().function("also", &[]).on(|c| c.each("made"), "also");
    let mut world = world(recipe);
    world.behaves("make", |call| Reaction::value(call.text()));
    world.behaves("also", |_| Reaction::nothing());
    let run = world.start(&[("todo", "a", "x")]);
    world.rest();
    assert_eq!(world.ledger.live(), 2, "one input and one output");
    assert!(world.run(run).object(sluice_types::BucketIx(2), "a").is_some_and(|slot| slot.released));
    world.submit(sluice_engine::InputKind::Forget { run });
    assert_eq!(world.ledger.live(), 0);
    assert!(world.engine.run(run).is_none());
    assert_eq!(world.seal(run), world.cancel(run), "both say that there is no such run");
}

#[test]
fn kept_buckets_keep() {
    let mut world = world(producer_and_consumer().keep("made"));
    world.behaves("make", |call| Reaction::value(call.text()));
    world.start(&[("todo", "a", "x")]);
    world.rest();
    assert_eq!(world.ledger.live(), 3);
}

#[test]
fn clients_may_repeat_a_put_but_not_change_it_nor_put_into_a_sealed_run() {
    let mut world = world(Recipe::new("app").function("see", &[]).on(|c| c.each("todo"), "see"));
    let run = world.open(&[("todo", "a", "x")]);
    assert_eq!(world.put_into(run, "todo", "a", "x"), Reply::Unchanged);
    let code = |reply: Reply| match reply {
        Reply::Rejected(problem) => problem.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(world.put_into(run, "todo", "a", "y")), Code::OBJECT_CONFLICT);
    assert_eq!(world.seal(run), Reply::Accepted);
    assert_eq!(code(world.put_into(run, "todo", "b", "y")), Code::RUN_SEALED);
    assert_eq!(world.put_into(run, "todo", "a", "x"), Reply::Unchanged);
    world.rest();
    assert_eq!(world.status(run).0, Status::Succeeded);
    assert_eq!(code(world.put_into(run, "todo", "b", "y")), Code::RUN_ENDED);
    assert_eq!(world.put_into(run, "todo", "a", "x"), Reply::Unchanged);
}

#[test]
fn who_puts_into_a_run_that_has_failed_is_told_why_it_failed() {
    let mut world = world(Recipe::new("app").function("see", &[]).attempts(1).on(|c| c.each("todo"), "see"));
    world.behaves("see", |_| Reaction::nothing().then_fail(FailureKind::Raised));
    let run = world.open(&[("todo", "a", "x")]);
    world.rest();
    let error = world.run(run).error().expect("it has failed").clone();
    let Reply::Rejected(problem) = world.put_into(run, "todo", "b", "y") else { panic!("it is too late") };
    assert_eq!((problem.code, &problem.fix), (Code::RUN_ENDED, &error.fix));
    assert!(problem.message.ends_with(&error.message), "{problem}");
}
