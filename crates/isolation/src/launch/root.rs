//! The root of a box: a small tmpfs with the system's directories, read-only, and what the spec binds.
//!
//! Everything of the host is opened before the old root is left, and put in place after it is gone: no path of the
//! spec is ever resolved through the new root's links into the old one.
#![allow(unsafe_code)]

use crate::channel::Plan;
use crate::error::{AtStep, Failure, Step};
use crate::spec::{Access, BoxSpec, TMP_BYTES_DEFAULT};
use rustix::fs::{AtFlags, CWD, Gid, Uid, chownat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount_change, move_mount, open_tree,
    unmount,
};
use sluice_types::Network;
use std::fs::{create_dir_all, read_link, write};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// System directories that every box sees, where the host has them.
pub(super) const SYSTEM: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Configuration that programs need and that tells nothing about the host.
pub(super) const ETC: &[&str] = &[
    "etc/alternatives",
    "etc/ca-certificates",
    "etc/ld.so.cache",
    "etc/localtime",
    "etc/mime.types",
    "etc/pki",
    "etc/protocols",
    "etc/services",
    "etc/ssl",
];

/// What a box with the host's network needs beside.
const ETC_NETWORK: &[&str] =
    &["etc/gai.conf", "etc/host.conf", "etc/hosts", "etc/nsswitch.conf", "etc/resolv.conf"];

/// Devices of a box; all are safe for anyone.
pub(super) const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom"];

/// Size limit of the root itself, which holds only mount points, in bytes.
const ROOT_BYTES: u64 = 4 << 20;

const READ_ONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY
    .union(MountAttrFlags::MOUNT_ATTR_NOSUID)
    .union(MountAttrFlags::MOUNT_ATTR_NODEV);
const READ_WRITE: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);
const DEVICE: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// The parts of a root, opened but not in place.
pub(super) struct Root {
    base: OwnedFd,
    mounts: Vec<Mount>,
    links: Vec<(PathBuf, PathBuf)>,
}

struct Mount {
    inside: PathBuf,
    tree: OwnedFd,
    directory: bool,
}

impl Root {
    /// Opens all parts while the host's files can be seen.
    pub fn open(spec: &BoxSpec, plan: &Plan) -> Result<Self, Failure> {
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .at(Step::Root, "making the mounts private")?;
        let mut root =
            Self { base: tmpfs(ROOT_BYTES, "0755", READ_WRITE)?, mounts: Vec::new(), links: Vec::new() };
        root.open_system(spec.network)?;
        let tmp_bytes = match spec.limits.memory_bytes {
            0 => TMP_BYTES_DEFAULT,
            limit => limit,
        };
        let proc_attributes = READ_ONLY.union(MountAttrFlags::MOUNT_ATTR_NOEXEC);
        root.add("/proc", filesystem("proc", &[], proc_attributes)?, true);
        root.add("/tmp", tmpfs(tmp_bytes, "1777", READ_WRITE)?, true);
        root.add("/dev/shm", tmpfs(tmp_bytes, "1777", READ_WRITE)?, true);
        let mut binds: Vec<_> = spec.binds.iter().collect();
        binds.sort_by_key(|bind| bind.inside.components().count());
        for bind in binds {
            let attributes = if bind.access == Access::ReadWrite { READ_WRITE } else { READ_ONLY };
            let tree = root.bind(&bind.host, &bind.inside, attributes)?;
            if bind.access == Access::ReadWrite && plan.switch_user {
                give(tree, plan.user).at(Step::Bind, bind.host.display())?;
            }
        }
        Ok(root)
    }

    fn open_system(&mut self, network: Network) -> Result<(), Failure> {
        for name in SYSTEM {
            let path = Path::new("/").join(name);
            match read_link(&path) {
                Ok(target) => self.links.push((target, path)),
                Err(_) if path.exists() => drop(self.bind(&path, &path, READ_ONLY)?),
                Err(_) => {}
            }
        }
        let network_files: &[&str] = if network == Network::Host { ETC_NETWORK } else { &[] };
        for name in ETC.iter().chain(network_files) {
            let path = Path::new("/").join(name);
            if path.exists() {
                self.bind(&path, &path, READ_ONLY)?;
            }
        }
        for name in DEVICES {
            let path = Path::new("/dev").join(name);
            self.bind(&path, &path, DEVICE)?;
        }
        for (name, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
            self.links.push((format!("/proc/self/fd{target}").into(), Path::new("/dev").join(name)));
        }
        Ok(())
    }

    fn add(&mut self, inside: &str, tree: OwnedFd, directory: bool) {
        self.mounts.push(Mount { inside: inside.into(), tree, directory });
    }

    fn bind(
        &mut self,
        host: &Path,
        inside: &Path,
        attributes: MountAttrFlags,
    ) -> Result<BorrowedFd<'_>, Failure> {
        let flags =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
        let tree = open_tree(CWD, host, flags).at(Step::Bind, host.display())?;
        set_attributes(tree.as_fd(), attributes).at(Step::Bind, host.display())?;
        let directory = host.is_dir();
        self.mounts.push(Mount { inside: inside.to_owned(), tree, directory });
        Ok(self.mounts.last().expect("pushed above").tree.as_fd())
    }

    /// Makes this the root of the process, and leaves nothing of the old one.
    pub fn enter(self, spec: &BoxSpec, plan: &Plan) -> Result<(), Failure> {
        // The new root needs some place to be attached while the old one is there; every host has /proc.
        attach(self.base.as_fd(), Path::new("/proc")).at(Step::Root, "the new root")?;
        rustix::process::fchdir(&self.base).at(Step::Root, "the new root")?;
        rustix::process::pivot_root(".", ".").at(Step::Root, "pivot_root")?;
        unmount(".", UnmountFlags::DETACH).at(Step::Root, "leaving the old root")?;
        rustix::process::chdir("/").at(Step::Root, "the new root")?;
        for (target, link) in &self.links {
            parent(link).and_then(|()| symlink(target, link)).at(Step::Root, link.display())?;
        }
        for mount in &self.mounts {
            mount.place().at(Step::Root, mount.inside.display())?;
        }
        write_etc(spec, plan).at(Step::Root, "/etc")?;
        let base = open_tree(CWD, "/", OpenTreeFlags::OPEN_TREE_CLOEXEC).at(Step::Root, "/")?;
        set_own_attributes(base.as_fd(), READ_ONLY).at(Step::Root, "making the root read-only")
    }
}

impl Mount {
    fn place(&self) -> io::Result<()> {
        if self.directory {
            create_dir_all(&self.inside)?;
        } else {
            parent(&self.inside)?;
            if !self.inside.exists() {
                write(&self.inside, "")?;
            }
        }
        attach(self.tree.as_fd(), &self.inside)
    }
}

fn parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), create_dir_all)
}

/// Names the users of the box, and the host itself where nothing of the host's network is to be seen.
fn write_etc(spec: &BoxSpec, plan: &Plan) -> io::Result<()> {
    let user = plan.user;
    create_dir_all("/etc")?;
    write("/etc/passwd", format!("root:x:0:0::/:/bin/sh\nsluice:x:{user}:{user}::/tmp:/bin/sh\n"))?;
    write("/etc/group", format!("root:x:0:\nsluice:x:{user}:\n"))?;
    if spec.network == Network::None {
        write("/etc/hosts", "127.0.0.1 localhost box\n::1 localhost\n")?;
        write("/etc/nsswitch.conf", "hosts: files\n")?;
    }
    Ok(())
}

fn tmpfs(bytes: u64, mode: &str, attributes: MountAttrFlags) -> Result<OwnedFd, Failure> {
    filesystem("tmpfs", &[("size", &bytes.to_string()), ("mode", mode)], attributes)
}

fn filesystem(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd, Failure> {
    let open = || {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in options {
            fsconfig_set_string(context.as_fd(), *key, *value)?;
        }
        fsconfig_create(context.as_fd())?;
        fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    open().at(Step::Root, kind)
}

fn attach(tree: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    Ok(move_mount(tree, "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// Gives the top of a writable bind to the box's user.
fn give(tree: BorrowedFd<'_>, user: u32) -> rustix::io::Result<()> {
    chownat(tree, "", Some(Uid::from_raw(user)), Some(Gid::from_raw(user)), AtFlags::EMPTY_PATH)
}

/// Sets attributes of a mount and of all below it, and cuts them off from changes on the host.
fn set_attributes(tree: BorrowedFd<'_>, attributes: MountAttrFlags) -> io::Result<()> {
    mount_setattr(tree, attributes, libc::AT_RECURSIVE)
}

/// Sets attributes of a mount alone.
fn set_own_attributes(tree: BorrowedFd<'_>, attributes: MountAttrFlags) -> io::Result<()> {
    mount_setattr(tree, attributes, 0)
}

fn mount_setattr(tree: BorrowedFd<'_>, attributes: MountAttrFlags, flags: libc::c_int) -> io::Result<()> {
    let set = libc::mount_attr {
        attr_set: u64::from(attributes.bits()),
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    let flags = flags | libc::AT_EMPTY_PATH;
    // SAFETY: `tree` is open for the call, the path is a C string, `set` is a mount_attr of the size told.
    let result = unsafe {
        let size = size_of::<libc::mount_attr>();
        libc::syscall(libc::SYS_mount_setattr, tree.as_raw_fd(), c"".as_ptr(), flags, &raw const set, size)
    };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
