//! WASI commands, written by hand.

use crate::stage::{Stage, failure, inline, object, value};
use sluice_types::invocation::Arguments;
use sluice_types::limits::INLINE_BYTES_MAX;
use sluice_types::{ContentType, FailureKind, Outcome};
use sluice_wasm::{Step, StoreBytes};

const IMPORTS: &str = r#"
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 4)
  ;; Writes `len` bytes at `ptr` to `fd`; the vector lies at 0, the count at 8.
  (func $write (param $fd i32) (param $ptr i32) (param $len i32)
    (i32.store (i32.const 0) (local.get $ptr)) (i32.store (i32.const 4) (local.get $len))
    (if (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))
  ;; Reads standard input to 1024 and on, 5 bytes at a time; answers how many there were.
  (func $read_all (result i32) (local $at i32)
    (loop $more
      (i32.store (i32.const 0) (i32.add (i32.const 1024) (local.get $at))) (i32.store (i32.const 4) (i32.const 5))
      (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
      (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
      (br_if $more (i32.load (i32.const 8))))
    (local.get $at))
"#;

fn command(body: &str) -> Stage {
    Stage::new(&format!("(module {IMPORTS} {body})"))
}

/// Runs a command whose standard output is the numbers it stored from 100 to 100 + `len`.
fn numbers(body: &str, len: u32) -> Vec<u8> {
    let mut stage = command(&format!(
        r#"(func (export "_start") {body} (call $write (i32.const 1) (i32.const 100) (i32.const {len})))"#
    ));
    stage.value(b"").1
}

const CAT: &str = r#"(func (export "_start") (call $write (i32.const 1) (i32.const 1024) (call $read_all)))"#;

#[test]
fn standard_input_is_the_object_and_standard_output_the_result() {
    let mut stage = command(CAT);
    assert_eq!(stage.value(b"some words"), (ContentType::Text, b"some words".to_vec()));
    assert_eq!(stage.value(b"{\"n\": 1}\n"), (ContentType::Json, b"{\"n\": 1}\n".to_vec()));
    assert_eq!(stage.value(b"\xff\xfe"), (ContentType::Bytes, b"\xff\xfe".to_vec()));
}

#[test]
fn a_command_that_writes_nothing_returns_nothing() {
    let mut stage = command(CAT);
    assert!(matches!(stage.call(b"").0, Outcome::Succeeded { value: None, .. }));
}

#[test]
fn a_list_is_read_as_one_stream() {
    let mut stage = command(CAT);
    let list = Arguments::List(vec![object("a", b"one,"), object("b", b""), object("c", b"three")]);
    let Step::Done(outcome, _) = stage.start(list) else { panic!("it did not end") };
    assert_eq!(value(outcome).1, b"one,three");
}

#[test]
fn large_objects_pass_through_the_store() {
    let mut stage = command(CAT);
    let large: Vec<u8> = (0..INLINE_BYTES_MAX + 10).map(|n| n as u8 | 0x80).collect();
    let mut stored = object("large", b"");
    stored.payload = stage.shelf.store(sluice_types::AppKey(1), &large);
    let Step::Done(Outcome::Succeeded { value: Some(value), .. }, _) = stage.start(Arguments::One(stored))
    else {
        panic!("it failed")
    };
    assert_eq!(value.payload.len(), large.len() as u64);
    assert_eq!(stage.shelf.0[1], large);
}

#[test]
fn an_exit_status_is_a_failure_with_the_end_of_standard_error() {
    let mut stage = command(
        r#"(data (i32.const 100) "first\nlast words\n")
           (func (export "_start") (call $write (i32.const 2) (i32.const 100) (i32.const 17)) (call $proc_exit (i32.const 3)))"#,
    );
    let (outcome, logs) = stage.call(b"");
    let failure = failure(outcome);
    assert_eq!((failure.kind, &*failure.message), (FailureKind::Raised, "exited with status 3"));
    assert!(failure.stack.starts_with("first\nlast words\n"), "{}", failure.stack);
    let texts: Vec<_> = logs.iter().map(|line| &*line.text).collect();
    assert_eq!(texts, ["first", "last words"]);
}

#[test]
fn exit_status_0_is_a_success() {
    let mut stage = command(
        r#"(data (i32.const 100) "ok")
           (func (export "_start") (call $write (i32.const 1) (i32.const 100) (i32.const 2)) (call $proc_exit (i32.const 0)) unreachable)"#,
    );
    assert_eq!(stage.value(b"").1, b"ok");
}

#[test]
fn every_call_of_a_command_is_a_new_instance() {
    let mut stage = command(
        r#"(global $calls (mut i32) (i32.const 48))
           (func (export "_start")
             (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (i32.store8 (i32.const 100) (global.get $calls))
             (call $write (i32.const 1) (i32.const 100) (i32.const 1)))"#,
    );
    assert_eq!((stage.value(b"").1, stage.value(b"").1), (b"1".to_vec(), b"1".to_vec()));
}

#[test]
fn the_environment_says_where_the_command_is() {
    let body = r#"(func (export "_start")
        (drop (call $environ_sizes_get (i32.const 0) (i32.const 4)))
        (drop (call $environ_get (i32.const 100) (i32.const 2000)))
        (call $write (i32.const 1) (i32.const 2000) (i32.load (i32.const 4))))"#;
    let module = format!("(module {IMPORTS} {body})");
    let declare = |f: &mut sluice_types::Function| drop(f.env.insert("MODE".into(), "fast".into()));
    let mut stage = Stage::with(module, declare).expect("it loads");
    let text = String::from_utf8(stage.value(b"").1).expect("text");
    let variables: Vec<_> = text.split_terminator('\0').collect();
    let expected = [
        "MODE=fast",
        "SLUICE_RUN=run_7",
        "SLUICE_FUNCTION=guest",
        "SLUICE_ATTEMPT=3",
        "SLUICE_IDEMPOTENCY_KEY=run_7:1",
        "SLUICE_KEY=in",
        "SLUICE_BUCKET=input",
        "SLUICE_GROUP=blue",
    ];
    assert_eq!(variables, expected);
}

#[test]
fn the_only_argument_is_the_name() {
    let body = r#"(drop (call $args_sizes_get (i32.const 100) (i32.const 104)))
                  (drop (call $args_get (i32.const 108) (i32.const 112)))"#;
    assert_eq!(numbers(body, 18), b"\x01\0\0\0\x06\0\0\0\x70\0\0\0guest\0");
}

#[test]
fn there_are_no_files() {
    let body = r#"
        (i32.store8 (i32.const 100) (call $fd_prestat_get (i32.const 3) (i32.const 0)))
        (i32.store8 (i32.const 101) (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0)))
        (i32.store8 (i32.const 102) (call $fd_write (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0)))
        (i32.store8 (i32.const 103) (call $fd_read (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
        (i32.store8 (i32.const 104) (call $fd_seek (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0)))
        (i32.store8 (i32.const 105) (call $fd_close (i32.const 0)))
        (i32.store8 (i32.const 106) (call $fd_close (i32.const 9)))"#;
    let (badf, nosys, spipe) = (8, 52, 70);
    assert_eq!(numbers(body, 7), [badf, nosys, badf, badf, spipe, 0, badf]);
}

#[test]
fn streams_are_no_terminals() {
    let body = "(drop (call $fd_fdstat_get (i32.const 1) (i32.const 100)))";
    assert_eq!(numbers(body, 1), [6]);
}

#[test]
fn clocks_go_forward_and_random_bytes_differ() {
    let body = r#"
        (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 200)))
        (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 208)))
        (i32.store8 (i32.const 100) (i64.le_u (i64.load (i32.const 200)) (i64.load (i32.const 208))))
        (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 200)))
        (i32.store8 (i32.const 101) (i64.gt_u (i64.load (i32.const 200)) (i64.const 1600000000000000000)))
        (i32.store8 (i32.const 102) (call $clock_time_get (i32.const 5) (i64.const 0) (i32.const 200)))
        (drop (call $random_get (i32.const 200) (i32.const 8))) (drop (call $random_get (i32.const 208) (i32.const 8)))
        (i32.store8 (i32.const 103) (i64.ne (i64.load (i32.const 200)) (i64.load (i32.const 208))))
        (i32.store8 (i32.const 104) (call $clock_res_get (i32.const 1) (i32.const 200)))
        (i32.store8 (i32.const 105) (call $sched_yield))"#;
    assert_eq!(numbers(body, 6), [1, 1, 28, 1, 0, 0]);
}

#[test]
fn waiting_on_a_clock_suspends_the_command() {
    // Two subscriptions: 80 ms and 7,000,001 ns; the events go to 300, their number to 100.
    let mut stage = command(
        r#"(func (export "_start")
             (i64.store (i32.const 200) (i64.const 11)) (i32.store (i32.const 216) (i32.const 1)) (i64.store (i32.const 224) (i64.const 80000000))
             (i64.store (i32.const 248) (i64.const 22)) (i32.store (i32.const 264) (i32.const 1)) (i64.store (i32.const 272) (i64.const 7000001))
             (if (call $poll_oneoff (i32.const 200) (i32.const 300) (i32.const 2) (i32.const 100)) (then unreachable))
             (i32.store (i32.const 104) (i32.load (i32.const 300)))
             (call $write (i32.const 1) (i32.const 100) (i32.const 8)))"#,
    );
    let call = stage.call_later(b"");
    assert_eq!(stage.wasm.next_deadline(), Some(8));
    stage.poll_at(8);
    let Some(Outcome::Succeeded { value: Some(value), .. }) = stage.outcome_of(call) else {
        panic!("it did not end")
    };
    assert_eq!(inline(&value.payload), [1, 0, 0, 0, 22, 0, 0, 0]);
}

#[test]
fn a_bad_pointer_ends_the_command() {
    let mut stage = command(
        r#"(func (export "_start") (drop (call $fd_read (i32.const 0) (i32.const -8) (i32.const 1) (i32.const 0))))"#,
    );
    assert_eq!(stage.failure(b"x").r#type, "BadPointer");
    let mut stage =
        command(r#"(func (export "_start") (drop (call $environ_get (i32.const -4) (i32.const -4))))"#);
    assert_eq!(stage.failure(b"x").r#type, "BadPointer");
}
