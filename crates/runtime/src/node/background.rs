//! Slow work on threads of its own, which ring the bell when it has ended.

use super::affinity::leave_core;
use super::bell::Queue;
use crate::ports::{Background, Work};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// A thread per piece of work: there are few, and each takes longer than a thread costs.
pub struct Threads {
    queue: Arc<Queue>,
    unfinished: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self { queue, unfinished: Arc::default(), threads: Vec::new() }
    }
}

/// Tells the end of a piece of work, be it by a panic.
struct Ending {
    queue: Arc<Queue>,
    unfinished: Arc<AtomicUsize>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.unfinished.fetch_sub(1, Ordering::Release);
        self.queue.ring();
    }
}

impl Background for Threads {
    fn start(&mut self, work: Work) {
        self.threads.retain(|thread| !thread.is_finished());
        self.unfinished.fetch_add(1, Ordering::Relaxed);
        let ending = Ending { queue: self.queue.clone(), unfinished: self.unfinished.clone() };
        let work = move || {
            let _ending = ending;
            leave_core();
            work();
        };
        match std::thread::Builder::new().name("background".into()).spawn(work) {
            Ok(thread) => self.threads.push(thread),
            // The work is dropped, which whoever waits for its outcome notices.
            Err(error) => tracing::error!(%error, "no thread for work in the background"),
        }
    }

    fn is_done(&mut self) -> bool {
        self.unfinished.load(Ordering::Acquire) == 0
    }

    fn finish(&mut self) {
        for thread in self.threads.drain(..) {
            // Whoever waits for the outcome of the work notices when there is none.
            let _ = thread.join();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::super::affinity::{allowed_cores, stay_on};
    use super::super::bell::Bell;
    use super::*;

    #[test]
    fn work_leaves_the_core_of_the_thread_that_starts_it() {
        let (_bell, queue) = Bell::new().expect("a descriptor");
        leave_core();
        let cores = allowed_cores();
        stay_on(cores[0]);
        let mut threads = Threads::new(queue);
        let (done, outcome) = std::sync::mpsc::channel();
        threads.start(Box::new(move || drop(done.send(allowed_cores()))));
        assert_eq!((outcome.recv(), allowed_cores()), (Ok(cores.clone()), vec![cores[0]]));
    }
}
