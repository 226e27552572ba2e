//! What goes wrong around the shard. What goes wrong in sandboxes is in `sandboxes`.

use super::mutant::Mutant;
use super::scene::Scene;
use sluice_runtime::shard::{ROOT, Root};
use sluice_storage::RunStore;
use sluice_storage::disk::mem::Fault as DiskFault;
use sluice_storage::store::ListQuery;
use sluice_types::Lsn;
use std::path::Path;

/// Where the store is on its disk.
pub(super) const STORE_PATH: &str = "/store";

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Power is lost: of what was not synced anything may survive.
    PowerLoss,
    /// Power is lost, and with it all that was not synced.
    TotalLoss,
    /// The process is killed: what was written survives.
    Kill,
    /// A write to the log fails half way.
    LogWrite,
    /// A sync of the log fails.
    LogSync,
    /// A write to the log fails half way, and then power is lost.
    LossInWrite,
    /// A sync of the log fails, and then power is lost.
    LossInSync,
    /// A write to the store fails.
    StoreWrite,
    /// A write to the store fails, and then power is lost.
    LossInCheckpoint,
    /// The disk of the log is full for a while.
    FullDisk,
    /// The disk of the log is full for a while, and then power is lost.
    LossOnFullDisk,
    /// The disk of the log fills up while a checkpoint is written, and then power is lost.
    FullInCheckpoint,
    /// The clock is set forward.
    ClockForward,
    /// The clock is set back.
    ClockBack,
}

impl Fault {
    pub const ALL: [Self; 14] = [
        Self::PowerLoss,
        Self::TotalLoss,
        Self::Kill,
        Self::LogWrite,
        Self::LogSync,
        Self::LossInWrite,
        Self::LossInSync,
        Self::StoreWrite,
        Self::LossInCheckpoint,
        Self::FullDisk,
        Self::LossOnFullDisk,
        Self::FullInCheckpoint,
        Self::ClockForward,
        Self::ClockBack,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::PowerLoss => "power loss",
            Self::TotalLoss => "power loss, nothing unsynced left",
            Self::Kill => "killed",
            Self::LogWrite => "failed write to the log",
            Self::LogSync => "failed sync of the log",
            Self::LossInWrite => "power loss during a write to the log",
            Self::LossInSync => "power loss during a sync of the log",
            Self::StoreWrite => "failed write to the store",
            Self::LossInCheckpoint => "power loss during a checkpoint",
            Self::FullDisk => "full disk",
            Self::LossOnFullDisk => "power loss on a full disk",
            Self::FullInCheckpoint => "disk full during a checkpoint",
            Self::ClockForward => "clock set forward",
            Self::ClockBack => "clock set back",
        }
    }
}

impl Scene {
    /// Plans a fault of a disk: after a few operations that go well.
    pub fn plan_fault(&self, fault: Fault) {
        let after = self.below(3) as u64;
        match fault {
            Fault::LogWrite | Fault::LossInWrite => self.log_disk.fail_write(after, DiskFault::Io),
            Fault::LogSync | Fault::LossInSync => self.log_disk.fail_sync(after, DiskFault::Io),
            Fault::StoreWrite | Fault::LossInCheckpoint => {
                self.store_disk.fail_write(self.below(12) as u64, DiskFault::Io);
            }
            _ => {}
        }
    }

    /// The process is gone, and perhaps more: disks, memory and sandboxes keep what they keep.
    pub fn crash(&self, kind: Fault) {
        let mut choose = |bound: u64| match kind {
            Fault::TotalLoss => 0,
            Fault::Kill => bound - 1,
            _ => self.below(bound as usize) as u64,
        };
        self.log_disk.crash(&mut choose);
        self.store_disk.crash(&mut choose);
        self.vault.borrow_mut().crash(|| kind != Fault::Kill && self.chance(500));
        self.workers.borrow_mut().crash(|| !self.calm.get() && self.chance(400));
        if self.mutant == Some(Mutant::DroppedRecord) {
            self.drop_record();
        }
    }

    fn drop_record(&self) {
        let Some((path, offset, len)) = self.last_synced.take() else { return };
        if let Some(mut bytes) = self.log_disk.contents(&path) {
            let from = bytes.len().min(offset as usize);
            let to = bytes.len().min(from + len);
            bytes[from..to].fill(0);
            self.log_disk.put(&path, &bytes);
        }
    }

    /// What mutants do to the store between two lives.
    pub fn damage(&self, store: &RunStore) -> Result<(), sluice_storage::Error> {
        let checkpoint = store.checkpoint_lsn()?;
        if checkpoint == Lsn(0) {
            return Ok(());
        }
        let mut batch = store.begin();
        match self.mutant {
            Some(Mutant::WrongCheckpoint) => return batch.commit(Lsn(checkpoint.0 + 3)),
            Some(Mutant::LostTimer) => {
                let runs = store.list(ListQuery { limit: usize::MAX, ..ListQuery::default() })?;
                runs.into_iter().for_each(|run| batch.put_awaited(run, None));
            }
            Some(Mutant::ForgottenOutbox) => {
                let Some(bytes) = store.meta(ROOT)? else { return Ok(()) };
                let root: Root = postcard::from_bytes(&bytes).expect("the shard wrote it");
                let forgetful = Root { outstanding: Vec::new(), ..root };
                batch.put_meta(ROOT, &postcard::to_stdvec(&forgetful).expect("the root is plain data"));
            }
            Some(Mutant::DoubledFiring) => {
                for app in store.apps()? {
                    let now = store.app(app)?.expect("it was just listed");
                    if let Some(old) = self.old_apps.borrow_mut().insert(app, now) {
                        batch.put_app(app, &old);
                    }
                }
            }
            Some(Mutant::ForgottenRun) => {
                let runs = store.list(ListQuery { limit: usize::MAX, ..ListQuery::default() })?;
                if !runs.is_empty() {
                    batch.remove_run(runs[self.below(runs.len())]);
                }
            }
            _ => return Ok(()),
        }
        batch.commit(checkpoint)
    }

    /// The store as it is, for a mutant that brings it back.
    pub fn copy_store(&self) -> Option<Vec<u8>> {
        (self.mutant == Some(Mutant::StaleStore))
            .then(|| self.store_disk.contents(Path::new(STORE_PATH)))
            .flatten()
    }
}
