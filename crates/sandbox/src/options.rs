//! What an operator can set.

use crate::limits::{PROMPT_CALL, ZYGOTES_MAX};
use sluice_isolation::Host;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a shard runs its processes.
#[derive(Clone, Debug)]
pub struct Options {
    /// The machine, probed once per process.
    pub host: Arc<Host>,
    /// Folder that holds the Python package `sluicegate`.
    pub sdk_dir: PathBuf,
    /// The Python interpreter: a path, or a name to look up once.
    pub python: String,
    /// Most processes at once, idle workers included.
    pub workers_max: usize,
    /// A function whose calls take no longer on average is given calls ahead of the end of the one that runs, when there
    /// are no more workers.
    pub prompt_call: Duration,
    /// Zygotes that are kept when no worker is theirs: with more, the one that has not been used for longest ends. Its
    /// app is imported again when it is called again.
    pub zygotes_max: usize,
    /// The core that the shard thread is pinned to. With it, a worker that runs alone, or beside a short call that has
    /// put its output, is kept on that core, where a hand-over costs microseconds; workers that run beside others may
    /// use all cores. Without it, workers run wherever the kernel puts them.
    pub core: Option<usize>,
    /// Where programs that are started per attempt get their directories. On the file system of the object memory,
    /// large results need no copy.
    pub scratch_dir: PathBuf,
}

impl Options {
    /// Two workers per core, [`ZYGOTES_MAX`] zygotes, and the `python3` of the path.
    pub fn new(host: Arc<Host>, sdk_dir: impl Into<PathBuf>, scratch_dir: impl Into<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            host,
            sdk_dir: sdk_dir.into(),
            python: "python3".to_owned(),
            workers_max: 2 * cores,
            prompt_call: PROMPT_CALL,
            zygotes_max: ZYGOTES_MAX,
            core: None,
            scratch_dir: scratch_dir.into(),
        }
    }
}
