//! The rest of the machine: kernel, descriptors, memory, disk.

use super::report::{Probe, Status};
use rustix::event::EventfdFlags;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create, statvfs};
use rustix::process::{PidfdFlags, Resource, getpid, getrlimit, pidfd_open};
use std::fs::{File, read_to_string};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

/// Oldest kernel on which a box can be built (`mount_setattr`).
const KERNEL_MIN: (u32, u32) = (5, 12);

/// Open files that a server of some hundred workers needs.
const OPEN_FILES_WANTED: u64 = 4096;

/// Processes that a server of some hundred workers needs.
const PROCESSES_WANTED: u64 = 1024;

/// Free memory below which little can run, in bytes.
const MEMORY_WANTED_BYTES: u64 = 512 << 20;

/// Free disk below which the log soon meets its reserve, in bytes.
const DISK_WANTED_BYTES: u64 = 1 << 30;

/// Writes measured for the median of `fdatasync`.
const SYNC_WRITES: usize = 51;

/// Size of each, in bytes.
const SYNC_WRITE_BYTES: usize = 4096;

/// Median above which durable runs are slow, in microseconds.
const SYNC_SLOW_US: u128 = 10_000;

pub(super) fn kernel() -> Probe {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let consequence = "boxes cannot be built: mount_setattr is missing";
    Probe::ok("kernel", release).unless(
        version < KERNEL_MIN,
        Status::Missing,
        consequence,
        "use Linux 5.12 or newer",
    )
}

pub(super) fn memfd_seals() -> Probe {
    let attempt = || -> io::Result<bool> {
        let memory = memfd_create("probe", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&memory, 4096)?;
        fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW)?;
        Ok(ftruncate(&memory, 0).is_err() && ftruncate(&memory, 8192).is_err())
    };
    let consequence = "objects cannot be shared with functions without a copy";
    tried("memfd seals", attempt(), "a sealed memfd neither shrinks nor grows", consequence)
}

pub(super) fn eventfd() -> Probe {
    let attempt = || -> io::Result<bool> {
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?;
        let mut value = [0; 8];
        rustix::io::write(&event, &7u64.to_ne_bytes())?;
        rustix::io::read(&event, &mut value)?;
        Ok(u64::from_ne_bytes(value) == 7)
    };
    tried("eventfd", attempt(), "written and read", "warm workers cannot be woken")
}

pub(super) fn pidfd() -> Probe {
    let attempt = pidfd_open(getpid(), PidfdFlags::empty()).map(|_| true).map_err(io::Error::from);
    tried("pidfd", attempt, "opened for this process", "boxes cannot be watched")
}

fn tried(name: &'static str, attempt: io::Result<bool>, detail: &str, consequence: &str) -> Probe {
    let fix = "use Linux 5.12 or newer, and a container runtime whose system call filter allows it";
    match attempt {
        Ok(true) => Probe::ok(name, detail),
        Ok(false) => Probe::ok(name, "accepted, without effect").but(Status::Missing, consequence, fix),
        Err(error) => Probe::ok(name, error.to_string()).but(Status::Missing, consequence, fix),
    }
}

pub(super) fn huge_pages() -> Probe {
    let setting = read_to_string("/sys/kernel/mm/transparent_hugepage/shmem_enabled").unwrap_or_default();
    let chosen = setting.split(['[', ']']).nth(1).unwrap_or("absent");
    Probe::ok("huge pages", format!("shared memory: {chosen}")).unless(
        matches!(chosen, "never" | "deny" | "absent"),
        Status::Degraded,
        "large objects cost more time at first touch",
        "echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled",
    )
}

pub(super) fn open_files() -> Probe {
    let most = getrlimit(Resource::Nofile).maximum;
    Probe::ok("open files", limit(most)).unless(
        most.is_some_and(|most| most < OPEN_FILES_WANTED),
        Status::Degraded,
        "few workers and connections fit",
        "raise the hard limit: ulimit -Hn 65536, or LimitNOFILE= of the service",
    )
}

pub(super) fn processes() -> Probe {
    let most = getrlimit(Resource::Nproc).maximum;
    Probe::ok("processes", limit(most)).unless(
        most.is_some_and(|most| most < PROCESSES_WANTED),
        Status::Degraded,
        "few workers fit",
        "raise the hard limit: ulimit -Hu 8192, or LimitNPROC= of the service",
    )
}

fn limit(most: Option<u64>) -> String {
    most.map_or("no limit".to_owned(), |most| format!("at most {most}"))
}

pub(super) fn memory() -> Probe {
    let text = read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let available = kib("MemAvailable:") << 10;
    let detail = format!("{} MiB available of {} MiB", available >> 20, kib("MemTotal:") >> 10);
    let low = available < MEMORY_WANTED_BYTES;
    Probe::ok("memory", detail).unless(low, Status::Degraded, "few functions fit", "free some memory")
}

pub(super) fn disk(data_dir: &Path) -> Probe {
    let name = "disk";
    let data_dir = nearest(data_dir);
    match statvfs(data_dir) {
        Ok(stat) => {
            let free = stat.f_bavail * stat.f_frsize;
            let detail = format!("{} MiB free in {}", free >> 20, data_dir.display());
            let consequence = "new work is refused when the disk is full";
            let low = free < DISK_WANTED_BYTES;
            Probe::ok(name, detail).unless(
                low,
                Status::Degraded,
                consequence,
                "free some space, or move the data",
            )
        }
        Err(error) => unusable(name, data_dir, &error.into()),
    }
}

pub(super) fn fdatasync(data_dir: &Path) -> Probe {
    let name = "fdatasync";
    let data_dir = nearest(data_dir);
    match sync_median_us(data_dir) {
        Ok(median) => {
            let detail = format!("{median} µs (median of {SYNC_WRITES} writes of {SYNC_WRITE_BYTES} bytes)");
            let consequence = "durable runs wait this long at each step that others can see";
            let fix = "put the data directory on a local SSD";
            Probe::ok(name, detail).unless(median > SYNC_SLOW_US, Status::Degraded, consequence, fix)
        }
        Err(error) => unusable(name, data_dir, &error),
    }
}

/// Overwrites a file whose blocks are there already, as the log does.
fn sync_median_us(data_dir: &Path) -> io::Result<u128> {
    let path = data_dir.join(format!(".probe-{}", std::process::id()));
    let mut file = File::options().write(true).create_new(true).open(&path)?;
    let removed = std::fs::remove_file(&path);
    file.write_all(&vec![0; SYNC_WRITE_BYTES * SYNC_WRITES])?;
    file.sync_all()?;
    let mut times = Vec::with_capacity(SYNC_WRITES);
    for write in 0..SYNC_WRITES {
        let begin = Instant::now();
        file.write_all_at(&[1; SYNC_WRITE_BYTES], (write * SYNC_WRITE_BYTES) as u64)?;
        file.sync_data()?;
        times.push(begin.elapsed().as_micros());
    }
    times.sort_unstable();
    removed.map(|()| times[SYNC_WRITES / 2])
}

/// The directory itself, or the one in which the server would make it.
fn nearest(data_dir: &Path) -> &Path {
    let exists = data_dir.ancestors().find(|path| path.as_os_str().is_empty() || path.exists());
    exists.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn unusable(name: &'static str, data_dir: &Path, error: &io::Error) -> Probe {
    let detail = format!("{}: {error}", data_dir.display());
    Probe::ok(name, detail).but(
        Status::Missing,
        "the server cannot keep its data there",
        "choose another with --data",
    )
}
