//! What a node looks like to programs made for AWS: the wire APIs of AWS Lambda and AWS Step
//! Functions, over [`sluice_runtime::NodeHandle`].
//!
//! [`router`] is mounted by the HTTP server beside its own routes; [`is_aws`] tells which requests are for it. A Lambda
//! function is an app of its own ([`lambda`]), a state machine one with a workflow ([`states`]). The crate deliberately does
//! not know how functions are executed.

pub mod account;
pub mod items;
pub mod lambda;
pub mod signature;
pub mod states;

mod derived;
mod s3;
mod signed;

pub use account::Account;
pub use lambda::Lambda;
pub use signature::Credentials;
pub use states::AwsCallees;

use axum::Router;
use axum::http::HeaderMap;
use sluice_runtime::NodeHandle;
use std::path::Path;
use std::sync::Arc;

/// How the AWS side of a node is set up.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whose resources they are, as their ARNs say.
    pub account: Account,
    /// With which requests must be signed; without them every signature is taken, and none.
    pub credentials: Option<Credentials>,
    /// What workflows of the node call by AWS's names; the node is to be started with it.
    pub callees: Arc<AwsCallees>,
}

impl Settings {
    /// Settings of an account.
    pub fn new(account: Account, credentials: Option<Credentials>) -> Self {
        let callees = Arc::new(AwsCallees::new(account.clone()));
        Self { account, credentials, callees }
    }

    /// Workflows may read and write the files of a folder, as items and results of their Maps.
    pub fn with_files(self, folder: &Path) -> Self {
        let callees = Arc::new(AwsCallees::new(self.account.clone()).with_files(folder));
        Self { callees, ..self }
    }
}

/// Every AWS route, behind the check of signatures. To be called within a tokio runtime.
pub fn router(node: NodeHandle, settings: &Settings) -> Router {
    settings.callees.attach(node.clone());
    let states = states::router(node.clone(), settings.account.clone());
    let router = lambda::router(Lambda::new(node, settings.account.clone())).merge(states);
    match &settings.credentials {
        None => router,
        Some(credentials) => {
            router.layer(axum::middleware::from_fn_with_state(credentials.clone(), signed::check))
        }
    }
}

/// Whether a request is for [`router`].
pub fn is_aws(path: &str, headers: &HeaderMap) -> bool {
    lambda::is_lambda(path) || states::is_states(path, headers)
}
