//! Checkpoints: changed entities go to the store in slices, then the log before them is let go.
//!
//! A checkpoint is fuzzy. It begins at a position of the log; the entities changed until then are written over many
//! turns, each as it is at that moment, with the position it has reached. Replay starts at the beginning and skips
//! what an entity holds already.

use super::Shard;
use crate::ports::{Objects, Ports};
use serde::{Deserialize, Serialize};
use sluice_engine::{Engine, Entity, Timer};
use sluice_storage::store::{Batch, RunIndex};
use sluice_types::{AppKey, Lsn, ObjectId, RunKey};

/// Entities written in one slice, so that it takes about a millisecond.
const SLICE_ENTITIES: usize = 256;
/// This many bytes of events are applied again as fast as one byte of other inputs.
const EVENT_WEIGHT: u64 = 8;
/// Name of the blob with the shard's own state.
pub const ROOT: &str = "root";
/// Name of the blob with the events seen lately.
pub(super) const KNOWN_EVENTS: &str = "known-events";

/// The shard's own state in the store.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Root {
    /// Keys of runs up to this one were given.
    pub next_run: u64,
    /// Objects below this one were named.
    pub next_object: ObjectId,
    /// The time of the last record, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Timers of runs that were not in memory.
    pub timers: Vec<Timer>,
    /// Runs that were not in memory and listen to events.
    pub listeners: Vec<(AppKey, RunKey)>,
    /// Runs that wait for the runtime: they are loaded at recovery.
    pub outstanding: Vec<RunKey>,
}

/// A checkpoint under way.
#[derive(Default)]
pub(super) struct Progress {
    begun: Option<Begun>,
    logged_bytes: u64,
    event_bytes: u64,
}

struct Begun {
    from: Lsn,
    entities: Vec<Entity>,
    batch: Batch,
}

impl Progress {
    pub fn is_under_way(&self) -> bool {
        self.begun.is_some()
    }

    /// Counts what was logged, towards the next checkpoint.
    pub fn logged(&mut self, bytes: u64) {
        self.logged_bytes += bytes;
    }

    /// Counts those among them that are events.
    pub fn logging_events(&mut self, bytes: u64) {
        self.event_bytes += bytes;
    }

    /// How much was logged since the last checkpoint, in bytes that take as long to apply again as others.
    fn weight_bytes(&self) -> u64 {
        self.logged_bytes.saturating_sub(self.event_bytes / EVENT_WEIGHT * (EVENT_WEIGHT - 1))
    }
}

impl<P: Ports> Shard<P> {
    /// Begins a checkpoint when enough was logged, and does one slice of the one under way.
    pub fn checkpoint_slice(&mut self) {
        if self.failed.is_some() {
            return;
        }
        let due = self.checkpoint.weight_bytes() >= self.options.checkpoint_bytes && !self.stats.refusing;
        if self.checkpoint.begun.is_none() && due {
            self.begin_checkpoint();
        }
        let Some(mut begun) = self.checkpoint.begun.take() else { return };
        for _ in 0..SLICE_ENTITIES {
            match begun.entities.pop() {
                Some(entity) => self.save(&mut begun.batch, entity),
                None => return self.finish_checkpoint(begun),
            }
        }
        self.checkpoint.begun = Some(begun);
    }

    /// A whole checkpoint at once, before the shard stops. Everything must be durable.
    pub fn checkpoint_now(&mut self) {
        if self.failed.is_some() {
            return;
        }
        if self.checkpoint.begun.is_none() {
            self.begin_checkpoint();
        }
        while self.checkpoint.is_under_way() {
            self.checkpoint_slice();
        }
    }

    fn begin_checkpoint(&mut self) {
        (self.checkpoint.logged_bytes, self.checkpoint.event_bytes) = (0, 0);
        let from = Lsn(self.log.next_lsn().0);
        let entities = self.durable.take_dirty();
        self.checkpoint.begun = Some(Begun { from, entities, batch: self.store.begin() });
    }

    fn save(&mut self, batch: &mut Batch, entity: Entity) {
        match entity {
            Entity::App(app) => {
                if let Some(blob) = self.durable.save_app(app) {
                    self.durable.app(app).into_iter().for_each(|app| self.chunks.save(batch, app));
                    batch.put_app(app, &blob);
                }
            }
            Entity::Run(key) => match (self.durable.run(key), self.durable.save_run(key)) {
                (Some(run), Some(blob)) => {
                    let id_fingerprint = Engine::fingerprint(run.namespace(), run.id());
                    let index = RunIndex { app: run.app(), status: run.status() as u8, id_fingerprint };
                    batch.put_run(key, &blob, &index);
                }
                _ => batch.remove_run(key),
            },
        }
    }

    /// The blobs written may hold records that are not durable yet, so those are synced first.
    fn finish_checkpoint(&mut self, mut begun: Begun) {
        self.commit();
        if self.failed.is_some() {
            return;
        }
        let root = Root {
            next_run: self.next_run,
            next_object: self.objects.next_id(),
            now_ms: self.now_ms,
            timers: self.durable.evicted_timers(),
            listeners: self.durable.evicted_listeners(),
            outstanding: self.durable.runs().filter(|run| !run.is_idle()).map(|run| run.key()).collect(),
        };
        let root = postcard::to_stdvec(&root).expect("the root is plain data");
        begun.batch.put_meta(ROOT, &root);
        if let Some(known) = self.known_events.take_changed() {
            begun.batch.put_meta(KNOWN_EVENTS, &known);
        }
        let replay_from = begun.from;
        let committed = begun.batch.commit(Lsn(replay_from.0 - 1));
        match committed.and_then(|()| self.log.truncate_before(replay_from)) {
            Ok(()) => self.evict(),
            // The entities of the batch count as saved, and the store wants to be opened again: so does the shard.
            Err(error) => self.fail(error.problem()),
        }
    }

    /// Idle runs that are in the store as they are leave memory, the ended ones first.
    fn evict(&mut self) {
        let excess = self.durable.runs().count().saturating_sub(self.options.loaded_runs_max);
        let mut idle: Vec<(bool, RunKey)> = self
            .durable
            .runs()
            .filter(|run| run.is_idle())
            .map(|run| (run.ended_ms().is_none(), run.key()))
            .collect();
        idle.sort_unstable();
        for (_, run) in idle.into_iter().take(excess) {
            self.durable.evict(run);
        }
    }
}
