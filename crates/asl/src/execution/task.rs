//! `Task`: work that is done elsewhere.

use super::data::View;
use super::failure::{Failure, Origin, TIMEOUT};
use super::frames::{Doing, Frame, FrameIx};
use super::history::{HistoryKind, TaskStep};
use super::join::Join;
use super::resource::{Resource, Target};
use super::retry::given;
use super::settings::{CAUSE_CHARS_MAX, ERROR_CHARS_MAX};
use super::turn::{Flow, Turn};
use super::{Execution, Request, TaskId, TaskRequest, Work, lambda};
use crate::Fault;
use crate::machine::{Kind, Setting, State, Task};
use serde::{Deserialize, Serialize};
use sluice_expression::Value;
use std::sync::Arc;

/// Work that a frame waits for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Working {
    /// This attempt.
    pub task: TaskId,
    /// Why it waits for it.
    pub purpose: Purpose,
    /// Ends it, for callbacks and activities.
    pub token: Option<Arc<str>>,
    /// What was asked for, until it is known to have been handed over.
    pub request: Option<Box<TaskRequest>>,
    pub timeout_seconds: Option<u64>,
    pub heartbeat_seconds: Option<u64>,
    /// When it times out, in milliseconds.
    pub timeout_at_ms: Option<u64>,
    /// When the next heartbeat is due, in milliseconds.
    pub heartbeat_at_ms: Option<u64>,
    /// The iterations of a `Map` whose results are written.
    pub join: Option<Box<Join>>,
}

/// Why a frame waits for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// It is at a `Task`.
    Task,
    /// It is at a distributed `Map` whose items are read.
    Items { run: u32 },
    /// It is at a distributed `Map` whose results are written.
    Results { run: u32 },
}

impl Working {
    fn deadline_ms(&self) -> Option<u64> {
        match (self.timeout_at_ms, self.heartbeat_at_ms) {
            (Some(timeout), Some(heartbeat)) => Some(timeout.min(heartbeat)),
            (timeout, heartbeat) => timeout.or(heartbeat),
        }
    }

    /// Starts its clocks.
    fn start_clocks(&mut self, now_ms: u64) {
        let after = |seconds: u64| now_ms.saturating_add(seconds.saturating_mul(1000));
        self.timeout_at_ms = self.timeout_seconds.map(after);
        self.heartbeat_at_ms = self.heartbeat_seconds.filter(|_| self.token.is_some()).map(after);
    }
}

impl Execution {
    /// A new name for an attempt at a task of a frame.
    pub(super) fn next_task(&mut self, ix: FrameIx) -> TaskId {
        self.tasks += 1;
        TaskId(u64::from(ix.0) << 32 | u64::from(self.tasks))
    }

    /// Asks for the work of a `Task`.
    pub(super) fn start_task(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        state: &State,
        task: &Task,
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        let resource = Resource::parse(&task.resource);
        let id = self.next_task(ix);
        let token = resource.has_token().then(|| self.new_token(id));
        let effective = self.effective_input(frame, state, turn)?;
        let view = View { token: token.as_ref(), ..View::of(&effective) };
        let arguments = self.arguments(frame, state, view, turn)?;
        let role = self.role(frame, state, task, view, turn)?;
        let (timeout_seconds, heartbeat_seconds) = self.see(frame, state, view, turn, |scope| {
            let timeout = Setting::optional(&task.timeout_seconds, scope, "TimeoutSeconds")?;
            Ok((timeout, Setting::optional(&task.heartbeat_seconds, scope, "HeartbeatSeconds")?))
        })?;
        self.keep(frame, state, &arguments)?;
        let work = resource.work(&arguments)?;
        let request =
            TaskRequest { task: id, work, token: token.clone(), timeout_seconds, heartbeat_seconds };
        if self.records(frame) {
            let performer = resource.performer();
            let region = self.region();
            let step = TaskStep::Scheduled { arguments, region, timeout_seconds, heartbeat_seconds, role };
            self.follow(frame, turn, || HistoryKind::Task { performer, step });
        } else {
            self.follow(frame, turn, || unreachable!("nothing is recorded"));
        }
        if !matches!(resource.target, Target::Activity(_)) {
            self.note_task(frame, &resource, turn, || TaskStep::Started { worker: None });
        }
        self.request(frame, ix, request, Purpose::Task, turn);
        Ok(Flow::Wait)
    }

    /// Asks for work of a frame that nobody ends by a token and no time limits.
    pub(super) fn request_work(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        work: Work,
        purpose: Purpose,
        turn: &mut Turn<'_>,
    ) {
        let task = self.next_task(ix);
        let request = TaskRequest { task, work, token: None, timeout_seconds: None, heartbeat_seconds: None };
        self.request(frame, ix, request, purpose, turn);
    }

    /// Hands out a request of a frame, which then waits for its end.
    pub(super) fn request(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        request: TaskRequest,
        purpose: Purpose,
        turn: &mut Turn<'_>,
    ) {
        let mut working = Box::new(Working {
            task: request.task,
            purpose,
            token: request.token.clone(),
            timeout_seconds: request.timeout_seconds,
            heartbeat_seconds: request.heartbeat_seconds,
            timeout_at_ms: None,
            heartbeat_at_ms: None,
            request: Some(Box::new(request.clone())),
            join: None,
        });
        // The clocks of an activity start when a worker takes it up.
        if !matches!(request.work, Work::Activity { .. }) {
            working.start_clocks(turn.now_ms);
        }
        self.set_deadline(frame, ix, working.deadline_ms());
        frame.doing = Doing::Working(working);
        turn.out.requests.push(Request::Perform(Box::new(request)));
    }

    fn role(
        &mut self,
        frame: &Frame,
        state: &State,
        task: &Task,
        view: View<'_>,
        turn: &Turn<'_>,
    ) -> Result<Option<Arc<str>>, Failure> {
        let Some(credentials) = &task.credentials else { return Ok(None) };
        let credentials = self.evaluate(frame, state, credentials, "Credentials", view, turn)?;
        Ok(credentials.get("RoleArn").and_then(Value::as_str).map(Into::into))
    }

    fn note_task(
        &mut self,
        frame: &mut Frame,
        resource: &Resource<'_>,
        turn: &mut Turn<'_>,
        step: impl FnOnce() -> TaskStep,
    ) {
        self.follow(frame, turn, || HistoryKind::Task { performer: resource.performer(), step: step() });
    }

    /// A worker took up an activity.
    pub(super) fn task_started(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        worker: Option<Arc<str>>,
        turn: &mut Turn<'_>,
    ) {
        let resource = self.resource_of(frame, turn);
        self.note_task(frame, &resource, turn, || TaskStep::Started { worker });
        let Doing::Working(working) = &mut frame.doing else { return };
        working.request = None;
        working.start_clocks(turn.now_ms);
        let deadline_ms = working.deadline_ms();
        self.set_deadline(frame, ix, deadline_ms);
    }

    /// A worker is still at it.
    pub(super) fn heartbeat(&mut self, frame: &mut Frame, ix: FrameIx, turn: &Turn<'_>) {
        let Doing::Working(working) = &mut frame.doing else { return };
        let Some(seconds) = working.heartbeat_seconds.filter(|_| working.heartbeat_at_ms.is_some()) else {
            return;
        };
        working.heartbeat_at_ms = Some(turn.now_ms.saturating_add(seconds.saturating_mul(1000)));
        let deadline_ms = working.deadline_ms();
        self.set_deadline(frame, ix, deadline_ms);
    }

    /// Work that ends later was handed over.
    pub(super) fn task_submitted(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        output: Value,
        turn: &mut Turn<'_>,
    ) -> Flow {
        let resource = self.resource_of(frame, turn);
        if !resource.callback && resource.wait == super::Wait::None {
            return Flow::Wait;
        }
        let Doing::Working(working) = &mut frame.doing else { return Flow::Wait };
        let Some(request) = working.request.take() else { return Flow::Wait };
        let output = lambda::result(&request.work, output, turn.now_ms, &mut self.chance);
        if let Err(fault) = self.check(&output, resource.performer().name()) {
            return self.task_failed(frame, ix, of_work(fault), false, turn);
        }
        self.note_task(frame, &resource, turn, || TaskStep::Submitted { output });
        Flow::Wait
    }

    /// The work of a `Task` succeeded.
    pub(super) fn task_succeeded(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        output: Value,
        turn: &mut Turn<'_>,
    ) -> Flow {
        let state = self.state_of(frame, turn.machine);
        let resource = self.resource_of(frame, turn);
        let Doing::Working(working) = &mut frame.doing else { return Flow::Wait };
        let request = working.request.take();
        self.set_deadline(frame, ix, None);
        let output = match request {
            Some(request) if !resource.callback => {
                lambda::result(&request.work, output, turn.now_ms, &mut self.chance)
            }
            _ => output,
        };
        if let Err(fault) = self.check(&output, resource.performer().name()) {
            return self.task_failed(frame, ix, of_work(fault), false, turn);
        }
        self.note_task(frame, &resource, turn, || TaskStep::Succeeded { output: output.clone() });
        let flow = self.complete(frame, state, output, turn);
        flow.unwrap_or_else(|failure| self.fail_state(frame, ix, state, failure, turn))
    }

    /// The work of a `Task` failed.
    pub(super) fn task_failed(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        failure: Failure,
        timed_out: bool,
        turn: &mut Turn<'_>,
    ) -> Flow {
        let resource = self.resource_of(frame, turn);
        let (error, cause) = (failure.error.clone(), failure.cause.clone());
        self.note_task(frame, &resource, turn, || match timed_out {
            false => TaskStep::Failed { error, cause },
            true => TaskStep::TimedOut { error, cause },
        });
        self.end_task(frame, ix, failure, turn)
    }

    /// The work of a `Task` could not be handed over.
    pub(super) fn task_not_submitted(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        failure: Failure,
        turn: &mut Turn<'_>,
    ) -> Flow {
        let resource = self.resource_of(frame, turn);
        let (error, cause) = (failure.error.clone(), failure.cause.clone());
        self.note_task(frame, &resource, turn, || TaskStep::SubmitFailed { error, cause });
        self.end_task(frame, ix, failure, turn)
    }

    /// The work of a `Task` has ended in a failure.
    pub(super) fn end_task(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        failure: Failure,
        turn: &mut Turn<'_>,
    ) -> Flow {
        self.set_deadline(frame, ix, None);
        let state = self.state_of(frame, turn.machine);
        self.fail_state(frame, ix, state, failure, turn)
    }

    /// The time of a task, or of its next heartbeat, is over.
    pub(super) fn task_timed_out(&mut self, frame: &mut Frame, ix: FrameIx, turn: &mut Turn<'_>) -> Flow {
        let Doing::Working(working) = &frame.doing else { return Flow::Wait };
        let silent = working.heartbeat_at_ms.is_some_and(|at_ms| at_ms <= turn.now_ms);
        turn.out.requests.push(Request::Cancel(working.task));
        let origin = if silent { Origin::Heartbeat } else { Origin::Work };
        let failure = Failure { origin, ..Failure::work(Some(TIMEOUT.into()), None) };
        self.task_failed(frame, ix, failure, true, turn)
    }

    fn resource_of<'m>(&self, frame: &Frame, turn: &Turn<'m>) -> Resource<'m> {
        match &self.state_of(frame, turn.machine).kind {
            Kind::Task(task) => Resource::parse(&task.resource),
            _ => unreachable!("the work of a task belongs to a Task"),
        }
    }

    /// The region that the execution's ARN names.
    fn region(&self) -> Arc<str> {
        let region = self.settings.id.split(':').nth(3).filter(|region| !region.is_empty());
        region.unwrap_or("us-east-1").into()
    }

    fn new_token(&mut self, task: TaskId) -> Arc<str> {
        format!("{}{:x}-{:016x}", self.settings.token_prefix, task.0, self.chance.next()).into()
    }

    /// The task that a token ends, if it is waited for.
    pub fn task_of_token(&self, token: &str) -> Option<TaskId> {
        let text = token.strip_prefix(&*self.settings.token_prefix)?;
        let task = TaskId(u64::from_str_radix(text.split_once('-')?.0, 16).ok()?);
        let working = self.working(task)?;
        (working.token.as_deref() == Some(token)).then_some(task)
    }

    /// The tasks whose end is waited for.
    pub fn awaited(&self) -> impl Iterator<Item = TaskId> {
        self.frames.iter().filter_map(|frame| match &frame.doing {
            Doing::Working(working) => Some(working.task),
            _ => None,
        })
    }

    /// What is waited for under that name.
    pub(super) fn working(&self, task: TaskId) -> Option<&Working> {
        match &self.frames.get(FrameIx((task.0 >> 32) as u32))?.doing {
            Doing::Working(working) if working.task == task => Some(working),
            _ => None,
        }
    }
}

/// What a task gave is not what may be kept.
fn of_work(fault: Fault) -> Failure {
    Failure::work(Some(fault.error), Some(fault.cause.into()))
}

/// An error as the world gives it. What is longer than AWS allows is cut: the cause of a failed execution is quoted in
/// that of the one that waited for it, and so on.
pub(super) fn reported(error: Arc<str>, cause: Arc<str>) -> Failure {
    Failure::work(given(cut(error, ERROR_CHARS_MAX)), given(cut(cause, CAUSE_CHARS_MAX)))
}

fn cut(text: Arc<str>, chars_max: usize) -> Arc<str> {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => text[..end].into(),
        None => text,
    }
}
