//! The interpreter: an execution of a state machine as a state that events change.
//!
//! It is pure. What it asks of the world leaves as [`Request`]s, what the world does comes in as [`Event`]s, and the
//! same settings, input and events give the same requests, history and state. A turn ends after at most
//! [`STEPS_PER_SLICE`] steps; [`Execution::next_deadline`] is in the past then, and [`Event::Timer`] goes on.
//!
//! Invariants:
//! * A frame is ready, waits for a deadline (and is in `timers`), for work, for its children, or is halted.
//! * Of an ended execution nothing is ready, no timer runs and no work is waited for.

mod chance;
mod clock;
mod context;
mod data;
mod effort;
mod ending;
mod enter;
mod event;
mod failure;
mod frames;
mod history;
mod iterations;
mod join;
mod lambda;
mod ledgers;
mod map;
mod map_run;
mod names;
mod parallel;
mod request;
mod resource;
mod results;
mod retry;
mod settings;
mod task;
mod trial;
mod turn;
mod view;
mod work;

pub use event::Event;
pub use history::{
    ChildId, ExecutionStep, HistoryEvent, HistoryKind, JoinStep, MapRunStep, Performer, StateType, TaskStep,
};
pub use iterations::{BATCH_BYTES_MAX, ITERATIONS_OPEN_MAX};
pub use map_run::{Counts, MapRun, MapRunStatus};
pub use names::PartName;
pub use request::{MapResults, Output, Request, TaskId, TaskRequest, Wait, Work};
pub use resource::{Resource, Target};
pub use retry::RETRY_DELAY_MS_MAX;
pub use settings::{
    EXPRESS_SECONDS_MAX, HISTORY_EVENTS_MAX, PAYLOAD_BYTES_MAX, Settings, Status, VARIABLES_BYTES_MAX,
};
pub use trial::{Mock, Progress, Stage, Trial, TrialEnd, TrialInput, Verdict};
pub use turn::STEPS_PER_SLICE;

use crate::Machine;
use chance::Chance;
use effort::Effort;
use failure::{Failure, RUNTIME, TIMEOUT};
use frames::{Doing, Frame, FrameIx, Frames};
use ledgers::Ledgers;
use serde::{Deserialize, Serialize};
use sluice_expression::Value;
use std::collections::{BTreeSet, VecDeque};
use std::sync::OnceLock;
use task::{Purpose, reported};
use turn::{Flow, Turn};

/// An execution of a state machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Execution {
    settings: Settings,
    input: Value,
    status: Status,
    frames: Frames,
    ledgers: Ledgers,
    map_runs: Vec<MapRun>,
    /// Frames that run in the next turn, first come, first served.
    ready: VecDeque<FrameIx>,
    /// Deadlines of frames.
    timers: BTreeSet<(u64, FrameIx)>,
    /// When `TimeoutSeconds` of the machine are over, in milliseconds.
    ends_at_ms: Option<u64>,
    /// Number of the tasks asked for so far.
    tasks: u32,
    chance: Chance,
    redrives: u32,
    redriven_ms: Option<u64>,
    /// Of the last end, or of the redrive after it.
    last_event: u64,
    /// Whether the history takes no more events, so that the execution fails.
    is_full: bool,
    /// The time of the last event, in milliseconds.
    now_ms: u64,
    /// Of a [`Trial`].
    #[serde(skip)]
    watch: Option<Box<trial::Watch>>,
    #[serde(skip)]
    fixed_context: OnceLock<context::Fixed>,
    /// That the turn has not paid for yet.
    #[serde(skip)]
    effort: Effort,
}

impl Execution {
    /// Starts an execution.
    pub fn start(machine: &Machine, settings: Settings, input: Value, now_ms: u64, out: &mut Output) -> Self {
        let mut execution = Self::idle(settings, input.clone(), now_ms);
        let turn = &mut Turn::new(machine, now_ms, out);
        execution.start_clock(turn);
        let frame = Frame::at(machine.body.start, input, now_ms);
        let role = execution.settings.role.clone();
        execution.note(&frame, 0, turn, || {
            HistoryKind::Execution(ExecutionStep::Started { input: frame.input.clone(), role })
        });
        let root = execution.frames.insert(frame);
        execution.ready.push_back(root);
        execution.drive(turn);
        execution
    }

    /// An execution that stands nowhere yet.
    fn idle(settings: Settings, input: Value, now_ms: u64) -> Self {
        Self {
            chance: Chance::new(settings.seed),
            input,
            settings,
            status: Status::Running,
            frames: Frames::default(),
            ledgers: Ledgers::new(),
            map_runs: Vec::new(),
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            ends_at_ms: None,
            tasks: 0,
            redrives: 0,
            redriven_ms: None,
            last_event: 0,
            is_full: false,
            now_ms,
            watch: None,
            fixed_context: OnceLock::new(),
            effort: Effort::default(),
        }
    }

    /// Takes in an event, at a time that is never before that of the last one.
    pub fn apply(&mut self, machine: &Machine, event: Event, now_ms: u64, out: &mut Output) {
        self.now_ms = now_ms;
        let turn = &mut Turn::new(machine, now_ms, out);
        match event {
            Event::Redrive => self.redrive(turn),
            Event::UpdateMapRun {
                run,
                max_concurrency,
                tolerated_failure_count,
                tolerated_failure_percentage,
            } => self.update_map_run(
                run,
                max_concurrency,
                tolerated_failure_count,
                tolerated_failure_percentage,
            ),
            _ if !self.status.is_running() => return,
            Event::Stop { error, cause } => self.stop(error, cause, turn),
            Event::Timer => self.expire(turn),
            Event::Submitted { task, .. }
            | Event::SubmitFailed { task, .. }
            | Event::Started { task, .. }
            | Event::Heartbeat { task }
            | Event::Succeeded { task, .. }
            | Event::Failed { task, .. } => self.work_went_on(task, event, turn),
        }
        self.drive(turn);
    }

    /// When [`Event::Timer`] is due, in milliseconds since 1970; `None` when only other events matter.
    pub fn next_deadline(&self) -> Option<u64> {
        if !self.status.is_running() {
            return None;
        }
        if !self.ready.is_empty() {
            return Some(self.now_ms);
        }
        let timer = self.timers.first().map(|(at_ms, _)| *at_ms);
        match (timer, self.ends_at_ms) {
            (Some(timer), Some(end)) => Some(timer.min(end)),
            (timer, end) => timer.or(end),
        }
    }

    /// The state in which the machine stands, or stood when it failed: one of its own, not of an iteration or branch.
    pub fn state<'a>(&self, machine: &'a Machine) -> Option<&'a str> {
        let at = self.frames.get(ending::ROOT)?.state.0;
        machine.body.states.get(at as usize).map(|state| &*state.name)
    }

    /// All requests whose end is awaited and that are not known to have been handed over: what to ask for again after
    /// a recovery.
    pub fn outstanding(&self, out: &mut Output) {
        for frame in self.frames.iter() {
            if let Doing::Working(working) = &frame.doing
                && let Some(request) = &working.request
            {
                out.requests.push(Request::Perform(request.clone()));
            }
        }
    }

    /// What it was told when it started.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its input.
    pub fn input(&self) -> &Value {
        &self.input
    }

    /// How it stands.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// How often it was redriven.
    pub fn redrives(&self) -> u32 {
        self.redrives
    }

    /// When it was redriven last, in milliseconds since 1970.
    pub fn redriven_ms(&self) -> Option<u64> {
        self.redriven_ms
    }

    fn start_clock(&mut self, turn: &Turn<'_>) {
        let limits = [turn.machine.timeout_seconds, self.settings.seconds_max()];
        let seconds = limits.into_iter().flatten().min();
        self.ends_at_ms = seconds.map(|seconds| turn.now_ms.saturating_add(seconds.saturating_mul(1000)));
    }

    /// Lets frames go on whose deadline has come.
    fn expire(&mut self, turn: &mut Turn<'_>) {
        if self.ends_at_ms.is_some_and(|end| end <= turn.now_ms) {
            let step = ExecutionStep::TimedOut { error: None, cause: None };
            return self.end(0, step, Status::TimedOut { error: None, cause: None }, turn);
        }
        while let Some((at_ms, ix)) = self.timers.first().copied()
            && at_ms <= turn.now_ms
            && turn.steps > 0
            && self.status.is_running()
        {
            let mut frame = self.frames.take(ix).expect("a frame with a deadline is in");
            self.set_deadline(&mut frame, ix, None);
            let flow = match frame.doing {
                Doing::Waiting => self.waited(&mut frame, ix, turn),
                Doing::BackingOff => self.retry_now(&mut frame, ix, turn),
                Doing::Working(_) => self.task_timed_out(&mut frame, ix, turn),
                _ => unreachable!("only what waits has a deadline"),
            };
            self.go(frame, ix, flow, turn);
        }
    }

    /// The world tells of work.
    fn work_went_on(&mut self, task: TaskId, event: Event, turn: &mut Turn<'_>) {
        let Some(purpose) = self.working(task).map(|working| working.purpose) else { return };
        let ix = FrameIx((task.0 >> 32) as u32);
        let mut frame = self.frames.take(ix).expect("a frame at work is in");
        let flow = match (purpose, event) {
            (Purpose::Task, event) => self.task_went_on(&mut frame, ix, event, turn),
            (Purpose::Items { run }, Event::Succeeded { output, .. }) => {
                self.items_read(&mut frame, ix, (run, output), turn)
            }
            (Purpose::Results { run }, Event::Succeeded { output, .. }) => {
                self.results_written(&mut frame, ix, (run, output), turn)
            }
            (Purpose::Items { run } | Purpose::Results { run }, Event::Failed { error, cause, .. }) => {
                self.items_failed(&mut frame, ix, (run, reported(error, cause)), turn)
            }
            _ => Flow::Wait,
        };
        self.go(frame, ix, flow, turn);
    }

    fn task_went_on(&mut self, frame: &mut Frame, ix: FrameIx, event: Event, turn: &mut Turn<'_>) -> Flow {
        match event {
            Event::Submitted { output, .. } => return self.task_submitted(frame, ix, output, turn),
            Event::Started { worker, .. } => self.task_started(frame, ix, worker, turn),
            Event::Heartbeat { .. } => self.heartbeat(frame, ix, turn),
            Event::Succeeded { output, .. } => return self.task_succeeded(frame, ix, output, turn),
            Event::SubmitFailed { error, cause, .. } => {
                return self.task_not_submitted(frame, ix, reported(error, cause), turn);
            }
            Event::Failed { error, cause, .. } if *error == *RUNTIME => {
                return self.end_task(frame, ix, Failure::runtime(&*cause), turn);
            }
            Event::Failed { error, cause, timed_out, .. } => {
                let mut failure = reported(error, cause);
                if timed_out {
                    failure = Failure::work(Some(TIMEOUT.into()), failure.cause);
                }
                return self.task_failed(frame, ix, failure, timed_out, turn);
            }
            Event::Timer | Event::Stop { .. } | Event::Redrive | Event::UpdateMapRun { .. } => {}
        }
        Flow::Wait
    }
}
