//! Checkpoints: changed entities go to the store in slices, then the log before them is let go.
//!
//! A checkpoint is fuzzy. It begins at a position of the log; the entities changed until then are written over many
//! turns, each as it is at that moment, with the position it has reached. Then the store takes all of them at once,
//! beside the shard. Replay starts at the beginning and skips what an entity holds already.

use super::Shard;
use crate::ports::{Background, Objects, Ports};
use serde::{Deserialize, Serialize};
use sluice_engine::{Engine, Entity};
use sluice_storage::store::{Batch, RunIndex};
use sluice_types::{Lsn, ObjectId, RunKey};
use std::sync::mpsc::{Receiver, channel};

/// Entities written or evicted in one slice at least, so that it takes about a millisecond.
const SLICE_ENTITIES: usize = 256;
/// This many bytes of events are applied again as fast as one byte of other inputs.
const EVENT_WEIGHT: u64 = 8;
/// Entities written for every record taken in meanwhile: a checkpoint under load comes to its end.
const SLICE_PER_RECORD: usize = 2;
/// Name of the blob with the shard's own state.
pub const ROOT: &str = "root";
/// Name of the blob with the objects that may be on disk although no record names them yet, a list of their ids: a crash
/// would leave them there.
pub const UNNAMED: &str = "unnamed-objects";
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
    /// Runs that wait for the runtime: they are loaded at recovery.
    pub outstanding: Vec<RunKey>,
}

/// How far checkpoints have come.
#[derive(Default)]
pub(super) struct Progress {
    phase: Phase,
    logged_bytes: u64,
    event_bytes: u64,
    /// When the next one begins at the latest, in milliseconds since the Unix epoch; `None` when nothing was logged.
    due_ms: Option<u64>,
    /// The last record when the slice before ended.
    seen: Lsn,
}

#[derive(Default)]
enum Phase {
    /// There is none.
    #[default]
    Resting,
    /// Entities are being written.
    Saving(Saving),
    /// The store takes them.
    Committing(Committing),
    /// Idle runs beyond those that stay in memory leave it.
    Evicting(Vec<RunKey>),
}

struct Saving {
    from: Lsn,
    entities: Vec<Entity>,
    batch: Batch,
    /// Up to which line the batch holds histories.
    histories: Vec<(RunKey, u64)>,
    /// Runs that the batch removes.
    removed: Vec<RunKey>,
}

struct Committing {
    from: Lsn,
    histories: Vec<(RunKey, u64)>,
    removed: Vec<RunKey>,
    outcome: Receiver<Result<(), sluice_storage::Error>>,
}

impl Progress {
    /// Whether another slice has something to do at once.
    pub fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::Saving(_) | Phase::Evicting(_))
    }

    /// Counts what was logged, towards the next checkpoint, which is due at `due_ms` if it was not before.
    pub fn logged(&mut self, bytes: u64, due_ms: Option<u64>) {
        self.logged_bytes += bytes;
        if bytes > 0 {
            self.due_ms = self.due_ms.or(due_ms);
        }
    }

    /// When a slice has something to do without anything else happening.
    pub fn next_deadline(&self) -> Option<u64> {
        self.due_ms.filter(|_| matches!(self.phase, Phase::Resting))
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
        let last = Lsn(self.log.next_lsn().0 - 1);
        let records = last.0.saturating_sub(std::mem::replace(&mut self.checkpoint.seen, last).0) as usize;
        let slice = SLICE_ENTITIES.max(records.saturating_mul(SLICE_PER_RECORD));
        let overdue = self.checkpoint.due_ms.is_some_and(|due_ms| due_ms <= self.now_ms);
        let full = self.checkpoint.weight_bytes() >= self.options.checkpoint_bytes;
        let due = (full || overdue) && !self.stats.refusing;
        match std::mem::take(&mut self.checkpoint.phase) {
            Phase::Resting if due => self.begin_checkpoint(),
            Phase::Resting => {}
            Phase::Saving(saving) => self.save_slice(saving, slice),
            Phase::Committing(committing) if self.background.is_done() => self.committed(committing),
            Phase::Committing(committing) => self.checkpoint.phase = Phase::Committing(committing),
            Phase::Evicting(idle) => self.evict_slice(idle, slice),
        }
    }

    /// A whole checkpoint at once, before the shard stops. Everything must be durable, else there is none.
    pub fn checkpoint_now(&mut self) {
        self.finish_checkpoint();
        if self.failed.is_none() && !self.starved {
            self.begin_checkpoint();
        }
        self.finish_checkpoint();
    }

    fn finish_checkpoint(&mut self) {
        let ends = |shard: &Self| matches!(shard.checkpoint.phase, Phase::Resting) || shard.starved;
        while self.failed.is_none() && !ends(self) {
            if matches!(self.checkpoint.phase, Phase::Committing(_)) {
                self.background.finish();
            }
            self.checkpoint_slice();
        }
    }

    fn begin_checkpoint(&mut self) {
        (self.checkpoint.logged_bytes, self.checkpoint.event_bytes) = (0, 0);
        self.checkpoint.due_ms = None;
        let from = Lsn(self.log.next_lsn().0);
        let entities = self.durable.take_dirty();
        // Nothing of express runs is saved: that list would only grow.
        self.express.take_dirty();
        let saving =
            Saving { from, entities, batch: self.store.begin(), histories: Vec::new(), removed: Vec::new() };
        self.checkpoint.phase = Phase::Saving(saving);
    }

    fn save_slice(&mut self, mut saving: Saving, slice: usize) {
        for _ in 0..slice {
            match saving.entities.pop() {
                Some(entity) => self.save(&mut saving, entity),
                None => return self.commit_checkpoint(saving),
            }
        }
        self.checkpoint.phase = Phase::Saving(saving);
    }

    fn save(&mut self, saving: &mut Saving, entity: Entity) {
        let batch = &mut saving.batch;
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
                    run.ended_ms().into_iter().for_each(|ended_ms| batch.put_ended(key, ended_ms));
                    let awaited = run.awaited();
                    let awaited =
                        awaited.map(|a| postcard::to_stdvec(&a).expect("what is awaited is plain data"));
                    batch.put_awaited(key, awaited.as_deref());
                    if let Some((pieces, end)) = self.durable.save_history(key) {
                        pieces.iter().for_each(|piece| batch.put_history(key, piece.first(), piece.bytes()));
                        saving.histories.push((key, end));
                    }
                }
                _ => {
                    batch.remove_run(key);
                    saving.removed.push(key);
                }
            },
        }
    }

    /// The blobs written may hold records that are not durable yet, so those are synced first. On a full disk that has
    /// to wait.
    fn commit_checkpoint(&mut self, saving: Saving) {
        let written = Lsn(self.log.next_lsn().0 - 1);
        // Before the sync: what it releases is logged, and may be lost, while the store has the runs that it is about.
        let mut outstanding: Vec<RunKey> =
            self.durable.runs().filter(|run| !run.is_idle()).map(|run| run.key()).collect();
        self.commit();
        if self.failed.is_some() {
            return;
        }
        if self.log.durable() < written {
            self.checkpoint.phase = Phase::Saving(saving);
            return;
        }
        // What cannot be read now may have something to do once it can.
        outstanding.extend(self.damaged.keys());
        let root = Root {
            next_run: self.next_run,
            next_object: self.objects.next_id(),
            now_ms: self.now_ms,
            outstanding,
        };
        let root = postcard::to_stdvec(&root).expect("the root is plain data");
        let Saving { from, mut batch, histories, removed, .. } = saving;
        batch.put_meta(ROOT, &root);
        let unnamed: Vec<ObjectId> = self.saves.unnamed().collect();
        batch.put_meta(UNNAMED, &postcard::to_stdvec(&unnamed).expect("ids are plain data"));
        if let Some(known) = self.known_events.take_changed() {
            batch.put_meta(KNOWN_EVENTS, &known);
        }
        let (done, outcome) = channel();
        // Nobody listens any more once the shard is gone; the next one looks into the store.
        self.background.start(Box::new(move || drop(done.send(batch.commit(Lsn(from.0 - 1))))));
        self.checkpoint.phase = Phase::Committing(Committing { from, histories, removed, outcome });
    }

    fn committed(&mut self, committing: Committing) {
        let Committing { from, histories, removed, outcome } = committing;
        let outcome = outcome
            .recv()
            .unwrap_or_else(|_| Err(sluice_storage::Error::Store("the commit panicked".into())));
        match outcome.and_then(|()| self.log.truncate_before(from)) {
            Ok(()) => {
                for run in removed {
                    self.gone.remove(&run);
                }
                histories.iter().for_each(|(run, end)| self.durable.history_saved(*run, *end));
                self.checkpoint.phase = self.surplus();
            }
            // The entities of the batch count as saved, and the store wants to be opened again: so does the shard.
            Err(error) => self.fail(error.problem()),
        }
    }

    /// Idle runs beyond those that stay in memory, those that go first at the end: ended ones, then the oldest.
    fn surplus(&self) -> Phase {
        let excess = self.durable.loaded().saturating_sub(self.options.loaded_runs_max);
        if excess == 0 {
            return Phase::Resting;
        }
        let idle = self.durable.runs().filter(|run| run.is_idle());
        let mut idle: Vec<_> = idle.map(|run| (run.ended_ms().is_none(), run.key())).collect();
        idle.sort_unstable();
        Phase::Evicting(idle.into_iter().take(excess).rev().map(|(_, run)| run).collect())
    }

    /// Those that changed meanwhile stay.
    fn evict_slice(&mut self, mut idle: Vec<RunKey>, slice: usize) {
        for run in idle.split_off(idle.len().saturating_sub(slice)).into_iter().rev() {
            self.durable.evict(run);
        }
        match idle.is_empty() {
            true => self.background.start(Box::new(self.options.give_back)),
            false => self.checkpoint.phase = Phase::Evicting(idle),
        }
    }
}
