//! What a guest may not do, and what it is told.

use crate::stage::{PRELUDE, Stage};
use sluice_types::FailureKind;

fn fails(body: &str) -> (FailureKind, String, String) {
    let failure = Stage::core(body).failure(b"input");
    (failure.kind, failure.r#type, failure.message)
}

#[test]
fn every_pointer_is_checked() {
    let calls = [
        "(drop (call $input_read (i32.const 0) (i32.const 65530) (i32.const 0) (i32.const 7)))",
        "(drop (call $input_read (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 2)))",
        "(drop (call $input_key (i32.const 0) (i32.const 65536) (i32.const 1)))",
        "(drop (call $input_attribute (i32.const 0) (i32.const -4) (i32.const 8) (i32.const 0) (i32.const 0)))",
        "(drop (call $put (i32.const 70000) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0)))",
        "(drop (call $put_to (i32.const 0) (i32.const 70000) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0)))",
        "(drop (call $put_to (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 0)))",
        "(call $put_group (i32.const 65535) (i32.const 2))",
        "(call $ret (i32.const 65535) (i32.const 2) (i32.const 0))",
        "(call $emit (i32.const 65535) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0))",
        "(call $emit (i32.const 0) (i32.const 2) (i32.const 65535) (i32.const 2) (i32.const 0))",
        "(call $log (i32.const 0) (i32.const -1) (i32.const -1))",
        "(call $fail (i32.const -1) (i32.const -1))",
    ];
    for call in calls {
        let (kind, r#type, _) = fails(&format!(r#"(func (export "run") {call})"#));
        assert_eq!((kind, &*r#type), (FailureKind::Raised, "BadPointer"), "{call}");
    }
}

#[test]
fn the_last_byte_of_memory_is_within_bounds() {
    let mut stage =
        Stage::core(r#"(func (export "run") (call $ret (i32.const 65535) (i32.const 1) (i32.const 0)))"#);
    assert_eq!(stage.value(b"").1, [0]);
}

#[test]
fn an_undeclared_bucket_fails_for_good_and_names_the_fix() {
    let (kind, _, message) = fails(
        r#"(data (i32.const 0) "secrets")
           (func (export "run") (drop (call $put (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0))))"#,
    );
    assert_eq!(kind, FailureKind::UndeclaredPut);
    assert!(!kind.is_retryable());
    assert!(message.contains("`guest`") && message.contains("add `secrets` to `into`"), "{message}");
}

#[test]
fn a_position_beyond_into_is_an_undeclared_bucket_too() {
    let body = r#"(func (export "run") (drop (call $put_to (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0))))"#;
    assert_eq!(fails(body).0, FailureKind::UndeclaredPut);
}

#[test]
fn keys_are_text_of_a_limited_length_and_not_empty() {
    let put = |ptr: u32, len: u32| {
        fails(&format!(
            r#"(data (i32.const 0) "\ff") (func (export "run") (drop (call $put_to (i32.const 0)
                 (i32.const {ptr}) (i32.const {len}) (i32.const 0) (i32.const 1) (i32.const 0))))"#
        ))
    };
    assert_eq!(put(0, 1).0, FailureKind::Unserialisable);
    assert_eq!(put(1, 1025).0, FailureKind::Limit);
    assert_eq!(put(1, 0).1, "BadArgument");
}

#[test]
fn unknown_inputs_and_content_types_are_refused() {
    assert_eq!(fails(r#"(func (export "run") (drop (call $input_len (i32.const 1))))"#).1, "BadArgument");
    assert_eq!(
        fails(r#"(func (export "run") (call $ret (i32.const 0) (i32.const 0) (i32.const 3)))"#).1,
        "BadArgument"
    );
}

#[test]
fn fail_ends_the_call_with_its_message() {
    let body = r#"(data (i32.const 0) "no stock") (func (export "run") (call $fail (i32.const 0) (i32.const 8)) (call $ret (i32.const 0) (i32.const 1) (i32.const 0)))"#;
    assert_eq!(fails(body), (FailureKind::Raised, "GuestFailure".into(), "no stock".into()));
}

#[test]
fn a_trap_is_named_and_has_a_backtrace() {
    let failure = Stage::core(
        r#"(func $inner unreachable) (func $outer (call $inner)) (func (export "run") (call $outer))"#,
    )
    .failure(b"");
    assert_eq!((failure.kind, &*failure.r#type), (FailureKind::Raised, "UnreachableCodeReached"));
    let (inner, outer) = (failure.stack.find("inner"), failure.stack.find("outer"));
    assert!(inner.is_some() && inner < outer, "{}", failure.stack);
}

#[test]
fn endless_recursion_overflows_the_stack_of_the_guest_only() {
    let mut stage = Stage::core(r#"(func $down (call $down)) (func (export "run") (call $down))"#);
    let failure = stage.failure(b"");
    assert_eq!((failure.kind, &*failure.r#type), (FailureKind::Raised, "StackOverflow"));
}

#[test]
fn other_traps_keep_their_names() {
    let (_, r#type, _) = fails(r#"(func (export "run") (drop (i32.div_u (i32.const 1) (i32.const 0))))"#);
    assert_eq!(r#type, "IntegerDivisionByZero");
    let (_, r#type, _) = fails(r#"(func (export "run") (drop (i32.load (i32.const -1))))"#);
    assert_eq!(r#type, "MemoryOutOfBounds");
}

/// Grows by 16 pages (1 MiB) and fails, or not, when that is refused.
fn grower(refused: &str) -> String {
    format!(
        r#"(module {PRELUDE} (func (export "run")
             (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then {refused}))))"#
    )
}

#[test]
fn memory_beyond_the_allocation_is_out_of_memory() {
    let small = |f: &mut sluice_types::Function| f.resources.memory_bytes = 1 << 20;
    let mut stage = Stage::with(grower("unreachable"), small).expect("it loads");
    let failure = stage.failure(b"");
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    assert!(failure.message.contains("1048576"), "{}", failure.message);

    let mut tolerant = Stage::with(grower("nop"), small).expect("it loads");
    assert!(tolerant.puts(b"").is_empty(), "a guest that copes succeeds");

    let large = |f: &mut sluice_types::Function| f.resources.memory_bytes = 2 << 20;
    let mut enough = Stage::with(grower("unreachable"), large).expect("it loads");
    assert!(enough.puts(b"").is_empty());
}

#[test]
fn a_refusal_does_not_colour_the_next_call() {
    let body = r#"(func (export "run")
        (if (call $input_len (i32.const 0)) (then unreachable))
        (drop (memory.grow (i32.const 16))))"#;
    let mut stage = Stage::with(format!("(module {PRELUDE} {body})"), |f| f.resources.memory_bytes = 1 << 20)
        .expect("it loads");
    assert!(stage.puts(b"").is_empty());
    assert_eq!(stage.failure(b"x").kind, FailureKind::Raised);
}

#[test]
fn output_is_limited_by_the_allocation() {
    let body = r#"(func (export "run") (loop $more
        (call $ret (i32.const 0) (i32.const 65536) (i32.const 0)) (br $more)))"#;
    let mut stage = Stage::with(format!("(module {PRELUDE} {body})"), |f| f.resources.memory_bytes = 1 << 20)
        .expect("it loads");
    assert_eq!(stage.failure(b"").kind, FailureKind::Limit);
}
