//! WASI preview 1, as much of it as a command without files and network needs: arguments, environment, the three
//! standard streams, clocks, randomness, sleeping, exit. Every other function answers `ENOSYS`.
//!
//! Pointers outside the guest's memory end the call, as everywhere in this crate.

mod clock;
mod environment;
mod process;
mod stdio;
mod streams;

pub(crate) use stdio::Stdio;

use crate::guest::Guest;
use crate::memory;
use wasmtime::{ExternType, Linker, Module, Val};

/// Name of the import module.
const MODULE: &str = "wasi_snapshot_preview1";

/// Error numbers of WASI that are used here.
mod errno {
    pub const SUCCESS: i32 = 0;
    pub const BADF: i32 = 8;
    pub const INVAL: i32 = 28;
    pub const NOSYS: i32 = 52;
    pub const SPIPE: i32 = 70;
}

type Answer<T> = Result<T, wasmtime::Error>;

/// Adds every function that is implemented.
pub(crate) fn link(linker: &mut Linker<Guest>) -> Answer<()> {
    environment::link(linker)?;
    streams::link(linker)?;
    clock::link(linker)?;
    process::link(linker)
}

/// Lets the functions that a module imports beyond those answer `ENOSYS`.
pub(crate) fn answer_missing(linker: &mut Linker<Guest>, module: &Module) {
    for import in module.imports().filter(|import| import.module() == MODULE) {
        if let ExternType::Func(ty) = import.ty() {
            // Refused for what is defined already, which is how the two are told apart.
            let _ = linker.func_new(MODULE, import.name(), ty, |_, _, results| {
                results.fill(Val::I32(errno::NOSYS));
                Ok(())
            });
        }
    }
}

/// Writes a 32-bit number.
fn write_u32(memory: &mut [u8], ptr: u32, value: u32) -> Answer<()> {
    memory::write(memory, ptr, 4)?.copy_from_slice(&value.to_le_bytes());
    Ok(())
}

/// Writes a 64-bit number.
fn write_u64(memory: &mut [u8], ptr: u32, value: u64) -> Answer<()> {
    memory::write(memory, ptr, 8)?.copy_from_slice(&value.to_le_bytes());
    Ok(())
}

/// Reads a 32-bit number.
fn read_u32(memory: &[u8], ptr: u32) -> Answer<u32> {
    let bytes = memory::read(memory, ptr, 4)?.try_into().expect("four bytes were asked for");
    Ok(u32::from_le_bytes(bytes))
}

/// Reads a 64-bit number.
fn read_u64(memory: &[u8], ptr: u32) -> Answer<u64> {
    let bytes = memory::read(memory, ptr, 8)?.try_into().expect("eight bytes were asked for");
    Ok(u64::from_le_bytes(bytes))
}
