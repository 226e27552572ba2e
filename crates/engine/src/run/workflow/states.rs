//! A workflow in the Amazon States Language: a state machine that this run hosts.
//!
//! Invariant: `calls` has an entry for every task that the machine waits for, and says where it is; whatever is reported
//! of a task that has none is refused.

use super::super::failing::name_of;
use super::super::{Cx, HistoryKind, Outgoing, Run, Status};
use super::{Machinery, Part, json, named};
use crate::effect::Reply;
use crate::input::{OutboxId, WorkflowStart};
use serde::{Deserialize, Serialize};
use sluice_asl::Machine;
use sluice_asl::execution::{
    Event, Execution, Output, Request, Status as Standing, TaskId, TaskRequest, Work,
};
use sluice_expression::Value;
use sluice_types::{Code, ContentType, Failure, Payload, Problem, ReturnValue, RunKey, Steps};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A state machine and where its tasks are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct States {
    execution: Execution,
    calls: BTreeMap<TaskId, Call>,
}

impl States {
    pub(super) fn execution(&self) -> &Execution {
        &self.execution
    }
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Call {
    /// An invocation of a function of this run's app.
    Invocation(u32),
    /// In the outbox.
    Sent {
        seq: u32,
        /// A callback ends it, not the end of what is called.
        callback: bool,
    },
    /// A run of another app.
    Child { run: RunKey, callback: bool },
    /// With somebody who will report.
    Outside,
}

impl Run {
    /// Starts a state machine.
    pub(super) fn start_states(&mut self, cx: &mut Cx<'_>, start: WorkflowStart) {
        let WorkflowStart { workflow, input, mut settings } = start;
        if self.incarnation > 0 {
            // Whoever holds a token of an earlier life has done the work of that life.
            settings.token_prefix = format!("{}{}.", settings.token_prefix, self.incarnation).into();
        }
        let input = Value::parse(&input).map_err(|error| error.to_string());
        let (machine, input) = match (cx.compiled.machine(workflow), input) {
            (Ok(machine), Ok(input)) => (machine, input),
            (Err(reason), _) | (_, Err(reason)) => return self.cannot_start(cx, &reason),
        };
        let mut out = Output::default();
        let execution = Execution::start(&machine, settings, input, cx.now_ms, &mut out);
        self.host(Machinery::States(States { execution, calls: BTreeMap::new() }));
        self.follow(cx, &machine, out);
    }

    pub(super) fn cannot_start(&mut self, cx: &mut Cx<'_>, reason: &str) {
        let message = format!("the workflow of run {} cannot start: {reason}", self.id);
        let problem =
            Problem::new(Code::WORKFLOW_FAILED, message, "deploy a definition that is valid and start again");
        self.end(cx, Status::Failed, Some(problem));
    }

    /// Lets something happen to the machine, and everything that follows from it.
    pub(in crate::run) fn step_states(&mut self, cx: &mut Cx<'_>, event: Event) {
        let Some(start) = self.workflow.as_deref() else { return };
        let Ok(machine) = cx.compiled.machine(start.workflow) else { return };
        let Some(hosted) = self.states_mut() else { return };
        let mut out = Output::default();
        hosted.execution.apply(&machine, event, cx.now_ms, &mut out);
        self.follow(cx, &machine, out);
    }

    /// Does what the machine asks for until it asks for no more.
    fn follow(&mut self, cx: &mut Cx<'_>, machine: &Machine, mut out: Output) {
        let mut answers = VecDeque::new();
        loop {
            for event in out.history.drain(..) {
                self.record(cx, HistoryKind::Workflow(Box::new(event)));
            }
            for request in out.requests.drain(..) {
                match request {
                    Request::Perform(request) => answers.extend(self.call(cx, *request)),
                    Request::Cancel(task) => self.cancel_call(cx, task),
                }
            }
            let Some(event) = answers.pop_front() else { break };
            let Some(hosted) = self.states_mut() else { break };
            hosted.execution.apply(machine, event, cx.now_ms, &mut out);
        }
        self.follow_deadline(cx);
        self.conclude_states(cx);
    }

    /// What the end of the machine means for the run.
    fn conclude_states(&mut self, cx: &mut Cx<'_>) {
        if !self.is_running() {
            return;
        }
        let Some(hosted) = self.states_mut() else { return };
        let standing = hosted.execution.status().clone();
        if standing != Standing::Running {
            hosted.calls.clear();
        }
        match standing {
            Standing::Running => {}
            Standing::Succeeded { output } => {
                self.put_output(cx, json(&output));
                self.consider_all();
            }
            Standing::Failed { error, cause } => {
                self.workflow_failed(cx, Code::WORKFLOW_FAILED, error, cause)
            }
            Standing::TimedOut { error, cause } => {
                self.workflow_failed(cx, Code::WORKFLOW_TIMED_OUT, error, cause);
            }
            Standing::Aborted { error, cause } => {
                let why = cause.as_deref().unwrap_or("somebody stopped it");
                let message = format!("the run was cancelled: {why}");
                let problem = Problem::new(Code::RUN_CANCELLED, message, "").at(format!("run {}", self.id));
                let cause = named(error, cause);
                self.end(cx, Status::Cancelled, Some(Problem { cause, ..problem }));
            }
        }
    }

    fn workflow_state(&self, cx: &Cx<'_>) -> Option<String> {
        let machine = cx.compiled.machine(self.workflow.as_deref()?.workflow).ok()?;
        self.states()?.execution.state(&machine).map(str::to_owned)
    }

    fn workflow_failed(
        &mut self,
        cx: &mut Cx<'_>,
        code: Code,
        error: Option<Arc<str>>,
        cause: Option<Arc<str>>,
    ) {
        let name = self.workflow_name(cx);
        let verb = if code == Code::WORKFLOW_TIMED_OUT { "timed out" } else { "failed" };
        let mut message = format!("workflow {name:?} {verb}");
        let parts = [error.as_deref().map(str::to_owned), cause.as_deref().map(told)];
        for part in parts.into_iter().flatten().filter(|part| !part.is_empty()) {
            message = format!("{message}: {part}");
        }
        let fix = "mend what the state does, or handle the error with Retry or Catch";
        let place = match self.workflow_state(cx) {
            Some(state) => format!("workflow {name}, state {state}"),
            None => format!("workflow {name}"),
        };
        let problem = Problem::new(code, message, fix).at(place);
        self.end(cx, Status::Failed, Some(Problem { cause: named(error, cause), ..problem }));
    }

    /// Has a task done. Returns what is known of it at once.
    fn call(&mut self, cx: &mut Cx<'_>, request: TaskRequest) -> Option<Event> {
        let task = request.task;
        if let Work::Function { name, input } = &request.work {
            let Some(function) = cx.program().function(name) else {
                let cause = format!("the app has no function {name:?}");
                return Some(failed(task, "States.Runtime", &cause));
            };
            let key = Arc::from(format!("{name}-{}", task.0));
            let items = self.argument(key, json(input));
            let seq = self.invoke(cx, function, items, None, None, Some(Part::Task(task)));
            self.note(task, Call::Invocation(seq));
            return None;
        }
        let callback = request.token.is_some();
        let seq = self.send(cx, Outgoing::Task(Arc::new(request)));
        self.note(task, Call::Sent { seq, callback });
        None
    }

    fn note(&mut self, task: TaskId, call: Call) {
        if let Some(hosted) = self.states_mut() {
            hosted.calls.insert(task, call);
        }
    }

    fn cancel_call(&mut self, cx: &mut Cx<'_>, task: TaskId) {
        let call = self.states_mut().and_then(|hosted| hosted.calls.remove(&task));
        match call {
            Some(Call::Invocation(seq)) => {
                if let Some(pending) = self.pending.remove(seq) {
                    self.stop(cx, seq, &pending);
                    self.done(cx, &pending);
                }
            }
            Some(Call::Sent { seq, .. }) => self.acknowledged(cx, seq),
            Some(Call::Child { run, .. }) => drop(self.send(cx, Outgoing::Cancel(run))),
            Some(Call::Outside) | None => {}
        }
    }

    /// See [`Run::workflow_event`].
    pub(super) fn states_event(&mut self, cx: &mut Cx<'_>, event: Event, from: Option<OutboxId>) -> Reply {
        if matches!(event, Event::Redrive) {
            return self.redrive(cx);
        }
        if !self.is_running() || self.states().is_none() {
            return refused(event.task());
        }
        let Some(task) = event.task() else {
            self.step_states(cx, event);
            self.settle(cx);
            return Reply::Accepted;
        };
        let call = self.states().and_then(|hosted| hosted.calls.get(&task).copied());
        let Some(call) = call.filter(|call| from.is_none_or(|from| self.is_with(*call, from))) else {
            return refused(Some(task));
        };
        if let Some(from) = from.filter(|from| from.run == self.key) {
            self.acknowledged(cx, from.seq);
            self.note(task, Call::Outside);
        }
        let callback = matches!(call, Call::Child { callback: true, .. } | Call::Sent { callback: true, .. });
        let event = if callback && from.is_some() { self.submitted(event) } else { event };
        if matches!(event, Event::Succeeded { .. } | Event::Failed { .. } | Event::SubmitFailed { .. })
            && let Some(hosted) = self.states_mut()
            && let Some(Call::Sent { seq, .. }) = hosted.calls.remove(&task)
        {
            // The holder of its token was faster than whoever was to hand it out.
            self.acknowledged(cx, seq);
        }
        self.step_states(cx, event);
        self.settle(cx);
        Reply::Accepted
    }

    /// What the end of its work means for a task that the holder of its token ends: it has been handed over, or could not be.
    fn submitted(&mut self, event: Event) -> Event {
        match event {
            Event::Succeeded { task, output } => {
                self.note(task, Call::Outside);
                Event::Submitted { task, output }
            }
            Event::Failed { task, error, cause, .. } => Event::SubmitFailed { task, error, cause },
            event => event,
        }
    }

    /// Whether whoever acknowledges this entry has a task that was called so, and has not reported on it before.
    fn is_with(&self, call: Call, from: OutboxId) -> bool {
        match call {
            Call::Sent { seq, .. } => from == OutboxId { run: self.key, seq },
            Call::Child { run, .. } => run == from.run,
            Call::Invocation(_) | Call::Outside => false,
        }
    }

    /// A call has become a run of its own.
    pub(super) fn task_called(&mut self, task: TaskId, child: RunKey) {
        let call = self.states_mut().and_then(|hosted| hosted.calls.get_mut(&task));
        if let Some(call) = call
            && let Call::Sent { callback, .. } = *call
        {
            *call = Call::Child { run: child, callback };
        }
    }

    /// An invocation that the machine asked for is done.
    pub(super) fn task_done(&mut self, cx: &mut Cx<'_>, task: TaskId, value: Option<ReturnValue>) {
        let event = match value.map(|value| json_value(&value)).transpose() {
            Ok(value) => Event::Succeeded { task, output: value.unwrap_or_default() },
            Err(cause) => failed(task, "States.Runtime", &cause),
        };
        self.task_ended(cx, task, event);
    }

    /// An invocation that the machine asked for failed: whether it is tried again is for the machine to say.
    pub(super) fn task_failed(&mut self, cx: &mut Cx<'_>, task: TaskId, failure: &Failure) {
        let stack: Vec<Value> = failure.stack.lines().map(Value::from).collect();
        let cause = Value::fields([
            ("errorMessage", Value::string(failure.message.as_str())),
            ("errorType", Value::string(failure.r#type.as_str())),
            ("stackTrace", Value::array(stack)),
        ]);
        let event = Event::Failed {
            task,
            error: name_of(failure).into(),
            cause: cause.to_json().into(),
            timed_out: failure.kind == sluice_types::FailureKind::TimedOut,
        };
        self.task_ended(cx, task, event);
    }

    fn task_ended(&mut self, cx: &mut Cx<'_>, task: TaskId, event: Event) {
        let known = self.states_mut().and_then(|hosted| hosted.calls.remove(&task));
        if known.is_some() && self.is_running() {
            self.step_states(cx, event);
        }
    }

    /// The run ends while its machine is under way: whatever it has asked for is stopped.
    pub(super) fn abandon_states(&mut self, cx: &mut Cx<'_>) {
        let Some(hosted) = self.states_mut() else { return };
        for call in std::mem::take(&mut hosted.calls).into_values() {
            match call {
                Call::Child { run, .. } => drop(self.send(cx, Outgoing::Cancel(run))),
                Call::Sent { seq, .. } => self.acknowledged(cx, seq),
                Call::Invocation(_) | Call::Outside => {}
            }
        }
    }

    /// Takes a failed machine up again where it failed.
    fn redrive(&mut self, cx: &mut Cx<'_>) -> Reply {
        let failed = matches!(self.status, Status::Failed | Status::Cancelled);
        if !failed || self.states().is_none() {
            let message = format!("run {} did not fail in a workflow", self.id);
            return Reply::Rejected(Box::new(Problem::new(
                Code::BAD_REQUEST,
                message,
                "only failed ones can be redriven",
            )));
        }
        if self.workflow_is_under_way() {
            let message = format!("run {} was ended while its workflow was under way", self.id);
            return Reply::Rejected(Box::new(Problem::new(Code::BAD_REQUEST, message, "start another run")));
        }
        self.reopen();
        self.step_states(cx, Event::Redrive);
        self.settle(cx);
        Reply::Accepted
    }

    /// Panics unless the run does for its machine what the machine waits for, and nothing else.
    pub(super) fn check_states(&self, hosted: &States) {
        let id = &self.id;
        let sent = self.outbox.values().filter(|outgoing| matches!(outgoing, Outgoing::Task(_))).count();
        if !self.workflow_is_under_way() || !self.is_running() {
            assert!(hosted.calls.is_empty() && sent == 0, "{id}: calls of a workflow that has ended");
            return;
        }
        let awaited: BTreeSet<TaskId> = hosted.execution.awaited().collect();
        assert!(
            awaited.iter().eq(hosted.calls.keys()),
            "{id}: the workflow waits for {awaited:?}, not {hosted:?}"
        );
        for (task, call) in &hosted.calls {
            let is_there = match call {
                Call::Invocation(seq) => {
                    self.pending.get(*seq).is_some_and(|of| of.part == Some(Part::Task(*task)))
                }
                Call::Sent { seq, .. } => matches!(
                    self.outbox.get(seq), Some(Outgoing::Task(request)) if request.task == *task
                ),
                Call::Child { .. } | Call::Outside => true,
            };
            assert!(is_there, "{id}: {call:?} of task {} is not there", task.0);
        }
        let count = |is: fn(&Call) -> bool| hosted.calls.values().filter(|call| is(call)).count();
        let invoked = self.pending.values().filter(|pending| pending.part.is_some()).count();
        assert_eq!(invoked, count(|call| matches!(call, Call::Invocation(_))), "{id}: invocations of tasks");
        assert_eq!(sent, count(|call| matches!(call, Call::Sent { .. })), "{id}: tasks in the outbox");
    }

    /// The machine, as far as it got; `None` for runs without one, and for express runs, which another engine executes.
    pub fn execution(&self) -> Option<&Execution> {
        self.states().map(|hosted| &hosted.execution)
    }
}

/// A cause for people: of an exception that a function reported, its message.
fn told(cause: &str) -> String {
    let reported = Value::parse(cause.as_bytes()).ok();
    let message = reported.as_ref().and_then(|value| value.get("errorMessage")).and_then(Value::as_str);
    message.unwrap_or(cause).to_owned()
}

fn failed(task: TaskId, error: &str, cause: &str) -> Event {
    Event::Failed { task, error: error.into(), cause: cause.into(), timed_out: false }
}

pub(super) fn refused(task: Option<TaskId>) -> Reply {
    let what = task.map_or_else(|| "a workflow".to_owned(), |task| format!("task {}", task.0));
    let message = format!("{what} is not under way");
    Reply::Rejected(Box::new(Problem::new(Code::UNKNOWN_TASK, message, "it has ended, or timed out")))
}

/// What a function returned, as the machine sees it: JSON as it is, text as a string.
pub(super) fn json_value(value: &ReturnValue) -> Result<Value, String> {
    let Payload::Inline(bytes) = &value.payload else {
        return Err("the output of a task is larger than what can be handed to a workflow".to_owned());
    };
    match value.content_type {
        ContentType::Json => Value::parse(bytes).map_err(|error| format!("the output is not JSON: {error}")),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::from(text)),
            Err(_) => Err("the output is neither JSON nor text".to_owned()),
        },
    }
}

/// The states of a workflow, compiled.
pub(crate) fn compile(steps: &Steps) -> Result<Arc<Machine>, String> {
    let Steps::States { definition, .. } = steps else { return Err("it is not a state machine".into()) };
    match Machine::parse(definition) {
        Ok((machine, _)) => Ok(Arc::new(machine)),
        Err(findings) => Err(findings.first().map(|finding| finding.message.to_string()).unwrap_or_default()),
    }
}
