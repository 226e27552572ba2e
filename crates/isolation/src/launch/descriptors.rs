//! Descriptors: none from the server, the passed ones under the numbers asked for.
#![allow(unsafe_code)]

use crate::error::{AtStep, Failure, Step};
use crate::spec::DESCRIPTOR_NUMBER_MAX;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Stdio;

/// Closes everything above the standard streams: what the server forgot to mark, and what whoever started it left open.
/// To be called before anything in this process has opened a descriptor.
pub(super) fn close_inherited() -> io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor yet.
    match unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A descriptor moved out of the range that programs may ask for.
pub(super) fn lift(fd: impl AsFd) -> rustix::io::Result<OwnedFd> {
    fcntl_dupfd_cloexec(fd, DESCRIPTOR_NUMBER_MAX + 1)
}

/// What the program inherits.
pub(super) struct Placed {
    /// Standard input, output and error; `/dev/null` where none was passed.
    pub streams: [Stdio; 3],
    /// The others, under their numbers, open in this process until dropped.
    _others: Vec<OwnedFd>,
}

/// Puts each descriptor in place. The numbers from 3 to [`DESCRIPTOR_NUMBER_MAX`] must be free.
pub(super) fn place(fds: Vec<OwnedFd>, targets: &[i32]) -> Result<Placed, Failure> {
    let mut placed = Placed { streams: [Stdio::null(), Stdio::null(), Stdio::null()], _others: Vec::new() };
    for (fd, &target) in fds.into_iter().zip(targets) {
        if let Some(stream) = usize::try_from(target).ok().and_then(|t| placed.streams.get_mut(t)) {
            *stream = fd.into();
            continue;
        }
        let subject = format!("descriptor {target}");
        let copy = fcntl_dupfd_cloexec(&fd, target).at(Step::Descriptors, &subject)?;
        if copy.as_raw_fd() != target {
            return Err(Errno::BUSY).at(Step::Descriptors, &subject);
        }
        fcntl_setfd(&copy, FdFlags::empty()).at(Step::Descriptors, &subject)?;
        placed._others.push(copy);
    }
    Ok(placed)
}

/// Points this process's own standard streams at `/dev/null`, so that the box holds nothing of the server's.
pub(super) fn forget_standard() -> rustix::io::Result<()> {
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)
}
