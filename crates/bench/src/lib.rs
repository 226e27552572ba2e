//! Benchmarks of the whole path: a real node on a real disk, with its sandboxes isolated as always.
//!
//! Every figure stands beside the floor that this machine sets: the bare wake-up, the bare `fdatasync`, the bare echo,
//! measured in the same run, where it matters on the same core and interleaved with the figure. Ratios of the two mean
//! something on a busy machine; absolute times do not. The crate knows neither the command line nor how results are
//! printed.

mod asl;
mod chain;
mod code;
mod dag;
mod error;
mod events;
mod figure;
mod floor;
mod guests;
mod http;
mod parked;
mod payload;
mod sleepers;
mod stage;
mod steps;
mod worker;

pub use asl::Workflow;
pub use code::Code;
pub use dag::Dag;
pub use error::Error;
pub use figure::{Figure, Value};
pub use worker::{WORKER_ARGUMENT, serve as serve_worker};

use serde::Serialize;
use sluice_types::Durability;
use std::path::PathBuf;

/// What executes the functions of a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// WebAssembly on the shard's thread.
    Wasm,
    /// A warm native worker.
    Process,
    /// A warm Python worker.
    Python,
}

/// One benchmark with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Bench {
    /// One run in which a function puts the object that starts it again, `hops` times in all.
    Chain {
        /// What executes the function.
        runtime: Runtime,
        /// Of the app.
        durability: Durability,
        /// Invocations per run.
        hops: u32,
    },
    /// Steps of durable runs, as many runs at once as `concurrency` says, each one step after the other.
    Steps {
        /// What executes the steps.
        runtime: Runtime,
        /// Of the app.
        durability: Durability,
        /// Runs in flight.
        concurrency: u32,
    },
    /// Requests that start a run of one step and wait for its result.
    Http {
        /// Clients, each with a connection and one request at a time.
        connections: u32,
    },
    /// Events, each joined by one of the triggers.
    Events {
        /// Triggers that join.
        triggers: u32,
        /// Events that each joins.
        events: u32,
        /// Of the app.
        durability: Durability,
    },
    /// Runs that wait for an event.
    Parked {
        /// How many.
        count: u32,
    },
    /// Objects that are handed from one native worker to another, and read there.
    Payload {
        /// How large each is.
        bytes: u64,
    },
    /// Invocations that sleep at the same time, joined by a batch.
    Sleepers {
        /// How many.
        count: u32,
        /// How long each sleeps.
        seconds: u32,
    },
    /// State machines in the Amazon States Language.
    Asl(Workflow),
    /// Workflows written as code.
    Workflow(Code),
    /// DAGs.
    Dag(Dag),
}

/// Where benchmarks find what they need.
#[derive(Clone, Debug)]
pub struct Place {
    /// Data directories are made here and removed again; the disk under it is the one that is measured.
    pub dir: PathBuf,
    /// The folder that holds the Python package `sluicegate`.
    pub sdk_dir: PathBuf,
    /// The program of this crate's worker and the launcher of boxes; see [`WORKER_ARGUMENT`].
    pub program: PathBuf,
    /// Gives free memory back to the system, as in a server.
    pub give_back: fn(),
}

impl Bench {
    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Chain { .. } => "chain",
            Self::Steps { .. } => "steps",
            Self::Http { .. } => "http",
            Self::Events { .. } => "events",
            Self::Parked { .. } => "parked",
            Self::Payload { .. } => "payload",
            Self::Sleepers { .. } => "sleepers",
            Self::Asl(_) => "asl",
            Self::Workflow(_) => "workflow",
            Self::Dag(_) => "dag",
        }
    }

    /// Measures.
    ///
    /// # Errors
    /// When the node cannot be started, or something that it was asked to do failed.
    pub fn measure(&self, place: &Place) -> Result<Vec<Figure>, Error> {
        match *self {
            Self::Chain { runtime, durability, hops } => chain::measure(place, runtime, durability, hops),
            Self::Steps { runtime, durability, concurrency } => {
                steps::measure(place, runtime, durability, concurrency)
            }
            Self::Http { connections } => http::measure(place, connections),
            Self::Events { triggers, events, durability } => {
                events::measure(place, triggers, events, durability)
            }
            Self::Parked { count } => parked::measure(place, count),
            Self::Payload { bytes } => payload::measure(place, bytes),
            Self::Sleepers { count, seconds } => sleepers::measure(place, count, seconds),
            Self::Asl(workflow) => workflow.measure(place),
            Self::Workflow(code) => code.measure(place),
            Self::Dag(dag) => dag.measure(place),
        }
    }
}
