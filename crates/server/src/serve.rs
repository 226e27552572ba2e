//! The router behind a socket.

use crate::front::Front;
use crate::guard::{self, Guard};
use crate::{limits, routes};
use axum::Router;
use sluice_runtime::NodeHandle;
use sluice_types::{Code, Problem};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How the server is run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The token that every request must carry. Needed to listen beyond loopback.
    pub token: Option<String>,
    /// What the AWS side says of itself, and what its requests must be signed with.
    pub aws: sluice_aws::Settings,
}

/// A bound server.
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    router: Router,
    closing: watch::Sender<bool>,
}

impl Server {
    /// Binds. Port 0 picks a free one. Fails with `ADDRESS_IN_USE`, or `UNAUTHORIZED` when the address is not
    /// loopback and there is no token.
    pub async fn bind(addr: SocketAddr, node: NodeHandle, options: Options) -> Result<Self, Problem> {
        if let Some(token) = &options.token {
            check_token(token)?;
        } else if !addr.ip().is_loopback() {
            let message = format!("{addr} can be reached from other machines, and there is no token");
            let fix = "give a token (--token, SLUICE_TOKEN), or listen on 127.0.0.1";
            return Err(Problem::new(Code::UNAUTHORIZED, message, fix));
        }
        let listener = TcpListener::bind(addr).await.map_err(|e| unbound(addr, &e))?;
        let addr = listener.local_addr().map_err(|e| unbound(addr, &e))?;
        let (closing, receiver) = watch::channel(false);
        let guard = Guard::new(options.token.as_deref(), options.aws.credentials.is_some());
        let router = routes::with_front(Front::new(node, receiver), &options.aws)
            .layer(axum::middleware::from_fn_with_state(guard, guard::watch));
        Ok(Self { listener, addr, router, closing })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until `stop` completes, then lets open requests end within [`limits::DRAIN_MAX`].
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Problem> {
        let Self { listener, router, closing, .. } = self;
        let mut stopped = closing.subscribe();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
            stop.await;
            closing.send_replace(true);
        });
        let overdue = async move {
            let _ = stopped.wait_for(|closing| *closing).await;
            tokio::time::sleep(limits::DRAIN_MAX).await;
        };
        tokio::select! {
            served = serving.into_future() => {
                served.map_err(|e| Problem::new(Code::INTERNAL, format!("serving failed: {e}"), "restart the server"))
            }
            () = overdue => {
                tracing::warn!("requests that were still open when the server stopped are cut off");
                Ok(())
            }
        }
    }
}

fn check_token(token: &str) -> Result<(), Problem> {
    if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let message = "the token is empty or holds characters that an HTTP header cannot carry";
    Err(Problem::new(Code::USAGE, message, "use letters, digits and punctuation, without spaces"))
}

fn unbound(addr: SocketAddr, error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let message = format!("{addr} is in use by another program");
            Problem::new(
                Code::ADDRESS_IN_USE,
                message,
                "stop it, or listen elsewhere with --addr 127.0.0.1:0",
            )
        }
        _ => Problem::new(Code::USAGE, format!("cannot listen on {addr}: {error}"), "choose another --addr"),
    }
}
