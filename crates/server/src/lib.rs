//! The HTTP front of a node: `/v1`, CloudEvents, metrics and health, over [`sluice_runtime::NodeHandle`].
//!
//! [`router`] is the API alone, for programs that embed it; [`Server`] puts it behind a socket, a token and the check
//! of Host and Origin. The crate deliberately does not know how a node executes anything, nor where it keeps data.
//!
//! Every route is one line of [`routes::table`]; every error is a [`sluice_types::Problem`] whose HTTP status comes
//! from the one table in [`status`].

#![allow(clippy::result_large_err, reason = "a problem is what a person reads; errors are not hot")]

pub mod cloudevents;
pub mod limits;
mod questions;
pub mod routes;
pub mod status;

mod apps;
mod events;
mod extract;
mod failure;
mod findings;
mod front;
mod guard;
mod health;
mod in_process;
mod lowering;
mod metrics;
mod objects;
mod runs;
mod serve;
mod stream;
mod views;

pub use in_process::InProcess;
pub use routes::router;
pub use serve::{Options, Server};
pub use sluice_aws as aws;
