//! One node: log, engine, objects and sandboxes driven by one thread per shard.
//!
//! [`handle::NodeHandle`] is the door for everything above. The crate knows neither HTTP nor files of users.

pub mod api;
pub mod handle;

pub use handle::{Command, NodeHandle};
