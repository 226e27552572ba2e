//! One seed: a shard over fake ports, clients, faults, and the checkers that watch.

use super::apps::{APP_BUCKET, SimApp, apps, next_tick, no_tick};
use super::archive::Archive;
use super::background::SimBackground;
use super::clients::Client;
use super::disk::SimDisk;
use super::ending;
use super::examination::{nothing_dangles, nothing_lost, same_histories, same_state, whole};
use super::faults::{Fault, STORE_PATH};
use super::mutant::Mutant;
use super::objects::SimObjects;
use super::sandboxes::SimSandboxes;
use super::scene::{Scene, SimWorld};
use super::verdict::{Checker, SeedReport, Violation};
use crate::eval::Plain;
use sluice_runtime::bundles::Bundles;
use sluice_runtime::ports::Ports;
use sluice_runtime::{Opened, Shard, ShardOptions};
use sluice_storage::RunStore;
use sluice_storage::log::Options as LogOptions;
use sluice_storage::store::StoreOptions;
use sluice_types::Code;
use std::path::Path;
use std::rc::Rc;

/// Turns in which everything that is left must end once faults have stopped.
const LAST_TURNS_MAX: u32 = 20_000;
/// Turns after which every run that is still open gets an event, once faults have stopped.
const TURNS_PER_EVENT: u32 = 50;
/// Turns per log record before a simulation counts as stuck.
const TURNS_PER_INPUT_MAX: u64 = 20;
/// Tries to open the shard again.
const OPENINGS_MAX: u32 = 10;
/// Clients that may be busy at once.
const CLIENTS_MAX: usize = 24;
/// A checkpoint begins at the latest so long after a change.
const CHECKPOINT_MS: u64 = 2_000;
/// Longest time that a full disk stays full, in turns.
const FULL_TURNS: u32 = 30;

/// The fake ports.
pub(super) struct SimPorts;

impl Ports for SimPorts {
    type Disk = SimDisk;
    type Sandboxes = SimSandboxes;
    type Objects = SimObjects;
    type World = SimWorld;
    type Background = SimBackground;
}

/// The shard under test.
pub(super) type SimShard = Shard<SimPorts>;

type Verdict<T = ()> = Result<T, Violation>;

struct Simulation {
    scene: Rc<Scene>,
    apps: Vec<SimApp>,
    /// `None` only between two lives.
    shard: Option<SimShard>,
    archive: Archive,
    clients: Vec<Client>,
    busy: Vec<usize>,
    next_client: u64,
    /// What follows the failure of a disk that was planned.
    then: Option<Fault>,
    full_turns: u32,
    /// The disk of the log is full whenever a checkpoint goes on.
    squeezes: bool,
    checkpoint_bytes: u64,
    old_store: Option<Vec<u8>>,
}

/// Runs one seed until the log holds so many records, then until everything has ended.
pub fn run_seed(seed: u64, inputs: u64, mutant: Option<Mutant>, trace: bool) -> SeedReport {
    let scene = Scene::new(seed, mutant, trace);
    let simulated = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| simulate(&scene, seed, inputs)));
    let (inputs, violation) = match simulated {
        Ok((inputs, verdict)) => (inputs, verdict.err()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            (0, Some(Violation::new(Checker::Recovery, format!("panic: {}", text.unwrap_or_default()))))
        }
    };
    SeedReport { inputs, coverage: scene.coverage(), violation }
}

fn simulate(scene: &Rc<Scene>, seed: u64, inputs: u64) -> (u64, Verdict) {
    let mut simulation = Simulation {
        scene: scene.clone(),
        apps: apps(seed),
        shard: None,
        archive: Archive::new(),
        clients: Vec::new(),
        busy: Vec::new(),
        next_client: 0,
        then: None,
        full_turns: 0,
        squeezes: false,
        checkpoint_bytes: 500 + scene.below(16_000) as u64,
        old_store: None,
    };
    let verdict = simulation.live(inputs);
    (simulation.archive.len(), verdict)
}

impl Simulation {
    fn live(&mut self, inputs: u64) -> Verdict {
        self.open()?;
        for at in 0..self.apps.len() {
            let program = self.apps[at].plan.program.clone();
            self.join(|number| Client::of_deploy(number, &program));
        }
        while !self.busy.is_empty() {
            self.step()?;
        }
        self.work(inputs)?;
        self.come_to_rest()
    }

    fn work(&mut self, inputs: u64) -> Verdict {
        let mut faults = Fault::ALL.to_vec();
        let distance = (inputs / (faults.len() as u64 + 1)).max(1);
        let mut next_fault = distance;
        let mut turns = 0;
        while self.archive.len() < inputs {
            turns += 1;
            if turns > inputs * TURNS_PER_INPUT_MAX {
                let message = format!("after {turns} turns the log holds {} records", self.archive.len());
                return Err(Violation::new(Checker::RunsEnd, message));
            }
            if self.archive.len() >= next_fault && !faults.is_empty() {
                next_fault += distance;
                let fault = faults.swap_remove(self.scene.below(faults.len()));
                self.suffer(fault)?;
            }
            if self.busy.len() < CLIENTS_MAX && self.scene.chance(500) {
                self.another_client();
            } else if self.scene.chance(20) {
                // All may be waiting for runs that wait for this.
                self.join(|number| Client::of_event(number, "told", None));
            }
            self.step()?;
        }
        Ok(())
    }

    fn another_client(&mut self) {
        let scene = self.scene.clone();
        let at = scene.below(self.apps.len());
        match scene.below(20) {
            0 => {
                let program = self.apps[at].plan.program.clone();
                self.join(|number| Client::of_deploy(number, &program));
            }
            1 | 2 => {
                let r#type = if scene.chance(700) { "told" } else { "unheard" };
                let addressee = self.clients[scene.below(self.clients.len())].run_started();
                let addressee = addressee.filter(|_| scene.chance(300));
                self.join(|number| Client::of_event(number, r#type, addressee));
            }
            3 => {
                let app = self.apps[2].plan.program.app.clone();
                self.join(|number| Client::of_object(number, &app, APP_BUCKET));
            }
            _ => {
                let plan = self.apps[at].plan.clone();
                self.join(|number| Client::of_run(&scene, number, &plan));
            }
        }
    }

    fn join(&mut self, make: impl FnOnce(u64) -> Client) {
        self.next_client += 1;
        self.busy.push(self.clients.len());
        self.clients.push(make(self.next_client));
    }

    /// One turn of the shard, and time passes.
    fn step(&mut self) -> Verdict {
        let mut commands = Vec::new();
        for at in &self.busy {
            commands.extend(self.clients[*at].request(&self.scene));
        }
        let shard = self.shard.as_mut().expect("it is open");
        shard.take_in(commands);
        self.scene.take_answers();
        if shard.failure().is_none() {
            self.archive.pull(shard.log(), &self.scene)?;
            self.checkpoint()?;
        }
        self.scene.take_answers();
        self.hear()?;
        self.scene.verdict()?;
        self.recover_if_failed()?;
        self.pass_time();
        Ok(())
    }

    /// A slice of a checkpoint. One that makes records durable and lets them go at once would keep them from the
    /// archive, so those are made durable before.
    fn checkpoint(&mut self) -> Verdict {
        let shard = self.shard.as_ref().expect("it is open");
        if !shard.is_starved() && shard.log().buffered_bytes() as u64 >= shard.log().segment_room_bytes() {
            self.settle()?;
        }
        let shard = self.shard.as_mut().expect("it is open");
        let before = self.scene.copy_store();
        let checkpoint = shard.store().checkpoint_lsn().ok();
        if self.squeezes {
            self.scene.log_disk.set_capacity(Some(0));
        }
        shard.checkpoint_slice();
        if std::mem::take(&mut self.squeezes) {
            match shard.is_starved() {
                true => self.full_turns = 1 + self.scene.below(FULL_TURNS as usize) as u32,
                false => self.scene.log_disk.set_capacity(None),
            }
            self.squeezes = !shard.is_starved() && self.then.is_some();
        }
        if before.is_some() && shard.store().checkpoint_lsn().ok() != checkpoint {
            self.old_store = before;
        }
        Ok(())
    }

    fn hear(&mut self) -> Verdict {
        let ended = self.scene.desk.borrow_mut().take_ended();
        for (ticket, ending) in ended {
            let client = self.busy.iter().copied().find(|at| self.clients[*at].awaits(ticket));
            if let Some(at) = client {
                self.clients[at].hear(ending, &self.scene)?;
            }
        }
        self.busy.retain(|at| !self.clients[*at].is_done());
        Ok(())
    }

    fn recover_if_failed(&mut self) -> Verdict {
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

    /// A little time, or all until something is due.
    fn pass_time(&mut self) {
        let scene = &self.scene;
        let shard = self.shard.as_ref().expect("it is open");
        let now_ms = scene.now_ms();
        let due = shard.next_deadline().into_iter().chain(scene.workers.borrow().next_due_ms()).min();
        let idle = self.busy.len() < CLIENTS_MAX / 2 || scene.calm.get();
        let next_ms = match due {
            Some(due_ms) if idle && due_ms > now_ms => due_ms.min(now_ms + 100),
            _ => now_ms + scene.below(8) as u64,
        };
        scene.set_now_ms(next_ms);
    }

    fn suffer(&mut self, fault: Fault) -> Verdict {
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

    fn crash(&mut self, kind: Fault) -> Verdict {
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

    fn open(&mut self) -> Verdict {
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
            namespace: "default".into(),
            bundles: Bundles::nowhere(),
            evaluator: || Box::new(Plain),
            cron: if scene.calm.get() { no_tick } else { next_tick },
            checkpoint_bytes: self.checkpoint_bytes,
            checkpoint_ms: CHECKPOINT_MS,
            loaded_runs_max: 10,
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

    /// Turns without new requests until all that was applied is durable.
    fn settle(&mut self) -> Verdict {
        for _ in 0..LAST_TURNS_MAX {
            let shard = self.shard.as_mut().expect("it is open");
            if shard.failure().is_some() || shard.log().next_lsn().0 == shard.log().durable().0 + 1 {
                return self.archive_all();
            }
            shard.take_in([]);
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
    fn examine(&mut self) -> Verdict {
        let shard = self.shard.as_ref().expect("it is open");
        if shard.failure().is_some() {
            return Ok(());
        }
        let whole = whole(shard)?;
        nothing_lost(&whole, &self.archive, &self.clients, &self.scene)?;
        same_state(&whole, &self.archive, &self.scene)?;
        nothing_dangles(&whole, &self.scene)
    }

    /// Faults stop; every client gets its answers and every run ends, also after a last crash.
    fn come_to_rest(&mut self) -> Verdict {
        self.scene.calm.set(true);
        self.then = None;
        self.crash(Fault::TotalLoss)?;
        for turn in 0..LAST_TURNS_MAX {
            if turn % TURNS_PER_EVENT == 0 {
                self.tell_those_who_wait();
            }
            self.step()?;
            if self.busy.is_empty() && self.is_at_rest() {
                return self.judge();
            }
        }
        let open: Vec<_> = self.archive.truth.runs().filter(|run| run.ended_ms().is_none()).take(5).collect();
        let open =
            open.iter().map(|run| format!("{} with {} calls pending", run.id(), run.pending().count()));
        let busy = self.busy.iter().take(5).map(|at| self.clients[*at].id.clone());
        let names: Vec<String> = open.chain(busy).collect();
        Err(Violation::new(Checker::RunsEnd, format!("these do not end: {}", names.join(", "))))
    }

    /// Only what waits for events keeps some runs open. An event for everybody would start runs that wait for another.
    fn tell_those_who_wait(&mut self) {
        let open = self.archive.truth.runs().filter(|run| run.ended_ms().is_none());
        let mut open: Vec<String> = open.map(|run| run.id().to_string()).collect();
        open.sort_unstable();
        for run in open {
            self.join(|number| Client::of_event(number, "told", Some(run)));
        }
    }

    fn is_at_rest(&self) -> bool {
        let shard = self.shard.as_ref().expect("it is open");
        let idle = !shard.is_busy() && shard.log().next_lsn().0 == self.archive.len() + 1;
        let flying = self.scene.workers.borrow().next_due_ms().is_some();
        let truth = &self.archive.truth;
        idle && !flying && truth.runs().all(|run| run.ended_ms().is_some() && run.outbox_len() == 0)
    }

    fn judge(&mut self) -> Verdict {
        self.settle()?;
        self.examine()?;
        self.crash(Fault::TotalLoss)?;
        same_histories(self.shard.as_ref().expect("it was just opened"), &self.archive, &self.scene)?;
        ending::judge(&self.archive.truth, &self.apps, &self.clients, &self.scene)
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
