//! A compiled module, checked against what a guest must look like.

use crate::error::Error;
use crate::guest::Guest;
use wasmtime::{ExternType, FuncType, InstancePre, Module, ValType};

/// A module ready to be registered with [`crate::Wasm::add`]. Cheap to clone, and `Send`: compiling belongs on
/// another thread than the shard's.
#[derive(Clone)]
pub struct Compiled {
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) kind: Kind,
    /// Linear memory that an instance has from the start, in bytes.
    pub(crate) memory_bytes_min: u64,
}

/// How a guest is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `run()`: it reads its inputs itself.
    Pull,
    /// `run(ptr, len)`: the first input is written into its memory first.
    Push,
    /// `_start()`: a WASI command, with a new instance for every call.
    Command,
}

const SEE: &str = "see docs/reference/wasm-abi.md";

impl Kind {
    /// Recognises the guest by its exports.
    pub fn of(module: &Module) -> Result<Self, Error> {
        if function(module, "_start").is_some_and(|ty| takes(&ty, 0) && gives(&ty, 0)) {
            return Ok(Self::Command);
        }
        let Some(run) = function(module, "run") else {
            return Err(Error::module(
                "the module exports neither `run` nor `_start`",
                format!(
                    "export `run` for the core ABI, or compile a WASI command (target wasm32-wasip1); {SEE}"
                ),
            ));
        };
        match (takes(&run, 0), takes(&run, 2), gives(&run, 0)) {
            (true, _, true) => Ok(Self::Pull),
            (_, true, true) if has_inbox(module) => Ok(Self::Push),
            (_, true, true) => Err(Error::module(
                "`run(ptr, len)` has nowhere to receive its input",
                format!("export `sluice_alloc`, or the globals `sluice_in` and `sluice_in_bytes`; {SEE}"),
            )),
            _ => Err(Error::module(
                format!("`run` has the type {run}"),
                format!("make it `run()` or `run(ptr: i32, len: i32)`, without a result; {SEE}"),
            )),
        }
    }
}

/// Bytes of the exported memory at the start.
pub(crate) fn memory_bytes_min(module: &Module) -> Result<u64, Error> {
    match module.get_export("memory") {
        Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => {
            Ok(memory.minimum() * memory.page_size())
        }
        Some(ExternType::Memory(_)) => Err(Error::module(
            "the module's memory is 64-bit or shared",
            "compile for wasm32 without threads",
        )),
        _ => Err(Error::module("the module exports no `memory`", format!("export its memory; {SEE}"))),
    }
}

/// Refuses components with a better message than the compiler has.
pub(crate) fn refuse_component(bytes: &[u8]) -> Result<(), Error> {
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    if bytes.starts_with(COMPONENT) {
        return Err(Error::module(
            "the file is a component; this version runs core modules",
            "compile for wasm32-wasip1 instead of wasm32-wasip2",
        ));
    }
    Ok(())
}

fn has_inbox(module: &Module) -> bool {
    let alloc = function(module, "sluice_alloc").is_some_and(|ty| takes(&ty, 1) && gives(&ty, 1));
    let is_i32 = |name| match module.get_export(name) {
        Some(ExternType::Global(global)) => matches!(global.content(), ValType::I32),
        _ => false,
    };
    alloc || (is_i32("sluice_in") && is_i32("sluice_in_bytes"))
}

fn function(module: &Module, name: &str) -> Option<FuncType> {
    match module.get_export(name) {
        Some(ExternType::Func(ty)) => Some(ty),
        _ => None,
    }
}

fn takes(ty: &FuncType, count: usize) -> bool {
    ty.params().len() == count && ty.params().all(|ty| matches!(ty, ValType::I32))
}

fn gives(ty: &FuncType, count: usize) -> bool {
    ty.results().len() == count && ty.results().all(|ty| matches!(ty, ValType::I32))
}
