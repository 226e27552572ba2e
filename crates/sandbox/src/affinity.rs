//! On which cores workers run: near the shard while one runs alone, anywhere while several do.

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::io;

/// Where a worker may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    All,
    Only(usize),
}

impl Cores {
    fn set(self) -> CpuSet {
        let mut set = CpuSet::new();
        match self {
            // The kernel leaves out what the machine or a cpuset does not have.
            Self::All => (0..CpuSet::MAX_CPU).for_each(|core| set.set(core)),
            Self::Only(core) => set.set(core),
        }
        set
    }

    /// Moves a process; 0 is the calling thread.
    pub fn apply(self, pid: u32) -> io::Result<()> {
        let pid = Pid::from_raw(i32::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?);
        Ok(sched_setaffinity(pid, &self.set())?)
    }
}
