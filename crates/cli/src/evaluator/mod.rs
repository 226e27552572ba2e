//! Evaluates expressions in a process of its own.
//!
//! Who writes an expression decides how long it takes: the evaluators of JSONPath and CEL know no limits. So they run in
//! a child, `sluice __evaluate`, whose memory is bounded and which is ended when it takes too long; the question that it
//! was at gets an error for an answer, and the next question gets a new child. Questions and answers are lines of JSON,
//! one at a time.

pub mod answer;
pub mod lines;
mod process;
mod serve;

pub use process::Evaluator;
pub use serve::serve;

/// The command of the child.
pub const COMMAND: &str = "__evaluate";
/// Longest question in a stream of them, in bytes.
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// Address space of the child, in bytes.
const MEMORY_BYTES_MAX: u64 = 2 << 30;
/// Stack of the thread that evaluates, in bytes; of the address space, it takes what it touches.
const STACK_BYTES: usize = 256 << 20;
