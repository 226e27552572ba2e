//! Rehearsals: an app on a real shard whose world is a stage. Time is virtual, the disk is memory, and functions are
//! called by the client, one at a time, between one line of JSON and the next.
//!
//! `app.test()` of the Python SDK is the client. The shard is the one of a node, so what triggers, retries and closing
//! do in a test is what they do in production; only the ports differ. The crate deliberately knows no real clock, no
//! sandboxes and no language.

mod clock;
mod desk;
mod memory;
pub mod protocol;
mod rehearsal;
mod serve;

pub use rehearsal::{Options, Rehearsal};
pub use serve::{Error, serve};
