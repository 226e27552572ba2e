//! Asking the router without a socket.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use bytes::Bytes;
use sluice_runtime::NodeHandle;
use tower::ServiceExt;

/// The API over a node of this process: the same requests and answers as over HTTP, without a token.
#[derive(Clone)]
pub struct InProcess(Router);

impl InProcess {
    /// Over a node. To be called within a tokio runtime.
    pub fn new(node: NodeHandle, aws: &sluice_aws::Settings) -> Self {
        Self(crate::router(node, aws))
    }

    /// Asks, and reads the whole answer.
    pub async fn ask(&self, request: Request<Bytes>) -> Response<Bytes> {
        let Ok(response) = self.0.clone().oneshot(request.map(Body::from)).await;
        let (head, body) = response.into_parts();
        // Bodies are made in this process, and live views end when their node does.
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        Response::from_parts(head, body)
    }
}
