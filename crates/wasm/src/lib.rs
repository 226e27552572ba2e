//! Runs WebAssembly functions on the calling thread: no hand-over, no wake-up, no copy but the one into the guest.
//!
//! An [`Engine`] is shared by the whole process (compiled code, the pool of instances, the epoch ticker); a
//! [`Wasm`] belongs to one shard thread and never blocks it. [`Wasm::start`] runs a call until it ends, sleeps
//! or has used up its slice; what did not end goes on in [`Wasm::poll`]. Guests are core modules with the ABI
//! of `docs/reference/wasm-abi.md`, or WASI (preview 1) commands.
//!
//! This crate knows the trigger program only as far as a function's declaration goes. It does not know the
//! log, the engine, retries or placement; bytes outside the log it reads and writes through two small traits.

mod abi;
mod call;
mod declaration;
mod desk;
mod engine;
mod error;
mod failure;
mod gate;
mod guest;
mod inputs;
mod limits;
mod memory;
mod module;
mod options;
mod output;
mod resident;
mod seat;
mod shard;
mod ticker;
mod timers;
mod wasi;

pub use call::{InputBytes, RunInfo, StoreBytes};
pub use engine::Engine;
pub use error::Error;
pub use module::Compiled;
pub use options::Options;
pub use output::{Level, LogLine};
pub use shard::{Completion, FunctionKey, Step, Wasm};
