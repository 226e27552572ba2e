//! Bells between the server and a worker. Whatever a worker does to its end, the server never waits at its own.

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, ReadWriteFlags, preadv2, read, retry_on_intr, write};
use rustix::pipe::{PipeFlags, pipe_with};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

const RING_BYTES: usize = size_of::<u64>();
/// More rings than a worker is ever given without reading them.
const UNREAD_RINGS_MAX: usize = 64;

/// A counter that many may ring and one takes: adding to it rings, reading it takes all that was added. An eventfd.
#[derive(Debug)]
pub struct Doorbell(pub OwnedFd);

impl Doorbell {
    /// A new one, whose flags the other side may change: [`Self::take`] does not rely on them.
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?))
    }

    /// Adds `count`.
    pub fn ring(&self, count: u64) -> io::Result<()> {
        write(&self.0, &count.to_ne_bytes())?;
        Ok(())
    }

    /// Takes what was added; 0 if nothing was. Never waits.
    pub fn take(&self) -> io::Result<u64> {
        let mut count = [0; 8];
        // No position: it is no file.
        let taken = retry_on_intr(|| {
            preadv2(&self.0, &mut [IoSliceMut::new(&mut count)], u64::MAX, ReadWriteFlags::NOWAIT)
        });
        match taken {
            Ok(_) => Ok(u64::from_ne_bytes(count)),
            Err(Errno::AGAIN) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

/// The server's end of a bell that wakes a worker: a pipe. An eventfd that the worker fills up would stop whoever rings
/// it; this end has flags of its own, so a pipe that is full is an error.
#[derive(Debug)]
pub struct WakeBell(OwnedFd);

impl WakeBell {
    /// Both ends; the worker's waits when it is read.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (inside, ours) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        Ok((Self(ours), inside))
    }

    /// Takes back the rings that the worker has not read, the oldest first. Each is read once, by it or here. It is an error
    /// if there is more in the pipe than was rung.
    pub fn take_back(&self) -> io::Result<Vec<u64>> {
        // Opened anew, the pipe has an end to read from whose flags the worker does not share.
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let inside = retry_on_intr(|| open(&*path, flags, Mode::empty()))?;
        let mut buffer = [0; RING_BYTES * UNREAD_RINGS_MAX];
        let bytes = match retry_on_intr(|| read(&inside, &mut buffer)) {
            Err(Errno::AGAIN) => 0,
            bytes => bytes?,
        };
        let (rings, rest) = buffer[..bytes].as_chunks::<RING_BYTES>();
        match rest.is_empty() && rings.len() < UNREAD_RINGS_MAX {
            true => Ok(rings.iter().map(|ring| u64::from_ne_bytes(*ring)).collect()),
            false => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Wakes the worker and tells it a number. Never waits.
    pub fn ring(&self, number: u64) -> io::Result<()> {
        write(&self.0, &number.to_ne_bytes())?;
        Ok(())
    }
}

/// The worker's end of a [`WakeBell`].
#[derive(Debug)]
pub struct Awaited(pub OwnedFd);

impl Awaited {
    /// Waits for the next ring; the number it tells.
    pub fn wait(&self) -> io::Result<u64> {
        let mut number = [0; 8];
        match retry_on_intr(|| read(&self.0, &mut number))? {
            8 => Ok(u64::from_ne_bytes(number)),
            // The server is gone.
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
