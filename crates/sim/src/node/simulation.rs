//! One seed: a shard over fake ports, clients, faults, and the checkers that watch.

mod lives;
mod rest;

use super::apps::{APP_BUCKET, SimApp, apps};
use super::archive::Archive;
use super::background::SimBackground;
use super::clients::Client;
use super::disk::SimDisk;
use super::faults::Fault;
use super::mutant::Mutant;
use super::objects::SimObjects;
use super::sandboxes::SimSandboxes;
use super::scene::{Scene, SimWorld};
use super::verdict::{Checker, SeedReport, Violation};
use sluice_runtime::Shard;
use sluice_runtime::ports::Ports;
use sluice_types::Durability;
use std::rc::Rc;

/// Turns in which everything that is left must end once faults have stopped.
const LAST_TURNS_MAX: u32 = 20_000;
/// Log records from one fault of the node to the next on average, at most.
const FAULT_DISTANCE_MAX: u64 = 60;
/// Turns per log record before a simulation counts as stuck.
const TURNS_PER_INPUT_MAX: u64 = 20;
/// Clients that may be busy at once.
const CLIENTS_MAX: usize = 24;
/// Turns in a thousand in which time leaps, and how far at most, in milliseconds.
const LEAPS: u32 = 20;
const LEAP_MS: usize = 1_500;
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
        let distance = (inputs / (faults.len() as u64 + 1)).clamp(1, FAULT_DISTANCE_MAX);
        let mut next_fault = distance;
        let mut turns = 0;
        while self.archive.len() < inputs {
            turns += 1;
            if turns > inputs * TURNS_PER_INPUT_MAX {
                let message = format!("after {turns} turns the log holds {} records", self.archive.len());
                return Err(Violation::new(Checker::RunsEnd, message));
            }
            if self.archive.len() >= next_fault {
                next_fault += 1 + self.scene.below(2 * distance as usize) as u64;
                let fault = faults.swap_remove(self.scene.below(faults.len()));
                if faults.is_empty() {
                    faults = Fault::ALL.to_vec();
                }
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
                let program = self.apps[at].version(&scene);
                self.join(|number| Client::of_deploy(number, &program));
            }
            1 | 2 => {
                let r#type = if scene.chance(700) { "told" } else { "unheard" };
                let addressee = self.clients[scene.below(self.clients.len())].run_started();
                let addressee = addressee.filter(|_| scene.chance(300));
                self.join(|number| Client::of_event(number, r#type, addressee));
            }
            4 | 5 => self.fork_one(),
            3 => {
                let app = self.apps[2].plan.program.app.clone();
                self.join(|number| Client::of_object(number, &app, APP_BUCKET));
            }
            _ if !self.apps[at].startable().is_empty() => {
                let app = self.apps[at].plan.program.clone();
                let workflow = *self.apps[at].startable().get(scene.below(3)).expect("there are three");
                let make =
                    if self.apps[at].machines.is_some() { Client::of_workflow } else { Client::of_code };
                self.join(|number| make(&scene, number, &app, workflow));
            }
            _ => {
                let plan = self.apps[at].plan.clone();
                self.join(|number| Client::of_run(&scene, number, &plan));
            }
        }
    }

    /// Forks the run of a workflow that is code, if one was started, or has it go on on another version.
    fn fork_one(&mut self) {
        let scene = self.scene.clone();
        let is_code = |app: &str| {
            let app = self.apps.iter().find(|of| *of.plan.program.app == *app);
            app.is_some_and(|app| !app.codes.is_empty() && app.plan.program.durability == Durability::Durable)
        };
        let forkable = |client: &&Client| client.run_started().is_some() && is_code(&client.app);
        let runs: Vec<&Client> = self.clients.iter().filter(forkable).collect();
        if let Some(parent) = runs.len().checked_sub(1).map(|last| runs[last - scene.below(last.min(20) + 1)])
        {
            if scene.chance(400) {
                let going = Client::of_move(&scene, self.next_client + 1, parent);
                return self.join(|_| going);
            }
            let at = scene.chance(600).then(|| self.archive.record_of(&parent.id, &scene)).flatten();
            let fork = Client::of_fork(&scene, self.next_client + 1, parent, at);
            self.join(|_| fork);
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
        commands.extend(self.scene.outside.borrow_mut().requests(&self.scene));
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
            if self.scene.outside.borrow_mut().hear(ticket, &ending, &self.scene)? {
                continue;
            }
            let client = self.busy.iter().copied().find(|at| self.clients[*at].awaits(ticket));
            if let Some(at) = client {
                self.clients[at].hear(ending, &self.scene)?;
            }
        }
        self.busy.retain(|at| !self.clients[*at].is_done());
        Ok(())
    }

    /// A little time, or all until something is due.
    fn pass_time(&mut self) {
        let scene = &self.scene;
        let shard = self.shard.as_ref().expect("it is open");
        let now_ms = scene.now_ms();
        let outside = scene.outside.borrow().next_due_ms();
        let due = shard.next_deadline().into_iter().chain(scene.workers.borrow().next_due_ms());
        let due = due.chain(outside).min();
        let idle = self.busy.len() < CLIENTS_MAX / 2 || scene.calm.get();
        let next_ms = match due {
            Some(due_ms) if idle && due_ms > now_ms => due_ms.min(now_ms + 100),
            // Workflows wait for seconds.
            _ if scene.chance(LEAPS) => now_ms + scene.below(LEAP_MS) as u64,
            _ => now_ms + scene.below(8) as u64,
        };
        scene.set_now_ms(next_ms);
    }
}
