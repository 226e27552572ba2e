//! The queue of commands and the bell that wakes the shard: an eventfd, rung only when the shard sleeps.

use crate::handle::{Command, Submit};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Commands taken in one turn.
const COMMANDS_MAX: usize = 4096;
/// Events of one wake-up that are looked at; what they say is only that there is something to do.
const EVENTS_MAX: usize = 8;

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
    epoll: OwnedFd,
}

impl Bell {
    pub fn new() -> io::Result<(Self, Arc<Queue>)> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &bell, EventData::new_u64(0), EventFlags::IN)?;
        let queue = Arc::new(Queue { waiting: Mutex::default(), bell });
        Ok((Self { queue: queue.clone(), epoll }, queue))
    }

    /// The side of those who wake it.
    pub fn queue(&self) -> Arc<Queue> {
        self.queue.clone()
    }

    /// Also wakes up for this descriptor, for as long as it is open.
    pub fn listen(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(1), EventFlags::IN)?)
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

    /// Sleeps until something happens or the time is over; not at all when a command waits.
    pub fn sleep(&self, patience: Option<Duration>) -> io::Result<()> {
        {
            let mut waiting = self.queue.waiting();
            if !waiting.commands.is_empty() {
                return Ok(());
            }
            waiting.sleeping = true;
        }
        let timeout = patience
            .map(|time| Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() });
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let woken = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref());
        self.queue.waiting().sleeping = false;
        let mut count = [0; 8];
        // Nothing to read means that something else woke us.
        let _ = rustix::io::read(&self.queue.bell, &mut count);
        match woken {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
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
