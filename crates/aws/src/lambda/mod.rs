//! AWS Lambda, on the wire as AWS has it.
//!
//! A version of a function is an app of its own ([`app`]), an invocation is a run of it ([`app::Invocation`] makes the
//! start, [`ending::Ending`] reads the end). What AWS keeps beside the code is a document ([`record`]) of the app that
//! `$LATEST` is. [`routes`] is every operation.

pub mod app;
pub mod ending;
pub mod failure;
pub mod invoke;
pub mod limits;
pub mod record;
pub mod reference;
pub mod task;

mod aliases;
mod archive;
mod code;
mod concurrency;
mod fields;
mod functions;
mod log_tail;
mod routes;
mod settings;
mod store;
mod tags;
mod versions;
mod views;

pub use routes::{is_lambda, router};

use crate::account::Account;
use concurrency::Running;
use sluice_runtime::NodeHandle;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::Mutex;

/// The Lambda side of a node.
#[derive(Clone)]
pub struct Lambda {
    node: NodeHandle,
    account: Account,
    /// Held by whoever changes functions: code and document of one change at a time.
    changes: Arc<Mutex<()>>,
    running: Running,
}

impl Lambda {
    /// Over a node.
    pub fn new(node: NodeHandle, account: Account) -> Self {
        Self { node, account, changes: Arc::default(), running: Running::default() }
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64)
}
