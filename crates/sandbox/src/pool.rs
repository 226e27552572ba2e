//! The pool: what a shard thread sees of all its processes.
//!
//! Invariants: a seat is in `idle` of its class exactly while its state is `Idle`; `running` of a function counts the
//! seats whose call is of that function; every invocation accepted by `start` ends in exactly one `Completed`.

use crate::app::App;
use crate::channel::Received;
use crate::ends::Worker;
use crate::errand::Errands;
use crate::error::Error;
use crate::event::{RunInfo, SandboxEvent};
use crate::exec::{Collected, Job, Scratch};
use crate::limits::{KEPT_IDLE, LOOKS_MAX, ZYGOTE_MESSAGES_MAX};
use crate::options::Options;
use crate::ready::{Kind, Ready};
use crate::seat::{Seat, State};
use crate::streams::open_input;
use crate::zygote::Zygote;
use rustc_hash::FxHashMap;
use sluice_isolation::{Boxed, Group, Python};
use sluice_objects::Memory;
use sluice_types::limits::CANCEL_GRACE_MS;
use sluice_types::{AppKey, Attempt, Failure, Invocation, InvocationId, Outcome, Program, Version};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An app version.
pub(crate) type AppId = (AppKey, Version);

/// A finished errand.
#[derive(Debug)]
pub(crate) enum Done {
    /// The zygote's box runs, or not.
    Zygote(u32, Result<Boxed, sluice_isolation::Error>),
    /// A forked worker is in its group.
    Placed(u32, Result<Group, sluice_isolation::Error>),
    /// The box of a native worker runs, or not.
    Worker(u32, Result<Boxed, sluice_isolation::Error>),
    /// The program of an attempt runs, or not.
    Job(u32, Box<Result<(Boxed, Scratch), Failure>>),
    /// The result of an attempt's program, and the directory it lies in.
    Collected(u32, Collected, Option<Scratch>),
}

/// One poll: what it works with and what it reports to.
pub(crate) struct Tick<'a> {
    pub memory: &'a mut Memory,
    pub now: Instant,
    pub events: &'a mut Vec<SandboxEvent>,
}

/// Processes that run invocations, on behalf of one shard thread. Dropping it kills them.
///
/// Its descriptor (`AsFd`) becomes readable when [`Pool::poll`] has something to do.
#[derive(Debug)]
pub struct Pool {
    pub(crate) options: Options,
    pub(crate) python: Result<Arc<Python>, String>,
    pub(crate) ready: Ready,
    pub(crate) errands: Errands<Done>,
    pub(crate) apps: FxHashMap<AppId, App>,
    pub(crate) seats: FxHashMap<u32, Seat>,
    pub(crate) zygotes: FxHashMap<u32, Zygote>,
    pub(crate) jobs: FxHashMap<u32, Job>,
    /// Apps in which somebody waits, in the order in which they get a worker.
    pub(crate) turn: VecDeque<AppId>,
    /// Events for the next poll.
    pub(crate) late: Vec<SandboxEvent>,
    pub(crate) buffer: Vec<u8>,
    /// What the last wait found.
    found: Vec<(Kind, u32)>,
    /// Whether `found` is not attended to yet.
    has_waited: bool,
    /// When it was polled last.
    polled_at: Instant,
    next_key: u32,
}

impl Pool {
    /// A pool without processes.
    pub fn new(options: Options) -> Result<Self, Error> {
        let python = Python::locate(&options.python).map(Arc::new).map_err(|error| error.to_string());
        let (ready, errands) = (Ready::new()?, Errands::new()?);
        ready.add(&errands, Kind::Errand, 0)?;
        Ok(Self {
            options,
            python,
            ready,
            errands,
            apps: FxHashMap::default(),
            seats: FxHashMap::default(),
            zygotes: FxHashMap::default(),
            jobs: FxHashMap::default(),
            turn: VecDeque::new(),
            late: Vec::new(),
            buffer: Vec::new(),
            found: Vec::new(),
            has_waited: false,
            polled_at: Instant::now(),
            next_key: 0,
        })
    }

    /// Makes an app version known. Its processes are started when they are needed, at once for functions kept warm.
    pub fn add_app(&mut self, app: AppKey, version: Version, program: Arc<Program>, bundle_dir: &Path) {
        self.apps.insert((app, version), App::new(program, bundle_dir.to_owned()));
        self.warm((app, version), |_| true);
    }

    /// Forgets an app version and kills its processes. What runs or waits of it ends as cancelled.
    pub fn remove_app(&mut self, app: AppKey, version: Version, now: Instant) {
        let id = (app, version);
        self.turn.retain(|waiting| *waiting != id);
        let Some(mut removed) = self.apps.remove(&id) else { return };
        let queued = removed.queue.drain().map(|waiting| waiting.invocation);
        let held_back = std::mem::take(&mut removed.held_back).into_iter().map(|(invocation, _)| invocation);
        for invocation in queued.chain(held_back).collect::<Vec<_>>() {
            self.complete_late(invocation.id, invocation.attempt, Outcome::Cancelled);
        }
        for seat in self.seats.values_mut().filter(|seat| seat.app == id) {
            if let Some(current) = &mut seat.current {
                current.cancelled = true;
            }
            seat.kill(now);
        }
        for job in self.jobs.values_mut().filter(|job| job.app == id) {
            job.current.cancelled = true;
            job.stop(false);
        }
        for zygote in self.zygotes.values().filter(|zygote| zygote.app == id) {
            zygote.kill();
        }
    }

    /// Takes an invocation: it starts at once if a worker is free, else it waits for its turn.
    pub fn start(&mut self, invocation: Invocation, run: RunInfo, memory: &mut Memory) -> Result<(), Error> {
        let id = (run.app, run.version);
        let function = invocation.function.index();
        let known = self.apps.contains_key(&id);
        if known && open_input(&invocation).is_some() && !self.may_read_early(id, function) {
            self.apps.get_mut(&id).expect("it is known").held_back.push((invocation, run));
            return Ok(());
        }
        let app = self.apps.get_mut(&id).ok_or(Error::UnknownApp(run.app, run.version))?;
        if app.queue.is_empty() && app.room(function) > 0 {
            let class = app.class_of.get(function).copied().flatten();
            if let Some(seat) = class.and_then(|class| app.classes[class].idle.pop()) {
                self.hand_over(seat, invocation, run, memory, Instant::now());
                return Ok(());
            }
        }
        app.queue.push(invocation, run);
        self.take_turn(id);
        self.dispatch(memory, Instant::now());
        Ok(())
    }

    /// Lets an app in which somebody waits have its turn.
    pub(crate) fn take_turn(&mut self, id: AppId) {
        let waits = self.apps.get_mut(&id).filter(|app| !app.in_turn && !app.queue.is_empty());
        if let Some(app) = waits {
            app.in_turn = true;
            self.turn.push_back(id);
        }
    }

    /// Asks an attempt to stop, and kills it after the grace. It ends in `Completed` with `Outcome::Cancelled`.
    pub fn cancel(&mut self, id: InvocationId, attempt: Attempt, now: Instant) {
        for app in self.apps.values_mut() {
            let held_back = app.held_back.len();
            app.held_back.retain(|(held, _)| (held.id, held.attempt) != (id, attempt));
            if app.held_back.len() < held_back || app.queue.remove(id, attempt).is_some() {
                return self.complete_late(id, attempt, Outcome::Cancelled);
            }
        }
        if self.cancel_ahead(id, attempt, now) {
            return;
        }
        let grace = Duration::from_millis(CANCEL_GRACE_MS);
        if self.cancel_job(id, attempt, now, grace) {
            return;
        }
        let running = self.seats.values_mut().find_map(|seat| {
            let matches = seat.current.as_ref().is_some_and(|c| c.id == id && c.attempt == attempt);
            matches.then_some(seat)
        });
        if let Some(seat) = running {
            seat.cancel(now);
        }
    }

    /// Makes [`Self::wait`] end when this descriptor is readable, for as long as it is open.
    pub fn watch(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.ready.add(fd, Kind::Watched, 0)
    }

    /// Waits until [`Self::poll`] has something to do, a watched descriptor is readable, or the time is over; `None`
    /// waits for ever. Whether a watched descriptor was readable. One call of the kernel serves both this and the next
    /// poll.
    pub fn wait(&mut self, patience: Option<Duration>) -> io::Result<bool> {
        self.ready.take(&mut self.found, patience)?;
        self.has_waited = true;
        let found = self.found.len();
        self.found.retain(|(kind, _)| *kind != Kind::Watched);
        Ok(self.found.len() < found)
    }

    /// Collects what happened and gives free workers to those who wait.
    pub fn poll(
        &mut self,
        memory: &mut Memory,
        now: Instant,
        events: &mut Vec<SandboxEvent>,
    ) -> Result<(), Error> {
        let mut ready = std::mem::take(&mut self.found);
        if !std::mem::take(&mut self.has_waited) {
            self.ready.take(&mut ready, Some(Duration::ZERO))?;
        }
        for look in 1..=LOOKS_MAX {
            events.append(&mut self.late);
            for (kind, key) in ready.drain(..) {
                self.attend(kind, key, &mut Tick { memory, now, events });
            }
            if !self.ready.was_full || look == LOOKS_MAX {
                break;
            }
            self.ready.take(&mut ready, Some(Duration::ZERO))?;
        }
        self.found = ready;
        self.polled_at = now;
        self.look_after_long_calls(&mut Tick { memory, now, events });
        self.enforce_deadlines(now);
        self.forget_dropped(memory);
        self.dispatch(memory, now);
        events.append(&mut self.late);
        Ok(())
    }

    fn attend(&mut self, kind: Kind, key: u32, tick: &mut Tick<'_>) {
        match kind {
            Kind::SeatStdout => self.hear_output(key, crate::Stream::Stdout, tick),
            Kind::SeatStderr => self.hear_output(key, crate::Stream::Stderr, tick),
            Kind::JobStdout => self.hear_job(key, crate::Stream::Stdout, tick.events),
            Kind::JobStderr => self.hear_job(key, crate::Stream::Stderr, tick.events),
            Kind::JobEnd => self.job_ended(key, tick),
            Kind::SeatBell => self.hear_bell(key, tick),
            Kind::SeatEnd => self.native_worker_ended(key, tick),
            Kind::Zygote => self.hear_zygote(key, tick),
            Kind::ZygoteEnd => self.zygote_ended(key, tick),
            Kind::ZygoteOutput => {
                if let Some(zygote) = self.zygotes.get_mut(&key)
                    && !zygote.hear_output()
                {
                    self.ready.remove(&zygote.capture.stdout);
                    self.ready.remove(&zygote.capture.stderr);
                }
            }
            Kind::Watched | Kind::Timer => {}
            Kind::Errand => {
                while let Some(done) = self.errands.take() {
                    self.finish_errand(done, tick);
                }
            }
        }
    }

    fn finish_errand(&mut self, done: Done, tick: &mut Tick<'_>) {
        match done {
            Done::Zygote(key, result) => self.zygote_started(key, result),
            Done::Placed(key, result) => self.worker_placed(key, result, tick.now),
            Done::Job(key, result) => self.job_started(key, *result, tick),
            Done::Collected(key, collected, scratch) => self.job_collected(key, collected, scratch, tick),
            Done::Worker(key, result) => self.native_worker_started(key, result, tick.memory, tick.now),
        }
    }

    /// Reads what a zygote says; if that is much, the rest is read at the next look.
    fn hear_zygote(&mut self, key: u32, tick: &mut Tick<'_>) {
        for _ in 0..ZYGOTE_MESSAGES_MAX {
            let Some(zygote) = self.zygotes.get_mut(&key) else { return };
            match zygote.channel.receive(false) {
                Ok(Received { control, text, descriptors }) => {
                    self.zygote_says(key, control, &text, Worker::among(descriptors), tick);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // It has closed its socket or broken the protocol; its end is reported by its box.
                Err(_) => {
                    zygote.kill();
                    return self.ready.remove(&zygote.channel.0);
                }
            }
        }
    }

    /// When [`Pool::poll`] must be called at the latest, even if the descriptor stays silent.
    pub fn next_deadline(&self) -> Option<Instant> {
        let seats = self.seats.values().filter_map(Seat::deadline);
        let jobs = self.jobs.values().filter_map(Job::deadline);
        let zygotes = self.zygotes.values().filter(|zygote| !zygote.loaded).map(|zygote| zygote.deadline);
        seats.chain(jobs).chain(zygotes).chain(self.idle_deadline()).min()
    }

    /// When an idle worker may have to go for somebody who waits. Those that need not go stay.
    fn idle_deadline(&self) -> Option<Instant> {
        let idle = self.seats.values().filter(|seat| seat.state == State::Idle && !self.turn.is_empty());
        idle.map(|seat| seat.idle_since + KEPT_IDLE).filter(|at| *at > self.polled_at).min()
    }

    /// Whether invocations wait for workers that are busy with others.
    pub fn has_backlog(&self) -> bool {
        !self.turn.is_empty() || self.seats.values().any(|seat| !seat.ahead.is_empty())
    }

    /// Processes alive or being started, zygotes not counted.
    pub fn worker_count(&self) -> usize {
        self.seats.len() + self.jobs.len()
    }

    pub(crate) fn new_key(&mut self) -> u32 {
        self.next_key = self.next_key.wrapping_add(1);
        self.next_key
    }

    pub(crate) fn complete_late(&mut self, id: InvocationId, attempt: Attempt, outcome: Outcome) {
        self.late.push(SandboxEvent::Completed { id, attempt, outcome });
        // Whoever waits for the pool's descriptor must look.
        self.errands.wake();
    }

    pub(crate) fn fail_late(&mut self, invocation: &Invocation, failure: Failure) {
        self.complete_late(invocation.id, invocation.attempt, Outcome::Failed(failure));
    }

    fn forget_dropped(&mut self, memory: &mut Memory) {
        for (app, extent) in memory.take_dropped() {
            self.seats.values_mut().filter(|seat| seat.app.0 == app).for_each(|seat| seat.forget(extent));
        }
    }
}

impl AsFd for Pool {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}
