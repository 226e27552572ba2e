//! Where the host's cgroups are: version 1, version 2, or both at once (hybrid).

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Directories of servers start so.
const PREFIX: &str = "sluice-";

/// Where an unprivileged server puts itself, because version 2 wants processes in leaves only.
const SERVER_LEAF: &str = "sluice_server";

/// How often creating the server's directory is tried anew after another server cleaned it away.
const CREATE_ATTEMPTS_MAX: u32 = 16;

/// The generation of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CgroupVersion {
    V1,
    V2,
}

/// Which limits a hierarchy enforces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Controllers {
    pub memory: bool,
    pub cpu: bool,
    pub pids: bool,
}

impl Controllers {
    fn among<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for name in names {
            match name {
                "memory" => found.memory = true,
                "cpu" => found.cpu = true,
                "pids" => found.pids = true,
                _ => {}
            }
        }
        found
    }

    pub fn any(self) -> bool {
        self.memory || self.cpu || self.pids
    }
}

/// A hierarchy in which this server may make groups.
///
/// The directory of a server is locked as long as the server lives; an unlocked one belongs to a dead server.
#[derive(Debug)]
pub(crate) struct Hierarchy {
    pub version: CgroupVersion,
    pub controllers: Controllers,
    /// This server's directory.
    pub base: PathBuf,
    _lock: OwnedFd,
}

impl Drop for Hierarchy {
    fn drop(&mut self) {
        remove_tree(&self.base);
    }
}

/// The hierarchies that this process may use; what dead servers left in them is removed.
pub(crate) fn discover() -> Vec<Hierarchy> {
    let (Ok(mounts), Ok(own)) =
        (fs::read_to_string("/proc/self/mountinfo"), fs::read_to_string("/proc/self/cgroup"))
    else {
        return Vec::new();
    };
    let mut found: Vec<Hierarchy> = Vec::new();
    for place in mounts.lines().filter_map(|line| Place::of(line, &own)) {
        let known = |h: &Hierarchy| h.version == place.version && h.controllers == place.controllers;
        if !found.iter().any(known) {
            found.extend(place.claim().ok());
        }
    }
    found
}

/// A mounted hierarchy and this process's directory in it.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    version: CgroupVersion,
    controllers: Controllers,
    directory: PathBuf,
}

impl Place {
    /// Reads a line of `/proc/self/mountinfo` in the light of `/proc/self/cgroup`.
    fn of(line: &str, own: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, mount) = (left.next()?, PathBuf::from(left.next()?));
        let mut right = right.split(' ');
        let version = match right.next()? {
            "cgroup" => CgroupVersion::V1,
            "cgroup2" => CgroupVersion::V2,
            _ => return None,
        };
        let controllers = match version {
            CgroupVersion::V1 => Controllers::among(right.nth(1)?.split(',')),
            CgroupVersion::V2 => Controllers::default(),
        };
        if version == CgroupVersion::V1 && !controllers.any() {
            return None;
        }
        let path = own.lines().find_map(|line| {
            let (names, path) = line.split_once(':')?.1.split_once(':')?;
            let same = match version {
                CgroupVersion::V1 => Controllers::among(names.split(',')) == controllers,
                CgroupVersion::V2 => names.is_empty(),
            };
            same.then_some(path)
        })?;
        let below = Path::new(path).strip_prefix(root).or_else(|_| Path::new(path).strip_prefix("/")).ok()?;
        Some(Self { version, controllers, directory: mount.join(below) })
    }

    fn claim(mut self) -> io::Result<Hierarchy> {
        if !self.directory.is_dir() {
            // In a container without a cgroup namespace the path is the host's; the mount then shows its own part.
            while !self.directory.is_dir() && self.directory.pop() {}
        }
        if self.version == CgroupVersion::V2 {
            self.controllers = delegate(&self.directory);
        }
        sweep(&self.directory);
        let (base, lock) = create_locked(&self.directory)?;
        if self.controllers.any() && self.version == CgroupVersion::V2 {
            enable(&base, self.controllers)?;
        }
        Ok(Hierarchy { version: self.version, controllers: self.controllers, base, _lock: lock })
    }
}

/// Makes the controllers of a version 2 directory available below it, and says which those are.
fn delegate(directory: &Path) -> Controllers {
    let listed = fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default();
    let controllers = Controllers::among(listed.split_whitespace());
    if !controllers.any() {
        return controllers;
    }
    let busy = |error: &io::Error| error.raw_os_error() == Some(libc::EBUSY);
    let enabled = match enable(directory, controllers) {
        Err(error) if busy(&error) => leave(directory).and_then(|()| enable(directory, controllers)),
        result => result,
    };
    enabled.map_or(Controllers::default(), |()| controllers)
}

/// Moves this process to a leaf, if it is alone in its directory: the directory was then made for it.
fn leave(directory: &Path) -> io::Result<()> {
    let own = std::process::id().to_string();
    if fs::read_to_string(directory.join("cgroup.procs"))?.lines().any(|pid| pid != own) {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    let leaf = directory.join(SERVER_LEAF);
    fs::create_dir_all(&leaf)?;
    fs::write(leaf.join("cgroup.procs"), own)
}

/// Lets the children of a version 2 directory use its controllers.
pub(super) fn enable(directory: &Path, controllers: Controllers) -> io::Result<()> {
    let names = [(controllers.memory, "+memory"), (controllers.cpu, "+cpu"), (controllers.pids, "+pids")];
    let wanted: Vec<_> = names.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
    fs::write(directory.join("cgroup.subtree_control"), wanted.join(" "))
}

fn create_locked(directory: &Path) -> io::Result<(PathBuf, OwnedFd)> {
    for attempt in 0..CREATE_ATTEMPTS_MAX {
        let base = directory.join(format!("{PREFIX}{}-{attempt}", std::process::id()));
        match fs::create_dir(&base) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            result => result?,
        }
        // Between the two lines another server may have taken it for a dead one's.
        if let Some(lock) = lock(&base).filter(|_| base.is_dir()) {
            return Ok((base, lock));
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

fn lock(directory: &Path) -> Option<OwnedFd> {
    let file = open(directory, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(file)
}

/// Kills and removes what dead servers left.
fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let named =
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
        if named && let Some(_lock) = lock(&path) {
            let _ = fs::write(path.join("cgroup.kill"), "1");
            remove_tree(&path);
        }
    }
}

/// Removes a directory of groups, deepest first. What still holds a process stays; `false` then.
pub(super) fn remove_tree(directory: &Path) -> bool {
    let children = fs::read_dir(directory).into_iter().flatten().flatten();
    for child in children.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&child.path());
    }
    fs::remove_dir(directory).is_ok() || !directory.exists()
}
