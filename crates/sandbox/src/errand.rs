//! Work that would block the shard thread: starting a process, moving it into its limits, burying it.

use crate::affinity::Cores;
use crate::bell::Doorbell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Errands of one pool. Each runs on a thread of its own, which is rare enough: one per process started or ended.
#[derive(Debug)]
pub(crate) struct Errands<T> {
    sender: Sender<T>,
    receiver: Receiver<T>,
    bell: Arc<Doorbell>,
}

impl<T: Send + 'static> Errands<T> {
    pub fn new() -> io::Result<Self> {
        let (sender, receiver) = channel();
        Ok(Self { sender, receiver, bell: Arc::new(Doorbell::new()?) })
    }

    /// Runs `errand`; its result is taken by [`Self::take`].
    pub fn run(&self, errand: impl FnOnce() -> T + Send + 'static) -> io::Result<()> {
        let (sender, bell) = (self.sender.clone(), Arc::clone(&self.bell));
        std::thread::Builder::new().name("sluice-errand".to_owned()).spawn(move || {
            // Not the shard's core: what is started here inherits it. Where that is not allowed, nothing is lost.
            let _ = Cores::All.apply(0);
            // The pool may be gone, which is fine: then the result is dropped here.
            if sender.send(errand()).is_ok() {
                let _ = bell.ring(1);
            }
        })?;
        Ok(())
    }

    /// Makes the descriptor readable.
    pub fn wake(&self) {
        // It fails only when the counter is full, and then the descriptor is readable.
        let _ = self.bell.ring(1);
    }

    /// A finished errand.
    pub fn take(&self) -> Option<T> {
        let _ = self.bell.take();
        self.receiver.try_recv().ok()
    }
}

impl<T> AsFd for Errands<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.0.as_fd()
    }
}

/// Drops something whose drop waits.
pub(crate) fn bury(dead: impl Send + 'static) {
    let thread = std::thread::Builder::new().name("sluice-errand".to_owned());
    // Without a thread it was dropped here and now, slowly.
    let _ = thread.spawn(move || drop(dead));
}
