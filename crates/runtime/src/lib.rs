//! One node: log, engine, objects and sandboxes driven by one thread per shard.
//!
//! [`NodeHandle`] is the door for everything above. [`shard::Shard`] is the whole of a node's behaviour, over the
//! traits in [`ports`]; `node` gives it a thread and the real world, the simulator a fake one. The crate knows neither
//! HTTP nor the files of users.

pub mod api;
pub mod bundles;
pub mod callees;
pub mod handle;
mod known;
pub mod node;
pub mod ports;
pub mod shard;

pub use handle::{Command, NodeHandle, TokenEvent};
pub use node::{Node, NodeConfig};
pub use shard::{Opened, Shard, ShardOptions};
