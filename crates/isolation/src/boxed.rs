//! A running box.

use crate::cgroup::{Cgroups, Group};
use crate::channel::{Channel, Report};
use crate::error::Error;
use crate::feature::Lack;
use crate::spec::Limits;
use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// How a box ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// The program exited with this code.
    Code(i32),
    /// A signal of this number ended the program.
    Signal(i32),
    /// The box was killed as a whole, by [`Boxed::kill`] or from outside.
    Killed,
}

/// A running box. Dropping it kills what is left in it and waits for that.
///
/// Its descriptor (`AsFd`) becomes readable when the whole box has ended.
#[derive(Debug)]
pub struct Boxed {
    pid: u32,
    program: OwnedFd,
    init: OwnedFd,
    channel: Channel,
    exit: Option<Exit>,
    degraded: Vec<Lack>,
    // Dropped after `Drop::drop` has emptied it, so that its directories can be removed.
    group: Group,
    // Keeps the server's cgroups from being taken for a dead server's.
    _cgroups: Arc<Cgroups>,
}

impl Boxed {
    pub(crate) fn new(
        init: OwnedFd,
        program: OwnedFd,
        channel: Channel,
        group: Group,
        cgroups: Arc<Cgroups>,
        degraded: Vec<Lack>,
    ) -> Self {
        let pid = host_pid(&program).unwrap_or(0);
        Self { pid, program, init, channel, exit: None, degraded, group, _cgroups: cgroups }
    }

    /// The program's process id, as the host counts; 0 if it had ended before it could be asked for.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The program's pidfd; readable when the program has ended.
    pub fn program(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }

    /// What the box asked for and this host does not have.
    pub fn degraded(&self) -> &[Lack] {
        &self.degraded
    }

    /// The group of the whole box.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// A group for some of the box's processes, inside the limits of the whole.
    pub fn new_group(&self, name: &str, limits: &Limits) -> Result<Group, Error> {
        self.group.sub(name, limits)
    }

    /// Whether the kernel killed a process of the box for want of memory. Groups made by [`Self::new_group`] count
    /// for themselves.
    pub fn oom_killed(&self) -> bool {
        self.group.oom_kills() > 0
    }

    /// Asks the program to end (SIGTERM).
    pub fn terminate(&self) -> Result<(), Error> {
        signal(&self.program, Signal::TERM)
    }

    /// Kills all processes of the box. Does not wait.
    pub fn kill(&self) -> Result<(), Error> {
        signal(&self.init, Signal::KILL)?;
        self.group.kill()
    }

    /// Waits until nothing of the box is left.
    pub fn wait(&mut self) -> Result<Exit, Error> {
        loop {
            if let Some(exit) = self.reap(WaitIdOptions::EXITED)? {
                return Ok(exit);
            }
        }
    }

    /// How the box ended, if it has.
    pub fn try_wait(&mut self) -> Result<Option<Exit>, Error> {
        self.reap(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    fn reap(&mut self, options: WaitIdOptions) -> Result<Option<Exit>, Error> {
        if self.exit.is_none() {
            match rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(self.init.as_fd()), options)) {
                Ok(None) => return Ok(None),
                // ECHILD: a server that ignores SIGCHLD has it reaped by the kernel.
                Ok(Some(_)) | Err(Errno::CHILD) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            self.exit = Some(match self.channel.receive_report(false)? {
                Some((Report::Ended(exit), _)) => exit,
                _ => Exit::Killed,
            });
        }
        Ok(self.exit)
    }
}

impl AsFd for Boxed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.init.as_fd()
    }
}

impl Drop for Boxed {
    fn drop(&mut self) {
        if self.exit.is_none() {
            // Nobody can be told; what stays is removed by the next server.
            let _ = self.kill();
            let _ = self.wait();
        }
    }
}

fn signal(pidfd: &OwnedFd, signal: Signal) -> Result<(), Error> {
    match pidfd_send_signal(pidfd, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// The process id behind a pidfd, as this process's `/proc` counts; `None` when it has ended.
fn host_pid(pidfd: &OwnedFd) -> Option<u32> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
}
