//! Which descriptor of the pool has something to say.

use rustix::event::epoll;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Most descriptors looked at per call of the kernel.
const EVENTS_MAX: usize = 64;

/// What a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Kind {
    // Output comes first: what a function printed before it returned belongs to it.
    SeatStdout = 0,
    SeatStderr = 1,
    ZygoteOutput = 2,
    SeatBell = 3,
    SeatEnd = 4,
    Zygote = 5,
    ZygoteEnd = 6,
    Errand = 7,
}

const KINDS: [Kind; 8] = [
    Kind::SeatStdout,
    Kind::SeatStderr,
    Kind::ZygoteOutput,
    Kind::SeatBell,
    Kind::SeatEnd,
    Kind::Zygote,
    Kind::ZygoteEnd,
    Kind::Errand,
];

/// An epoll instance whose entries are (kind, key).
pub(crate) struct Ready {
    epoll: OwnedFd,
    buffer: Vec<epoll::Event>,
}

impl Ready {
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, buffer: Vec::with_capacity(EVENTS_MAX) })
    }

    pub fn add(&self, fd: impl AsFd, kind: Kind, key: u32) -> io::Result<()> {
        let data = epoll::EventData::new_u64((kind as u64) << 32 | u64::from(key));
        Ok(epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN)?)
    }

    pub fn remove(&self, fd: impl AsFd) {
        // It may never have been added; closing it would do too, were it not shared with a process that lives on.
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Everything that is ready now, output first; whether there may be more.
    pub fn take(&mut self, out: &mut Vec<(Kind, u32)>) -> io::Result<bool> {
        out.clear();
        self.buffer.clear();
        let none = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::io::retry_on_intr(|| {
            epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.buffer), Some(&none))
        })?;
        let more = self.buffer.len() == EVENTS_MAX;
        for event in &self.buffer {
            let data = event.data.u64();
            out.push((KINDS[(data >> 32) as usize], data as u32));
        }
        if out.len() > 1 {
            out.sort_unstable();
        }
        Ok(more)
    }
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
