//! Every import of module `sluice`, seen from its effects.

use crate::stage::{PRELUDE, Stage, object, puts, value};
use sluice_types::invocation::Arguments;
use sluice_types::limits::INLINE_BYTES_MAX;
use sluice_types::{BucketIx, ContentType, Outcome, Payload};
use sluice_wasm::{Level, Step};
use std::collections::BTreeMap;
use std::sync::Arc;

#[test]
fn input_travels_through_to_the_return_value() {
    let mut stage = Stage::core(
        r#"(func (export "run") (local $len i32)
             (local.set $len (call $input_len (i32.const 0)))
             (drop (call $input_read (i32.const 0) (i32.const 100) (i32.const 0) (local.get $len)))
             (call $ret (i32.const 100) (local.get $len) (i32.const 1)))"#,
    );
    assert_eq!(stage.value(b"{\"a\": 1}"), (ContentType::Json, b"{\"a\": 1}".to_vec()));
    assert_eq!(stage.value(b""), (ContentType::Json, Vec::new()));
}

#[test]
fn reading_beyond_the_end_of_an_input_gives_what_there_is() {
    let mut stage = Stage::core(
        r#"(func (export "run")
             (i32.store (i32.const 0) (call $input_read (i32.const 0) (i32.const 100) (i32.const 2) (i32.const 50)))
             (i32.store (i32.const 4) (call $input_read (i32.const 0) (i32.const 100) (i32.const 99) (i32.const 50)))
             (call $ret (i32.const 0) (i32.const 8) (i32.const 0)))"#,
    );
    assert_eq!(stage.value(b"abcde").1, [3, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_list_is_read_input_by_input() {
    let mut stage = Stage::core(
        r#"(func (export "run") (local $i i32) (local $at i32) (local $key i32)
             (local.set $at (i32.const 1000))
             (loop $next
               (local.set $key (call $input_key (local.get $i) (local.get $at) (i32.const 10)))
               (local.set $at (i32.add (local.get $at) (local.get $key)))
               (local.set $at (i32.add (local.get $at)
                 (call $input_read (local.get $i) (local.get $at) (i32.const 0) (i32.const 10))))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $next (i32.lt_u (local.get $i) (call $input_count))))
             (call $ret (i32.const 1000) (i32.sub (local.get $at) (i32.const 1000)) (i32.const 2)))"#,
    );
    let list = Arguments::List(vec![object("a", b"1"), object("bb", b"22"), object("c", b"3")]);
    let Step::Done(outcome, _) = stage.start(list) else { panic!("the call did not end") };
    assert_eq!(value(outcome), (ContentType::Text, b"a1bb22c3".to_vec()));
}

#[test]
fn a_key_is_cut_off_at_the_capacity_and_its_full_length_told() {
    let mut stage = Stage::core(
        r#"(func (export "run")
             (i32.store8 (i32.const 9) (call $input_key (i32.const 0) (i32.const 0) (i32.const 3)))
             (call $ret (i32.const 0) (i32.const 10) (i32.const 0)))"#,
    );
    let Step::Done(outcome, _) = stage.start(Arguments::One(object("folder/file", b""))) else { panic!() };
    assert_eq!(value(outcome).1, b"fol\0\0\0\0\0\0\x0b");
}

#[test]
fn attributes_of_an_object() {
    let mut stage = Stage::core(
        r#"(func (export "run") (local $len i32) (local $got i32)
             (local.set $len (call $input_read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 50)))
             (local.set $got (call $input_attribute (i32.const 0) (i32.const 0) (local.get $len) (i32.const 100) (i32.const 50)))
             (if (i32.lt_s (local.get $got) (i32.const 0))
               (then (call $ret (i32.const 0) (i32.const 0) (i32.const 0)))
               (else (call $ret (i32.const 100) (local.get $got) (i32.const 2)))))"#,
    );
    let mut ask = |name: &str| {
        let mut asked = object("in", name.as_bytes());
        asked.group = Some("red".into());
        asked.meta = Some(Arc::new(BTreeMap::from([("size".into(), "XL".into())])));
        let Step::Done(outcome, _) = stage.start(Arguments::One(asked)) else {
            panic!("the call did not end")
        };
        String::from_utf8(value(outcome).1).expect("text")
    };
    assert_eq!(ask("bucket"), "input");
    assert_eq!(ask("content_type"), "text/plain");
    assert_eq!(ask("group"), "red");
    assert_eq!(ask("meta.size"), "XL");
    assert_eq!(ask("meta.none"), "");
    assert_eq!(ask("size"), "");
}

#[test]
fn puts_by_name_and_by_position_keep_their_order() {
    let mut stage = Stage::core(
        r#"(data (i32.const 0) "countskeyvalueoutput")
           (func (export "run")
             (drop (call $put (i32.const 0) (i32.const 6) (i32.const 6) (i32.const 3) (i32.const 9) (i32.const 5) (i32.const 2)))
             (drop (call $put (i32.const 14) (i32.const 6) (i32.const 6) (i32.const 1) (i32.const 9) (i32.const 1) (i32.const 0)))
             (drop (call $put_to (i32.const 0) (i32.const 6) (i32.const 2) (i32.const 9) (i32.const 2) (i32.const 0)))
             (drop (call $put_to (i32.const 1) (i32.const 6) (i32.const 3) (i32.const 9) (i32.const 3) (i32.const 0)))
             (drop (call $put_to (i32.const -1) (i32.const 7) (i32.const 2) (i32.const 9) (i32.const 0) (i32.const 1))))"#,
    );
    let expected = [(3, "key", "value"), (1, "k", "v"), (2, "ke", "va"), (3, "key", "val"), (1, "ey", "")];
    let expected =
        expected.map(|(bucket, key, bytes)| (BucketIx(bucket), key.to_owned(), bytes.as_bytes().to_vec()));
    assert_eq!(stage.puts(b""), expected);
}

#[test]
fn a_group_holds_for_the_puts_after_it() {
    let mut stage = Stage::core(
        r#"(data (i32.const 0) "redkey")
           (func $one (drop (call $put_to (i32.const 0) (i32.const 3) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0))))
           (func (export "run")
             (call $one)
             (call $put_group (i32.const 0) (i32.const 3)) (call $one)
             (call $put_group (i32.const 0) (i32.const 0)) (call $one))"#,
    );
    let groups: Vec<_> = puts(stage.call(b"").0).into_iter().map(|put| put.group).collect();
    assert_eq!(groups, [None, Some("red".into()), None]);
}

#[test]
fn values_beyond_the_inline_limit_go_to_the_store() {
    let module = format!(
        r#"(module {PRELUDE} (func (export "run")
             (drop (memory.grow (i32.const 4)))
             (drop (call $put_to (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const {max}) (i32.const 0)))
             (call $ret (i32.const 0) (i32.const {over}) (i32.const 0))))"#,
        max = INLINE_BYTES_MAX,
        over = INLINE_BYTES_MAX + 1,
    );
    let mut stage = Stage::new(&module);
    let Outcome::Succeeded { puts, value: Some(value), .. } = stage.call(b"").0 else { panic!("it failed") };
    assert!(matches!(&puts[0].payload, Payload::Inline(bytes) if bytes.len() == INLINE_BYTES_MAX));
    assert_eq!(value.payload.len(), INLINE_BYTES_MAX as u64 + 1);
    assert_eq!(stage.shelf.0.len(), 1, "only the larger one is stored");
}

#[test]
fn an_input_outside_the_log_is_read_all_the_same() {
    let mut stage = Stage::core(
        r#"(func (export "run")
             (drop (call $input_read (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 5)))
             (call $ret (i32.const 0) (i32.const 5) (i32.const 0)))"#,
    );
    use sluice_wasm::StoreBytes;
    let mut stored = object("far", b"");
    stored.payload = stage.shelf.store(sluice_types::AppKey(1), b"hello");
    let Step::Done(outcome, _) = stage.start(Arguments::List(vec![object("near", b"x"), stored])) else {
        panic!()
    };
    assert_eq!(value(outcome).1, b"hello");
}

#[test]
fn events_are_emitted_on_success() {
    let mut stage = Stage::core(
        r#"(data (i32.const 0) "order.paid{}")
           (func (export "run") (call $emit (i32.const 0) (i32.const 10) (i32.const 10) (i32.const 2) (i32.const 1)))"#,
    );
    let Outcome::Succeeded { emits, .. } = stage.call(b"").0 else { panic!("it failed") };
    assert_eq!(
        (&*emits[0].r#type, &emits[0].data[..], &emits[0].content_type),
        ("order.paid", &b"{}"[..], &ContentType::Json)
    );
}

#[test]
fn log_lines_have_levels_and_a_limit() {
    let mut stage = Stage::core(
        r#"(data (i32.const 0) "careful")
           (func (export "run") (local $i i32)
             (call $log (i32.const 2) (i32.const 0) (i32.const 7))
             (loop $more
               (call $log (i32.const 0) (i32.const 0) (i32.const 60000))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $more (i32.lt_u (local.get $i) (i32.const 6)))))"#,
    );
    let (_, logs) = stage.call(b"");
    assert_eq!((logs[0].level, &*logs[0].text), (Level::Warn, "careful"));
    assert_eq!(logs.len(), 1 + 4 + 1, "four of six fit");
    assert_eq!(logs.last().expect("a last line").text, "120000 bytes of log dropped");
}

#[test]
fn the_guest_knows_its_attempt() {
    let mut stage = Stage::core(
        r#"(func (export "run") (i32.store8 (i32.const 0) (call $attempt))
             (i32.store8 (i32.const 1) (call $cancelled))
             (call $ret (i32.const 0) (i32.const 2) (i32.const 0)))"#,
    );
    assert_eq!(stage.value(b"").1, [3, 0]);
}

#[test]
fn a_guest_that_allocates_is_handed_its_input() {
    let mut stage = Stage::core(
        r#"(func (export "sluice_alloc") (param i32) (result i32) (i32.const 512))
           (func (export "run") (param $ptr i32) (param $len i32)
             (call $ret (local.get $ptr) (local.get $len) (i32.const 2)))"#,
    );
    assert_eq!(stage.value(b"pushed"), (ContentType::Text, b"pushed".to_vec()));
}

#[test]
fn a_guest_with_a_fixed_area_is_handed_what_fits() {
    let mut stage = Stage::core(
        r#"(global (export "sluice_in") i32 (i32.const 64)) (global (export "sluice_in_bytes") i32 (i32.const 8))
           (func (export "run") (param $ptr i32) (param $len i32)
             (call $ret (local.get $ptr) (local.get $len) (i32.const 2)))"#,
    );
    assert_eq!(stage.value(b"8 bytes."), (ContentType::Text, b"8 bytes.".to_vec()));
    assert_eq!(stage.failure(b"9 bytes..").r#type, "TooLong");
}
