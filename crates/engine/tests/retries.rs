//! Failed attempts.

use sluice_engine::{Engine, HistoryKind, Input, InputKind, Need, Status};
use sluice_sim::eval::Plain;
use sluice_sim::{Reaction, Recipe, World};
use sluice_types::{Code, FailureKind, RetryPolicy, RunKey};

fn failing(policy: RetryPolicy, kind: FailureKind, seed: u64) -> (World, RunKey) {
    let mut world = World::new(seed);
    world.behaves("fail", move |_| Reaction::fail(kind));
    let recipe = Recipe::new("app").function("fail", &[]).retries(policy).on(|c| c.each("todo"), "fail");
    world.deploy(&recipe.build());
    let run = world.start(&[("todo", "a", "")]);
    world.rest();
    (world, run)
}

fn delays(world: &World, run: RunKey) -> Vec<u64> {
    let delay = |entry: sluice_engine::HistoryEntry| match entry.kind {
        HistoryKind::AttemptFailed { retry_ms, .. } => retry_ms.map(|due| due - entry.at_ms),
        _ => None,
    };
    world.run(run).history().filter_map(delay).collect()
}

#[test]
fn delays_grow_by_the_factor_up_to_the_longest() {
    let policy =
        RetryPolicy { attempts: 6, initial_ms: 10, backoff_permille: 3000, max_ms: 200, jitter: false };
    let (world, run) = failing(policy, FailureKind::Raised, 1);
    assert_eq!(delays(&world, run), [10, 30, 90, 200, 200]);
    assert_eq!(world.run(run).tallies()[0].retried, 5);
    let error = world.run(run).error().expect("it failed").clone();
    assert_eq!(error.code, Code::FUNCTION_FAILED);
    assert!(error.message.contains("6 attempts") && error.message.contains("\"a\""), "{error:?}");
}

#[test]
fn jitter_stays_within_the_delay_and_differs_between_runs() {
    let policy =
        RetryPolicy { attempts: 5, initial_ms: 1000, backoff_permille: 2000, max_ms: 5000, jitter: true };
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let (world, run) = failing(policy.clone(), FailureKind::Crashed, seed);
        let delays = delays(&world, run);
        assert!(
            delays.iter().zip([1000, 2000, 4000, 5000]).all(|(delay, most)| *delay <= most),
            "{delays:?}"
        );
        seen.insert(delays);
    }
    assert!(seen.len() > 15, "jitter comes from the seed of the run");
}

#[test]
fn failures_that_another_attempt_cannot_help_are_not_retried() {
    let policy = RetryPolicy { attempts: 9, ..RetryPolicy::default() };
    for kind in [
        FailureKind::Unserialisable,
        FailureKind::Unstartable,
        FailureKind::Limit,
        FailureKind::UndeclaredPut,
    ] {
        let (world, run) = failing(policy.clone(), kind, 3);
        assert_eq!(
            (world.status(run).0, world.run(run).tallies()[0].retried),
            (Status::Failed, 0),
            "{kind:?}"
        );
    }
}

#[test]
fn a_completion_of_an_attempt_that_is_over_counts_no_more() {
    use sluice_engine::InputKind;
    use sluice_types::{Attempt, InvocationId, Outcome};
    let mut world = World::new(5);
    world.behaves("flaky", |call| match call.attempt.0 {
        1 => Reaction::fail(FailureKind::TimedOut),
        _ => Reaction::value("second"),
    });
    let recipe = Recipe::new("app").function("flaky", &[]).attempts(2).on(|c| c.each("todo"), "flaky");
    world.deploy(&recipe.build());
    let run = world.start(&[("todo", "a", "")]);
    world.step();
    let outcome = Outcome::Succeeded { puts: Default::default(), value: None, emits: Vec::new() };
    let invocation = InvocationId { run, seq: 0 };
    for _ in 0..2 {
        world.submit(InputKind::Completed { invocation, attempt: Attempt(1), outcome: outcome.clone() });
        assert_eq!(world.status(run).0, Status::Running);
        world.wait();
    }
    world.rest();
    assert_eq!(world.outputs(run), [("a".into(), "second".into())]);
}

#[test]
fn who_has_only_what_a_run_awaits_knows_which_run_to_load_for_its_next_attempt() {
    let policy =
        RetryPolicy { attempts: 2, initial_ms: 500, backoff_permille: 1000, max_ms: 500, jitter: false };
    let mut world = World::new(1);
    world.behaves("fail", |_| Reaction::fail(FailureKind::Raised));
    let recipe = Recipe::new("app").function("fail", &[]).retries(policy).on(|c| c.each("todo"), "fail");
    world.deploy(&recipe.build());
    let run = world.start(&[("todo", "a", "")]);
    world.step();
    assert_eq!(delays(&world, run), [500]);

    let mut recovered = Engine::new(Box::new(Plain));
    recovered.load_app(&world.engine.save_app(World::APP).expect("it is deployed")).expect("as it was saved");
    let awaited = world.run(run).awaited().expect("its next attempt");
    recovered.restore_awaited(run, &awaited);
    let now_ms = recovered.next_deadline().expect("the run waits");
    assert_eq!(recovered.needs(&Input { now_ms, kind: InputKind::Timers }), [Need(run)]);
}
