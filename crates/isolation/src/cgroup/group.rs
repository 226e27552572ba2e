//! One group: a directory in each hierarchy, made, limited, read, killed and removed together.

use super::hierarchy::{CgroupVersion, Controllers, enable, remove_tree};
use crate::error::Error;
use crate::spec::Limits;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::{fs, io};

/// Length of the period in which a cpu limit is accounted, in microseconds: how long a throttled process waits at most.
const CPU_PERIOD_US: u64 = 20_000;

/// Shortest share of a period that the kernel accepts, in microseconds.
const CPU_QUOTA_US_MIN: u64 = 1_000;

/// Leaf of a version 2 group that holds its processes.
const LEAF: &str = "main";

/// A group of processes with limits of its own. Its directories are removed when it is dropped, or, while processes
/// are left in it, when its parent is.
#[derive(Debug)]
pub struct Group {
    directories: Vec<Directory>,
    /// Directories of dropped groups below this one in which processes were left.
    abandoned: Arc<Mutex<Vec<PathBuf>>>,
    /// The same of the group above.
    parent: Option<Arc<Mutex<Vec<PathBuf>>>>,
}

#[derive(Debug)]
struct Directory {
    version: CgroupVersion,
    controllers: Controllers,
    path: PathBuf,
}

impl Directory {
    /// Where the processes are: version 2 allows none in a directory whose children have controllers.
    fn home(&self) -> PathBuf {
        match self.version {
            CgroupVersion::V2 if self.controllers.any() => self.path.join(LEAF),
            _ => self.path.clone(),
        }
    }
}

impl Group {
    pub(super) fn create<'a>(
        places: impl Iterator<Item = (&'a Path, CgroupVersion, Controllers)>,
        name: &str,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let mut group = Self { directories: Vec::new(), abandoned: Arc::default(), parent: None };
        for (parent, version, controllers) in places {
            let directory = Directory { version, controllers, path: parent.join(name) };
            fs::create_dir(&directory.path).map_err(cgroup_error(&directory.path))?;
            group.directories.push(directory);
            let directory = group.directories.last().expect("pushed above");
            if version == CgroupVersion::V2 && controllers.any() {
                enable(&directory.path, controllers).map_err(cgroup_error(&directory.path))?;
                fs::create_dir(directory.home()).map_err(cgroup_error(&directory.path))?;
            }
        }
        if *limits != Limits::default() {
            group.set_limits(limits)?;
        }
        Ok(group)
    }

    /// A group below this one: its processes are bound by both. `name` must be new and without slashes.
    pub fn sub(&self, name: &str, limits: &Limits) -> Result<Self, Error> {
        if name.is_empty() || name == LEAF || name.starts_with('.') || name.contains('/') {
            return Err(Error::Spec(format!("a group cannot be called {name:?}")));
        }
        self.abandoned.lock().expect("no holder panics").retain(|path| !remove_tree(path));
        let places = self.directories.iter().map(|d| (d.path.as_path(), d.version, d.controllers));
        let mut group = Self::create(places, name, limits)?;
        group.parent = Some(self.abandoned.clone());
        Ok(group)
    }

    /// Changes the limits; 0 lifts one. What the host cannot enforce is left out (see [`crate::Boxed::degraded`]).
    pub fn set_limits(&self, limits: &Limits) -> Result<(), Error> {
        for directory in &self.directories {
            for (file, value) in directory.settings(limits) {
                let path = directory.path.join(file);
                match fs::write(&path, value) {
                    // Swap limits exist only where the kernel accounts for swap.
                    Err(error) if error.kind() == io::ErrorKind::NotFound && file.contains("sw") => {}
                    result => result.map_err(cgroup_error(&path))?,
                }
            }
        }
        Ok(())
    }

    /// Moves a process here, by its id on the host. Costs about 10 ms when no other process was moved just before.
    pub fn add(&self, pid: u32) -> Result<(), Error> {
        for directory in &self.directories {
            let path = directory.home().join("cgroup.procs");
            fs::write(&path, pid.to_string()).map_err(cgroup_error(&path))?;
        }
        Ok(())
    }

    /// Kills every process here and below.
    pub fn kill(&self) -> Result<(), Error> {
        for directory in self.directories.iter().filter(|d| d.version == CgroupVersion::V2) {
            let path = directory.path.join("cgroup.kill");
            if path.exists() {
                return fs::write(&path, "1").map_err(cgroup_error(&path));
            }
        }
        self.directories.first().map_or(Ok(()), |directory| kill_each(&directory.path))
    }

    /// How many processes the kernel killed for want of memory here, groups below not counted.
    pub fn oom_kills(&self) -> u64 {
        let Some(directory) = self.memory() else { return 0 };
        let file = match directory.version {
            CgroupVersion::V1 => directory.path.join("memory.oom_control"),
            CgroupVersion::V2 => directory.home().join("memory.events.local"),
        };
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok()).unwrap_or(0)
    }

    /// Memory in use here and below, in bytes; `None` where no cgroup counts it.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.read_memory("memory.usage_in_bytes", "memory.current")
    }

    /// Most memory that was in use at once, in bytes; `None` where no cgroup counts it.
    pub fn memory_peak_bytes(&self) -> Option<u64> {
        self.read_memory("memory.max_usage_in_bytes", "memory.peak")
    }

    fn memory(&self) -> Option<&Directory> {
        self.directories.iter().find(|directory| directory.controllers.memory)
    }

    fn read_memory(&self, v1: &str, v2: &str) -> Option<u64> {
        let directory = self.memory()?;
        let file = if directory.version == CgroupVersion::V1 { v1 } else { v2 };
        fs::read_to_string(directory.path.join(file)).ok()?.trim().parse().ok()
    }

    /// `tasks` files through which a process of one thread enters.
    pub(crate) fn tasks(&self) -> Vec<PathBuf> {
        let v1 = self.directories.iter().filter(|d| d.version == CgroupVersion::V1);
        v1.map(|directory| directory.path.join("tasks")).collect()
    }

    /// Directory of version 2 in which a process can be started.
    pub(crate) fn unified(&self) -> Option<PathBuf> {
        self.directories.iter().find(|d| d.version == CgroupVersion::V2).map(Directory::home)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let paths = self.directories.drain(..).map(|directory| directory.path);
        let left: Vec<_> = paths.filter(|path| !remove_tree(path)).collect();
        if let Some(parent) = &self.parent {
            parent.lock().expect("no holder panics").extend(left);
        }
    }
}

impl Directory {
    /// Files to write, in order.
    fn settings(&self, limits: &Limits) -> Vec<(&'static str, String)> {
        let number = |value: u64, none: &str| if value == 0 { none.to_owned() } else { value.to_string() };
        let quota = (u64::from(limits.cpu_millis) * CPU_PERIOD_US / 1000).max(CPU_QUOTA_US_MIN);
        let (memory, pids) = (limits.memory_bytes, u64::from(limits.pids_max));
        let (has, mut files) = (self.controllers, Vec::new());
        match self.version {
            CgroupVersion::V1 => {
                if has.memory {
                    // Memory and swap together may never be less than memory alone.
                    files.push(("memory.memsw.limit_in_bytes", "-1".to_owned()));
                    files.push(("memory.limit_in_bytes", number(memory, "-1")));
                    files.push(("memory.memsw.limit_in_bytes", number(memory, "-1")));
                }
                if has.cpu {
                    files.push(("cpu.cfs_period_us", CPU_PERIOD_US.to_string()));
                    let quota = if limits.cpu_millis == 0 { "-1".to_owned() } else { quota.to_string() };
                    files.push(("cpu.cfs_quota_us", quota));
                }
            }
            CgroupVersion::V2 => {
                if has.memory {
                    files.push(("memory.max", number(memory, "max")));
                    files.push(("memory.swap.max", if memory == 0 { "max" } else { "0" }.to_owned()));
                }
                if has.cpu {
                    let quota = if limits.cpu_millis == 0 { "max".to_owned() } else { quota.to_string() };
                    files.push(("cpu.max", format!("{quota} {CPU_PERIOD_US}")));
                }
            }
        }
        if has.pids {
            files.push(("pids.max", number(pids, "max")));
        }
        files
    }
}

/// Kills what is in a directory of a kernel without `cgroup.kill`, until nothing new appears.
fn kill_each(directory: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(directory).map_err(cgroup_error(directory))?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            kill_each(&entry.path())?;
        }
    }
    let list = directory.join("cgroup.procs");
    let mut killed = BTreeSet::new();
    loop {
        let text = fs::read_to_string(&list).map_err(cgroup_error(&list))?;
        let fresh: Vec<i32> =
            text.lines().filter_map(|p| p.parse().ok()).filter(|p| !killed.contains(p)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        for pid in fresh {
            killed.insert(pid);
            if let Some(pid) = Pid::from_raw(pid) {
                // One that is gone already needs no signal.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn cgroup_error(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Cgroup { path, source }
}
