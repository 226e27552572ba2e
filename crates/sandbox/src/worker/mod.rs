//! The worker's side of the protocol, for native programs: `worker::serve(|call| …)`.
//!
//! ```no_run
//! use sluice_sandbox::worker::{self, Answer};
//! worker::serve(|call| Ok(Answer::bytes(call.objects()?[0].bytes().to_vec()))).expect("the server speaks the protocol");
//! ```
//!
//! Large objects are neither copied in nor out: an input's bytes are a view of shared memory, and [`Call::buffer`] gives
//! memory that can be put as it is. What a worker writes there counts towards its own memory limit.

mod buffer;
mod call;
mod extents;
mod habit;
mod session;

pub use buffer::Buffer;
pub use call::{Answer, Call, Fault, Input, Value};
pub use session::serve;
