//! What the machine itself takes: waking a thread, waking an interpreter, making bytes durable.

use crate::error::Error;
use crate::figure::median;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Round trips of a floor.
const PINGS: usize = 20_000;
/// Wake-ups of another core.
const WAKES: usize = 500;
/// How long the other core is left alone before it is woken: long enough for it to go to sleep.
const REST: Duration = Duration::from_millis(1);
/// Size of the file that is synced: as a part of a log segment, filled with zeros before.
const SYNCED_BYTES: u64 = 16 << 20;

/// Cores that this process may use.
pub(crate) fn cores() -> io::Result<Vec<usize>> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect())
}

/// The core that this thread stays on; `None` when it may use several.
pub(crate) fn only_core() -> io::Result<Option<usize>> {
    Ok(match cores()?.as_slice() {
        [core] => Some(*core),
        _ => None,
    })
}

/// Keeps this thread, and those that it starts from now on, on the last of these cores.
pub(crate) fn stay_on_last(cores: &[usize]) -> io::Result<()> {
    cores.last().map_or(Ok(()), |core| stay_on(*core))
}

fn stay_on(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Median round trip of two eventfds between two threads of the calling thread's core, in microseconds; through epoll
/// on this side, as a shard waits.
pub(crate) fn wake_same_core_us() -> Result<f64, Error> {
    let (there, back) = (eventfd(0, EventfdFlags::empty())?, eventfd(0, EventfdFlags::empty())?);
    let (hears, answers) = (there.try_clone()?, back.try_clone()?);
    std::thread::spawn(move || {
        let (one, mut count) = (1u64.to_ne_bytes(), [0; 8]);
        while rustix::io::read(&hears, &mut count).is_ok() && count == one {
            if rustix::io::write(&answers, &one).is_err() {
                return;
            }
        }
    });
    let us = ping_pong(&there, &back)?;
    // Anything but 1 ends the other side.
    rustix::io::write(&there, &2u64.to_ne_bytes())?;
    Ok(us)
}

/// An echo of 64 bytes as short as CPython can be: shared memory and two eventfds, nothing else.
const ECHO: &str = "
import mmap, os, sys
a, b, m = (int(word) for word in sys.argv[1:])
r, w, m = os.eventfd_read, os.eventfd_write, mmap.mmap(m, 4096)
while True:
    n = r(a)
    m[64:128] = m[:64]
    w(b, n)
";

/// Median round trip to a bare CPython on the calling thread's core, in microseconds.
pub(crate) fn python_echo_us() -> Result<f64, Error> {
    let python = sluice_isolation::Python::locate("python3")
        .map_err(|error| Error::Unexpected(format!("python3: {error}")))?;
    let (there, back) = (eventfd(0, EventfdFlags::empty())?, eventfd(0, EventfdFlags::empty())?);
    let memory = memfd_create("echo", MemfdFlags::empty())?;
    rustix::fs::ftruncate(&memory, 4096)?;
    let fds = [&there, &back, &memory].map(|fd| fd.as_raw_fd().to_string());
    let mut child = Command::new(python.executable).args(["-c", ECHO]).args(fds).spawn()?;
    let us = ping_pong(&there, &back);
    child.kill()?;
    child.wait()?;
    us
}

fn ping_pong(there: &OwnedFd, back: &OwnedFd) -> Result<f64, Error> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, back, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    let mut events = Vec::with_capacity(1);
    let mut samples = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        let begun = Instant::now();
        rustix::io::write(there, &1u64.to_ne_bytes())?;
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        rustix::io::read(back, &mut [0; 8])?;
        samples.push(micros(begun.elapsed()));
    }
    Ok(median(&samples))
}

/// Median time from a write to an eventfd until a thread that slept on this other core runs, in microseconds.
pub(crate) fn wake_cross_core_us(other: usize) -> Result<f64, Error> {
    let bell = eventfd(0, EventfdFlags::empty())?;
    let hears = bell.try_clone()?;
    let (zero, woken_ns) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let tells = Arc::clone(&woken_ns);
    let sleeper = std::thread::spawn(move || -> io::Result<()> {
        stay_on(other)?;
        for _ in 0..WAKES {
            rustix::io::read(&hears, &mut [0; 8])?;
            tells.store(zero.elapsed().as_nanos() as u64, Ordering::Release);
        }
        Ok(())
    });
    let mut samples = Vec::with_capacity(WAKES);
    for _ in 0..WAKES {
        std::thread::sleep(REST);
        let rung_ns = zero.elapsed().as_nanos() as u64;
        rustix::io::write(&bell, &1u64.to_ne_bytes())?;
        let woken_ns = loop {
            match woken_ns.load(Ordering::Acquire) {
                woken_ns if woken_ns > rung_ns => break woken_ns,
                _ if sleeper.is_finished() => {
                    return Err(Error::Unexpected("the sleeper ended early".into()));
                }
                _ => std::hint::spin_loop(),
            }
        };
        samples.push((woken_ns - rung_ns) as f64 / 1e3);
    }
    sleeper.join().map_err(|_| Error::Unexpected("the sleeper panicked".into()))??;
    Ok(median(&samples))
}

/// A file as the log keeps its own: filled ahead, written one record after the other, each made durable.
pub(crate) struct SyncedFile {
    file: File,
    at: u64,
    record: Vec<u8>,
}

impl SyncedFile {
    /// On the disk of `dir`, with records of this size.
    pub fn create(dir: &Path, record_bytes: usize) -> io::Result<Self> {
        let file = tempfile::tempfile_in(dir)?;
        let zeros = vec![0; 1 << 20];
        for at in (0..SYNCED_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        Ok(Self { file, at: 0, record: vec![1; record_bytes] })
    }

    /// Writes a record and makes it durable; how long the latter took, in microseconds.
    pub fn sync_us(&mut self) -> io::Result<f64> {
        if self.at + self.record.len() as u64 > SYNCED_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(&self.record, self.at)?;
        self.at += self.record.len() as u64;
        let begun = Instant::now();
        self.file.sync_data()?;
        Ok(micros(begun.elapsed()))
    }
}

/// Microseconds.
pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
