//! Mechanisms of the kernel, tried out.
#![allow(unsafe_code)]

use crate::cgroup::Cgroups;
use crate::feature::Feature;
use crate::launch::{CLONE_FLAGS, Cloned, clone_into, landlock_restrict_thread, seccomp_install};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use sluice_types::Network;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;

/// The namespaces, user apart.
const NAMESPACES: [Feature; 5] = [
    Feature::PidNamespace,
    Feature::MountNamespace,
    Feature::NetNamespace,
    Feature::IpcNamespace,
    Feature::UtsNamespace,
];

/// Whether a child can be made in such namespaces.
pub(crate) fn clones(flags: u64) -> io::Result<()> {
    match clone_into(flags, false, None)? {
        // SAFETY: `_exit` ends the copy at once, without running anything of the original's.
        Cloned::Child => unsafe { libc::_exit(0) },
        Cloned::Parent(child) => match waitid(WaitId::PidFd(child.as_fd()), WaitIdOptions::EXITED) {
            Ok(_) | Err(Errno::CHILD) => Ok(()),
            Err(error) => Err(error.into()),
        },
    }
}

/// `CLONE_NEW*` flags that work here together. A server that is not root needs a user namespace for all others.
pub(crate) fn namespaces(root: bool) -> u64 {
    let user = if root { 0 } else { libc::CLONE_NEWUSER as u64 };
    if clones(user | CLONE_FLAGS).is_ok() {
        return user | CLONE_FLAGS;
    }
    let working = |flag: &u64| clones(user | flag).is_ok();
    let flags: u64 = NAMESPACES.map(Feature::clone_flag).iter().copied().filter(working).sum();
    if flags == 0 { 0 } else { user | flags }
}

/// The features of this host.
pub(crate) fn features(cgroups: &Cgroups, namespaces: u64, root: bool) -> BTreeSet<Feature> {
    let mut found = BTreeSet::new();
    let mut note = |feature, has: bool| {
        if has {
            found.insert(feature);
        }
    };
    note(Feature::SeparateUser, root);
    for feature in NAMESPACES {
        note(feature, namespaces & feature.clone_flag() != 0);
    }
    note(Feature::Seccomp, seccomp().is_ok());
    note(Feature::Landlock, landlock().is_ok());
    note(Feature::MemoryCgroup, cgroups.version(|has| has.memory).is_some());
    note(Feature::CpuCgroup, cgroups.version(|has| has.cpu).is_some());
    note(Feature::PidsCgroup, cgroups.version(|has| has.pids).is_some());
    found
}

/// Filters a thread and sees a denied call denied.
pub(crate) fn seccomp() -> io::Result<()> {
    on_thread(|| {
        rustix::thread::set_no_new_privs(true)?;
        seccomp_install(Network::Host)?;
        match rustix::net::socket(AddressFamily::PACKET, SocketType::DGRAM, None) {
            Err(Errno::PERM) => Ok(()),
            _ => Err(io::Error::other("the kernel accepted the filter but does not enforce it")),
        }
    })
}

/// Restricts a thread and sees a denied file denied.
pub(crate) fn landlock() -> io::Result<()> {
    on_thread(|| {
        rustix::thread::set_no_new_privs(true)?;
        landlock_restrict_thread()?;
        match std::fs::read_dir("/") {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            _ => Err(io::Error::other("the kernel accepted the rules but does not enforce them")),
        }
    })
}

/// The landlock ABI of the kernel; 0 without landlock.
pub(super) fn landlock_abi() -> i32 {
    /// Of `landlock_create_ruleset`; from the kernel's linux/landlock.h.
    const CREATE_RULESET_VERSION: u32 = 1;
    let none = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the call takes no attributes, makes nothing and returns a number.
    let abi =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0usize, CREATE_RULESET_VERSION) };
    abi.max(0) as i32
}

/// Restrictions hold for a thread and what it starts: a thread that ends takes them with it.
fn on_thread(attempt: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    std::thread::spawn(attempt).join().unwrap_or_else(|_| Err(io::Error::other("the probe panicked")))
}
