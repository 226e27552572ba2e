//! Random programs in random orders with faults, against judges that know nothing of the engine. Every test runs
//! `SLUICE_SEEDS` seeds (default 150); a failing one is named and reproduces alone with `SLUICE_SEED`.

use sluice_engine::Status;
use sluice_sim::generate::{Plan, Taste, plan, react};
use sluice_sim::oracle::{Expected, expected_calls};
use sluice_sim::{Faults, Rng, World, model};
use sluice_types::RunKey;
use std::collections::BTreeMap;

fn each_seed(test: impl Fn(u64)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("SLUICE_SEED") {
        Some(one) => one..one + 1,
        None => 0..number("SLUICE_SEEDS").unwrap_or(150),
    };
    for seed in seeds {
        let named = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(seed)));
        assert!(named.is_ok(), "seed {seed} fails");
    }
}

const TASTE: Taste = Taste { timed: false, keep: true, failing: 0, app_scoped: 0, streaming: 0 };

fn faults(crash_process: u32) -> Faults {
    Faults { crash_attempts: 150, duplicates: 150, disobedience: 500, crash_process, stored: 500 }
}

fn execute(seed: u64, plan: &Plan, faults: Faults) -> (World, RunKey) {
    let mut world = World::new(seed);
    world.faults = faults;
    for function in &plan.program.functions {
        world.behaves(&function.name, react);
    }
    world.deploy(&plan.program);
    let inputs: Vec<_> = plan.inputs.iter().map(|(bucket, key, text)| (&**bucket, &**key, &**text)).collect();
    let (before, after) = inputs.split_at(inputs.len() / 2);
    let run = world.open(before);
    for (bucket, key, text) in after {
        world.now_ms += 7;
        world.put_into(run, bucket, key, text);
        world.step();
    }
    world.seal(run);
    world.rest();
    if world.status(run).0 == Status::Running {
        // Only a trigger that waits for an event keeps a run open.
        world.event("last", "told");
        world.rest();
    }
    (world, run)
}

#[test]
fn every_order_gives_what_the_model_predicts() {
    each_seed(|seed| {
        let plan = plan(&mut Rng::new(seed), Taste { failing: 250, ..TASTE });
        let prediction = model::predict(&plan.program, &plan.inputs, &react);
        for order in 0..3 {
            let (world, run) = execute(seed * 1000 + order, &plan, faults(0));
            let status = world.status(run);
            assert_eq!(
                status.0 == Status::Succeeded,
                prediction.succeeds,
                "{status:?} {:#?}",
                plan.program.triggers
            );
            if prediction.succeeds {
                assert_eq!(objects(&world, run), prediction.objects);
            }
        }
    });
}

fn objects(world: &World, run: RunKey) -> model::Objects {
    let program = world.run(run).program().clone();
    let entry = |slot: &sluice_engine::objects::Slot| {
        let bucket = program.buckets[slot.object.bucket.index()].name.to_string();
        let from = slot.function.map(|function| program.functions[function.index()].name.to_string());
        ((bucket, slot.object.key.to_string()), (world.ledger.read(&slot.object.payload), from))
    };
    world.run(run).slots().iter().map(entry).collect()
}

#[test]
fn every_call_is_one_that_the_order_of_arrivals_asks_for_and_none_is_missing() {
    each_seed(|seed| {
        let plan = plan(&mut Rng::new(seed), Taste { timed: true, keep: false, ..TASTE });
        let (world, run) = execute(seed, &plan, faults(20));
        assert_ne!(world.status(run).0, Status::Running, "every run ends");
        if world.succeeded(run) {
            let whole = world.replayed();
            for (function, expected) in expected_calls(whole.run(run).expect("it is in the log")) {
                assert_eq!(calls(&world, &function), expected, "{function} {:#?}", plan.program.triggers);
            }
        }
    });
}

fn calls(world: &World, function: &str) -> Vec<Expected> {
    let of = world.calls.iter().filter(|(_, call)| call.function == function);
    let mut calls: Vec<Expected> = of
        .map(|(_, call)| (call.objects.iter().map(|(key, _)| key.clone()).collect(), call.group.clone()))
        .collect();
    calls.sort();
    calls
}

#[test]
fn only_inputs_and_outputs_stay_when_nothing_is_kept() {
    each_seed(|seed| {
        let plan = plan(&mut Rng::new(seed), Taste { timed: true, keep: false, failing: 200, ..TASTE });
        let (mut world, run) = execute(seed, &plan, faults(0));
        let kept = world.run(run).slots().iter().filter(|slot| !slot.released).count();
        let inputs = world.run(run).slots().iter().filter(|slot| slot.function.is_none()).count();
        assert_eq!(kept, inputs, "no function of a random program puts to output");
        world.submit(sluice_engine::InputKind::Forget { run });
        assert_eq!(world.ledger.live(), 0, "every stored byte is released");
    });
}

#[test]
fn objects_cross_to_the_app_exactly_once_through_crashes_and_duplicates() {
    each_seed(|seed| {
        let plan = plan(&mut Rng::new(seed), Taste { timed: true, keep: false, app_scoped: 500, ..TASTE });
        let (world, run) = execute(seed, &plan, faults(30));
        assert_ne!(world.status(run).0, Status::Running, "every run ends");
        assert!(world.engine.runs().all(|run| run.outbox_len() == 0), "everything that left has arrived");
        for trigger in plan.program.triggers.iter().filter(|t| t.scope == sluice_types::Scope::App) {
            if let sluice_types::Condition::Each(from) = &trigger.condition {
                let put: usize = world.engine.runs().map(|run| in_bucket(run, from.bucket)).sum();
                assert_eq!(calls(&world, &trigger.name).len(), put, "{}", trigger.name);
            }
        }
    });
}

fn in_bucket(run: &sluice_engine::Run, bucket: sluice_types::BucketIx) -> usize {
    let put = |slot: &&sluice_engine::objects::Slot| {
        slot.object.bucket == bucket && slot.owner != sluice_engine::objects::Owner::Firing
    };
    run.slots().iter().filter(put).count()
}

#[test]
fn the_same_inputs_give_the_same_state_and_the_same_effects() {
    each_seed(|seed| {
        let plan = plan(
            &mut Rng::new(seed),
            Taste { timed: true, keep: false, failing: 200, app_scoped: 200, ..TASTE },
        );
        let (world, _) = execute(seed, &plan, faults(0));
        let replay = || {
            let mut engine = sluice_engine::Engine::new(Box::new(sluice_sim::eval::Plain));
            let mut effects = Vec::new();
            world.log.iter().for_each(|(lsn, input)| engine.apply(*lsn, input.clone(), &mut effects));
            (engine.state_hash(), effects)
        };
        let (first, second) = (replay(), replay());
        assert_eq!(first.0, world.engine.state_hash());
        assert_eq!(first, second);
    });
}

#[test]
fn the_generator_reaches_every_condition_and_most_random_runs_succeed() {
    let (mut kinds, mut succeeded) = (BTreeMap::new(), 0);
    for seed in 0..200 {
        let plan = plan(&mut Rng::new(seed), Taste { timed: true, failing: 100, ..TASTE });
        for trigger in &plan.program.triggers {
            let name = format!("{:?}", trigger.condition);
            *kinds.entry(name.split([' ', '(']).next().unwrap_or_default().to_owned()).or_insert(0) += 1;
        }
        let (world, run) = execute(seed, &plan, faults(0));
        succeeded += usize::from(world.succeeded(run));
    }
    assert_eq!(kinds.len(), 11, "{kinds:?}");
    assert!(succeeded > 80, "{succeeded} of 200");
}
