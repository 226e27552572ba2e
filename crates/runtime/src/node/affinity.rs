//! The core that the shard's thread stays on.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that the calling thread may use.
pub fn allowed_cores() -> Vec<usize> {
    let allowed = sched_getaffinity(None).unwrap_or_default();
    (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect()
}

/// The last core that this thread may use; `None` when it may use only one, where there is nothing to choose.
pub fn last_core() -> Option<usize> {
    let cores = allowed_cores();
    cores.last().copied().filter(|_| cores.len() > 1)
}

/// Keeps this thread on one core: a warm hand-over to a worker there costs no wake-up of another core. Threads that it
/// starts stay there too, unless they [leave](leave_core).
pub(super) fn stay_on(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    // Where it is not allowed (a restricted set of cores) the kernel's choice is as good.
    let _ = sched_setaffinity(None, &set);
}

/// Lets this thread use all cores again: slow work is not to take the shard's.
pub(super) fn leave_core() {
    let mut set = CpuSet::new();
    // The kernel leaves out what the machine or a cpuset does not have.
    (0..CpuSet::MAX_CPU).for_each(|core| set.set(core));
    // Where it is not allowed, nothing is lost.
    let _ = sched_setaffinity(None, &set);
}
