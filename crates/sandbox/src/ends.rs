//! Beginnings and ends of processes, and what happens to the calls in them.

use crate::app::{Base, Class};
use crate::current::{Current, conclude};
use crate::failure::{self, End};
use crate::inbox;
use crate::limits::KILL_PATIENCE;
use crate::pool::{AppId, Done, Pool, Tick};
use crate::ready::Kind;
use crate::seat::{Process, Seat, State};
use crate::wire::{Control, ControlKind};
use sluice_isolation::{BOX_USER, Boxed, Error, Exit, Feature, Group};
use sluice_objects::Memory;
use sluice_types::{Failure, FailureKind, Outcome};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

impl Pool {
    /// The zygote's box runs, or does not.
    pub(crate) fn zygote_started(&mut self, key: u32, result: Result<Boxed, Error>) {
        let Some(zygote) = self.zygotes.get_mut(&key) else { return };
        let boxed = match result {
            Ok(boxed) => Arc::new(boxed),
            Err(error) => return self.zygote_failed(key, &failure::unstartable(&error)),
        };
        let watched = self.ready.add(boxed.as_fd(), Kind::ZygoteEnd, key);
        let removed = !self.apps.contains_key(&zygote.app);
        zygote.boxed = Some(boxed);
        if watched.is_err() || removed {
            return zygote.kill();
        }
        self.warm_zygote(key);
    }

    /// A zygote that has become ready starts the workers that are to be kept warm.
    fn warm_zygote(&mut self, key: u32) {
        if let Some(zygote) = self.zygotes.get(&key).filter(|zygote| zygote.is_ready()) {
            let (app, base) = (zygote.app, zygote.base.clone());
            self.warm(app, |class| class.kind.is_python() && class.base == base);
        }
    }

    /// A zygote says something.
    pub(crate) fn zygote_says(
        &mut self,
        key: u32,
        control: Control,
        text: &[u8],
        worker: Option<Worker>,
        tick: &mut Tick<'_>,
    ) {
        let Some(zygote) = self.zygotes.get_mut(&key) else { return };
        match control.kind {
            ControlKind::Broken => {
                let function = control.subject as usize;
                let is_known = self.apps.get(&zygote.app).is_some_and(|app| function < app.class_of.len());
                let Some(failure) = inbox::broken(text).filter(|_| is_known) else { return zygote.kill() };
                zygote.broken.insert(function, failure);
            }
            // Once is enough: workers are started for it.
            ControlKind::Ready if zygote.loaded => zygote.kill(),
            ControlKind::Ready => {
                zygote.loaded = true;
                self.warm_zygote(key);
            }
            ControlKind::Forked => {
                let mine = self.seats.get(&control.subject).is_some_and(|seat| seat.zygote == Some(key));
                let Some(worker) = worker.filter(|_| mine) else { return zygote.kill() };
                self.worker_forked(control.subject, key, worker, tick.now);
            }
            ControlKind::Ended => {
                if self.seats.get(&control.subject).is_some_and(|seat| seat.zygote == Some(key)) {
                    self.seat_ended(control.subject, End::of_status(control.number), tick);
                }
            }
            _ => zygote.kill(),
        }
    }

    /// Moves a forked worker into its limits, which takes too long for this thread.
    fn worker_forked(&mut self, key: u32, zygote: u32, worker: Worker, now: Instant) {
        let Worker { pidfd, pid } = worker;
        let Some(boxed) = self.zygotes[&zygote].boxed.clone() else { return };
        let seat = self.seats.get_mut(&key).expect("the caller found it");
        if self.options.host.has(Feature::SeparateUser) && !is_of_box(pid) {
            return self.zygotes[&zygote].kill();
        }
        seat.process = Process::Forked { pidfd, pid, group: None };
        let Some(app) = self.apps.get(&seat.app).filter(|_| !seat.is_dying()) else { return seat.kill(now) };
        let mut limits = crate::boxes::limits(&app.classes[seat.class].resources);
        if !self.options.host.has(Feature::MemoryCgroup) {
            limits.memory_bytes = 0; // the worker has bounded itself
        }
        let placed = self.errands.run(move || {
            let group = boxed.new_group(&format!("worker-{key}"), &limits);
            Done::Placed(key, group.and_then(|group| group.add(pid).map(|()| group)))
        });
        if placed.is_err() {
            seat.kill(now);
        }
    }

    /// A forked worker is within its limits, or cannot be.
    pub(crate) fn worker_placed(&mut self, key: u32, result: Result<Group, Error>, now: Instant) {
        let Some(seat) = self.seats.get_mut(&key) else { return };
        let Process::Forked { group, .. } = &mut seat.process else { return };
        match result {
            Ok(placed) => *group = Some(placed),
            Err(error) => {
                tracing::warn!(%error, "a worker could not be put within its limits");
                return seat.kill(now);
            }
        }
        self.seat_ready(key, now);
    }

    /// The box of a native worker runs, or does not.
    pub(crate) fn native_worker_started(
        &mut self,
        key: u32,
        result: Result<Boxed, Error>,
        memory: &mut Memory,
        now: Instant,
    ) {
        let Some(seat) = self.seats.get_mut(&key) else { return };
        match result {
            Ok(boxed) => {
                let watched = self.ready.add(boxed.as_fd(), Kind::SeatEnd, key);
                seat.process = Process::Boxed(Box::new(boxed));
                if watched.is_err() || seat.is_dying() {
                    return seat.kill(now);
                }
                self.seat_ready(key, now);
            }
            Err(error) => {
                let (app, class) = (seat.app, seat.class);
                self.bury_seat(key, memory);
                self.refuse_class(app, |index, _| index == class, &failure::unstartable(&error));
            }
        }
    }

    /// The box of a native worker has ended.
    pub(crate) fn native_worker_ended(&mut self, key: u32, tick: &mut Tick<'_>) {
        let Some(seat) = self.seats.get_mut(&key) else { return };
        let Process::Boxed(boxed) = &mut seat.process else { return };
        match boxed.try_wait() {
            Ok(Some(exit)) => self.seat_ended(key, End::Exit(exit), tick),
            Ok(None) => {}
            Err(_) => self.seat_ended(key, End::Exit(sluice_isolation::Exit::Killed), tick),
        }
    }

    /// A worker is gone: its call ends, if it has one.
    fn seat_ended(&mut self, key: u32, end: End, tick: &mut Tick<'_>) {
        // What it said and printed before it died still counts.
        self.hear_output(key, crate::Stream::Stdout, tick);
        self.hear_output(key, crate::Stream::Stderr, tick);
        self.hear_seat(key, tick);
        // What it announced counts as far as it is well formed.
        self.hear_announced(key, tick);
        let Some(seat) = self.seats.get_mut(&key) else { return };
        let out_of_memory = seat.out_of_memory();
        let memory_bytes = seat.memory_bytes;
        if let Some(current) = seat.take_current(tick.memory) {
            let outcome = match &current.verdict {
                _ if current.cancelled => Outcome::Cancelled,
                Some(failure) => Outcome::Failed(failure.clone()),
                None if out_of_memory => Outcome::Failed(failure::out_of_memory(memory_bytes)),
                None => Outcome::Failed(failure::crashed(end, &current.stderr_tail)),
            };
            if let Some(app) = self.apps.get_mut(&seat.app) {
                app.running[current.function.index()] -= 1;
            }
            conclude(current, outcome, tick.events);
        }
        self.give_to_others(key);
        self.bury_seat(key, tick.memory);
    }

    /// Forgets a worker whose process is gone.
    fn bury_seat(&mut self, key: u32, memory: &mut Memory) {
        let Some(mut seat) = self.seats.remove(&key) else { return };
        for fd in [&seat.reply_bell.0, &seat.capture.stdout, &seat.capture.stderr] {
            self.ready.remove(fd);
        }
        if let Process::Boxed(boxed) = &seat.process {
            self.ready.remove(boxed.as_fd());
        }
        if let Some(app) = self.apps.get_mut(&seat.app) {
            let class = &mut app.classes[seat.class];
            class.idle.retain(|idle| *idle != key);
            class.starting -= usize::from(seat.starting);
        }
        // A worker that died alone may have left children in its group.
        seat.kill(Instant::now());
        seat.free_all(memory);
        crate::errand::bury(seat);
    }

    /// The zygote's box has ended, and all its workers with it.
    pub(crate) fn zygote_ended(&mut self, key: u32, tick: &mut Tick<'_>) {
        let of_zygote = |(_, seat): &(&u32, &Seat)| seat.zygote == Some(key);
        let seats: Vec<u32> = self.seats.iter().filter(of_zygote).map(|(key, _)| *key).collect();
        for seat in seats {
            self.seat_ended(seat, End::Zygote, tick);
        }
        let was_ready = self.zygotes.get(&key).is_some_and(|zygote| zygote.loaded);
        if was_ready {
            self.bury_zygote(key);
        } else {
            let failure = self.import_ended(key);
            self.zygote_failed(key, &failure);
        }
    }

    /// Why a zygote ended before it was ready: by what it did, which it would do again, or killed from outside.
    fn import_ended(&mut self, key: u32) -> Failure {
        let zygote = self.zygotes.get_mut(&key);
        let was_killed = zygote.is_some_and(|zygote| {
            let boxed = zygote.boxed.as_mut().and_then(Arc::get_mut);
            let exit = boxed.and_then(|boxed| boxed.try_wait().ok().flatten());
            !zygote.killed.get() && matches!(exit, Some(Exit::Signal(_) | Exit::Killed))
        });
        if was_killed {
            let message = "the process that loads the app for its workers was killed";
            return failure::failure(FailureKind::Crashed, "WorkerCrashed", message);
        }
        let message = "the app's module ended the process while it was imported";
        failure::failure(FailureKind::Unstartable, "ImportFailed", message)
    }

    /// A zygote will never be ready: everybody who waits for it fails.
    fn zygote_failed(&mut self, key: u32, failure: &Failure) {
        let Some((app, base, output)) = self.bury_zygote(key) else { return };
        let failure = Failure { stack: output, ..failure.clone() };
        let waits = |_, class: &Class| class.kind.is_python() && class.base == base;
        self.refuse_class(app, waits, &failure);
    }

    fn bury_zygote(&mut self, key: u32) -> Option<(AppId, Base, String)> {
        let mut zygote = self.zygotes.remove(&key)?;
        zygote.hear_output();
        for fd in [zygote.channel.0.as_fd(), zygote.capture.stdout.as_fd(), zygote.capture.stderr.as_fd()] {
            self.ready.remove(fd);
        }
        if let Some(boxed) = &zygote.boxed {
            self.ready.remove(boxed.as_fd());
        }
        if let Some(app) = self.apps.get_mut(&zygote.app) {
            app.zygotes.retain(|_, zygote| *zygote != key);
        }
        let told = (zygote.app, zygote.base.clone(), zygote.output());
        crate::errand::bury(zygote);
        Some(told)
    }

    /// Fails everybody who waits for a worker of the classes that `matches`.
    fn refuse_class(&mut self, id: AppId, matches: impl Fn(usize, &Class) -> bool, failure: &Failure) {
        let Some(app) = self.apps.get_mut(&id) else { return };
        let mut refused = Vec::new();
        for (index, class) in app.classes.iter().enumerate().filter(|(index, class)| matches(*index, class)) {
            let _ = index;
            for function in &class.functions {
                refused.extend(std::iter::from_fn(|| app.queue.pop(function.index())));
            }
        }
        for waiting in refused {
            self.fail_late(&waiting.invocation, failure.clone());
        }
    }

    /// Kills what has run for too long, and boxes in which a killed worker does not die.
    pub(crate) fn enforce_deadlines(&mut self, now: Instant) {
        let apps = &self.apps;
        let timed_out = |app: &AppId, current: &Current| {
            let function = current.function.index();
            failure::timed_out(apps.get(app).map_or(0, |app| app.program.functions[function].timeout_ms))
        };
        let mut stubborn = Vec::new();
        for seat in self.seats.values_mut().filter(|seat| seat.deadline().is_some_and(|at| now >= at)) {
            match (seat.state, &seat.current) {
                (State::Busy, Some(current)) => seat.condemn(timed_out(&seat.app, current), now),
                _ => {
                    seat.state = State::Dying(now);
                    stubborn.extend(seat.zygote);
                }
            }
        }
        for job in self.jobs.values_mut().filter(|job| job.deadline().is_some_and(|at| now >= at)) {
            job.current.verdict = Some(timed_out(&job.app, &job.current));
            job.stop(false);
        }
        let slow = self.zygotes.iter().filter(|(_, zygote)| !zygote.loaded && now >= zygote.deadline);
        stubborn.extend(slow.map(|(key, _)| *key));
        for key in stubborn {
            if let Some(zygote) = self.zygotes.get_mut(&key) {
                zygote.deadline = now + KILL_PATIENCE;
                zygote.kill();
            }
        }
    }
}

/// A process that a zygote passes off as its worker.
pub(crate) struct Worker {
    pidfd: OwnedFd,
    /// As the host counts; 0 if the process has ended.
    pid: u32,
}

impl Worker {
    /// The first pidfd among descriptors. Whatever else they are is closed elsewhere: a socket that lingers, say, lets
    /// whoever closes it wait.
    pub fn among(descriptors: Vec<OwnedFd>) -> Option<Self> {
        let mut found = None;
        let mut others = Vec::new();
        for pidfd in descriptors {
            match host_pid(&pidfd) {
                Some(pid) if found.is_none() => found = Some(Self { pidfd, pid }),
                _ => others.push(pidfd),
            }
        }
        if !others.is_empty() {
            crate::errand::bury(others);
        }
        found
    }
}

/// The process id behind a pidfd; `None` if it is none.
fn host_pid(pidfd: &OwnedFd) -> Option<u32> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    // A negative one stands for a process that has ended.
    Some(pid.trim().parse().unwrap_or(0))
}

/// Whether a process runs as the user of boxes: a zygote may not pass off any other process as its worker, because the
/// server would kill it one day.
fn is_of_box(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next());
    // A process that has ended has no status, and takes no harm.
    uid.is_none_or(|uid| uid == BOX_USER.to_string())
}
