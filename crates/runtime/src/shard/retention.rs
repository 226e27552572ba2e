//! Retention: runs that ended long ago are forgotten, a few in every turn.

use super::Shard;
use crate::ports::Ports;
use sluice_engine::InputKind;
use sluice_storage::log::Priority;
use sluice_storage::store::Ended;
use sluice_types::{Problem, RunKey};

/// Runs forgotten in one turn.
const FORGOTTEN_PER_TURN_MAX: usize = 64;
/// Longest time between two looks for runs to forget, in milliseconds.
const LOOK_EVERY_MS: u64 = 60 * 60 * 1000;

/// Where the look for runs to forget is.
#[derive(Default)]
pub(super) struct Retention {
    /// When it goes on, in milliseconds since the Unix epoch.
    due_ms: u64,
    /// The last run that was forgotten in this look.
    last: Ended,
}

impl Retention {
    pub fn next_deadline(&self) -> u64 {
        self.due_ms
    }
}

impl<P: Ports> Shard<P> {
    /// Whether a run is forgotten that the store still has.
    pub fn is_forgotten(&self, run: RunKey) -> bool {
        self.gone.contains(&run)
    }

    /// Forgets some of the runs whose time is over.
    pub(super) fn forget_expired(&mut self, now_ms: u64) {
        let Some(retention_ms) = self.options.retention_ms else { return };
        if now_ms < self.retention.due_ms || self.stats.refusing {
            return;
        }
        let before_ms = now_ms.saturating_sub(retention_ms);
        if let Err(problem) = self.forget_ended_before(before_ms) {
            return self.fail(problem);
        }
        if self.retention.last == Ended::default() {
            // Never at once again: what is forgotten leaves the store with the next checkpoint only.
            self.retention.due_ms = now_ms.saturating_add(retention_ms.clamp(1_000, LOOK_EVERY_MS));
        }
    }

    fn forget_ended_before(&mut self, before_ms: u64) -> Result<(), Problem> {
        let ended = self.store.ended_before(before_ms, self.retention.last, FORGOTTEN_PER_TURN_MAX);
        let ended = ended.map_err(|error| error.problem())?;
        self.retention.last = match ended.len() < FORGOTTEN_PER_TURN_MAX {
            true => Ended::default(),
            false => ended.last().copied().unwrap_or_default(),
        };
        for Ended { run, .. } in ended {
            // What the store says is as old as its last checkpoint: the run may have been redriven since.
            self.look_up(run)?;
            let ended_ms = self.durable.run(run).and_then(sluice_engine::Run::ended_ms);
            if ended_ms.is_none_or(|ended_ms| ended_ms >= before_ms) {
                continue;
            }
            // Without room in the log it is met again at the next look.
            if self.submit(InputKind::Forget { run }, Priority::NewWork).is_err() {
                break;
            }
        }
        Ok(())
    }
}
