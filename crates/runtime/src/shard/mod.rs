//! The shard: one thread's worth of engine, log, objects and sandboxes, driven turn by turn.
//!
//! A turn takes commands, sandbox reports and due timers, each as an input: appended to the log (this fixes the
//! order), applied to the engine, its effects held. Then one sync makes all of them durable, and the effects are
//! performed. Nothing here blocks but that sync, and nothing here knows of threads.
//!
//! Invariants:
//! * an effect of the durable engine, and an answer that shows its state, leaves only when `log.durable()` has reached
//!   the record that caused it; attempts of functions that can only put and get are the one exception;
//! * the express engine executes runs whose start is durable; its effects are performed at once;
//! * `now_ms` never goes back, whatever the clock does.

mod activities;
mod answers;
mod apps;
mod calls;
mod check;
mod checkpoint;
mod children;
mod chunks;
mod commands;
mod documents;
mod effects;
mod events;
mod express;
mod flights;
mod forkable;
mod forks;
mod loading;
mod named;
mod past;
mod prefix;
mod queries;
mod questions;
mod recovery;
mod reports;
mod retention;
mod saves;
mod schedules;
mod stand_ins;
mod starts;
mod streams;
mod tasks;
mod turns;
mod under_way;
mod updates;
mod views;
mod workflows;

pub use checkpoint::{ROOT, Root, UNNAMED};
pub use recovery::Opened;

use crate::bundles::Bundles;
use crate::handle::{Answer, Command};
use crate::ports::{Ports, Report, Sandboxes, World};
use answers::{Answers, Held};
use flights::Flights;
use sluice_engine::{Effect, Engine, Input, InputKind};
use sluice_storage::log::{Head, Priority};
use sluice_storage::{Log, RunStore};
use sluice_types::{Code, Evaluator, Lsn, Problem, RunKey};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Version of the meaning of inputs, in every record.
pub const ENGINE_VERSION: u16 = 4;
/// Version of the notation of inputs, in every record.
pub const RECORD_FORMAT: u8 = 4;

/// Bytes of log files filled in one go while the shard is idle.
const PREPARE_BYTES: u64 = 256 * 1024;
/// How long records wait for others to be synced with, if nobody waits for what they caused, in microseconds.
const LINGER_US: u64 = 2_000;
/// How long they wait if somebody does, but more is about to be reported: so many times what a sync takes. A worker whose call
/// has ended is idle until this thread gives it another, which it cannot during a sync.
const GATHER_SYNCS: u64 = 3;
/// What a sync is taken to cost, in microseconds.
const SYNC_US: std::ops::RangeInclusive<u64> = 50..=1_000;

/// What a shard is told at its start.
pub struct ShardOptions {
    /// The tenant whose runs these are.
    pub namespace: std::sync::Arc<str>,
    /// Where code bundles lie.
    pub bundles: Bundles,
    /// Makes an evaluator for expressions; each engine has its own.
    pub evaluator: fn() -> Box<dyn Evaluator>,
    /// Finds what does the work of workflows' tasks.
    pub callees: std::sync::Arc<dyn crate::callees::Callees>,
    /// When a cron expression is due next: (expression, time zone, after ms) -> ms.
    pub cron: fn(&str, &str, u64) -> Option<u64>,
    /// A checkpoint begins when this many bytes were logged since the last.
    pub checkpoint_bytes: u64,
    /// A checkpoint begins at the latest so many milliseconds after something changed that is in none; `u64::MAX` for
    /// whenever.
    pub checkpoint_ms: u64,
    /// Runs kept in memory; beyond it idle ones are evicted after a checkpoint.
    pub loaded_runs_max: usize,
    /// How long an ended run is kept, in milliseconds; `None` for ever.
    pub retention_ms: Option<u64>,
    /// Gives free memory back to the system; called in the background after runs were evicted.
    pub give_back: fn(),
}

/// A shard.
pub struct Shard<P: Ports> {
    pub(crate) options: ShardOptions,
    pub(crate) durable: Engine,
    pub(crate) express: Engine,
    pub(crate) log: Log<P::Disk>,
    pub(crate) store: RunStore,
    pub(crate) objects: P::Objects,
    pub(crate) sandboxes: P::Sandboxes,
    pub(crate) world: P::World,
    background: P::Background,
    held: VecDeque<(Lsn, Held)>,
    activities: activities::Activities,
    answers: Answers,
    flights: Flights,
    saves: saves::Saves,
    updates: updates::Updates,
    questions: questions::Questions,
    check: Option<check::Check>,
    /// How many versions were checked since the node was started.
    checks: u32,
    streams: streams::Streams,
    wanted: turns::Wanted,
    stand_ins: stand_ins::StandIns,
    reports: Vec<Report>,
    /// Room for the effects of one input, used again.
    effects: Vec<Effect>,
    cron: apps::CronTable,
    known_events: crate::known::KnownEvents,
    chunks: chunks::Chunks,
    checkpoint: checkpoint::Progress,
    retention: retention::Retention,
    /// Forgotten runs that the store still has.
    gone: BTreeSet<RunKey>,
    /// Runs of the store that cannot be read.
    damaged: loading::Damaged,
    next_run: u64,
    express_lsn: u64,
    /// Whether an input is being applied to the express engine, and those that follow.
    in_express: bool,
    express_inputs: VecDeque<InputKind>,
    /// Express runs that are being stopped, and why they fail.
    express_failures: BTreeMap<RunKey, Problem>,
    now_ms: u64,
    starved: bool,
    /// Since when what was logged waits for more to be synced with it, by [`World::now_us`].
    lingers_since_us: Option<u64>,
    /// What a sync takes, in microseconds, on average over the last few.
    sync_us: u64,
    failed: Option<Problem>,
    panicked: Option<(Lsn, RunKey)>,
    stats: crate::api::NodeStats,
    /// Lines of histories that [`Shard::read_history`] has visited.
    history_lines_read: Cell<u64>,
}

impl<P: Ports> Shard<P> {
    /// One turn: everything that waits is taken in, made durable, and performed; then a slice of a checkpoint.
    pub fn turn(&mut self, commands: impl IntoIterator<Item = Command>) {
        self.take_in(commands);
        self.checkpoint_slice();
    }

    /// The first half of a turn: all but the checkpoint.
    pub fn take_in(&mut self, commands: impl IntoIterator<Item = Command>) {
        for command in commands {
            self.command(command);
        }
        self.take_reports();
        self.fire_timers();
        self.check_slice();
        if !self.may_linger() {
            self.commit();
        }
        self.stop_stand_ins();
    }

    /// Makes durable what was logged, at once.
    pub fn sync(&mut self) {
        self.commit();
    }

    /// Whether what was logged may wait for more to be synced with it: nobody waits for what it caused, or workers are about to
    /// report more. So the end of a call and the turn of the workflow that follows, which runs ahead, are one sync, and so are
    /// the ends of many short calls.
    fn may_linger(&mut self) -> bool {
        let nothing_waits = self.log.next_lsn().0 == self.log.durable().0 + 1;
        if nothing_waits || self.stats.refusing || self.log.buffered_bytes() > reports::COMMIT_BYTES {
            return false;
        }
        let now_us = self.world.now_us();
        let since_us = *self.lingers_since_us.get_or_insert(now_us);
        now_us < since_us + self.patience_us()
    }

    fn patience_us(&self) -> u64 {
        match (self.held.is_empty(), self.sandboxes.has_backlog()) {
            (true, _) => LINGER_US,
            (false, true) => GATHER_SYNCS * self.sync_us.clamp(*SYNC_US.start(), *SYNC_US.end()),
            (false, false) => 0,
        }
    }

    /// How long what was logged still waits for more to be synced with it, in microseconds.
    pub fn lingers_us(&mut self) -> Option<u64> {
        let until_us = self.lingers_since_us? + self.patience_us();
        Some(until_us.saturating_sub(self.world.now_us()))
    }

    /// Whether another turn has something to do at once.
    pub fn is_busy(&self) -> bool {
        let waits = !self.held.is_empty() && self.lingers_since_us.is_none();
        let checks = self.check.as_ref().is_some_and(check::Check::goes_on);
        waits || checks || !self.reports.is_empty() || self.checkpoint.is_under_way()
    }

    /// Whether records wait for space on the disk: another turn tries again.
    pub fn is_starved(&self) -> bool {
        self.starved
    }

    /// Fills the log's files ahead of need, a little at a time. True when there is more to fill.
    pub fn prepare(&mut self) -> bool {
        // What cannot be filled now (a full disk) is met again, and reported, by the next sync.
        self.failed.is_none() && self.log.prepare(PREPARE_BYTES).is_ok_and(|left| left > 0)
    }

    /// When the next timer is due, in milliseconds since the Unix epoch.
    pub fn next_deadline(&self) -> Option<u64> {
        let engines = [self.durable.next_deadline(), self.express.next_deadline()];
        let checkpoint = self.checkpoint.next_deadline().filter(|_| !self.stats.refusing);
        let retention = self.options.retention_ms.map(|_| self.retention.next_deadline());
        let own = [self.cron.next_deadline(), checkpoint, retention.filter(|_| !self.stats.refusing)];
        let saves = self.saves.next_deadline();
        let lingers = self.lingers_since_us.map(|_| self.now_ms + 1);
        engines.into_iter().chain(own).chain([saves, lingers]).flatten().min()
    }

    /// The state of everything durable that is in memory.
    pub fn engine(&self) -> &Engine {
        &self.durable
    }

    /// The log.
    pub fn log(&self) -> &Log<P::Disk> {
        &self.log
    }

    /// The store of what is not in memory.
    pub fn store(&self) -> &RunStore {
        &self.store
    }

    /// What executes attempts.
    pub fn sandboxes(&self) -> &P::Sandboxes {
        &self.sandboxes
    }

    /// Why the shard can go on no more and must be opened again; `None` while it can.
    pub fn failure(&self) -> Option<&Problem> {
        self.failed.as_ref()
    }

    /// A run as the engine that executes it knows it.
    fn executed(&self, run: RunKey) -> Option<&sluice_engine::Run> {
        self.express.run(run).or_else(|| self.durable.run(run))
    }

    /// The time as the log knows it.
    fn now(&mut self) -> u64 {
        self.now_ms = self.now_ms.max(self.world.now_ms());
        self.now_ms
    }

    /// Logs an input, applies it, and routes its effects. The record is not durable yet.
    pub(crate) fn submit(&mut self, kind: InputKind, priority: Priority) -> Result<Lsn, Problem> {
        if let Some(problem) = &self.failed {
            return Err(problem.clone());
        }
        let input = Input { now_ms: self.now(), kind };
        if let Err(problem) = self.load_needed(&input) {
            if priority == Priority::Progress {
                self.fail(problem.clone());
            }
            return Err(problem);
        }
        let head =
            Head { priority, format: RECORD_FORMAT, engine_version: ENGINE_VERSION, ..Head::default() };
        let lsn = match self.log.append(head, |buffer| encode(&input, buffer)) {
            Ok(lsn) => lsn,
            Err(error) => {
                let problem = self.refused(&error);
                if priority == Priority::Progress {
                    // What has happened cannot be refused. Recovery asks for it again once the log takes records.
                    self.fail(problem.clone());
                }
                return Err(problem);
            }
        };
        self.stats.records += 1;
        self.apply(lsn, input);
        Ok(lsn)
    }

    fn apply(&mut self, lsn: Lsn, input: Input) {
        let mut effects = std::mem::take(&mut self.effects);
        let run = concerned(&input.kind);
        let engine = std::panic::AssertUnwindSafe((&mut self.durable, &mut effects));
        let applied = std::panic::catch_unwind(|| {
            let mut engine = engine;
            let (durable, effects) = &mut *engine;
            durable.apply(lsn, input, effects);
        });
        if applied.is_err() {
            self.fail(Problem::new(
                Code::RUN_QUARANTINED,
                format!("applying record {lsn} failed inside the engine"),
                "the node recovers without that record; the run it is about fails",
            ));
            self.panicked = run.map(|run| (lsn, run));
            return;
        }
        effects.drain(..).for_each(|effect| self.route(lsn, effect));
        self.effects = effects;
    }

    fn route(&mut self, lsn: Lsn, effect: Effect) {
        match effect {
            Effect::Invoke(invocation) if self.may_run_ahead(&invocation) => self.invoke(invocation),
            Effect::Forgotten(run) => {
                self.gone.insert(run);
                self.flights.forget(run);
            }
            effect => self.held.push_back((lsn, Held::Effect(effect))),
        }
    }

    /// Makes everything logged durable and performs what it caused.
    fn commit(&mut self) {
        if self.failed.is_some() {
            return;
        }
        self.lingers_since_us = None;
        // A sync with nothing to write looks whether a full disk has room again.
        if self.stats.refusing || self.log.next_lsn().0 > self.log.durable().0 + 1 {
            self.stats.syncs += 1;
            let due_ms = self.now_ms.checked_add(self.options.checkpoint_ms);
            self.checkpoint.logged(self.log.buffered_bytes() as u64, due_ms);
            let began_us = self.world.now_us();
            let synced = self.log.sync();
            self.sync_us = (3 * self.sync_us + self.world.now_us().saturating_sub(began_us)) / 4;
            if let Err(error) = synced {
                let problem = self.refused(&error);
                // A full disk loses nothing: what waits is synced when there is space.
                self.starved = problem.code == Code::DISK_FULL;
                if !self.starved {
                    self.fail(problem);
                }
                return;
            }
            self.starved = false;
        }
        let durable = self.log.durable();
        while self.held.front().is_some_and(|(lsn, _)| *lsn <= durable) {
            let Some((lsn, held)) = self.held.pop_front() else { break };
            match held {
                Held::Effect(effect) => self.perform(lsn, effect),
                Held::Answer(answer) => answer(),
            }
        }
    }

    /// Says something once all that is applied now is durable.
    fn say(&mut self, answer: impl FnOnce() + Send + 'static) {
        let last = Lsn(self.log.next_lsn().0 - 1);
        match last <= self.log.durable() && self.held.is_empty() {
            true => answer(),
            false => self.held.push_back((last, Held::Answer(Box::new(answer)))),
        }
    }

    /// Refuses a request. The reason may be something that is applied, but not durable: then it is not told before.
    fn refuse<T: Send + 'static>(&mut self, answer: Answer<T>, problem: Problem) {
        match self.failed.clone() {
            Some(failed) => drop(answer.send(Err(failed))),
            None => self.say(move || drop(answer.send(Err(problem)))),
        }
    }

    fn fire_timers(&mut self) {
        let now_ms = self.now();
        if self.durable.next_deadline().is_some_and(|due| due <= now_ms) {
            // Refused only when the log or the store is: then the timers fire after recovery.
            let _ = self.submit(InputKind::Timers, Priority::Progress);
        }
        if self.express.next_deadline().is_some_and(|due| due <= now_ms) {
            self.apply_express(InputKind::Timers);
        }
        self.fire_cron(now_ms);
        self.forget_expired(now_ms);
    }

    /// Takes no more work: a failed sync leaves the outcome of what was not durable open.
    fn fail(&mut self, problem: Problem) {
        if self.failed.is_none() {
            tracing::error!(code = %problem.code, "{}", problem.message);
            self.answers.refuse_all(&problem);
            self.held.clear();
            self.failed = Some(problem);
        }
    }

    fn refused(&mut self, error: &sluice_storage::Error) -> Problem {
        if !std::mem::replace(&mut self.stats.refusing, true) {
            tracing::warn!(%error, "new work is refused");
        }
        error.problem()
    }
}

/// Appends an input to a record.
pub(crate) fn encode(input: &Input, buffer: &mut Vec<u8>) {
    postcard::to_io(input, buffer).expect("inputs are plain data and memory does not fail");
}

/// The run that an input is about, if it is about one.
pub(crate) fn concerned(kind: &InputKind) -> Option<RunKey> {
    match kind {
        InputKind::Start(start) => Some(start.run),
        InputKind::Put { run, .. }
        | InputKind::Seal { run }
        | InputKind::Cancel { run, .. }
        | InputKind::Reincarnate { run }
        | InputKind::Quarantine { run, .. }
        | InputKind::Workflow { run, .. }
        | InputKind::Code { run, .. }
        | InputKind::Move { run, .. }
        | InputKind::Forget { run } => Some(*run),
        InputKind::Called { from, .. } => Some(from.run),
        InputKind::Output { invocation, .. }
        | InputKind::Opened { invocation, .. }
        | InputKind::Closed { invocation, .. }
        | InputKind::Completed { invocation, .. }
        | InputKind::Returned { invocation, .. } => Some(invocation.run),
        InputKind::ExpressEnded(ended) => Some(ended.run),
        InputKind::Deliver { .. }
        | InputKind::AppPut { .. }
        | InputKind::Consumed { .. }
        | InputKind::Deploy(_)
        | InputKind::Events { .. }
        | InputKind::Cron { .. }
        | InputKind::Document { .. }
        | InputKind::Timers => None,
    }
}
