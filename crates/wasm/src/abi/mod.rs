//! The imports of module `sluice`: the ABI of core guests (`docs/reference/wasm-abi.md`).
//!
//! A host function allocates nothing in the guest and keeps no pointer into it. Whatever it refuses ends the
//! call; a number it returns is never an error code that a guest could forget to look at.

mod control;
mod inputs;
mod outputs;

pub(crate) use control::sleep;

use crate::guest::Guest;
use sluice_types::ContentType;
use wasmtime::Linker;

/// Name of the import module.
pub(crate) const MODULE: &str = "sluice";

/// Adds every function of the ABI.
pub(crate) fn link(linker: &mut Linker<Guest>) -> Result<(), wasmtime::Error> {
    inputs::link(linker)?;
    outputs::link(linker)?;
    control::link(linker)
}

/// Content types as the ABI numbers them.
fn content_type(number: u32) -> Result<ContentType, crate::failure::Fault> {
    match number {
        0 => Ok(ContentType::Bytes),
        1 => Ok(ContentType::Json),
        2 => Ok(ContentType::Text),
        _ => {
            let message = format!("content type {number}; there are 0 bytes, 1 json and 2 text");
            Err(crate::failure::Fault::bad_argument(message))
        }
    }
}
