//! The wire types of `/v1`: what travels between a client and the server as JSON.
//!
//! Semver-stable: fields are only ever added. Plain data and the encoding of values; the crate knows neither the
//! engine's state types nor HTTP, so that a client can depend on it alone.

pub mod app;
pub mod at;
pub mod error;
pub mod fork;
pub mod history;
pub mod run;
pub mod value;

pub use app::{App, AppList, Deploy, Deployed};
pub use at::{CallAt, CodeAt, CommandAt, NewsAt, RunAt, StateAt};
pub use error::{Cause, Error, ErrorBody};
pub use fork::{Finding, Fork, ForkedFrom, Move, Moved};
pub use history::{History, HistoryEvent, LogLine, Logs};
pub use run::{
    EventsAccepted, FunctionCounts, Question, Reply, ReplyStatus, Retrying, Run, RunList, RunState, Start,
    StartEvent, Status,
};
pub use value::{Value, ValueError};
