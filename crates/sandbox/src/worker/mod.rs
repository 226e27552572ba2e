//! The worker's side of the protocol, for native programs: `worker::serve(|call| …)`.
//!
//! ```no_run
//! use sluice_sandbox::worker::{self, Answer};
//! worker::serve(|call| Ok(Answer::bytes(call.objects()?[0].bytes()?))).expect("the server speaks the protocol");
//! ```

mod call;
mod extents;
mod habit;
mod session;

pub use call::{Answer, Call, Fault, Input};
pub use session::serve;
