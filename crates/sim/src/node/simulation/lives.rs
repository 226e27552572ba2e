//! Faults of the node, the deaths that follow, and the life after each.

use super::{FULL_TURNS, LAST_TURNS_MAX, SimShard, Simulation, Verdict};
use crate::eval::Plain;
use crate::node::apps::{next_tick, no_tick};
use crate::node::background::SimBackground;
use crate::node::disk::SimDisk;
use crate::node::examination::{nothing_dangles, nothing_lost, same_state, whole};
use crate::node::faults::{Fault, STORE_PATH};
use crate::node::objects::SimObjects;
use crate::node::sandboxes::SimSandboxes;
use crate::node::scene::SimWorld;
use crate::node::verdict::{Checker, Violation};
use sluice_engine::Run;
use sluice_runtime::bundles::Bundles;
use sluice_runtime::{Opened, Shard, ShardOptions};
use sluice_storage::RunStore;
use sluice_storage::log::Options as LogOptions;
use sluice_storage::store::StoreOptions;
use sluice_types::Code;
use std::path::Path;

/// Tries to open the shard again.
const OPENINGS_MAX: u32 = 10;
/// A checkpoint begins at the latest so long after a change.
const CHECKPOINT_MS: u64 = 2_000;

impl Simulation {
    pub(super) fn suffer(&mut self, fault: Fault) -> Verdict {
        let scene = self.scene.clone();
        scene.cover(|coverage| coverage.fault(fault.name()));
        scene.tell(|| format!("fault: {}", fault.name()));
        match fault {
            Fault::PowerLoss | Fault::TotalLoss | Fault::Kill => return self.crash(fault),
            Fault::LossInWrite | Fault::LossInSync | Fault::LossInCheckpoint => {
                self.then = Some(Fault::PowerLoss)
            }
            Fault::LogWrite | Fault::LogSync | Fault::StoreWrite => self.then = None,
            Fault::FullDisk | Fault::LossOnFullDisk => {
                self.then = (fault == Fault::LossOnFullDisk).then_some(Fault::PowerLoss);
                let used = scene.log_disk.used_bytes();
                scene.log_disk.set_capacity(Some(used + scene.below(20_000) as u64));
                self.full_turns = 1 + scene.below(FULL_TURNS as usize) as u32;
            }
            Fault::FullInCheckpoint => (self.then, self.squeezes) = (Some(Fault::PowerLoss), true),
            Fault::ClockForward => scene.set_now_ms(scene.now_ms() + 5_000),
            Fault::ClockBack => {
                scene.set_now_ms(scene.now_ms().saturating_sub(1_000 + scene.below(3_000) as u64))
            }
        }
        scene.plan_fault(fault);
        Ok(())
    }

    pub(super) fn crash(&mut self, kind: Fault) -> Verdict {
        self.scene.tell(|| format!("crash: {}", kind.name()));
        // Disks first: what the old shard writes while it is dropped must not reach them.
        self.scene.crash(kind);
        self.shard = None;
        self.scene.log_disk.set_capacity(None);
        (self.full_turns, self.squeezes) = (0, false);
        if let Some(old) = self.old_store.take() {
            self.scene.store_disk.put(Path::new(STORE_PATH), &old);
        }
        self.reopen()
    }

    /// Opens the shard again and looks whether everything is there.
    fn reopen(&mut self) -> Verdict {
        self.scene.take_answers();
        self.hear()?;
        self.open()?;
        self.scene.log_disk.set_capacity(None);
        let shard = self.shard.as_ref().expect("it was just opened");
        self.archive.compare(shard.log(), &self.scene)?;
        self.settle()?;
        self.examine()
    }

    pub(super) fn open(&mut self) -> Verdict {
        for attempt in 1.. {
            match self.try_open() {
                Ok(shard) => {
                    self.shard = Some(shard);
                    return self.scene.verdict();
                }
                Err(problem) if attempt >= OPENINGS_MAX || problem.code == Code::DATA_CORRUPT => {
                    let message = format!("it does not open again: {} {}", problem.code, problem.message);
                    return Err(Violation::new(Checker::Recovery, message));
                }
                Err(problem) => {
                    self.scene.tell(|| format!("not opened: {} {}", problem.code, problem.message));
                    self.scene.log_disk.set_capacity(None);
                }
            }
        }
        unreachable!("it was opened, or it was given up")
    }

    fn try_open(&self) -> Result<SimShard, sluice_types::Problem> {
        let scene = &self.scene;
        let store =
            RunStore::open(&scene.store_disk, Path::new(STORE_PATH), &StoreOptions { cache_bytes: 1 << 20 });
        let store = store.map_err(|error| error.problem())?;
        scene.damage(&store).map_err(|error| error.problem())?;
        let options = ShardOptions {
            callees: scene.callees.clone(),
            namespace: "default".into(),
            bundles: Bundles::nowhere(),
            evaluator: || Box::new(Plain),
            cron: if scene.calm.get() { no_tick } else { next_tick },
            checkpoint_bytes: self.checkpoint_bytes,
            checkpoint_ms: CHECKPOINT_MS,
            loaded_runs_max: 10,
            // At the end all that is there is judged.
            retention_ms: scene.retention_ms.filter(|_| !scene.calm.get()),
            give_back: || {},
        };
        let opened = Opened {
            disk: SimDisk(scene.clone()),
            log: log_options(),
            store,
            objects: SimObjects(scene.clone()),
            sandboxes: SimSandboxes(scene.clone()),
            world: SimWorld(scene.clone()),
            background: SimBackground::new(scene.clone()),
        };
        scene.vault.borrow_mut().replaying = true;
        let shard = Shard::open(options, opened, Path::new("/log"));
        scene.vault.borrow_mut().replaying = false;
        shard
    }

    /// Turns without new requests until all that was applied is durable, or the disk is full.
    pub(super) fn settle(&mut self) -> Verdict {
        for _ in 0..LAST_TURNS_MAX {
            let shard = self.shard.as_mut().expect("it is open");
            let all_durable = shard.log().next_lsn().0 == shard.log().durable().0 + 1;
            if all_durable || shard.is_starved() || shard.failure().is_some() {
                return self.archive_all();
            }
            shard.take_in([]);
            shard.sync();
        }
        Err(Violation::new(Checker::RunsEnd, "the shard never comes to the end of its log"))
    }

    fn archive_all(&mut self) -> Verdict {
        let shard = self.shard.as_ref().expect("it is open");
        match shard.failure() {
            Some(_) => self.scene.verdict(),
            None => self.archive.pull(shard.log(), &self.scene).and_then(|()| self.scene.verdict()),
        }
    }

    /// Compares the whole state with everything known about it.
    pub(super) fn examine(&mut self) -> Verdict {
        let shard = self.shard.as_ref().expect("it is open");
        if shard.failure().is_some() {
            return Ok(());
        }
        let whole = whole(shard)?;
        self.archive.truth.runs().filter(|run| run.workflow().is_some()).for_each(Run::check);
        nothing_lost(&whole, &self.archive, &self.clients, &self.scene)?;
        same_state(&whole, &self.archive, &self.scene)?;
        nothing_dangles(&whole, &self.scene)
    }

    pub(super) fn recover_if_failed(&mut self) -> Verdict {
        if self.full_turns > 0 {
            self.full_turns -= 1;
            if self.full_turns == 0 {
                self.scene.log_disk.set_capacity(None);
                if let Some(crash) = self.then.take() {
                    return self.crash(crash);
                }
            }
        }
        let shard = self.shard.as_ref().expect("it is open");
        let Some(problem) = shard.failure().cloned() else { return Ok(()) };
        if let Some((lsn, run)) = shard.panicked() {
            return Err(Violation::new(
                Checker::Recovery,
                format!("applying record {lsn} about {run} panicked"),
            ));
        }
        self.scene.tell(|| format!("the shard fails: {} {}", problem.code, problem.message));
        match self.then.take() {
            Some(crash) => self.crash(crash),
            None => {
                // The node opens the shard again; sandboxes and what was in memory end with the old one.
                self.shard = None;
                self.scene.vault.borrow_mut().crash(|| false);
                self.scene.workers.borrow_mut().crash(|| false);
                self.reopen()
            }
        }
    }
}

fn log_options() -> LogOptions {
    LogOptions {
        new_log_id: 7,
        segment_bytes: 64 * 1024,
        ahead_bytes: 0,
        growth_bytes: 1024,
        spares_max: 2,
        reserve_bytes: 16 * 1024,
        ..LogOptions::default()
    }
}
