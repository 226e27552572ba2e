//! Gives workers to those who wait, and starts workers.

use crate::affinity::Cores;
use crate::app::{Base, Class, ClassKind};
use crate::boxes;
use crate::capture::Capture;
use crate::channel::Channel;
use crate::event::{RunInfo, SandboxEvent};
use crate::exec::Job;
use crate::failure::{self, failure};
use crate::limits::KEPT_IDLE;
use crate::pool::{AppId, Done, Pool};
use crate::ready::Kind;
use crate::seat::{Parts, Seat, State};
use crate::wire::{Control, ControlKind};
use crate::zygote::Zygote;
use sluice_isolation::Feature;
use sluice_objects::{Memory, WriterId};
use sluice_types::{Failure, FailureKind, Invocation, Runtime};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Writers are unique in the process: shards may share an object memory's directory, never a writer.
static NEXT_WRITER: AtomicU64 = AtomicU64::new(1);

/// What came of an app's turn.
enum Turn {
    Started,
    Blocked,
}

impl Pool {
    /// Goes round the apps in which somebody waits, one invocation per turn, until nobody can be served.
    pub(crate) fn dispatch(&mut self, memory: &mut Memory, now: Instant) {
        let mut blocked = 0;
        while blocked < self.turn.len() {
            let Some(id) = self.turn.pop_front() else { return };
            match self.serve(id, memory, now) {
                Turn::Started => blocked = 0,
                Turn::Blocked => blocked += 1,
            }
            if let Some(app) = self.apps.get_mut(&id) {
                app.in_turn = !app.queue.is_empty();
                if app.in_turn {
                    self.turn.push_back(id);
                } else {
                    blocked = blocked.saturating_sub(1);
                }
            }
        }
    }

    /// Starts the longest waiting invocation of an app that can start.
    fn serve(&mut self, id: AppId, memory: &mut Memory, now: Instant) -> Turn {
        let Some(app) = self.apps.get(&id) else { return Turn::Blocked };
        // Calls ahead keep a worker from others, so they are for when there are no more workers and nobody else wants one. A
        // workflow has only one.
        let is_full = self.worker_count() >= self.options.workers_max;
        let mut is_wanted = !self.turn.is_empty();
        for function in app.queue.functions() {
            let app = self.apps.get_mut(&id).expect("it was there a moment ago");
            let Some(class) = app.class_of[function] else {
                return self.refuse(id, function, no_process());
            };
            let may_be_ahead = app.classes[class].kind.is_workflow() || is_full && !is_wanted;
            if app.room(function) == 0 {
                if may_be_ahead && self.give_ahead(id, class, function) {
                    return Turn::Started;
                }
                continue;
            }
            if let ClassKind::Exec(_) = app.classes[class].kind {
                if is_full && !self.retire_idle(id, class, now) {
                    is_wanted = true;
                    continue;
                }
                let app = self.apps.get_mut(&id).expect("it was there a moment ago");
                let waiting = app.queue.pop(function).expect("its line is not empty");
                self.start_job(id, class, waiting, memory, now);
                return Turn::Started;
            }
            if let Some(seat) = app.classes[class].idle.pop() {
                let waiting = app.queue.pop(function).expect("its line is not empty");
                self.hand_over(seat, waiting.invocation, waiting.run, memory, now);
                return Turn::Started;
            }
            if may_be_ahead && self.give_ahead(id, class, function) {
                return Turn::Started;
            }
            is_wanted = true;
            let app = self.apps.get_mut(&id).expect("it was there a moment ago");
            let wanted = app.queue.waiting(function).min(app.room(function) as usize);
            if app.classes[class].starting < wanted
                && let Err(failure) = self.add_worker(id, class, Some(function), now)
            {
                return self.refuse(id, function, failure);
            }
        }
        Turn::Blocked
    }

    /// Fails the first that waits for a function.
    fn refuse(&mut self, id: AppId, function: usize, failure: Failure) -> Turn {
        let waiting = self.apps.get_mut(&id).and_then(|app| app.queue.pop(function));
        if let Some(waiting) = waiting {
            self.fail_late(&waiting.invocation, failure);
        }
        Turn::Started
    }

    /// Gives a call to an idle worker that was taken out of its class's list.
    pub(crate) fn hand_over(
        &mut self,
        key: u32,
        invocation: Invocation,
        run: RunInfo,
        memory: &mut Memory,
        now: Instant,
    ) {
        let is_out_of_the_way = |seat: &Seat| seat.state != State::Busy || seat.is_ending();
        let alone = self.options.core.filter(|_| self.seats.values().all(is_out_of_the_way));
        let seat = self.seats.get_mut(&key).expect("an idle worker exists");
        seat.run_on(alone.map_or(Cores::All, Cores::Only));
        let app = self.apps.get_mut(&seat.app).expect("the app of an idle worker exists");
        let function = invocation.function.index();
        let timeout = Duration::from_millis(app.program.functions[function].timeout_ms);
        seat.is_followed = app.is_followed(function, self.options.prompt_call);
        match seat.call(memory, &invocation, &run, timeout, now, &mut self.buffer) {
            Ok(true) => {
                app.running[function] += 1;
                let (id, attempt, pid) = (invocation.id, invocation.attempt, seat.pid());
                self.late.push(SandboxEvent::Started { id, attempt, pid });
            }
            // It is not the call's fault, and nothing has happened to it: another worker takes it.
            Ok(false) => {
                let id = seat.app;
                app.queue.push(invocation, run);
                self.take_turn(id);
            }
            Err(failure) => {
                if !seat.is_dying() {
                    app.classes[seat.class].idle.push(key);
                }
                self.fail_late(&invocation, failure);
            }
        }
    }

    /// Starts the workers that functions of the classes want to be kept warm, before anybody asks.
    pub(crate) fn warm(&mut self, id: AppId, of: impl Fn(&Class) -> bool) {
        let Some(app) = self.apps.get(&id) else { return };
        let warm =
            |class: &Class| class.functions.iter().map(|ix| app.program.functions[ix.index()].warm).max();
        let wanted: Vec<(usize, u32)> = app
            .classes
            .iter()
            .enumerate()
            .filter(|(_, class)| of(class) && !matches!(class.kind, ClassKind::Exec(_)))
            .map(|(index, class)| (index, warm(class).unwrap_or(0)))
            .collect();
        for (class, count) in wanted {
            for _ in 0..count {
                if let Err(failure) = self.add_worker(id, class, None, Instant::now()) {
                    tracing::warn!(app = %id.0, message = failure.message, "a warm worker could not be started");
                }
            }
        }
    }

    /// Sees to it that the class gets one more worker, now or when its zygote is ready or another worker has ended.
    fn add_worker(
        &mut self,
        id: AppId,
        class: usize,
        function: Option<usize>,
        now: Instant,
    ) -> Result<(), Failure> {
        let Class { kind, base, .. } = self.apps[&id].classes[class].clone();
        let zygote = match kind {
            ClassKind::Python | ClassKind::Workflow(_) => {
                let Some(key) = self.apps[&id].zygotes.get(&base).copied() else {
                    return self.start_zygote(id, &base, now).map_err(failure::not_started);
                };
                let zygote = &self.zygotes[&key];
                if let Some(failure) = function.and_then(|function| zygote.broken.get(&function)) {
                    return Err(failure.clone());
                }
                if !zygote.is_ready() {
                    return Ok(());
                }
                Some(key)
            }
            ClassKind::Process(_) | ClassKind::Exec(_) => None,
        };
        if self.worker_count() >= self.options.workers_max && !self.retire_idle(id, class, now) {
            return Ok(());
        }
        let started = match zygote {
            Some(zygote) => self.fork_worker(id, class, zygote, now),
            None => self.start_native_worker(id, class, now),
        };
        match started {
            // Its zygote has just ended, which will be noticed in a moment; then there is another one.
            Err(error) if zygote.is_some() && is_gone(&error) => Ok(()),
            started => started.map_err(failure::not_started),
        }
    }

    /// Ends the worker that has been idle for longest, unless it is of the class that wants one more, or has only just
    /// become idle and that class has others.
    fn retire_idle(&mut self, id: AppId, class: usize, now: Instant) -> bool {
        let of_class = |app, of| (app, of) == (id, class);
        let class_of = |job: &Job| self.apps.get(&job.app)?.class_of[job.current.function.index()];
        let has_some = self.seats.values().any(|seat| of_class(seat.app, seat.class))
            || self.jobs.values().any(|job| job.app == id && class_of(job) == Some(class));
        let idle = self.seats.iter().filter(|(_, seat)| {
            let may_go = !has_some || now >= seat.idle_since + KEPT_IDLE;
            seat.state == State::Idle && !of_class(seat.app, seat.class) && may_go
        });
        let Some(key) = idle.min_by_key(|(_, seat)| seat.idle_since).map(|(key, _)| *key) else {
            return false;
        };
        let seat = self.seats.get_mut(&key).expect("it was just found");
        seat.kill(now);
        if let Some(app) = self.apps.get_mut(&seat.app) {
            app.classes[seat.class].idle.retain(|idle| *idle != key);
        }
        true
    }

    /// Ends zygotes that nobody needs now, those first that were not used for longest, until there is room for one more.
    fn retire_zygotes(&mut self) {
        let kept = self.zygotes.values().filter(|zygote| !zygote.retired).count();
        let is_needed = |key: &u32, zygote: &Zygote| {
            let waits = self.apps.get(&zygote.app).is_some_and(|app| !app.queue.is_empty());
            waits || self.seats.values().any(|seat| seat.zygote == Some(*key))
        };
        let free =
            |(key, zygote): &(&u32, &Zygote)| zygote.is_ready() && !zygote.retired && !is_needed(key, zygote);
        let mut free: Vec<_> =
            self.zygotes.iter().filter(free).map(|(key, zygote)| (zygote.used_at, *key)).collect();
        free.sort_unstable();
        for (_, key) in free.into_iter().take((kept + 1).saturating_sub(self.options.zygotes_max)) {
            let zygote = self.zygotes.get_mut(&key).expect("it was just found");
            zygote.retired = true;
            zygote.kill();
            if let Some(app) = self.apps.get_mut(&zygote.app) {
                app.zygotes.retain(|_, of| *of != key);
            }
        }
    }

    fn start_zygote(&mut self, id: AppId, base: &Base, now: Instant) -> io::Result<()> {
        self.retire_zygotes();
        let python = match &self.python {
            Ok(python) => Arc::clone(python),
            Err(error) => return Err(io::Error::new(io::ErrorKind::NotFound, error.clone())),
        };
        let app = &self.apps[&id];
        let shares = |class: &&Class| class.kind.is_python() && class.base == *base;
        let classes: Vec<&Class> = app.classes.iter().filter(shares).collect();
        let description = boxes::description(&self.options, app, &classes)?;
        let spec = boxes::zygote(&self.options, &python, app, base);
        let (channel, inside) = Channel::pair()?;
        let (capture, [stdout, stderr]) = Capture::new()?;
        let key = self.new_key();
        self.ready.add(&channel.0, Kind::Zygote, key)?;
        self.ready.add(&capture.stdout, Kind::ZygoteOutput, key)?;
        self.ready.add(&capture.stderr, Kind::ZygoteOutput, key)?;
        let host = Arc::clone(&self.options.host);
        self.errands.run(move || {
            let fds = [
                (1, stdout.as_fd()),
                (2, stderr.as_fd()),
                (boxes::CONTROL_FD, inside.0.as_fd()),
                (boxes::DESCRIPTION_FD, description.as_fd()),
            ];
            Done::Zygote(key, host.spawn(&spec, &fds))
        })?;
        let zygote = Zygote::new(id, base.clone(), channel, capture, now);
        self.zygotes.insert(key, zygote);
        self.apps.get_mut(&id).expect("the app exists").zygotes.insert(base.clone(), key);
        Ok(())
    }

    fn fork_worker(&mut self, id: AppId, class: usize, zygote: u32, now: Instant) -> io::Result<()> {
        let (key, inside) = self.new_seat(id, class, Some(zygote), now)?;
        let bounded = self.options.host.has(Feature::MemoryCgroup);
        let memory_bytes = if bounded { 0 } else { self.seats[&key].memory_bytes };
        let fork = Control { kind: ControlKind::Fork, subject: key, number: memory_bytes };
        let fds = inside.each_ref().map(|fd| fd.as_fd());
        let zygote = self.zygotes.get_mut(&zygote).expect("the caller found it");
        zygote.used_at = now;
        let sent = zygote.channel.send(fork, &[], &fds);
        if sent.is_err() {
            self.seats.remove(&key);
            self.class_mut(id, class).starting -= 1;
        }
        sent
    }

    fn start_native_worker(&mut self, id: AppId, class: usize, now: Instant) -> io::Result<()> {
        let app = &self.apps[&id];
        let wanted = &app.classes[class];
        let ClassKind::Process(command) = &wanted.kind else { return Err(io::ErrorKind::Unsupported.into()) };
        let (program, args) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut spec = match program.as_str() {
            Runtime::OWN_PROGRAM => boxes::own(&self.options.host.program()?, &wanted.base, &app.bundle),
            program => boxes::plain(program, &wanted.base, &app.bundle),
        };
        spec.args = args.to_vec();
        spec.limits = boxes::limits(&wanted.resources);
        let description = boxes::description(&self.options, app, &[wanted])?;
        let (key, [slot, call, reply, control, stdout, stderr]) = self.new_seat(id, class, None, now)?;
        let host = Arc::clone(&self.options.host);
        self.errands.run(move || {
            let numbered = [
                (1, stdout.as_fd()),
                (2, stderr.as_fd()),
                (boxes::CONTROL_FD, control.as_fd()),
                (boxes::DESCRIPTION_FD, description.as_fd()),
                (boxes::SLOT_FD, slot.as_fd()),
                (boxes::CALL_FD, call.as_fd()),
                (boxes::REPLY_FD, reply.as_fd()),
            ];
            Done::Worker(key, host.spawn(&spec, &numbered))
        })
    }

    fn new_seat(
        &mut self,
        id: AppId,
        class: usize,
        zygote: Option<u32>,
        now: Instant,
    ) -> io::Result<(u32, [OwnedFd; 6])> {
        let key = self.new_key();
        let writer = WriterId(NEXT_WRITER.fetch_add(1, Ordering::Relaxed));
        let memory_bytes = self.apps[&id].classes[class].resources.memory_bytes;
        let (seat, inside) = Seat::new(id, class, zygote, Parts::new()?, writer, memory_bytes, now);
        self.ready.add(&seat.reply_bell.0, Kind::SeatBell, key)?;
        self.ready.add(&seat.capture.stdout, Kind::SeatStdout, key)?;
        self.ready.add(&seat.capture.stderr, Kind::SeatStderr, key)?;
        self.seats.insert(key, seat);
        self.class_mut(id, class).starting += 1;
        Ok((key, inside))
    }

    pub(crate) fn class_mut(&mut self, id: AppId, class: usize) -> &mut Class {
        &mut self.apps.get_mut(&id).expect("the app exists").classes[class]
    }

    /// A worker can take its first call.
    pub(crate) fn seat_ready(&mut self, key: u32, now: Instant) {
        let seat = self.seats.get_mut(&key).expect("its process was just set");
        seat.starting = false;
        let Some(app) = self.apps.get_mut(&seat.app) else { return seat.kill(now) };
        let class = &mut app.classes[seat.class];
        class.starting -= 1;
        if seat.state == State::Starting {
            seat.state = State::Idle;
            seat.idle_since = now;
            // Those that have run are warmer.
            class.idle.insert(0, key);
        }
    }
}

/// Whether nobody is at the other end of a channel any more.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset | NotConnected)
}

fn no_process() -> Failure {
    failure(FailureKind::Unstartable, "Unstartable", "the function is not one that runs in a process")
}
