//! What every handler shares.

use crate::limits;
use sluice_runtime::NodeHandle;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// The node, and what bounds the handlers.
#[derive(Clone)]
pub struct Front {
    /// The door to the engine.
    pub node: NodeHandle,
    /// Permits for live views.
    pub streams: Arc<Semaphore>,
    /// Becomes true when the server stops; whoever waits then answers at once.
    pub closing: watch::Receiver<bool>,
}

impl Front {
    /// A front over a node.
    pub fn new(node: NodeHandle, closing: watch::Receiver<bool>) -> Self {
        Self { node, streams: Arc::new(Semaphore::new(limits::STREAMS_MAX)), closing }
    }

    /// Completes when the server stops. Never, when the router lives without a server.
    pub async fn closed(&self) {
        let mut closing = self.closing.clone();
        if closing.wait_for(|closing| *closing).await.is_err() {
            std::future::pending().await
        }
    }
}
