//! What survives a crash: the log, the run store and the directory they live in.
//!
//! * [`log`] is the order of things: every accepted record, durable once [`log::Log::sync`] has returned.
//! * [`store`] holds the state of runs as of a checkpoint; what the log holds behind it is replayed.
//! * [`data_dir`] gives both their place, for one process at a time.
//! * [`disk`] is the door to the file system, with a second disk in memory that fails on request.
//!
//! This crate knows nothing of what a record or a blob means, of the engine, of threads or of time. Records
//! and blobs are bytes.

pub mod data_dir;
pub mod disk;
pub mod error;
pub mod log;
pub mod store;

pub use data_dir::DataDir;
pub use error::Error;
pub use log::Log;
pub use store::RunStore;
