//! Workflows written as code, and DAGs ([`dag`]): what a run keeps of one.
//!
//! The code runs in a worker, in *turns*: it is told what has happened (*entries*), goes on until it waits for something
//! else, and answers with what it wants done (*commands*). Entries and commands in their order are the *journal*. Code
//! that is told the same entries gives the same commands; so what a worker has lost, another one regains from the journal,
//! and the run itself keeps only what is under way. docs/reference/workflow-protocol.md has the form of both.
//!
//! Pure and deterministic: time comes in, what is asked of the world goes out as data.

mod command;
pub mod dag;
mod entry;
mod execution;
mod journal;
mod past;
mod update;

pub use command::{Command, Malformed, Want};
pub use entry::{Entry, News, head};
pub use execution::{Event, Execution, Line, Output, Request, Status};
pub use journal::{checked, journal, retold};
pub use past::{Past, Undone};
pub use update::Answer;
