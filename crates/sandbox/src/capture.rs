//! Standard output and error of a process, through pipes that are always drained.

use crate::event::Stream;
use rustix::io::Errno;
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

    /// Hands what is in a pipe to `take`; whether somebody can still write to it.
    pub fn drain(&self, stream: Stream, mut take: impl FnMut(&[u8])) -> bool {
        let pipe = if stream == Stream::Stdout { &self.stdout } else { &self.stderr };
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
}

fn open() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, inside) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    // A function that prints much waits less often; refused when the user has too many pipes, which is fine.
    let _ = fcntl_setpipe_size(&ours, 4 * READ_BYTES);
    Ok((ours, inside))
}
