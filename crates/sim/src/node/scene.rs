//! What all fake ports of one simulation share: time, chance, disks, and a place for complaints.

use super::callees::SimCallees;
use super::desk::Desk;
use super::mutant::Mutant;
use super::objects::Vault;
use super::outside::Outside;
use super::sandboxes::Workers;
use super::verdict::{Checker, Coverage, Violation};
use crate::rng::Rng;
use sluice_runtime::ports::World;
use sluice_storage::disk::MemDisk;
use sluice_types::AppKey;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

/// When simulated time begins, in milliseconds since the Unix epoch.
const BEGINNING_MS: u64 = 1_000_000;

/// In one of so many seeds ended runs are forgotten after a while.
const FORGETTING_SEEDS: u64 = 4;
/// The shortest such while, in milliseconds.
const RETENTION_MS_MIN: u64 = 200;

/// The world of one simulation.
pub(super) struct Scene {
    pub mutant: Option<Mutant>,
    pub trace: bool,
    /// How long ended runs are kept; `None` for ever.
    pub retention_ms: Option<u64>,
    /// Faults have stopped.
    pub calm: Cell<bool>,
    pub log_disk: MemDisk,
    pub store_disk: MemDisk,
    pub desk: RefCell<Desk>,
    pub vault: RefCell<Vault>,
    pub workers: RefCell<Workers>,
    pub callees: Arc<SimCallees>,
    pub outside: RefCell<Outside>,
    /// The last write to the log that was synced: file, offset, length.
    pub last_synced: RefCell<Option<(PathBuf, u64, usize)>>,
    /// The apps as an earlier life found them, for a mutant that brings them back.
    pub old_apps: RefCell<BTreeMap<AppKey, Vec<u8>>>,
    now_ms: Cell<u64>,
    rng: RefCell<Rng>,
    coverage: RefCell<Coverage>,
    violation: RefCell<Option<Violation>>,
}

impl Scene {
    pub fn new(seed: u64, mutant: Option<Mutant>, trace: bool) -> Rc<Self> {
        Rc::new(Self {
            mutant,
            trace,
            retention_ms: (seed % FORGETTING_SEEDS == 1).then(|| RETENTION_MS_MIN + 100 * (seed % 31)),
            calm: Cell::new(false),
            log_disk: MemDisk::new(),
            store_disk: MemDisk::new(),
            desk: RefCell::default(),
            vault: RefCell::default(),
            workers: RefCell::default(),
            callees: Arc::default(),
            outside: RefCell::default(),
            last_synced: RefCell::default(),
            old_apps: RefCell::default(),
            now_ms: Cell::new(BEGINNING_MS),
            rng: RefCell::new(Rng::new(seed)),
            coverage: RefCell::default(),
            violation: RefCell::default(),
        })
    }

    pub fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    pub fn set_now_ms(&self, now_ms: u64) {
        self.now_ms.set(now_ms);
    }

    pub fn below(&self, end: usize) -> usize {
        self.rng.borrow_mut().below(end)
    }

    pub fn random(&self) -> u64 {
        self.rng.borrow_mut().bits()
    }

    /// Whether something that happens so many times in a thousand happens now.
    pub fn chance(&self, permille: u32) -> bool {
        self.rng.borrow_mut().chance(permille)
    }

    /// Whether a fault of that frequency happens now. Counts it.
    pub fn fault(&self, kind: &'static str, permille: u32) -> bool {
        let happens = !self.calm.get() && self.chance(permille);
        if happens {
            self.coverage.borrow_mut().fault(kind);
        }
        happens
    }

    pub fn cover(&self, note: impl FnOnce(&mut Coverage)) {
        note(&mut self.coverage.borrow_mut());
    }

    pub fn coverage(&self) -> Coverage {
        self.coverage.borrow().clone()
    }

    /// Notes a complaint; the first one counts.
    pub fn complain(&self, checker: Checker, message: impl Into<String>) {
        self.violation.borrow_mut().get_or_insert_with(|| Violation::new(checker, message));
    }

    /// The complaint, if there was one.
    pub fn verdict(&self) -> Result<(), Violation> {
        self.violation.borrow().clone().map_or(Ok(()), Err)
    }

    /// A line of the trace.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>10} ms  {}", self.now_ms() - BEGINNING_MS.min(self.now_ms()), line());
        }
    }
}

/// The clock and the dice that the shard sees.
pub(super) struct SimWorld(pub Rc<Scene>);

impl World for SimWorld {
    fn now_ms(&mut self) -> u64 {
        self.0.now_ms()
    }

    fn now_us(&mut self) -> u64 {
        self.0.now_ms() * 1_000
    }

    fn random(&mut self) -> u64 {
        self.0.random()
    }
}
