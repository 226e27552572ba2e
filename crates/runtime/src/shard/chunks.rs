//! The parts of an app's state that do not change: chunks of the events that its triggers collect.
//!
//! Each is written once, by the first checkpoint that sees it, and removed by the first that does not. So a checkpoint
//! costs what has come since the last one, however many events wait.
//!
//! Invariant: `Chunks` names exactly the chunks that the last committed checkpoint, or the one in the making, holds.

use rustc_hash::{FxHashMap, FxHashSet};
use sluice_engine::Engine;
use sluice_engine::app::App;
use sluice_storage::RunStore;
use sluice_storage::store::Batch;
use sluice_types::{AppKey, EventPack, Problem};
use std::sync::Arc;

/// Digests of the chunks in the store, by app.
#[derive(Default)]
pub(super) struct Chunks(FxHashMap<AppKey, FxHashSet<u128>>);

impl Chunks {
    /// Adds to a checkpoint what an app has come to hold and takes from it what it holds no more.
    pub fn save(&mut self, batch: &mut Batch, app: &App) {
        let stored = self.0.entry(app.key()).or_default();
        let mut held = FxHashSet::default();
        app.event_lists(&mut |list| {
            for (digest, pack) in list.chunks() {
                if held.insert(digest)
                    && !stored.contains(&digest)
                    && let Some(pack) = pack
                {
                    let bytes = postcard::to_stdvec(&**pack).expect("events are plain data");
                    batch.put_chunk(app.key(), digest, &bytes);
                }
            }
        });
        for gone in stored.difference(&held) {
            batch.remove_chunk(app.key(), *gone);
        }
        *stored = held;
    }

    /// Gives a loaded app its chunks back.
    pub fn restore(&mut self, store: &RunStore, engine: &Engine, key: AppKey) -> Result<(), Problem> {
        let Some(app) = engine.app(key) else { return Ok(()) };
        let mut held = FxHashSet::default();
        app.event_lists(&mut |list| held.extend(list.chunks().map(|(digest, _)| digest)));
        for digest in &held {
            let bytes = store.chunk(key, *digest).map_err(|error| error.problem())?;
            let bytes = bytes.ok_or_else(|| super::recovery::corrupt("a chunk of events is missing"))?;
            let pack: EventPack = postcard::from_bytes(&bytes)
                .map_err(|error| super::recovery::corrupt(&format!("a chunk of events: {error}")))?;
            let pack = Arc::new(pack);
            app.event_lists(&mut |list| list.provide(*digest, &pack));
        }
        self.0.insert(key, held);
        Ok(())
    }
}
