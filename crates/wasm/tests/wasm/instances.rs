//! Which instance runs a call: reused, fresh, discarded, or none because all are in use.

use crate::stage::{PRELUDE, Stage, object, small};
use sluice_types::invocation::Arguments;
use sluice_types::{AppKey, FunctionIx, Runtime, Version};
use sluice_wasm::{Engine, Options, Step, Wasm};

/// Returns how often this instance was called, and traps on request.
const COUNTER: &str = r#"(global $calls (mut i32) (i32.const 0))
    (func (export "run")
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (i32.store8 (i32.const 0) (global.get $calls))
      (if (call $input_len (i32.const 0)) (then unreachable))
      (call $ret (i32.const 0) (i32.const 1) (i32.const 0)))"#;

fn counter(fresh: bool) -> Stage {
    let declare = |f: &mut sluice_types::Function| f.runtime = Runtime::Wasm { module: String::new(), fresh };
    Stage::with(format!("(module {PRELUDE} {COUNTER})"), declare).expect("it loads")
}

#[test]
fn an_idle_instance_is_reused() {
    let mut stage = counter(false);
    let counts: Vec<_> = (0..3).map(|_| stage.value(b"").1[0]).collect();
    assert_eq!((counts, stage.wasm.idle()), (vec![1, 2, 3], 1));
}

#[test]
fn a_fresh_instance_knows_nothing_of_others() {
    let mut stage = counter(true);
    let counts: Vec<_> = (0..3).map(|_| stage.value(b"").1[0]).collect();
    assert_eq!((counts, stage.wasm.idle()), (vec![1, 1, 1], 0));
}

#[test]
fn a_trap_discards_the_instance() {
    let mut stage = counter(false);
    assert_eq!(stage.value(b"").1, [1]);
    stage.failure(b"trap");
    assert_eq!((stage.wasm.idle(), stage.value(b"").1), (0, vec![1]));
}

#[test]
fn calls_that_overlap_get_instances_of_their_own() {
    let mut stage = Stage::core(
        r#"(global $calls (mut i32) (i32.const 0))
           (func (export "run")
             (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (call $sleep_ms (i32.const 1))
             (i32.store8 (i32.const 0) (global.get $calls))
             (call $ret (i32.const 0) (i32.const 1) (i32.const 0)))"#,
    );
    let (a, b) = (stage.call_later(b""), stage.call_later(b""));
    stage.poll_at(1);
    for call in [a, b] {
        let outcome = stage.outcome_of(call).expect("it ended").clone();
        assert_eq!(crate::stage::value(outcome).1, [1]);
    }
    assert_eq!(stage.wasm.idle(), 2);
}

#[test]
fn idle_instances_beyond_the_limit_are_dropped_by_polls() {
    let options = Options { instances_max: 64, idle_max: 2, slice_ticks: 1_000_000, ..Options::default() };
    let module = format!(r#"(module {PRELUDE} (func (export "run") (call $sleep_ms (i32.const 1))))"#);
    let mut stage = Stage::on(Wasm::new(options).expect("an engine"), module, |_| ()).expect("it loads");
    for _ in 0..64 {
        stage.call_later(b"");
    }
    stage.settle_at(1);
    assert_eq!((stage.done.len(), stage.wasm.idle(), stage.wasm.next_deadline()), (64, 2, None));
}

#[test]
fn a_full_pool_hands_the_invocation_back() {
    let module = format!(r#"(module {PRELUDE} (func (export "run") (call $sleep_ms (i32.const 1))))"#);
    let mut stage = Stage::on(small(2), module, |_| ()).expect("it loads");
    stage.call_later(b"a");
    stage.call_later(b"b");
    let Step::Full(invocation, _) = stage.start(Arguments::One(object("in", b"c"))) else {
        panic!("there was room")
    };
    assert_eq!(invocation.arguments.objects()[0].key, "in".into());
    stage.poll_at(1);
    stage.call_later(b"c");
}

#[test]
fn an_idle_instance_makes_room_for_another_function() {
    let mut stage = Stage::on(small(1), format!("(module {PRELUDE} {COUNTER})"), |_| ()).expect("it loads");
    assert_eq!(stage.value(b"").1, [1]);
    let other = (AppKey(1), Version(2), FunctionIx(0));
    stage
        .wasm
        .load(other, format!("(module {PRELUDE} {COUNTER})").as_bytes(), &stage.program)
        .expect("it loads");
    let invocation = Box::new(sluice_types::Invocation {
        id: crate::stage::id(50),
        attempt: sluice_types::Attempt(1),
        function: FunctionIx(0),
        arguments: Arguments::List(vec![object("in", b"")]),
        group: None,
    });
    let run = sluice_wasm::RunInfo { app: AppKey(1), version: Version(2), run_id: "run_8".into() };
    let shelf = crate::stage::Shelf::default();
    let step = stage.wasm.start(0, invocation, run, &shelf, &mut stage.shelf);
    assert!(matches!(step, Step::Done(..)), "{step:?}");
    assert_eq!((stage.wasm.idle(), stage.value(b"").1), (1, vec![1]), "the first one's instance had to go");
}

#[test]
fn a_function_that_was_removed_is_unstartable_and_frees_its_instances() {
    let mut stage = counter(false);
    stage.value(b"");
    stage.wasm.remove((AppKey(1), Version(1), FunctionIx(0)));
    assert_eq!(stage.wasm.idle(), 0);
    assert_eq!(stage.failure(b"").kind, sluice_types::FailureKind::Unstartable);
}

#[test]
fn new_code_never_runs_on_an_instance_of_the_old() {
    let body = |answer: u8| {
        format!(
            r#"(module {PRELUDE} (func (export "run")
                 (call $sleep_ms (call $input_len (i32.const 0)))
                 (i32.store8 (i32.const 0) (i32.const {answer}))
                 (call $ret (i32.const 0) (i32.const 1) (i32.const 0))))"#
        )
    };
    let mut stage = Stage::new(&body(1));
    let old = stage.call_later(b"");
    stage
        .wasm
        .load((AppKey(1), Version(1), FunctionIx(0)), body(2).as_bytes(), &stage.program)
        .expect("it loads");
    stage.poll_at(0);
    let outcome = stage.outcome_of(old).expect("it ended").clone();
    assert_eq!((crate::stage::value(outcome).1, stage.wasm.idle()), (vec![1], 0));
}

#[test]
fn one_engine_serves_several_threads() {
    let engine = Engine::new(Options { instances_max: 8, slice_ticks: 1_000_000, ..Options::default() })
        .expect("an engine");
    let module = format!("(module {PRELUDE} {COUNTER})");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut stage = Stage::on(Wasm::on(engine.clone()), &module, |_| ()).expect("it loads");
                (1..=50).for_each(|count| assert_eq!(stage.value(b"").1, [count]));
            });
        }
    });
}
