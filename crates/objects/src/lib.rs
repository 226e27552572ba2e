//! The object memory of a node: values too large for a log record, shared with sandboxes without a copy.
//!
//! A *trust domain* is (namespace, app), which is what an [`AppKey`](sluice_types::AppKey) names. Each domain has
//! *extents*: sealed memfds in which objects lie one after the other and never move. An extent has one writer at
//! a time, the host or one worker; everyone else in the domain maps it read-only through a read-only descriptor.
//! The same files on disk serve durability ([`Memory::persist`]) and memory pressure (spilling).
//!
//! The host never writes through a mapping and never maps what a living worker may still write: full memory is an
//! error instead of a SIGBUS, and no bytes change under a reader. Workers in Rust use the same [`Mapping`] to look at
//! inputs, and to write into their own extent.
//!
//! This crate knows nothing of runs, references or the log: its owner says what is pinned, released and live.
#![allow(unsafe_code)]

mod disk;
mod error;
mod extent;
mod mapping;
mod memory;
mod object;
mod pressure;
mod saving;
mod sharing;
mod stream;
mod writer;

pub use error::Error;
pub use extent::{ExtentId, WriterId};
pub use mapping::Mapping;
pub use memory::{Memory, Options};
pub use saving::{Saved, Saving};
pub use sharing::{Grant, Location};
pub use stream::StreamName;
pub use writer::Writer;

/// Size of an extent unless an object needs a larger one, in bytes. Extents are sparse: untouched parts cost nothing.
pub const EXTENT_BYTES_DEFAULT: u64 = 64 << 20;
