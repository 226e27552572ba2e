//! Ctrl-C and SIGTERM.

use crate::embedded::machine;
use crate::exit::{Exit, Outcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};

/// Whether the user wants out. The first signal sets it; the second ends the process at once.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts to listen.
    pub fn listen() -> Outcome<Self> {
        let interrupt = Self::default();
        let told = interrupt.clone();
        let runtime = crate::embedded::runtime()?;
        let listener = std::thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async {
                while next_signal().await {
                    if told.0.swap(true, Ordering::SeqCst) {
                        std::process::exit(Exit::Interrupted.code().into());
                    }
                }
            });
        });
        listener.map_err(|e| machine("cannot start a thread", &e))?;
        Ok(interrupt)
    }

    /// Whether a signal came.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Waits for SIGINT or SIGTERM. False when signals cannot be listened to.
pub async fn next_signal() -> bool {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return false;
    };
    tokio::select! {
        came = interrupt.recv() => came.is_some(),
        came = terminate.recv() => came.is_some(),
    }
}
