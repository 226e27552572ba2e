//! Functions in processes, called end to end.
#![allow(clippy::unwrap_used)]

mod ahead;
mod calls;
mod failures;
mod native;
mod programs;
mod prompt;
mod stalling;
mod support;
