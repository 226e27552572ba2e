//! Ctrl-C and SIGTERM.

use crate::embedded::{machine, runtime};
use crate::exit::{Exit, Outcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whether the user wants out. The first signal sets it; the second ends the process at once.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts to listen.
    pub fn listen() -> Outcome<Self> {
        let interrupt = Self::default();
        let told = interrupt.clone();
        let runtime = runtime()?;
        let mut signals = runtime.block_on(async { Signals::listen() })?;
        let listener = std::thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async {
                loop {
                    signals.next().await;
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

/// From now on the first signal ends the process, with the exit code of an interrupt: there is nothing to wait for.
pub fn end_at_once() -> Outcome<()> {
    let runtime = runtime()?;
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let listener = std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(signals.next());
        std::process::exit(Exit::Interrupted.code().into());
    });
    listener.map(drop).map_err(|e| machine("cannot start a thread", &e))
}

/// SIGINT and SIGTERM, which from then on do not end the process by themselves.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Starts to listen. Needs a runtime around it.
    pub fn listen() -> Outcome<Self> {
        let listen = |kind| signal(kind).map_err(|e| machine("cannot listen to signals", &e));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
