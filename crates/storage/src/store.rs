//! The run store: the state of every run, as bytes, as of a checkpoint.
//!
//! A checkpoint is one transaction that also holds the lsn up to which the log is contained in it. Readers see
//! the last one committed, also while the next is being written. Values carry a checksum of their own, for
//! the B-tree underneath does not check what it reads.

mod backend;
mod batch;
mod tables;

pub use backend::FileBackend;
pub use batch::Batch;

use crate::disk::Disk;
use crate::error::{Error, is_full};
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableError};
use sluice_types::{AppKey, Lsn, RunKey};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tables::Scope;

/// How the store is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Memory for pages read and not yet written, in bytes.
    pub cache_bytes: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { cache_bytes: 32 * 1024 * 1024 }
    }
}

/// What a run can be found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunIndex {
    /// The app it belongs to.
    pub app: AppKey,
    /// Its status, as a number of the caller's choice.
    pub status: u8,
    /// What it is found by: made of its namespace and id by the engine.
    pub id_fingerprint: u128,
}

/// An ended run and when it ended, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub ended_ms: u64,
    /// Which.
    pub run: RunKey,
}

/// Which runs to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Only those of this app.
    pub app: Option<AppKey>,
    /// Only those with this status.
    pub status: Option<u8>,
    /// Only those older than this one: the last of the page before.
    pub before: Option<RunKey>,
    /// Most runs returned.
    pub limit: usize,
}

/// The state of runs as of the last checkpoint. Clones share it.
#[derive(Clone, Debug)]
pub struct RunStore {
    database: Arc<Database>,
}

impl RunStore {
    /// Opens the store in the file `path`, or creates it.
    ///
    /// # Errors
    /// [`Error::StoreCorrupt`], [`Error::DiskFull`], [`Error::Io`], [`Error::Store`].
    pub fn open<D>(disk: &D, path: &Path, options: &StoreOptions) -> Result<Self, Error>
    where
        D: Disk,
        D::File: std::fmt::Debug + Send + Sync + 'static,
    {
        let file = match disk.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(path),
            opened => opened,
        };
        let file = file.map_err(|e| Error::io(path, e))?;
        let store = Self::on_backend(FileBackend::new(file), options)?;
        let dir = path.parent().unwrap_or(Path::new("."));
        disk.sync_dir(dir).map_err(|e| Error::io(dir, e))?;
        Ok(store)
    }

    /// Opens the store that `backend` holds, or creates it there.
    ///
    /// # Errors
    /// As [`RunStore::open`].
    pub fn on_backend(backend: impl redb::StorageBackend, options: &StoreOptions) -> Result<Self, Error> {
        let mut builder = Database::builder();
        builder.set_cache_size(options.cache_bytes);
        let database = builder.create_with_backend(backend).map_err(failure)?;
        Ok(Self { database: Arc::new(database) })
    }

    /// A batch for the next checkpoint, empty.
    pub fn begin(&self) -> Batch {
        Batch::new(Arc::clone(&self.database))
    }

    /// The last record whose effects the store holds; 0 before the first checkpoint.
    ///
    /// # Errors
    /// [`Error::Store`], as every method that reads.
    pub fn checkpoint_lsn(&self) -> Result<Lsn, Error> {
        let Some(table) = present(self.read()?.open_table(tables::CHECKPOINT))? else { return Ok(Lsn(0)) };
        Ok(Lsn(table.get(()).map_err(failure)?.map_or(0, |lsn| lsn.value())))
    }

    /// The state of a run.
    ///
    /// # Errors
    /// [`Error::StoreCorrupt`] if it is damaged.
    pub fn run(&self, run: RunKey) -> Result<Option<Vec<u8>>, Error> {
        let Some(table) = present(self.read()?.open_table(tables::RUNS))? else { return Ok(None) };
        let value = table.get(run.0).map_err(failure)?;
        value.map(|value| tables::checked(value.value(), run)).transpose()
    }

    /// At most `limit` runs that ended before a time, in the order in which they did, behind the one `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn ended_before(&self, ended_ms: u64, after: Ended, limit: usize) -> Result<Vec<Ended>, Error> {
        let Some(table) = present(self.read()?.open_table(tables::ENDED))? else { return Ok(vec![]) };
        let begin = (after.ended_ms, after.run.0.saturating_add(1));
        if begin >= (ended_ms, 0) {
            return Ok(vec![]);
        }
        let range = table.range(begin..(ended_ms, 0)).map_err(failure)?;
        let ended = |(ended_ms, run)| Ended { ended_ms, run: RunKey(run) };
        range.take(limit).map(|entry| Ok(ended(entry.map_err(failure)?.0.value()))).collect()
    }

    /// Shows every run that something brings back, and what that is, in the order of their keys.
    ///
    /// # Errors
    /// [`Error::StoreCorrupt`] if it is damaged.
    pub fn each_awaited(&self, mut visit: impl FnMut(RunKey, &[u8])) -> Result<(), Error> {
        let Some(table) = present(self.read()?.open_table(tables::AWAITED))? else { return Ok(()) };
        for entry in table.iter().map_err(failure)? {
            let (run, awaited) = entry.map_err(failure)?;
            visit(RunKey(run.value()), &tables::checked(awaited.value(), RunKey(run.value()))?);
        }
        Ok(())
    }

    /// The piece of a run's history that holds line `line`, or the last one before it; and the number of its first line.
    ///
    /// # Errors
    /// [`Error::StoreCorrupt`] if it is damaged.
    pub fn history_at(&self, run: RunKey, line: u64) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let Some(table) = present(self.read()?.open_table(tables::HISTORY))? else { return Ok(None) };
        let mut before = table.range((run.0, 0)..=(run.0, line)).map_err(failure)?;
        let Some(piece) = before.next_back().transpose().map_err(failure)? else { return Ok(None) };
        Ok(Some((piece.0.value().1, tables::checked(piece.1.value(), run)?)))
    }

    /// The run with this fingerprint of its id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn find(&self, id_fingerprint: u128) -> Result<Option<RunKey>, Error> {
        let Some(table) = present(self.read()?.open_table(tables::RUN_IDS))? else { return Ok(None) };
        Ok(table.get(id_fingerprint).map_err(failure)?.map(|run| RunKey(run.value())))
    }

    /// Runs, newest first. Costs no more than what it returns.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn list(&self, query: ListQuery) -> Result<Vec<RunKey>, Error> {
        let transaction = self.read()?;
        let scope = Scope::of(query.app, query.status);
        let Some(table) = present(transaction.open_table(tables::LISTING))? else { return Ok(vec![]) };
        let range = table.range(scope.keys_before(query.before)).map_err(failure)?;
        let newest = range.rev().take(query.limit);
        newest.map(|entry| Ok(tables::listed_run(entry.map_err(failure)?.0.value()))).collect()
    }

    /// The state of an app.
    ///
    /// # Errors
    /// [`Error::StoreCorrupt`] if it is damaged.
    pub fn app(&self, app: AppKey) -> Result<Option<Vec<u8>>, Error> {
        let Some(table) = present(self.read()?.open_table(tables::APPS))? else { return Ok(None) };
        let value = table.get(app.0).map_err(failure)?;
        value.map(|value| tables::checked(value.value(), app)).transpose()
    }

    /// Every app there is, in the order of their keys.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn apps(&self) -> Result<Vec<AppKey>, Error> {
        let Some(table) = present(self.read()?.open_table(tables::APPS))? else { return Ok(vec![]) };
        let entries = table.iter().map_err(failure)?;
        entries.map(|entry| Ok(AppKey(entry.map_err(failure)?.0.value()))).collect()
    }

    /// A part of an app's state, by its digest.
    ///
    /// # Errors
    /// [`Error::StoreCorrupt`] if it is damaged.
    pub fn chunk(&self, app: AppKey, digest: u128) -> Result<Option<Vec<u8>>, Error> {
        let Some(table) = present(self.read()?.open_table(tables::CHUNKS))? else { return Ok(None) };
        let value = table.get((app.0, digest)).map_err(failure)?;
        value.map(|value| tables::checked(value.value(), app)).transpose()
    }

    /// What was stored under a name.
    ///
    /// # Errors
    /// [`Error::StoreCorrupt`] if it is damaged.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(table) = present(self.read()?.open_table(tables::META))? else { return Ok(None) };
        let value = table.get(name).map_err(failure)?;
        value.map(|value| tables::checked(value.value(), name)).transpose()
    }

    fn read(&self) -> Result<ReadTransaction, Error> {
        self.database.begin_read().map_err(failure)
    }
}

/// A table, if the first checkpoint has been committed.
fn present<T>(table: Result<T, TableError>) -> Result<Option<T>, Error> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(failure(error)),
    }
}

/// What a failure of the B-tree means to the caller.
fn failure(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Io(error) if is_full(&error) => Error::DiskFull,
        redb::Error::Corrupted(what) => Error::StoreCorrupt(what),
        error => Error::Store(error.to_string()),
    }
}
