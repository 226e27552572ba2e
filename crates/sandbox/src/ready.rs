//! Which descriptor of the pool has something to say.

use rustix::event::epoll;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Most descriptors looked at per call of the kernel.
const EVENTS_MAX: usize = 64;
/// Waits of at least this are ended by the timer. It is set once for many of them, while a timeout is set and cleared
/// with each wait, which a warm call would feel.
const TIMED_MIN: Duration = Duration::from_millis(4);

/// What a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Kind {
    // Output comes first: what a function printed before it returned belongs to it.
    SeatStdout = 0,
    SeatStderr = 1,
    JobStdout = 2,
    JobStderr = 3,
    ZygoteOutput = 4,
    SeatBell = 5,
    SeatEnd = 6,
    JobEnd = 7,
    Zygote = 8,
    ZygoteEnd = 9,
    Errand = 10,
    /// Not of the pool: somebody else waits for it with the pool.
    Watched = 11,
    /// Only ends a wait.
    Timer = 12,
}

const KINDS: [Kind; 13] = [
    Kind::SeatStdout,
    Kind::SeatStderr,
    Kind::JobStdout,
    Kind::JobStderr,
    Kind::ZygoteOutput,
    Kind::SeatBell,
    Kind::SeatEnd,
    Kind::JobEnd,
    Kind::Zygote,
    Kind::ZygoteEnd,
    Kind::Errand,
    Kind::Watched,
    Kind::Timer,
];

/// An epoll instance whose entries are (kind, key).
pub(crate) struct Ready {
    epoll: OwnedFd,
    timer: OwnedFd,
    /// When the timer ends a wait.
    timed_for: Option<Instant>,
    buffer: Vec<epoll::Event>,
    /// Whether the last look found as many as fit.
    pub was_full: bool,
}

impl Ready {
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let buffer = Vec::with_capacity(EVENTS_MAX);
        let ready = Self { epoll, timer, timed_for: None, buffer, was_full: false };
        ready.add(&ready.timer, Kind::Timer, 0)?;
        Ok(ready)
    }

    pub fn add(&self, fd: impl AsFd, kind: Kind, key: u32) -> io::Result<()> {
        let data = epoll::EventData::new_u64((kind as u64) << 32 | u64::from(key));
        // A bell that is not read need not be silenced either: each ring is reported once.
        let edge = if kind == Kind::SeatBell { epoll::EventFlags::ET } else { epoll::EventFlags::empty() };
        Ok(epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN | edge)?)
    }

    pub fn remove(&self, fd: impl AsFd) {
        // It may never have been added; closing it would do too, were it not shared with a process that lives on.
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Everything that is ready now, output first. Waits for something to be ready, for as long as `patience` says at
    /// most, `None` meaning for ever. May end before without anything.
    pub fn take(&mut self, out: &mut Vec<(Kind, u32)>, patience: Option<Duration>) -> io::Result<()> {
        out.clear();
        self.buffer.clear();
        let timeout = match patience {
            Some(patience) if patience >= TIMED_MIN => self.set_timer(patience).map(|()| None)?,
            patience => patience.map(timespec),
        };
        let spare = rustix::buffer::spare_capacity(&mut self.buffer);
        match epoll::wait(&self.epoll, spare, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.was_full = self.buffer.len() == EVENTS_MAX;
        for event in &self.buffer {
            let data = event.data.u64();
            match KINDS[(data >> 32) as usize] {
                Kind::Timer => {
                    self.timed_for = None;
                    let _ = rustix::io::read(&self.timer, &mut [0; 8]);
                }
                kind => out.push((kind, data as u32)),
            }
        }
        if out.len() > 1 {
            out.sort_unstable();
        }
        Ok(())
    }

    /// Sees to it that the timer ends a wait in time, or earlier.
    fn set_timer(&mut self, patience: Duration) -> io::Result<()> {
        let due = Instant::now() + patience;
        if self.timed_for.is_none_or(|at| at > due) {
            let never = Timespec { tv_sec: 0, tv_nsec: 0 };
            let time = Itimerspec { it_interval: never, it_value: timespec(patience) };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &time)?;
            self.timed_for = Some(due);
        }
        Ok(())
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() }
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

impl AsFd for Ready {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};

    #[test]
    fn waits_end_in_time_and_the_timer_is_silent_then() {
        let mut ready = Ready::new().expect("descriptors");
        let mut found = Vec::new();
        let bell = eventfd(1, EventfdFlags::empty()).expect("a descriptor");
        ready.add(&bell, Kind::SeatBell, 3).expect("it is open");
        // Sets the timer; it does not go off yet.
        ready.take(&mut found, Some(Duration::from_secs(3600))).expect("it is ready");
        assert_eq!(found, [(Kind::SeatBell, 3)]);
        ready.remove(&bell);
        // An earlier end sets it again, a later one does not.
        for patience in [TIMED_MIN, Duration::from_millis(1)] {
            ready.take(&mut found, Some(patience)).expect("the time is over");
            assert!(found.is_empty() && ready.timed_for.is_none());
        }
        let silent = rustix::io::read(&ready.timer, &mut [0; 8]);
        assert_eq!(silent, Err(rustix::io::Errno::AGAIN));
    }
}
