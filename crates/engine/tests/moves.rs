//! Runs that go on on another version: what keeps its place there, what is begun again, and what keeps a run where it is.

use sluice_engine::{Effect, InputKind, Reply};
use sluice_sim::{Reaction, Recipe, World};
use sluice_types::{
    Attempt, BucketIx, Code, ContentType, Function, FunctionIx, Invocation, InvocationId, Object, Outcome,
    Payload, Program, Put, ReturnValue, RunKey, Runtime, Steps, Version, Workflow,
};
use std::sync::Arc;

const RUN: RunKey = RunKey(77);

/// An app whose code calls `work`, and whose trigger calls `see` for each object.
fn program(change: impl FnOnce(Recipe) -> Recipe) -> Arc<Program> {
    let recipe = change(Recipe::new("app")).function("work", &["made"]).function("see", &[]);
    let mut program = recipe.on(|on| on.each("orders"), "see").build();
    let changed = Arc::make_mut(&mut program);
    let runtime = Runtime::Workflow { module: "app.py".into(), name: "flow".into() };
    let steps = Steps::Code { function: FunctionIx(changed.functions.len() as u16) };
    changed.functions.push(Function::new("flow", runtime));
    changed.workflows.push(Workflow { name: "flow".into(), steps });
    program
}

/// A run whose code has called `work` and was told nothing more, beside objects in `orders`.
fn calling(orders: u32) -> World {
    let mut world = World::durable(5);
    // What functions do is said by the tests.
    ["flow", "work", "see"].iter().for_each(|name| world.behaves(name, |_| Reaction::nothing()));
    let program = program(|recipe| recipe);
    world.deploy(&program);
    let order = |number| Object {
        bucket: program.bucket("orders").expect("it is declared"),
        key: format!("o{number}").into(),
        content_type: ContentType::Text,
        payload: Payload::Inline("order".into()),
        group: None,
        meta: None,
    };
    world.start_workflow(RUN, "moving", "{}", (0..orders).map(order).collect());
    let turn = asked(&world, "flow").pop().expect("it has a turn");
    turned(&mut world, &turn, &["00000000 call work"]);
    world
}

/// What the run waits for of a function, as it is asked for after a crash.
fn asked(world: &World, function: &str) -> Vec<Invocation> {
    let mut effects = Vec::new();
    world.engine.outstanding(&mut effects);
    let wanted = world.run(RUN).program().function(function);
    let invocations = effects.into_iter().filter_map(|effect| match effect {
        Effect::Invoke(invocation) => Some(*invocation),
        _ => None,
    });
    invocations.filter(|invocation| Some(invocation.function) == wanted).collect()
}

fn completed(world: &mut World, invocation: InvocationId, attempt: Attempt, outcome: Outcome) {
    world.submit(InputKind::Completed { invocation, attempt, outcome });
    world.run(RUN).check();
}

fn turned(world: &mut World, turn: &Invocation, commands: &[&str]) {
    let put = |key: &&str| {
        let (bucket, payload) = (Program::OUTPUT, Payload::Inline(Default::default()));
        let content_type = ContentType::Bytes;
        Box::new(Put { bucket, key: (*key).into(), content_type, payload, group: None, meta: None })
    };
    let outcome =
        Outcome::Succeeded { puts: commands.iter().map(put).collect(), value: None, emits: Vec::new() };
    completed(world, turn.id, turn.attempt, outcome);
}

/// Deploys a version and moves the run to it.
fn moved(world: &mut World, version: u32, program: &Arc<Program>) -> Reply {
    assert_eq!(world.deploy(program), Reply::Accepted);
    world.submit(InputKind::Move { run: RUN, version: Version(version) });
    world.run(RUN).check();
    world.replies.last().cloned().expect("it was answered")
}

fn returned() -> Outcome {
    let payload = Payload::Inline("1".into());
    let value = Some(ReturnValue { content_type: ContentType::Json, payload });
    Outcome::Succeeded { puts: Default::default(), value, emits: Vec::new() }
}

/// The keys of the entries that a turn tells.
fn told(turn: &Invocation) -> Vec<String> {
    let objects = turn.arguments.objects().iter().skip(1);
    objects.map(|object| object.key.split_once(' ').map_or("", |(_, news)| news).to_owned()).collect()
}

#[test]
fn a_call_goes_on_where_its_buckets_have_their_numbers() {
    let mut world = calling(0);
    let call = asked(&world, "work").pop().expect("it is called");
    let other = program(|recipe| recipe.function("first", &[]));
    // `first` is declared before the others: functions have other numbers, buckets have not.
    assert_eq!(moved(&mut world, 2, &other), Reply::Accepted);
    assert!(world.stopped.is_empty());
    let again = asked(&world, "work").pop().expect("it is called");
    assert_eq!((again.id, again.attempt), (call.id, call.attempt));
    assert_ne!(again.function, call.function);
    completed(&mut world, call.id, call.attempt, returned());
    let turn = asked(&world, "flow").pop().expect("it is told");
    assert_eq!(told(&turn), ["done 0"]);
    turned(&mut world, &turn, &["00000000 return"]);
    assert!(world.succeeded(RUN));
    assert_eq!(world.run(RUN).moves().len(), 1);
}

#[test]
fn a_call_begins_again_where_its_buckets_have_other_numbers() {
    let mut world = calling(0);
    let call = asked(&world, "work").pop().expect("it is called");
    let other = program(|recipe| recipe.keep("first"));
    assert_ne!(other.bucket("made"), Some(BucketIx(2)));
    assert_eq!(moved(&mut world, 2, &other), Reply::Accepted);
    let again = asked(&world, "work").pop().expect("it is called");
    assert_eq!((again.id, again.attempt), (call.id, Attempt(2)));
    completed(&mut world, call.id, call.attempt, returned());
    assert!(asked(&world, "flow").is_empty(), "what the old attempt brings is nobody's");
    completed(&mut world, again.id, again.attempt, returned());
    assert_eq!(told(&asked(&world, "flow")[0]), ["done 0"]);
}

#[test]
fn a_turn_that_is_out_is_taken_again() {
    let mut world = calling(0);
    world.submit(InputKind::Completed {
        invocation: asked(&world, "work")[0].id,
        attempt: Attempt(1),
        outcome: returned(),
    });
    let turn = asked(&world, "flow").pop().expect("it is told");
    assert_eq!(moved(&mut world, 2, &program(|recipe| recipe)), Reply::Accepted);
    let again = asked(&world, "flow").pop().expect("it is told again");
    assert_ne!(again.id, turn.id);
    assert_eq!(told(&again), told(&turn));
    turned(&mut world, &turn, &["00000000 return"]);
    assert!(!world.succeeded(RUN), "the turn that was taken back wants nothing any more");
    turned(&mut world, &again, &["00000000 return"]);
    assert!(world.succeeded(RUN));
}

#[test]
fn a_run_whose_triggers_are_at_work_stays_unless_they_are_the_same() {
    let mut world = calling(1);
    assert_eq!(asked(&world, "see").len(), 1);
    let other = program(|recipe| recipe.keep("first"));
    let Reply::Rejected(problem) = moved(&mut world, 2, &other) else { panic!("it moved") };
    assert_eq!(problem.code, Code::UNKNOWN_NAME);
    assert_eq!((world.run(RUN).version(), asked(&world, "see").len()), (Version(1), 1));
    assert_eq!(moved(&mut world, 3, &program(|recipe| recipe)), Reply::Accepted);
    assert_eq!((world.run(RUN).version(), asked(&world, "see").len()), (Version(3), 1));
}

#[test]
fn a_run_stays_that_needs_what_the_version_has_not() {
    let mut world = calling(0);
    let mut other = program(|recipe| recipe.function("other", &[]));
    let changed = Arc::make_mut(&mut other);
    let work = changed.function("work").expect("it is declared");
    changed.functions[work.index()].name = "renamed".into();
    let Reply::Rejected(problem) = moved(&mut world, 2, &other) else { panic!("it moved") };
    assert!(problem.message.contains("there is no function \"work\""), "{}", problem.message);
    world.submit(InputKind::Move { run: RUN, version: Version(9) });
    assert!(matches!(world.replies.last(), Some(Reply::Rejected(_))), "there is no such version");
    let run = world.run(RUN);
    assert_eq!((run.version(), run.moves()), (Version(1), &[][..]));
}
