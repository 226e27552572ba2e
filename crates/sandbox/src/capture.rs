//! Standard output and error of a process, through pipes that are always drained.

use crate::event::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::io;
use std::os::fd::OwnedFd;

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;
/// Reads per stream and poll: one process does not keep the shard busy.
const READS_MAX: usize = 16;

/// Our ends of both pipes.
#[derive(Debug)]
pub(crate) struct Capture {
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

impl Capture {
    /// The pipes, and the ends for the process.
    pub fn new() -> io::Result<(Self, [OwnedFd; 2])> {
        let (stdout, stdout_inside) = open()?;
        let (stderr, stderr_inside) = open()?;
        Ok((Self { stdout, stderr }, [stdout_inside, stderr_inside]))
    }

    /// How many bytes are in a pipe.
    pub fn unread(&self, stream: Stream) -> usize {
        rustix::io::ioctl_fionread(self.pipe(stream)).map_or(0, |bytes| bytes as usize)
    }

    /// Whether a pipe is empty and nobody can write to it any more.
    pub fn is_closed(&self, stream: Stream) -> bool {
        let mut pipe = [PollFd::new(self.pipe(stream), PollFlags::IN)];
        let now = Timespec::default();
        let _ = retry_on_intr(|| poll(&mut pipe, Some(&now)));
        let found = pipe[0].revents();
        found.contains(PollFlags::HUP) && !found.contains(PollFlags::IN)
    }

    /// The next bytes of a pipe, so many that are in it.
    pub fn take(&self, stream: Stream, bytes: usize) -> Vec<u8> {
        let mut taken = vec![0; bytes];
        let read = retry_on_intr(|| rustix::io::read(self.pipe(stream), &mut *taken)).unwrap_or(0);
        taken.truncate(read);
        taken
    }

    /// Hands what is in a pipe to `take`; whether somebody can still write to it.
    pub fn drain(&self, stream: Stream, mut take: impl FnMut(&[u8])) -> bool {
        let pipe = self.pipe(stream);
        let mut buffer = Vec::with_capacity(READ_BYTES);
        for _ in 0..READS_MAX {
            buffer.clear();
            match rustix::io::read(pipe, rustix::buffer::spare_capacity(&mut buffer)) {
                Ok(0) => return false,
                Ok(_) => take(&buffer),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => return false,
            }
        }
        true
    }

    fn pipe(&self, stream: Stream) -> &OwnedFd {
        if stream == Stream::Stdout { &self.stdout } else { &self.stderr }
    }
}

fn open() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, inside) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    // A function that prints much waits less often; refused when the user has too many pipes, which is fine.
    let _ = fcntl_setpipe_size(&ours, 4 * READ_BYTES);
    Ok((ours, inside))
}
