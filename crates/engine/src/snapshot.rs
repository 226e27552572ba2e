//! Entities as bytes: what the store keeps, and what the state hash is made of.

use crate::app::App;
use crate::compiled::Compiled;
use crate::engine::Engine;
use crate::run::{Chunk, Run};
use crate::timers::{Entity, TimerId};
use serde::{Deserialize, Serialize};
use sluice_types::{AppKey, RunKey};

/// What brings a run back that is not in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// Its app.
    pub app: AppKey,
    /// Whether it listens to events.
    pub listens: bool,
    /// Its timers and when they are due, in milliseconds since the Unix epoch.
    pub deadlines: Vec<(TimerId, u64)>,
}

/// Bytes that are not an entity of this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a stored entity cannot be read: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

fn write(entity: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_stdvec(entity).expect("entities are plain data")
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    postcard::from_bytes(bytes).map_err(|error| Unreadable(error.to_string()))
}

/// What a stored entity adds to the state hash.
pub fn entity_hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

impl Engine {
    /// A loaded run as bytes.
    pub fn save_run(&self, run: RunKey) -> Option<Vec<u8>> {
        self.runs.get(&run).map(|run| write(&**run))
    }

    /// The part of a loaded run's history that the store does not hold yet, as of now, and the line at which it ends.
    pub fn save_history(&mut self, run: RunKey) -> Option<(&[Chunk], u64)> {
        let run = self.runs.get_mut(&run)?;
        let end = run.history_len() + 1;
        Some((run.close_history(), end))
    }

    /// The store holds a run's history before line `end`.
    pub fn history_saved(&mut self, run: RunKey, end: u64) {
        if let Some(run) = self.runs.get_mut(&run) {
            run.history_saved(end);
        }
    }

    /// An app as bytes.
    pub fn save_app(&self, app: AppKey) -> Option<Vec<u8>> {
        self.apps.get(&app).map(write)
    }

    /// Makes a stored run live. Its app must have been loaded. A run that is live already stays as it is.
    pub fn load_run(&mut self, bytes: &[u8]) -> Result<RunKey, Unreadable> {
        let mut run: Run = read(bytes)?;
        if self.runs.contains_key(&run.key()) {
            return Ok(run.key());
        }
        let compiled = self.compiled(run.app(), run.version());
        let compiled =
            compiled.ok_or_else(|| Unreadable(format!("{} {} is gone", run.app(), run.version())))?;
        run.attach(if run.is_called_workflow() { Compiled::called(&compiled) } else { compiled });
        if let Some(app) = self.app(run.app()) {
            run.regain(app);
        }
        let key = run.key();
        for (id, due_ms) in run.deadlines() {
            self.timers.update(Entity::Run(key), id, None, Some(due_ms));
        }
        match run.listens() {
            true => self.listening.insert(run.app(), key),
            false => self.listening.remove(run.app(), key),
        }
        self.ids.insert(Self::fingerprint(run.namespace(), run.id()), key);
        self.runs.insert(key, Box::new(run));
        Ok(key)
    }

    /// Makes a stored app live.
    pub fn load_app(&mut self, bytes: &[u8]) -> Result<AppKey, Unreadable> {
        let mut app: App = read(bytes)?;
        app.attach();
        let key = app.key();
        for (id, due_ms) in app.deadlines() {
            self.timers.update(Entity::App(key), id, None, Some(due_ms));
        }
        self.apps.insert(key, app);
        Ok(key)
    }

    /// Drops a run from memory; its timers and subscriptions stay. It must be in the store as it is now, and idle.
    pub fn evict(&mut self, key: RunKey) -> bool {
        let evictable = self.runs.get(&key).is_some_and(|run| run.is_idle() && !run.dirty);
        if let Some(run) = evictable.then(|| self.runs.remove(&key)).flatten() {
            self.ids.remove(&Self::fingerprint(run.namespace(), run.id()));
        }
        evictable
    }

    /// Restores what a run that is not loaded waits for.
    pub fn restore_awaited(&mut self, run: RunKey, awaited: &Awaited) {
        for (id, due_ms) in &awaited.deadlines {
            self.timers.update(Entity::Run(run), *id, None, Some(*due_ms));
        }
        if awaited.listens {
            self.listening.insert(awaited.app, run);
        }
    }

    /// A sum over the loaded entities: equal states give equal sums, in whatever order they came to be. For evicted runs
    /// add the [`entity_hash`] of what the store holds.
    pub fn state_hash(&self) -> u64 {
        let apps = self.apps.values().map(|app| entity_hash(&write(app)));
        let runs = self.runs.values().map(|run| entity_hash(&write(&**run)));
        apps.chain(runs).fold(0, u64::wrapping_add)
    }
}
