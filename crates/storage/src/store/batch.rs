//! A checkpoint in the making.

use super::tables::{self, Scope};
use super::{RunIndex, failure};
use crate::error::Error;
use redb::{Database, ReadableTable, Table, WriteTransaction};
use sluice_types::{AppKey, Lsn, RunKey};
use std::ops::Range;
use std::sync::Arc;

/// Changes that become visible and durable together. Filling it only copies bytes, so it may be done in
/// slices on a busy thread; [`Batch::commit`] does the work and may run on another.
#[derive(Debug)]
pub struct Batch {
    database: Arc<Database>,
    changes: Vec<Change>,
    /// The values, each behind its checksum.
    bytes: Vec<u8>,
}

#[derive(Debug)]
enum Change {
    PutRun(RunKey, RunIndex, Range<usize>),
    PutEnded(RunKey, u64),
    PutAwaited(RunKey, Option<Range<usize>>),
    PutHistory(RunKey, u64, Range<usize>),
    RemoveRun(RunKey),
    PutApp(AppKey, Range<usize>),
    PutMeta(String, Range<usize>),
    PutChunk(AppKey, u128, Range<usize>),
    RemoveChunk(AppKey, u128),
}

impl Batch {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database, changes: Vec::new(), bytes: Vec::new() }
    }

    /// Sets the state of a run and what it can be found by.
    pub fn put_run(&mut self, run: RunKey, blob: &[u8], index: &RunIndex) {
        let range = self.keep(blob);
        self.changes.push(Change::PutRun(run, *index, range));
    }

    /// Notes when a run ended, in milliseconds since the Unix epoch.
    pub fn put_ended(&mut self, run: RunKey, ended_ms: u64) {
        self.changes.push(Change::PutEnded(run, ended_ms));
    }

    /// Sets what brings a run back that is not in memory; `None` when nothing does.
    pub fn put_awaited(&mut self, run: RunKey, awaited: Option<&[u8]>) {
        let range = awaited.map(|awaited| self.keep(awaited));
        self.changes.push(Change::PutAwaited(run, range));
    }

    /// Adds a piece to the history of a run, which begins with line `first`.
    pub fn put_history(&mut self, run: RunKey, first: u64, piece: &[u8]) {
        let range = self.keep(piece);
        self.changes.push(Change::PutHistory(run, first, range));
    }

    /// Forgets a run and its history. Nothing happens if there is none.
    pub fn remove_run(&mut self, run: RunKey) {
        self.changes.push(Change::RemoveRun(run));
    }

    /// Sets the state of an app.
    pub fn put_app(&mut self, app: AppKey, blob: &[u8]) {
        let range = self.keep(blob);
        self.changes.push(Change::PutApp(app, range));
    }

    /// Stores bytes under a name.
    pub fn put_meta(&mut self, name: &str, bytes: &[u8]) {
        let range = self.keep(bytes);
        self.changes.push(Change::PutMeta(name.to_owned(), range));
    }

    /// Stores a part of an app's state that never changes, under its digest.
    pub fn put_chunk(&mut self, app: AppKey, digest: u128, bytes: &[u8]) {
        let range = self.keep(bytes);
        self.changes.push(Change::PutChunk(app, digest, range));
    }

    /// Forgets such a part.
    pub fn remove_chunk(&mut self, app: AppKey, digest: u128) {
        self.changes.push(Change::RemoveChunk(app, digest));
    }

    /// Bytes of memory that the batch holds on to, about.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() + self.changes.len() * size_of::<Change>()
    }

    /// Makes all changes durable, in the order they were made, with the lsn that they bring the store up to.
    /// Waits for another commit to end.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Store`], [`Error::StoreCorrupt`]: the checkpoint before stands, or this
    /// one does, as a whole. Open the store again to go on; the log still has what it needs.
    pub fn commit(self, checkpoint_lsn: Lsn) -> Result<(), Error> {
        let mut transaction = self.database.begin_write().map_err(failure)?;
        // Otherwise opening after a crash reads the whole store.
        transaction.set_quick_repair(true);
        self.apply(&transaction, checkpoint_lsn).map_err(failure)?;
        transaction.commit().map_err(failure)
    }

    fn apply(&self, transaction: &WriteTransaction, checkpoint_lsn: Lsn) -> Result<(), redb::Error> {
        let mut runs = Runs::open(transaction)?;
        let mut apps = transaction.open_table(tables::APPS)?;
        let mut meta = transaction.open_table(tables::META)?;
        let mut chunks = transaction.open_table(tables::CHUNKS)?;
        for change in &self.changes {
            match change {
                Change::PutRun(run, index, range) => runs.put(*run, index, &self.bytes[range.clone()])?,
                Change::PutEnded(run, ended_ms) => runs.end(*run, *ended_ms)?,
                Change::PutAwaited(run, Some(range)) => {
                    runs.awaited.insert(run.0, &self.bytes[range.clone()])?;
                }
                Change::PutAwaited(run, None) => drop(runs.awaited.remove(run.0)?),
                Change::PutHistory(run, first, range) => {
                    runs.history.insert((run.0, *first), &self.bytes[range.clone()])?;
                }
                Change::RemoveRun(run) => runs.remove(*run)?,
                Change::PutApp(app, range) => {
                    apps.insert(app.0, &self.bytes[range.clone()])?;
                }
                Change::PutMeta(name, range) => {
                    meta.insert(name.as_str(), &self.bytes[range.clone()])?;
                }
                Change::PutChunk(app, digest, range) => {
                    chunks.insert((app.0, *digest), &self.bytes[range.clone()])?;
                }
                Change::RemoveChunk(app, digest) => {
                    chunks.remove((app.0, *digest))?;
                }
            }
        }
        transaction.open_table(tables::CHECKPOINT)?.insert((), checkpoint_lsn.0)?;
        Ok(())
    }

    fn keep(&mut self, blob: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        tables::put_checked(&mut self.bytes, blob);
        start..self.bytes.len()
    }
}

/// The tables that know runs, kept in step.
struct Runs<'t> {
    states: Table<'t, u64, &'static [u8]>,
    index: Table<'t, u64, (u32, u8, u128)>,
    ids: Table<'t, u128, u64>,
    listing: Table<'t, u128, ()>,
    ended_at: Table<'t, u64, u64>,
    ended: Table<'t, (u64, u64), ()>,
    awaited: Table<'t, u64, &'static [u8]>,
    history: Table<'t, (u64, u64), &'static [u8]>,
}

impl<'t> Runs<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            states: transaction.open_table(tables::RUNS)?,
            index: transaction.open_table(tables::INDEX)?,
            ids: transaction.open_table(tables::RUN_IDS)?,
            listing: transaction.open_table(tables::LISTING)?,
            ended_at: transaction.open_table(tables::ENDED_AT)?,
            ended: transaction.open_table(tables::ENDED)?,
            awaited: transaction.open_table(tables::AWAITED)?,
            history: transaction.open_table(tables::HISTORY)?,
        })
    }

    fn put(&mut self, run: RunKey, index: &RunIndex, value: &[u8]) -> Result<(), redb::Error> {
        self.states.insert(run.0, value)?;
        let entry = (index.app.0, index.status, index.id_fingerprint);
        let old = self.index.insert(run.0, entry)?.map(|old| read_index(old.value()));
        if old == Some(*index) {
            return Ok(());
        }
        if let Some(old) = old {
            self.unlist(run, &old)?;
        }
        self.ids.insert(index.id_fingerprint, run.0)?;
        for scope in Scope::all(index) {
            self.listing.insert(scope.key(run), ())?;
        }
        Ok(())
    }

    fn remove(&mut self, run: RunKey) -> Result<(), redb::Error> {
        self.states.remove(run.0)?;
        self.awaited.remove(run.0)?;
        if let Some(ended_ms) = self.ended_at.remove(run.0)?.map(|ended| ended.value()) {
            self.ended.remove((ended_ms, run.0))?;
        }
        self.history.retain_in((run.0, 0)..=(run.0, u64::MAX), |_, _| false)?;
        let old = self.index.remove(run.0)?.map(|old| read_index(old.value()));
        old.map_or(Ok(()), |old| self.unlist(run, &old))
    }

    fn end(&mut self, run: RunKey, ended_ms: u64) -> Result<(), redb::Error> {
        let before = self.ended_at.insert(run.0, ended_ms)?.map(|ended| ended.value());
        if let Some(before) = before.filter(|before| *before != ended_ms) {
            self.ended.remove((before, run.0))?;
        }
        self.ended.insert((ended_ms, run.0), ())?;
        Ok(())
    }

    fn unlist(&mut self, run: RunKey, old: &RunIndex) -> Result<(), redb::Error> {
        let owner = self.ids.get(old.id_fingerprint)?.map(|owner| owner.value());
        if owner == Some(run.0) {
            self.ids.remove(old.id_fingerprint)?;
        }
        for scope in Scope::all(old) {
            self.listing.remove(scope.key(run))?;
        }
        Ok(())
    }
}

fn read_index((app, status, id_fingerprint): (u32, u8, u128)) -> RunIndex {
    RunIndex { app: AppKey(app), status, id_fingerprint }
}
