//! What isolation is made of, and what it means when the host lacks a part.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One mechanism of isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// A user that is not the server's.
    SeparateUser,
    /// Process ids of its own.
    PidNamespace,
    /// A root and mounts of its own.
    MountNamespace,
    /// A network of its own.
    NetNamespace,
    /// System V IPC and message queues of its own.
    IpcNamespace,
    /// A host name of its own.
    UtsNamespace,
    /// A filter of system calls.
    Seccomp,
    /// Rules on file access that hold even in a broken root.
    Landlock,
    /// A memory limit.
    MemoryCgroup,
    /// A cpu limit.
    CpuCgroup,
    /// A limit of processes.
    PidsCgroup,
}

impl Feature {
    /// What users call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SeparateUser => "a separate user",
            Self::PidNamespace => "pid namespaces",
            Self::MountNamespace => "mount namespaces",
            Self::NetNamespace => "network namespaces",
            Self::IpcNamespace => "ipc namespaces",
            Self::UtsNamespace => "uts namespaces",
            Self::Seccomp => "seccomp filters",
            Self::Landlock => "landlock",
            Self::MemoryCgroup => "cgroup memory limits",
            Self::CpuCgroup => "cgroup cpu limits",
            Self::PidsCgroup => "cgroup pids limits",
        }
    }

    /// What a box without it can do.
    pub fn consequence(self) -> &'static str {
        match self {
            Self::SeparateUser => {
                "functions run as the server's user: one that reaches /proc/self/fd can write to shared objects \
                 of its own app that it was given for reading"
            }
            Self::PidNamespace => {
                "functions see the server's processes, and their own children may outlive them"
            }
            Self::MountNamespace => "functions see the host's file system as far as landlock lets them",
            Self::NetNamespace => "functions without network are held back by the system call filter alone",
            Self::IpcNamespace => "functions share System V IPC objects with the host",
            Self::UtsNamespace => "functions see the host's name",
            Self::Seccomp => "functions reach every system call of the kernel that their user may call",
            Self::Landlock => "file access rests on the mount namespace alone",
            Self::MemoryCgroup => {
                "memory limits are limits of address space per process: programs that reserve much fail early, \
                 and a function of many processes may use more"
            }
            Self::CpuCgroup => "cpu allocations are not enforced",
            Self::PidsCgroup => "limits of processes hold for all functions together",
        }
    }

    /// What the operator can do.
    pub fn fix(self) -> &'static str {
        match self {
            Self::SeparateUser => "run the server as root (it gives its privileges up for every function)",
            Self::PidNamespace
            | Self::MountNamespace
            | Self::NetNamespace
            | Self::IpcNamespace
            | Self::UtsNamespace => {
                "run the server as root, or allow user namespaces: sysctl -w user.max_user_namespaces=10000, and \
                 where they exist kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0"
            }
            Self::Seccomp => "use a kernel with CONFIG_SECCOMP_FILTER",
            Self::Landlock => "use Linux 5.13 or newer with landlock among the boot parameter lsm=",
            Self::MemoryCgroup | Self::CpuCgroup | Self::PidsCgroup => {
                "run the server as root, or in a cgroup delegated to it: systemd-run --user --scope -p Delegate=yes \
                 sluice server"
            }
        }
    }

    /// The flag of `clone` that makes a namespace; 0 for what is none.
    pub(crate) fn clone_flag(self) -> u64 {
        let flag = match self {
            Self::PidNamespace => libc::CLONE_NEWPID,
            Self::MountNamespace => libc::CLONE_NEWNS,
            Self::NetNamespace => libc::CLONE_NEWNET,
            Self::IpcNamespace => libc::CLONE_NEWIPC,
            Self::UtsNamespace => libc::CLONE_NEWUTS,
            _ => 0,
        };
        flag as u64
    }

    /// Its absence, as something to tell.
    pub fn lack(self) -> Lack {
        Lack { what: self, consequence: self.consequence().into(), fix: self.fix().into() }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that a box asked for and the host could not give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// What is missing.
    pub what: Feature,
    /// What that means.
    pub consequence: String,
    /// What the operator can do.
    pub fix: String,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} missing: {} ({})", self.what, self.consequence, self.fix)
    }
}
