//! Opening a shard: the last checkpoint, then the log after it, then everything that was asked for and not done.

use super::checkpoint::{KNOWN_EVENTS, ROOT, Root, UNNAMED};
use super::chunks::Chunks;
use super::loading::{Damaged, Found, load};
use super::named;
use super::{ENGINE_VERSION, RECORD_FORMAT, Shard, ShardOptions, concerned};
use crate::known::KnownEvents;
use crate::ports::{Objects, Ports};
use sluice_engine::{Effect, Engine, Input, InputKind};
use sluice_storage::log::{Options, Priority};
use sluice_storage::{Log, RunStore};
use sluice_types::{Code, Evaluator, Lsn, ObjectId, Problem, RunKey};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// What a shard is opened over.
pub struct Opened<P: Ports> {
    /// The disk the log is on.
    pub disk: P::Disk,
    /// How the log is kept; the position of the checkpoint is filled in.
    pub log: Options,
    /// The store, open.
    pub store: RunStore,
    /// Where large objects are.
    pub objects: P::Objects,
    /// What executes attempts.
    pub sandboxes: P::Sandboxes,
    /// Time and chance.
    pub world: P::World,
    /// Where slow work is done.
    pub background: P::Background,
}

/// Records that cannot be applied, and the runs they are about.
type Poisoned = BTreeMap<Lsn, RunKey>;

impl<P: Ports> Shard<P> {
    /// Opens a shard over what an earlier life left; `log_dir` is created when it is not there.
    pub fn open(options: ShardOptions, mut opened: Opened<P>, log_dir: &Path) -> Result<Self, Problem> {
        let checkpoint = opened.store.checkpoint_lsn().map_err(|error| error.problem())?;
        opened.log.checkpoint_lsn = checkpoint;
        let log = Log::open(opened.disk, log_dir, opened.log).map_err(|error| error.problem())?;
        let root = read_root(&opened.store)?;
        opened.objects.skip_to(root.next_object.max(first_object(log.next_lsn())));
        let mut poisoned = Poisoned::new();
        let Rebuilt { engine: durable, known_events, chunks, gone, damaged, named, now_ms } = loop {
            let evaluator = (options.evaluator)();
            match rebuild::<P>(evaluator, &log, &opened.store, &root, &mut opened.objects, &poisoned)? {
                Ok(rebuilt) => break rebuilt,
                Err((lsn, run)) => drop(poisoned.insert(lsn, run)),
            }
        };
        // What the checkpoint knew of, it names; later objects are named by a record after it, or by none.
        opened.objects.sweep(root.next_object, &named);
        let unnamed = read_unnamed(&opened.store)?;
        unnamed.into_iter().filter(|id| !named.contains(id)).for_each(|id| opened.objects.release(id));
        let express = Engine::new((options.evaluator)());
        let next_run = durable.runs().map(|run| run.key().0).max().unwrap_or(0).max(root.next_run);
        let mut shard = Self {
            options,
            durable,
            express,
            log,
            store: opened.store,
            objects: opened.objects,
            sandboxes: opened.sandboxes,
            world: opened.world,
            background: opened.background,
            held: Default::default(),
            activities: Default::default(),
            answers: Default::default(),
            flights: Default::default(),
            saves: Default::default(),
            wanted: Default::default(),
            stand_ins: Default::default(),
            streams: Default::default(),
            reports: Vec::new(),
            effects: Vec::new(),
            cron: Default::default(),
            known_events,
            chunks,
            checkpoint: Default::default(),
            retention: Default::default(),
            gone,
            damaged,
            next_run,
            express_lsn: 0,
            in_express: false,
            express_inputs: Default::default(),
            express_failures: Default::default(),
            now_ms,
            updates: Default::default(),
            questions: Default::default(),
            check: None,
            checks: 0,
            starved: false,
            lingers_since_us: None,
            sync_us: 0,
            failed: None,
            panicked: None,
            stats: Default::default(),
            history_lines_read: Default::default(),
        };
        shard.now();
        shard.resume(poisoned)?;
        Ok(shard)
    }

    /// Asks again for everything that was not acknowledged.
    fn resume(&mut self, poisoned: Poisoned) -> Result<(), Problem> {
        self.ready_apps()?;
        for (lsn, run) in poisoned {
            self.submit(InputKind::Quarantine { lsn, run }, Priority::Progress)?;
        }
        let mut effects = Vec::new();
        self.durable.outstanding(&mut effects);
        for effect in effects {
            match effect {
                Effect::Express(run) => {
                    _ = self.submit(InputKind::Reincarnate { run }, Priority::Progress)?
                }
                effect => self.route(self.log.durable(), effect),
            }
        }
        Ok(())
    }

    /// The record that panicked in this life, if that is why it failed.
    pub fn panicked(&self) -> Option<(Lsn, RunKey)> {
        self.panicked
    }
}

/// Objects named by records after the checkpoint are not in the root. A record names far fewer than 2^24 objects, so
/// ids that begin at the position of the log's end are beyond all of them.
fn first_object(next_lsn: Lsn) -> ObjectId {
    ObjectId(next_lsn.0 << 24)
}

fn read_root(store: &RunStore) -> Result<Root, Problem> {
    match store.meta(ROOT).map_err(|error| error.problem())? {
        None => Ok(Root::default()),
        Some(bytes) => postcard::from_bytes(&bytes).map_err(|error| corrupt(&error.to_string())),
    }
}

/// Objects that no record named at the checkpoint. One that names them has come after it, or never will.
fn read_unnamed(store: &RunStore) -> Result<Vec<ObjectId>, Problem> {
    match store.meta(UNNAMED).map_err(|error| error.problem())? {
        None => Ok(Vec::new()),
        Some(bytes) => postcard::from_bytes(&bytes).map_err(|error| corrupt(&error.to_string())),
    }
}

/// What checkpoint and log hold.
struct Rebuilt {
    engine: Engine,
    known_events: KnownEvents,
    chunks: Chunks,
    /// Forgotten runs that the store still has.
    gone: BTreeSet<RunKey>,
    /// Runs of the store that cannot be read.
    damaged: Damaged,
    /// Objects that records after the checkpoint name.
    named: BTreeSet<ObjectId>,
    now_ms: u64,
}

/// Rebuilds the state. The inner error names a record that panicked: begin again without it.
fn rebuild<P: Ports>(
    evaluator: Box<dyn Evaluator>,
    log: &Log<P::Disk>,
    store: &RunStore,
    root: &Root,
    objects: &mut P::Objects,
    poisoned: &Poisoned,
) -> Result<Result<Rebuilt, (Lsn, RunKey)>, Problem> {
    let known = store.meta(KNOWN_EVENTS).map_err(|error| error.problem())?.unwrap_or_default();
    let mut known_events = KnownEvents::restore(&known);
    let mut now_ms = root.now_ms;
    let mut engine = Engine::durable(evaluator);
    let mut chunks = Chunks::default();
    for app in store.apps().map_err(|error| error.problem())? {
        if let Some(blob) = store.app(app).map_err(|error| error.problem())? {
            engine.load_app(&blob).map_err(|error| corrupt(&error.to_string()))?;
            chunks.restore(store, &engine, app)?;
        }
    }
    restore_awaited(&mut engine, store)?;
    let mut damaged = Damaged::new();
    let mut bring_in = |engine: &mut Engine, run: RunKey| match load(engine, store, run)? {
        Found::Damaged(problem) => {
            damaged.insert(run, problem);
            Ok(())
        }
        Found::Here | Found::Nowhere => Ok(()),
    };
    root.outstanding.iter().try_for_each(|run| bring_in(&mut engine, *run))?;
    let from = Lsn(store.checkpoint_lsn().map_err(|error| error.problem())?.0 + 1);
    let mut records = log.replay(from).map_err(|error| error.problem())?;
    let (mut effects, mut gone, mut named) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    while let Some(record) = records.next().map_err(|error| error.problem())? {
        if record.format != RECORD_FORMAT || record.engine_version > ENGINE_VERSION {
            return Err(newer(record.engine_version));
        }
        let input: Input =
            postcard::from_bytes(record.payload).map_err(|error| corrupt(&error.to_string()))?;
        now_ms = input.now_ms.max(now_ms);
        super::events::remember(&mut known_events, &input.kind);
        named::gather(&input.kind, &mut named);
        if poisoned.contains_key(&record.lsn) {
            continue;
        }
        for need in engine.needs(&input).into_iter().filter(|need| !gone.contains(&need.0)) {
            bring_in(&mut engine, need.0)?;
        }
        let run = concerned(&input.kind);
        let applied = catch_unwind(AssertUnwindSafe(|| engine.apply(record.lsn, input, &mut effects)));
        match (applied, run) {
            (Ok(()), _) => {}
            (Err(_), Some(run)) => return Ok(Err((record.lsn, run))),
            (Err(_), None) => return Err(corrupt(&format!("record {} cannot be applied", record.lsn))),
        }
        // Frees are repeated, the rest is asked for again where it is still owed.
        for effect in effects.drain(..) {
            match effect {
                Effect::Release(id) => objects.release(id),
                Effect::Forgotten(run) => drop(gone.insert(run)),
                _ => {}
            }
        }
    }
    // The log still had all of these, from their start.
    damaged.retain(|run, _| engine.run(*run).is_none() && !gone.contains(run));
    Ok(Ok(Rebuilt { engine, known_events, chunks, gone, damaged, named, now_ms }))
}

fn restore_awaited(engine: &mut Engine, store: &RunStore) -> Result<(), Problem> {
    let mut unreadable = None;
    let shown = store.each_awaited(|run, awaited| match postcard::from_bytes(awaited) {
        Ok(awaited) => engine.restore_awaited(run, &awaited),
        Err(error) => unreadable = Some(corrupt(&error.to_string())),
    });
    shown.map_err(|error| error.problem())?;
    unreadable.map_or(Ok(()), Err)
}

pub(super) fn corrupt(what: &str) -> Problem {
    let message = format!("the data directory is damaged: {what}");
    Problem::new(Code::DATA_CORRUPT, message, "restore it from a backup; nothing was changed")
}

fn newer(version: u16) -> Problem {
    let message =
        format!("the log was written by engine version {version}, this one knows up to {ENGINE_VERSION}");
    Problem::new(Code::DATA_DIR_VERSION, message, "use the newer version of sluice on this data directory")
}
