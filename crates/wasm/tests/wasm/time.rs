//! Sleeping, slices, timeouts and cancellation. The clock is the test's own.

use crate::stage::{PRELUDE, Stage, failure, id};
use sluice_types::limits::CANCEL_GRACE_MS;
use sluice_types::{Attempt, FailureKind, Outcome};

/// Sleeps as many milliseconds as its input is long, then puts one object.
const SLEEPER: &str = r#"(func (export "run")
    (call $sleep_ms (call $input_len (i32.const 0)))
    (drop (call $put_to (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0))))"#;

/// Never ends.
const SPINNER: &str = r#"(func $spin (loop $again (br $again))) (func (export "run") (call $spin))"#;

/// Never ends, unless cancelled.
const POLITE_SPINNER: &str =
    r#"(func (export "run") (loop $again (br_if $again (i32.eqz (call $cancelled)))))"#;

#[test]
fn sleepers_interleave_and_wake_in_order() {
    let mut stage = Stage::core(SLEEPER);
    let (long, short, middle) =
        (stage.call_later(&[0; 30]), stage.call_later(&[0; 10]), stage.call_later(&[0; 20]));
    assert_eq!((stage.wasm.pending(), stage.wasm.next_deadline()), (3, Some(10)));
    stage.poll_at(9);
    assert!(stage.done.is_empty(), "nobody is due");
    stage.poll_at(25);
    let order: Vec<_> = stage.done.iter().map(|completion| completion.id).collect();
    assert_eq!((order, stage.wasm.next_deadline()), (vec![short, middle], Some(30)));
    stage.poll_at(30);
    assert!(matches!(stage.outcome_of(long), Some(Outcome::Succeeded { puts, .. }) if puts.len() == 1));
    assert_eq!((stage.wasm.pending(), stage.wasm.next_deadline()), (0, None));
}

#[test]
fn many_sleepers_share_one_thread() {
    let mut stage = Stage::core(SLEEPER);
    let threads = || std::fs::read_dir("/proc/self/task").map(Iterator::count).unwrap_or(0);
    let before = threads();
    for _ in 0..60 {
        stage.call_later(&[0; 5]);
    }
    assert_eq!(threads(), before);
    stage.poll_at(5);
    assert_eq!(stage.done.len(), 60);
}

#[test]
fn sleeping_twice_is_possible_and_other_calls_run_meanwhile() {
    let mut stage = Stage::core(
        r#"(func (export "run")
             (if (call $input_len (i32.const 0)) (then (call $sleep_ms (i32.const 5)) (call $sleep_ms (i32.const 7)))))"#,
    );
    let sleeper = stage.call_later(b"x");
    assert!(stage.puts(b"").is_empty());
    stage.poll_at(5);
    assert_eq!((stage.outcome_of(sleeper), stage.wasm.next_deadline()), (None, Some(12)));
    stage.poll_at(12);
    assert!(stage.outcome_of(sleeper).is_some());
}

#[test]
fn an_endless_loop_yields_and_times_out() {
    let mut stage = Stage::sliced(SPINNER, 1_000);
    let spinner = stage.call_later(b"");
    assert_eq!(stage.wasm.next_deadline(), Some(0), "it wants to go on at once");
    stage.poll_at(999);
    assert!(stage.done.is_empty());
    stage.poll_at(1_000);
    let completion = stage.done.pop().expect("it ended");
    let failure = failure(completion.outcome);
    assert_eq!((completion.id, failure.kind), (spinner, FailureKind::TimedOut));
    assert!(failure.message.contains("1000 ms") && failure.stack.contains("spin"), "{failure:?}");
    assert_eq!(stage.wasm.next_deadline(), None);
}

#[test]
fn a_sleep_beyond_the_timeout_times_out_and_keeps_the_log() {
    let mut stage = Stage::sliced(
        r#"(data (i32.const 0) "before")
           (func (export "run") (call $log (i32.const 1) (i32.const 0) (i32.const 6)) (call $sleep_ms (i32.const 60000)))"#,
        500,
    );
    stage.call_later(b"");
    assert_eq!(stage.wasm.next_deadline(), Some(500));
    stage.poll_at(500);
    let completion = stage.done.pop().expect("it ended");
    assert_eq!(failure(completion.outcome).kind, FailureKind::TimedOut);
    assert_eq!(completion.logs[0].text, "before");
}

#[test]
fn spinners_take_turns_and_a_poll_is_at_most_one_slice() {
    let mut stage = Stage::sliced(SPINNER, 1_000);
    let first = stage.call_later(b"");
    stage.now_ms = 500;
    let second = stage.call_later(b"");
    stage.poll_at(1_000);
    assert_eq!((stage.outcome_of(first).is_some(), stage.outcome_of(second).is_some()), (true, false));
    stage.poll_at(1_500);
    assert!(stage.outcome_of(second).is_some());
}

#[test]
fn a_cancelled_sleeper_goes_on_at_once_and_its_outcome_is_cancelled() {
    let mut stage = Stage::core(SLEEPER);
    let sleeper = stage.call_later(&[0; 100]);
    stage.wasm.cancel(1, sleeper, Attempt(3));
    assert_eq!(stage.wasm.next_deadline(), Some(0));
    stage.poll_at(1);
    assert_eq!(stage.outcome_of(sleeper), Some(&Outcome::Cancelled));
    stage.poll_at(100);
    assert_eq!(stage.done.len(), 1, "the old alarm finds nobody");
}

#[test]
fn a_cancelled_guest_can_see_it_and_stop() {
    let mut stage = Stage::sliced(POLITE_SPINNER, 60_000);
    let spinner = stage.call_later(b"");
    stage.poll_at(0);
    assert!(stage.done.is_empty());
    stage.wasm.cancel(0, spinner, Attempt(3));
    stage.settle_at(0);
    assert_eq!(stage.outcome_of(spinner), Some(&Outcome::Cancelled));
}

#[test]
fn a_guest_that_ignores_cancellation_is_ended_after_the_grace() {
    let mut stage = Stage::sliced(SPINNER, 60_000);
    let spinner = stage.call_later(b"");
    stage.wasm.cancel(10, spinner, Attempt(3));
    stage.poll_at(10 + CANCEL_GRACE_MS - 1);
    assert!(stage.done.is_empty());
    stage.poll_at(10 + CANCEL_GRACE_MS);
    assert_eq!(stage.outcome_of(spinner), Some(&Outcome::Cancelled));
}

#[test]
fn cancelling_what_is_not_there_does_nothing() {
    let mut stage = Stage::core(SLEEPER);
    let sleeper = stage.call_later(&[0; 5]);
    stage.wasm.cancel(0, sleeper, Attempt(2));
    stage.wasm.cancel(0, id(99), Attempt(3));
    stage.poll_at(5);
    assert!(matches!(stage.outcome_of(sleeper), Some(Outcome::Succeeded { .. })));
}

#[test]
fn a_put_after_cancellation_says_that_it_will_not_count() {
    let mut stage = Stage::core(
        r#"(func (export "run")
             (call $sleep_ms (i32.const 10))
             (if (call $put_to (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0))
               (then (call $log (i32.const 3) (i32.const 0) (i32.const 1)))))"#,
    );
    let call = stage.call_later(b"");
    stage.wasm.cancel(0, call, Attempt(3));
    stage.poll_at(0);
    assert_eq!(stage.done[0].logs.len(), 1);
}

#[test]
fn dropping_a_shard_drops_its_suspended_calls() {
    let mut stage = Stage::core(SLEEPER);
    let engine = stage.wasm.engine().clone();
    for _ in 0..64 {
        stage.call_later(&[0; 5]);
    }
    drop(stage);
    let mut next = Stage::on(sluice_wasm::Wasm::on(engine), format!("(module {PRELUDE} {SLEEPER})"), |_| ());
    next.as_mut().expect("it loads").call_later(&[0; 5]);
}
