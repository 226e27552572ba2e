//! A node in the real world: a thread for the shard, a data directory, sandboxes, and a queue with a bell.
//!
//! The thread sleeps in one epoll until a command, a sandbox or a timer wakes it; idle it costs nothing. When the
//! shard fails (a sync failed, applying a record panicked) it is opened again from disk, and callers get an answer
//! that says so.

mod affinity;
mod background;
mod bell;
mod memory;
mod sandboxes;
mod saver;
mod world;

pub use affinity::{allowed_cores, last_core};
pub use sandboxes::LocalSandboxes;

use crate::bundles::Bundles;
use crate::callees::CalleesRef;
use crate::handle::NodeHandle;
use crate::ports::{Ports, Sandboxes as _};
use crate::shard::{Opened, Shard, ShardOptions};
use affinity::stay_on;
use background::Threads;
use bell::{Bell, Queue};
use memory::NodeMemory;
use sluice_frontend::cel::CelEvaluator;
use sluice_storage::disk::RealDisk;
use sluice_storage::log::Options as LogOptions;
use sluice_storage::store::StoreOptions;
use sluice_storage::{DataDir, RunStore};
use sluice_types::{Code, Problem};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use world::RealWorld;

/// How often a shard that fails is opened again before the node gives up.
const REOPENINGS_MAX: u32 = 100;
/// Longest sleep without a look at the clock, so that a clock that is set is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// How long a node waits before it tries again to open a shard that could not be opened.
const REOPENING_SLEEP: Duration = Duration::from_millis(200);
/// How long a shard waits for space on a full disk before it looks again.
const STARVED_SLEEP: Duration = Duration::from_millis(50);

/// How a node is set up.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The data directory; created when it is not there.
    pub data_dir: PathBuf,
    /// Whether the data directory is removed when the node stops.
    pub ephemeral: bool,
    /// The folder that holds the Python package `sluicegate`.
    pub sdk_dir: PathBuf,
    /// The program that starts boxed processes when called with `__launch`.
    pub launcher: PathBuf,
    /// Most worker processes; by default twice the number of cores.
    pub workers_max: usize,
    /// Objects kept in memory before they are spilled, in bytes.
    pub memory_bytes: u64,
    /// Bytes of log between checkpoints.
    pub checkpoint_bytes: u64,
    /// Milliseconds after which what changed is in a checkpoint at the latest, or in one that has begun.
    pub checkpoint_ms: u64,
    /// Runs kept in memory.
    pub loaded_runs_max: usize,
    /// How long an ended run is kept, in milliseconds; `None` for ever.
    pub retention_ms: Option<u64>,
    /// Gives free memory back to the system, if the allocator of the program can be told to.
    pub give_back: fn(),
    /// Finds what does the work of workflows' tasks.
    pub callees: CalleesRef,
    /// The core that the shard's thread stays on, and workers that run alone beside it; `None` leaves it to the kernel.
    pub core: Option<usize>,
}

impl NodeConfig {
    /// The defaults, over a data directory.
    pub fn new(
        data_dir: impl Into<PathBuf>,
        sdk_dir: impl Into<PathBuf>,
        launcher: impl Into<PathBuf>,
    ) -> Self {
        Self {
            data_dir: data_dir.into(),
            ephemeral: false,
            sdk_dir: sdk_dir.into(),
            launcher: launcher.into(),
            // Counted here: the shard's thread will see one core only.
            workers_max: 2 * std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: 4 << 30,
            checkpoint_bytes: 32 << 20,
            checkpoint_ms: 10_000,
            loaded_runs_max: 8_192,
            retention_ms: Some(sluice_types::limits::RETENTION_MS_DEFAULT),
            give_back: || {},
            callees: CalleesRef::default(),
            core: None,
        }
    }
}

/// The ports of a real node.
pub struct RealPorts;

impl Ports for RealPorts {
    type Disk = RealDisk;
    type Sandboxes = LocalSandboxes;
    type Objects = NodeMemory;
    type World = RealWorld;
    type Background = Threads;
}

/// A running node.
pub struct Node {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<Result<(), Problem>>>,
}

impl Node {
    /// Starts a node; returns once it has recovered and takes commands.
    pub fn start(mut config: NodeConfig) -> Result<Self, Problem> {
        // Sandboxes have working directories of their own.
        config.data_dir = std::path::absolute(&config.data_dir).map_err(|error| unstartable(&error))?;
        let (bell, queue) = Bell::new().map_err(|error| unstartable(&error))?;
        let (opened, is_open) = sync_channel(1);
        let thread = std::thread::Builder::new().name("shard-0".into()).spawn(move || {
            config.core.into_iter().for_each(stay_on);
            let data_dir = DataDir::open(&config.data_dir).map_err(|error| error.problem());
            let shard = data_dir.and_then(|dir| Ok((open(&config, &dir, &bell)?, dir)));
            let (shard, dir) = match shard {
                Ok(open) => open,
                Err(problem) => {
                    // Whoever starts the node waits for this.
                    let _ = opened.send(Err(problem.clone()));
                    return Err(problem);
                }
            };
            let _ = opened.send(Ok(()));
            let ended = serve(&config, &dir, shard, &bell);
            if config.ephemeral {
                // What cannot be removed is left to the system's temporary folder.
                let _ = std::fs::remove_dir_all(&config.data_dir);
            }
            ended
        });
        let thread = thread.map_err(|error| unstartable(&error))?;
        let outcome = is_open.recv().unwrap_or_else(|_| Err(stopped()));
        outcome.map(|()| Self { queue, thread: Some(thread) })
    }

    /// A door to it.
    pub fn handle(&self) -> NodeHandle {
        NodeHandle::new(self.queue.clone())
    }

    /// Stops the node: what was accepted is durable, the store is up to date.
    pub fn stop(mut self) -> Result<(), Problem> {
        self.handle().shutdown();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(stopped()),
            None => Ok(()),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.handle().shutdown();
        if let Some(thread) = self.thread.take() {
            // Its outcome was of interest to `stop` only.
            let _ = thread.join();
        }
    }
}

fn open(config: &NodeConfig, dir: &DataDir, bell: &Bell) -> Result<Shard<RealPorts>, Problem> {
    let options = ShardOptions {
        namespace: Arc::from("default"),
        bundles: Bundles::new(dir.path().join("bundles")),
        evaluator: || Box::new(CelEvaluator::default()),
        callees: config.callees.0.clone(),
        cron: sluice_frontend::cron::next_after,
        checkpoint_bytes: config.checkpoint_bytes,
        checkpoint_ms: config.checkpoint_ms,
        loaded_runs_max: config.loaded_runs_max,
        retention_ms: config.retention_ms,
        give_back: config.give_back,
    };
    let store = RunStore::open(&RealDisk, &dir.store_path(), &StoreOptions::default());
    let mut world = RealWorld::new().map_err(|error| unstartable(&error))?;
    let mut log = LogOptions { new_log_id: crate::ports::World::random(&mut world), ..LogOptions::default() };
    if config.ephemeral {
        // A log that is gone in a moment is not worth filling ahead.
        log.ahead_bytes = 0;
    }
    let opened = Opened {
        disk: RealDisk,
        log,
        store: store.map_err(|error| error.problem())?,
        objects: NodeMemory::new(&dir.objects_path(), config.memory_bytes, bell.queue())?,
        sandboxes: LocalSandboxes::new(config, &dir.path().join("scratch"))?,
        world,
        background: Threads::new(bell.queue()),
    };
    let began = Instant::now();
    let shard = Shard::open(options, opened, &dir.log_path())?;
    let (apps, runs) = (shard.engine().apps().count(), shard.engine().loaded());
    let took_ms = began.elapsed().as_millis() as u64;
    tracing::info!(data = %dir.path().display(), apps, runs, took_ms, "the data directory is open");
    Ok(shard)
}

/// Turns until the node is told to stop.
fn serve(
    config: &NodeConfig,
    dir: &DataDir,
    mut shard: Shard<RealPorts>,
    bell: &Bell,
) -> Result<(), Problem> {
    let mut reopenings = 0;
    shard.sandboxes.watch(bell).map_err(|error| unstartable(&error))?;
    loop {
        let (commands, stop) = bell.take();
        shard.turn(commands);
        if let Some(problem) = shard.failure().cloned() {
            reopenings += 1;
            if reopenings > REOPENINGS_MAX {
                return Err(problem);
            }
            drop(shard);
            shard = reopen(config, dir, bell)?;
            shard.sandboxes.watch(bell).map_err(|error| unstartable(&error))?;
        } else if stop {
            shard.checkpoint_now();
            return Ok(());
        } else if shard.is_starved() {
            bell.sleep(|| shard.sandboxes.wait(Some(STARVED_SLEEP))).map_err(|error| unstartable(&error))?;
        } else if !shard.is_busy() && !shard.prepare() {
            let patience = patience(&mut shard);
            bell.sleep(|| shard.sandboxes.wait(patience)).map_err(|error| unstartable(&error))?;
        }
    }
}

/// Opens the shard again. What cannot be opened now (a full disk) is tried until it can, or the node is stopped.
fn reopen(config: &NodeConfig, dir: &DataDir, bell: &Bell) -> Result<Shard<RealPorts>, Problem> {
    loop {
        match open(config, dir, bell) {
            Ok(shard) => return Ok(shard),
            Err(problem) if problem.code == Code::DATA_CORRUPT => return Err(problem),
            Err(problem) => {
                tracing::error!(code = %problem.code, "cannot go on: {}", problem.message);
                bell.sleep(|| bell.wait(REOPENING_SLEEP)).map_err(|error| unstartable(&error))?;
                let (commands, stop) = bell.take();
                commands.into_iter().for_each(|command| command.refuse(&problem));
                if stop {
                    return Err(problem);
                }
            }
        }
    }
}

/// How long the shard may sleep.
fn patience(shard: &mut Shard<RealPorts>) -> Option<Duration> {
    if let Some(us) = shard.lingers_us() {
        return Some(Duration::from_micros(us));
    }
    let timers = shard.next_deadline().map(|due_ms| due_ms.saturating_sub(world::unix_ms()));
    let sandboxes = shard.sandboxes().next_poll_ms();
    let next = timers.into_iter().chain(sandboxes).min();
    next.map(|ms| Duration::from_millis(ms).min(SLEEP_MAX))
}

fn unstartable(error: &std::io::Error) -> Problem {
    Problem::new(
        Code::INTERNAL,
        format!("the node cannot run: {error}"),
        "see the limits of this host (sluice doctor)",
    )
}

fn stopped() -> Problem {
    Problem::new(Code::INTERNAL, "the node stopped by itself", "see the log; nothing accepted is lost")
}
