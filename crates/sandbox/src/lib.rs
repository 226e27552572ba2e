//! Runs invocations in processes: warm Python workers forked from a zygote per app, warm native workers, and
//! programs started per attempt.
//!
//! A shard thread owns a [`Pool`] and never blocks on it: [`Pool::start`] hands an invocation over or queues it,
//! [`Pool::poll`] collects what happened, and the pool's descriptor (`AsFd`) becomes readable when there is
//! something to collect. A warm call is one write into shared memory and one eventfd each way; the protocol is
//! docs/reference/worker-protocol.md, and [`worker`] is its other side for programs in Rust.
//!
//! Nothing a worker says is trusted: what it writes is copied out before it is read, and a worker that breaks the
//! protocol loses its life, not the pool's. This crate does not know the log, the engine, retries or placement;
//! which files, namespaces and limits a process gets is the work of `sluice-isolation`.
#![allow(unsafe_code)]

mod affinity;
mod ahead;
mod app;
mod bell;
mod boxes;
mod capture;
mod channel;
mod current;
mod dispatch;
mod ends;
mod errand;
mod error;
mod event;
mod exec;
mod failure;
mod frame;
mod hear;
mod inbox;
mod limits;
mod options;
mod pool;

mod queue;
mod ready;
mod record;
mod seat;
mod slot;
mod streams;
mod wire;
pub mod worker;
mod zygote;

pub use error::Error;
pub use event::{Level, RunInfo, SandboxEvent, Stream};
pub use options::Options;
pub use pool::Pool;
