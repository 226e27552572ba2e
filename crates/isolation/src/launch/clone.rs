//! `clone3`: a copy of this process in new namespaces, with a pidfd for whoever asked.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The namespaces that a box has of its own, user apart.
pub(crate) const CLONE_FLAGS: u64 =
    (libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWNET)
        as u64;

/// Not `libc`'s, whose type is too narrow for it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The two sides of a clone.
pub(crate) enum Cloned {
    /// This is the copy.
    Child,
    /// This is the original; the descriptor is the copy's pidfd.
    Parent(OwnedFd),
}

/// Clones this process. With `sibling` the copy is a child of this process's parent. With `cgroup` it starts in
/// that directory of cgroup v2.
///
/// In a process of several threads the copy may only make system calls and `_exit`.
pub(crate) fn clone_into(flags: u64, sibling: bool, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    // SAFETY: clone_args is plain integers, for which zero means "not used".
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = flags | libc::CLONE_PIDFD as u64;
    arguments.pidfd = &raw mut pidfd as u64;
    if sibling {
        arguments.flags |= libc::CLONE_PARENT as u64;
    } else {
        arguments.exit_signal = libc::SIGCHLD as u64;
    }
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM the copy has memory and a stack of its own, as after fork; `arguments` outlives the
    // call, and the kernel writes at most one descriptor to `pidfd`.
    match unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child),
        // SAFETY: CLONE_PIDFD made the kernel store a new descriptor here, which nobody else owns.
        _ => Ok(Cloned::Parent(unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}
