//! Executions: against what AWS recorded, and scene by scene.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod comparison;
#[path = "../language/corpus.rs"]
mod corpus;
mod distributed;
mod joins;
mod jsonata;
mod limits;
mod recorded;
mod recovery;
mod redrive;
mod retries;
mod stage;
mod waiting;
