//! What the store's tables hold.

use super::RunIndex;
use crate::error::Error;
use redb::TableDefinition;
use sluice_types::{AppKey, RunKey};
use std::fmt;
use std::ops::Range;

/// State of a run: a checksum and the caller's bytes.
pub(super) const RUNS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("runs");
/// What the other tables hold of a run: app, status, fingerprint.
pub(super) const INDEX: TableDefinition<'_, u64, (u32, u8, u128)> = TableDefinition::new("index");
/// Fingerprint of a run id, and the run.
pub(super) const RUN_IDS: TableDefinition<'_, u128, u64> = TableDefinition::new("run_ids");
/// Scope (upper half) and run (lower half); every run is in four scopes.
pub(super) const LISTING: TableDefinition<'_, u128, ()> = TableDefinition::new("listing");
/// History of a run, in pieces: the number of the first line of each.
pub(super) const HISTORY: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("history");
/// What brings a run back that is not in memory, as the state of one; runs that nothing brings back are not here.
pub(super) const AWAITED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("awaited");
/// When an ended run ended, in milliseconds since the Unix epoch.
pub(super) const ENDED_AT: TableDefinition<'_, u64, u64> = TableDefinition::new("ended_at");
/// Ended runs in the order in which they ended: when, and which.
pub(super) const ENDED: TableDefinition<'_, (u64, u64), ()> = TableDefinition::new("ended");
/// State of an app, as that of a run.
pub(super) const APPS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("apps");
/// Named bytes, as those of a run.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Parts of an app's state that are written once, by digest; as those of a run.
pub(super) const CHUNKS: TableDefinition<'_, (u32, u128), &[u8]> = TableDefinition::new("chunks");
/// The lsn up to which the log is contained in the rest.
pub(super) const CHECKPOINT: TableDefinition<'_, (), u64> = TableDefinition::new("checkpoint");

const CRC_BYTES: usize = 4;

/// A set of runs that can be listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope(u64);

impl Scope {
    pub(super) fn of(app: Option<AppKey>, status: Option<u8>) -> Self {
        let kind = u64::from(app.is_some()) << 1 | u64::from(status.is_some());
        let app = u64::from(app.map_or(0, |app| app.0));
        Self(kind << 40 | app << 8 | u64::from(status.unwrap_or(0)))
    }

    /// Every scope that a run is in.
    pub(super) fn all(index: &RunIndex) -> [Self; 4] {
        let (app, status) = (Some(index.app), Some(index.status));
        [Self::of(None, None), Self::of(app, None), Self::of(None, status), Self::of(app, status)]
    }

    pub(super) fn key(self, run: RunKey) -> u128 {
        u128::from(self.0) << 64 | u128::from(run.0)
    }

    /// The keys of the runs that are older than `before`.
    pub(super) fn keys_before(self, before: Option<RunKey>) -> Range<u128> {
        let end = before.map_or(u128::from(self.0 + 1) << 64, |run| self.key(run));
        self.key(RunKey(0))..end
    }
}

/// The run in a key of the listing.
pub(super) fn listed_run(key: u128) -> RunKey {
    RunKey(key as u64)
}

/// Adds `blob` behind its checksum.
pub(super) fn put_checked(bytes: &mut Vec<u8>, blob: &[u8]) {
    bytes.extend_from_slice(&crc32c::crc32c(blob).to_le_bytes());
    bytes.extend_from_slice(blob);
}

/// The bytes behind a checksum, if it is right.
pub(super) fn checked(value: &[u8], owner: impl fmt::Display) -> Result<Vec<u8>, Error> {
    match value.split_first_chunk::<CRC_BYTES>() {
        Some((crc, blob)) if crc32c::crc32c(blob) == u32::from_le_bytes(*crc) => Ok(blob.to_vec()),
        _ => Err(Error::StoreCorrupt(format!("the state of {owner} fails its checksum"))),
    }
}
