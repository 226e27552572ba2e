//! The queue of commands and the bell that wakes the shard: an eventfd, rung only when the shard sleeps. The shard
//! waits for it together with its sandboxes, in one call of the kernel.

use crate::handle::{Command, Submit};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Commands taken in one turn.
const COMMANDS_MAX: usize = 4096;

/// The side of the submitters.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    bell: OwnedFd,
}

#[derive(Default)]
struct Waiting {
    commands: VecDeque<Command>,
    sleeping: bool,
    closed: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the shard up.
    pub fn ring(&self) {
        // It fails only when the counter is full: then the bell rings already.
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }
}

impl Submit for Queue {
    fn submit(&self, command: Command) -> bool {
        let mut waiting = self.waiting();
        if waiting.closed {
            return false;
        }
        waiting.commands.push_back(command);
        if std::mem::take(&mut waiting.sleeping) {
            drop(waiting);
            self.ring();
        }
        true
    }
}

/// The side of the shard.
pub(super) struct Bell {
    queue: Arc<Queue>,
}

impl Bell {
    pub fn new() -> io::Result<(Self, Arc<Queue>)> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let queue = Arc::new(Queue { waiting: Mutex::default(), bell });
        Ok((Self { queue: queue.clone() }, queue))
    }

    /// The side of those who wake it.
    pub fn queue(&self) -> Arc<Queue> {
        self.queue.clone()
    }

    /// What waits, and whether the node is to stop.
    pub fn take(&self) -> (Vec<Command>, bool) {
        let mut waiting = self.queue.waiting();
        let count = waiting.commands.len().min(COMMANDS_MAX);
        let mut commands: Vec<Command> = waiting.commands.drain(..count).collect();
        let stop = commands.iter().position(|command| matches!(command, Command::Shutdown));
        commands.truncate(stop.unwrap_or(commands.len()));
        (commands, stop.is_some())
    }

    /// Sleeps through `wait`, which ends when the bell is rung and says whether it was; not at all when a command waits.
    pub fn sleep(&self, wait: impl FnOnce() -> io::Result<bool>) -> io::Result<()> {
        {
            let mut waiting = self.queue.waiting();
            if !waiting.commands.is_empty() {
                return Ok(());
            }
            waiting.sleeping = true;
        }
        let rung = wait();
        self.queue.waiting().sleeping = false;
        if rung? {
            // Should there be nothing to read after all, nothing is lost.
            let _ = rustix::io::read(&self.queue.bell, &mut [0; 8]);
        }
        Ok(())
    }

    /// Waits for the bell alone, to be given to [`Self::sleep`].
    pub fn wait(&self, patience: Duration) -> io::Result<bool> {
        let timeout = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.queue.bell, PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.bell.as_fd()
    }
}

impl Drop for Bell {
    /// Commands that nobody takes any more go unanswered, which their submitters notice.
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting();
        waiting.closed = true;
        waiting.commands.clear();
    }
}
