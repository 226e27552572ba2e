//! DAGs that runs host, under faults: what comes out, and that nothing is kept that nobody needs.

use sluice_engine::Status;
use sluice_sim::{Faults, Reaction, Recipe, World};
use sluice_types::dag::{Dag, Pool, Rule, Task};
use sluice_types::{
    ContentType, FailureKind, Program, RetryPolicy, RunKey, Steps, TaskIx, TaskKind, Workflow,
};
use std::cell::Cell;
use std::sync::Arc;

const RUN: RunKey = RunKey(77);

fn json(text: impl Into<String>) -> Reaction {
    Reaction { content_type: ContentType::Json, ..Reaction::value(text.into()) }
}

/// A task that calls the function of its name.
fn task(program: &Program, name: &str, after: &[u32]) -> Task {
    let function = program.function(name).unwrap_or_else(|| panic!("there is no function {name}"));
    Task { after: after.iter().copied().map(TaskIx).collect(), ..Task::new(name, function) }
}

fn with_dag(mut program: Arc<Program>, tasks: Vec<Task>) -> Arc<Program> {
    let pools = vec![Pool { name: "two".into(), slots: 2 }];
    let steps = Steps::Dag(Arc::new(Dag { tasks, pools, schedule: None }));
    Arc::make_mut(&mut program).workflows.push(Workflow { name: "dag".into(), steps });
    program
}

fn start(world: &mut World, program: &Arc<Program>, input: &str) {
    world.deploy(program);
    world.start_workflow(RUN, "dag", input, Vec::new());
}

/// A list, a map over it of which one call fails, a map over that, a branch, a sensor, and what waits for all of them.
fn everything() -> Arc<Program> {
    let names = ["list", "item", "again", "way", "left", "right", "probe", "all"];
    let recipe = names.iter().fold(Recipe::new("app"), |recipe, name| recipe.function(name, &[]).attempts(3));
    let program = recipe.build();
    let task = |name: &str, after: &[u32]| task(&program, name, after);
    let retry = Some(Box::new(RetryPolicy { attempts: 6, ..RetryPolicy::default() }));
    let tasks = vec![
        task("list", &[]),
        Task { kind: TaskKind::Map { over: TaskIx(0) }, pool: Some(0), ..task("item", &[0]) },
        Task {
            kind: TaskKind::Map { over: TaskIx(1) },
            rule: Rule::AllDone,
            pool: Some(0),
            retry,
            ..task("again", &[1])
        },
        Task { kind: TaskKind::Branch, ..task("way", &[0]) },
        task("left", &[3]),
        task("right", &[3]),
        Task { kind: TaskKind::Sensor { interval_ms: 500, soft_fail: false }, ..task("probe", &[]) },
        Task { rule: Rule::AllDone, ..task("all", &[2, 4, 5, 6]) },
    ];
    with_dag(program.clone(), tasks)
}

fn behave(world: &mut World) {
    world.behaves("list", |_| json("[1, 2, 3, 4]"));
    world.behaves("item", |call| match call.text().as_str() {
        "3" => Reaction::fail(FailureKind::Unserialisable),
        text => json(format!("[{text}]")),
    });
    world.behaves("again", |call| json(format!("\"{}\"", call.keys())));
    world.behaves("way", |_| json("[\"left\"]"));
    world.behaves("left", |call| json(call.text()));
    world.behaves("right", |_| panic!("the branch does not name it"));
    let probed = Cell::new(0);
    world.behaves("probe", move |_| {
        probed.set(probed.get() + 1);
        json(if probed.get() > 2 { "7" } else { "{}" })
    });
    world.behaves("all", |call| Reaction::value(format!("{}: {}", call.keys(), call.text())));
}

#[test]
fn faults_change_nothing_of_what_comes_out() {
    let program = everything();
    for seed in 1..=150 {
        let mut world = World::durable(seed);
        world.faults = Faults {
            crash_attempts: 100,
            duplicates: 100,
            crash_process: 40,
            stored: 500,
            ..Faults::default()
        };
        behave(&mut world);
        start(&mut world, &program, "0");
        world.rest();
        let (status, message) = world.status(RUN);
        assert_eq!((status, message.as_str()), (Status::Succeeded, ""), "seed {seed}");
        let said = "again/0 again/1 again/2 left probe: \"item/0\" \"item/1\" \"item/3\" [1, 2, 3, 4] 7";
        assert_eq!(world.outputs(RUN), [("all".to_owned(), said.to_owned())], "seed {seed}");
        let kept = world.run(RUN).outputs().count();
        assert!(world.ledger.live() <= kept, "seed {seed}: {} payloads are kept", world.ledger.live());
        assert_eq!(world.engine.next_deadline(), None, "seed {seed}");
    }
}

#[test]
fn cancelled_at_any_point_it_keeps_nothing() {
    let program = everything();
    for steps in 0..60 {
        let mut world = World::durable(steps);
        world.faults = Faults { stored: 500, ..Faults::default() };
        behave(&mut world);
        start(&mut world, &program, "0");
        for _ in 0..steps {
            world.step();
        }
        world.cancel(RUN);
        world.rest();
        let (status, kept) = (world.status(RUN).0, world.run(RUN).outputs().count());
        assert!(status == Status::Cancelled || kept == 1, "after {steps} steps: {status:?}");
        assert!(world.ledger.live() <= kept, "after {steps} steps");
    }
}

#[test]
fn a_result_goes_when_the_last_task_that_needs_it_has_ended() {
    let recipe =
        ["a", "b", "c", "d"].iter().fold(Recipe::new("app"), |recipe, name| recipe.function(name, &[]));
    let program = recipe.build();
    let task = |name: &str, after: &[u32]| task(&program, name, after);
    let tasks = vec![task("a", &[]), task("b", &[0]), task("c", &[0, 1]), task("d", &[2])];
    let program = with_dag(program.clone(), tasks);
    let mut world = World::durable(1);
    ["a", "b", "c", "d"]
        .iter()
        .for_each(|name| world.behaves(name, |call| Reaction::value(call.key().to_owned())));
    start(&mut world, &program, "0");
    let mut seen = Vec::new();
    while world.status(RUN).0 == Status::Running {
        let run = world.run(RUN);
        let held = run.slots().iter().filter(|slot| !slot.released && slot.object.key.len() == 1);
        let held: String = held.map(|slot| slot.object.key.to_string()).collect();
        if seen.last() != Some(&held) {
            seen.push(held);
        }
        world.step();
    }
    assert_eq!(seen, ["", "a", "ab", "c"]);
    assert_eq!(world.outputs(RUN), [("d".to_owned(), "c".to_owned())]);
}

#[test]
fn what_a_task_gives_comes_ahead_of_the_results() {
    let names = ["first", "list", "each", "last"];
    let recipe = names.iter().fold(Recipe::new("app"), |recipe, name| recipe.function(name, &[]).attempts(2));
    let program = recipe.build();
    let with = |name: &str, after: &[u32]| Task { with: Some("{}".into()), ..task(&program, name, after) };
    let tasks = vec![
        with("first", &[]),
        task(&program, "list", &[0]),
        Task { kind: TaskKind::Map { over: TaskIx(1) }, ..with("each", &[1]) },
        with("last", &[0, 2]),
    ];
    let program = with_dag(program.clone(), tasks);
    for seed in 1..=20 {
        let mut world = World::durable(seed);
        world.faults = Faults { crash_process: 100, stored: 500, ..Faults::default() };
        let said = |call: &sluice_sim::Call| json(format!("\"{}={}\"", call.keys(), call.text()));
        ["first", "each", "last"].iter().for_each(|name| world.behaves(name, said));
        world.behaves("list", |_| json("[7]"));
        start(&mut world, &program, "0");
        world.rest();
        let first = "\"with input={} 0\"";
        let each = "\"with list/0={} 7\"";
        let last = format!("\"with first each/0={{}} {first} {each}\"");
        assert_eq!(world.outputs(RUN), [("last".to_owned(), last)], "seed {seed}");
    }
}

#[test]
fn the_first_failure_is_told() {
    let recipe = ["a", "b", "c"].iter().fold(Recipe::new("app"), |recipe, name| recipe.function(name, &[]));
    let program = recipe.build();
    let task = |name: &str, after: &[u32]| task(&program, name, after);
    let tasks = vec![
        task("a", &[]),
        Task { kind: TaskKind::Map { over: TaskIx(0) }, ..task("b", &[0]) },
        task("c", &[1]),
    ];
    let program = with_dag(program.clone(), tasks);
    for (reaction, said) in [
        (Reaction::fail(FailureKind::Raised), "function \"a\" failed after 1 attempt: on purpose"),
        (json("{}"), "function \"a\": another task maps over what it returned, which is no list"),
        (json("[1"), "function \"a\": what it returned is not JSON"),
        (Reaction::value(vec![255]), "function \"a\": what it returned is neither JSON nor text"),
    ] {
        let mut world = World::durable(1);
        world.behaves("a", move |_| reaction.clone());
        start(&mut world, &program, "0");
        world.rest();
        let (status, message) = world.status(RUN);
        let said = format!("workflow \"dag\" failed: task \"a\": {said}");
        assert!(status == Status::Failed && message.starts_with(&said), "{message}");
    }
}
