//! Recorded workflows in [WfFormat](https://github.com/wfcommons/WfFormat) 1.5, and what it means to run one again.
//!
//! A [`Recording`] is read from its JSON, with everything that is wrong with it named at once. A [`Replay`] is a recording at
//! a scale: tasks that wait for one another, each with an [`Assignment`] that says how long it takes, which bytes of which
//! results it reads, and what it writes. Whoever carries out an assignment checks every byte that it reads: the contents of
//! a file follow from its id. So a hand-over that loses, swaps or repeats a single byte is found by who reads it.
//!
//! The crate is pure: no IO and no clock. It knows neither the engine nor how a worker is called.

/// The argument that makes `sluice` the worker that does the tasks of a replay.
pub const WORKER_ARGUMENT: &str = "__recorded-task";

mod assignment;
mod contents;
mod fault;
mod notation;
mod order;
mod plan;
mod recording;
mod replay;
mod report;
mod result;

pub use assignment::{Assignment, Expected, Failure, Slice, Upstream, Work};
pub use contents::{Contents, Difference};
pub use fault::{Fault, Kind};
pub use notation::is_recording;
pub use recording::{FAULTS_MAX, File, Recorded, Recording};
pub use replay::{Oversize, REPORT, Replay, ReplayedTask};
pub use report::{Report, ReportFailure};
pub use result::{HEADER_BYTES, Tally};
