//! Modules that cannot be loaded, and what their authors are told.

use crate::stage::{PRELUDE, Stage};
use sluice_types::FailureKind;
use sluice_wasm::Error;

fn refusal(module: &str) -> String {
    let error = Stage::with(module, |_| ()).err().expect("the module must be refused");
    assert!(matches!(error, Error::Module { .. }), "{error:?}");
    assert_eq!(error.failure().kind, FailureKind::Unstartable);
    error.to_string()
}

#[test]
fn nonsense_does_not_compile() {
    assert!(refusal("(module (func (export \"run\") (i32.const)))").contains("does not compile"));
    assert!(refusal("\0asm nonsense").contains("does not compile"));
}

#[test]
fn a_component_is_told_apart() {
    assert!(refusal("\0asm\x0d\0\x01\0").contains("wasm32-wasip1"));
}

#[test]
fn an_entry_is_needed_and_must_have_the_right_type() {
    assert!(refusal(r#"(module (memory (export "memory") 1))"#).contains("neither `run` nor `_start`"));
    let typed = format!(r#"(module {PRELUDE} (func (export "run") (param f64)))"#);
    assert!(refusal(&typed).contains("f64"));
    let homeless = format!(r#"(module {PRELUDE} (func (export "run") (param i32 i32)))"#);
    assert!(refusal(&homeless).contains("sluice_alloc"));
}

#[test]
fn a_memory_is_needed() {
    assert!(refusal(r#"(module (func (export "run")))"#).contains("exports no `memory`"));
    assert!(refusal(r#"(module (memory (export "memory") i64 1) (func (export "run")))"#).contains("64-bit"));
}

#[test]
fn an_unknown_import_is_named() {
    let module =
        r#"(module (import "env" "print" (func)) (memory (export "memory") 1) (func (export "run")))"#;
    let refusal = refusal(module);
    assert!(refusal.contains("env::print") && refusal.contains("wasm-abi.md"), "{refusal}");
}

#[test]
fn a_module_larger_than_its_allocation_is_refused() {
    let module = r#"(module (memory (export "memory") 32) (func (export "run")))"#;
    let error = Stage::with(module, |f| f.resources.memory_bytes = 1 << 20).err().expect("too large");
    assert!(error.to_string().contains("set resources.memory to 2097152"), "{error}");
}

#[test]
fn a_trap_while_instantiating_is_a_failure_of_the_call() {
    let mut stage = Stage::core(r#"(func $start unreachable) (start $start) (func (export "run"))"#);
    assert_eq!(stage.failure(b"").r#type, "UnreachableCodeReached");
}

#[test]
fn initialize_runs_before_the_first_call_only() {
    let mut stage = Stage::core(
        r#"(func (export "_initialize") (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 1))))
           (func (export "run") (call $ret (i32.const 0) (i32.const 1) (i32.const 0)))"#,
    );
    assert_eq!((stage.value(b"").1, stage.value(b"").1), (vec![1], vec![1]));
}
