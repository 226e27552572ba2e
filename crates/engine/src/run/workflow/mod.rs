//! The workflow of a run, which this run hosts.
//!
//! Invariants:
//! * while the workflow is under way the run's inputs are not all there, so nothing closes;
//! * `due_ms` is the workflow's deadline as the timer queue knows it.

mod answer;
mod code;
mod dag;
mod fork;
mod journal;
mod moving;
mod states;

pub(crate) use dag::plan;
pub use fork::Inherited;
pub(crate) use states::compile;

use super::{Cx, HistoryKind, Outgoing, Pending, Run};
use crate::compiled::Compiled;
use crate::condition::Items;
use crate::effect::Reply;
use crate::input::{OutboxId, WorkflowStart};
use crate::objects::{Owner, Slot};
use crate::timers::TimerId;
use bytes::Bytes;
use code::Code as CodeHost;
use dag::Dag as DagHost;
use serde::{Deserialize, Serialize};
use sluice_asl::execution::{Event, Status as Standing, TaskId};
use sluice_expression::Value;
use sluice_types::problem::Cause;
use sluice_types::{ContentType, Failure, Object, Payload, Program, ReturnValue, RunKey, Steps, TaskIx};
use states::States;
use std::sync::Arc;

/// A workflow and its deadline.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Hosted {
    machinery: Machinery,
    due_ms: Option<u64>,
}

/// What executes a workflow.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "it lies in a box of its own already")]
enum Machinery {
    States(States),
    Code(CodeHost),
    Dag(DagHost),
}

/// What of a workflow an invocation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// The work of a task of a state machine.
    Task(TaskId),
    /// A call that code made with this command.
    Call(u64),
    /// A turn of code.
    Turn,
    /// A call of a task of a DAG.
    Node {
        /// The task.
        task: TaskIx,
        /// For which element, if it is mapped.
        element: u32,
    },
}

impl Machinery {
    fn is_running(&self) -> bool {
        match self {
            Self::States(states) => *states.execution().status() == Standing::Running,
            Self::Code(code) => *code.execution().status() == sluice_flow::Status::Running,
            Self::Dag(dag) => dag.execution().status() == sluice_flow::dag::Status::Running,
        }
    }

    fn next_deadline(&self) -> Option<u64> {
        match self {
            Self::States(states) => states.execution().next_deadline(),
            Self::Code(code) => code.execution().next_deadline(),
            Self::Dag(dag) => dag.execution().next_deadline(),
        }
    }
}

impl Run {
    /// Starts the workflow that the run was started with.
    pub(super) fn start_workflow(&mut self, cx: &mut Cx<'_>) {
        let Some(start) = self.workflow.as_deref() else { return };
        match cx.program().workflows[start.workflow.index()].steps {
            Steps::States { .. } => self.start_states(cx, start.clone()),
            Steps::Code { function } => self.start_code(cx, function, start.input.clone()),
            Steps::Dag(_) => self.start_dag(cx, start.input.clone()),
        }
    }

    fn host(&mut self, machinery: Machinery) {
        self.machine = Some(Box::new(Hosted { machinery, due_ms: None }));
    }

    fn states(&self) -> Option<&States> {
        match &self.machine.as_deref()?.machinery {
            Machinery::States(states) => Some(states),
            Machinery::Code(_) | Machinery::Dag(_) => None,
        }
    }

    fn states_mut(&mut self) -> Option<&mut States> {
        match &mut self.machine.as_deref_mut()?.machinery {
            Machinery::States(states) => Some(states),
            Machinery::Code(_) | Machinery::Dag(_) => None,
        }
    }

    fn code(&self) -> Option<&CodeHost> {
        match &self.machine.as_deref()?.machinery {
            Machinery::Code(code) => Some(code),
            Machinery::States(_) | Machinery::Dag(_) => None,
        }
    }

    fn code_mut(&mut self) -> Option<&mut CodeHost> {
        match &mut self.machine.as_deref_mut()?.machinery {
            Machinery::Code(code) => Some(code),
            Machinery::States(_) | Machinery::Dag(_) => None,
        }
    }

    /// Whether a workflow holds the run open.
    pub(super) fn workflow_is_under_way(&self) -> bool {
        self.machine.as_deref().is_some_and(|hosted| hosted.machinery.is_running())
    }

    fn follow_deadline(&mut self, cx: &mut Cx<'_>) {
        let entity = self.entity();
        let Some(hosted) = self.machine.as_deref_mut() else { return };
        let due_ms = hosted.machinery.next_deadline().filter(|_| hosted.machinery.is_running());
        cx.timers.update(entity, TimerId::Workflow, hosted.due_ms, due_ms);
        hosted.due_ms = due_ms;
    }

    /// The workflow's deadline.
    pub(super) fn workflow_due_ms(&self) -> Option<u64> {
        self.machine.as_deref().and_then(|hosted| hosted.due_ms)
    }

    /// The workflow's deadline has come.
    pub(super) fn workflow_due(&mut self, cx: &mut Cx<'_>) {
        let Some(hosted) = self.machine.as_deref_mut() else { return };
        hosted.due_ms = None;
        match hosted.machinery {
            Machinery::States(_) => self.step_states(cx, Event::Timer),
            Machinery::Code(_) => self.step_code(cx, sluice_flow::Event::Timer),
            Machinery::Dag(_) => self.step_dag(cx, sluice_flow::dag::Event::Timer),
        }
    }

    /// Somebody wants the workflow to end. Code may take its time about it.
    pub(super) fn cancel_workflow(&mut self, cx: &mut Cx<'_>, reason: &str) {
        match self.machine.as_deref().map(|hosted| &hosted.machinery) {
            Some(Machinery::States(_)) => {
                self.step_states(cx, Event::Stop { error: None, cause: Some(reason.into()) });
            }
            Some(Machinery::Code(code)) if self.cannot_go_on(code) => self.cancel_at_once(cx, reason),
            Some(Machinery::Code(_)) => {
                let reason = json(&Value::string(reason));
                self.step_code(cx, sluice_flow::Event::Cancel { reason });
            }
            Some(Machinery::Dag(_)) => self.cancel_at_once(cx, reason),
            None => {}
        }
        self.settle(cx);
    }

    /// Something was reported of the workflow from outside. Whoever does the work of a task names the entry of this run's
    /// outbox, or of that of the run that was the work; the holder of a token names none.
    pub(crate) fn workflow_event(&mut self, cx: &mut Cx<'_>, event: Event, from: Option<OutboxId>) -> Reply {
        if self.code().is_none() {
            return self.states_event(cx, event, from);
        }
        let (task, event) = match event {
            Event::Succeeded { task, output } => {
                (task, sluice_flow::Event::Done { command: task.0, value: Some(json(&output)) })
            }
            Event::Failed { task, error, cause, .. } => (task, code::child_failed(task, &error, &cause)),
            other => return states::refused(other.task()),
        };
        self.child_reported(cx, task, event, from)
    }

    /// What left this run has become a run of its own, which is named if it is one of the same app.
    pub(crate) fn called(&mut self, cx: &mut Cx<'_>, seq: u32, child: RunKey, named: Option<&Arc<str>>) {
        if let Some(id) = named {
            self.record(cx, HistoryKind::RunCalled { id: id.clone() });
        }
        match self.outbox.get(&seq) {
            Some(Outgoing::Invocation(invocation)) => self.became(*invocation, child),
            Some(Outgoing::Task(request)) => {
                let task = request.task;
                match self.code().is_some() {
                    true => self.child_called(task, child),
                    false => self.task_called(task, child),
                }
            }
            _ => {}
        }
        self.acknowledged(cx, seq);
    }

    /// An invocation that the workflow asked for is done.
    pub(super) fn part_done(&mut self, cx: &mut Cx<'_>, part: Part, value: Option<ReturnValue>) {
        match part {
            Part::Task(task) => self.task_done(cx, task, value),
            Part::Call(command) => self.call_done(cx, command, value),
            Part::Node { task, element } => self.node_done(cx, task, element, value),
            Part::Turn => unreachable!("a turn ends with commands"),
        }
    }

    /// An invocation that the workflow asked for is out of attempts.
    pub(super) fn part_failed(&mut self, cx: &mut Cx<'_>, part: Part, pending: &Pending, failure: &Failure) {
        match part {
            Part::Task(task) => self.task_failed(cx, task, failure),
            Part::Call(command) => self.call_failed(cx, command, pending, failure),
            Part::Node { task, element } => self.node_failed(cx, task, element, pending, failure),
            Part::Turn => self.turn_failed(cx, pending, failure),
        }
    }

    /// The run ends while its workflow is under way: whatever it has asked for is stopped.
    pub(super) fn abandon_workflow(&mut self, cx: &mut Cx<'_>) {
        let entity = self.entity();
        let Some(hosted) = self.machine.as_deref_mut() else { return };
        cx.timers.update(entity, TimerId::Workflow, hosted.due_ms.take(), None);
        match hosted.machinery {
            Machinery::States(_) => self.abandon_states(cx),
            Machinery::Code(_) => self.abandon_code(cx),
            Machinery::Dag(_) => self.abandon_dag(),
        }
    }

    /// Whether it was started with a workflow that is code.
    pub fn has_code(&self) -> bool {
        let workflows = &self.program().workflows;
        let steps = self.workflow.as_deref().map(|start| &workflows[start.workflow.index()].steps);
        matches!(steps, Some(Steps::Code { .. }))
    }

    fn workflow_name(&self, cx: &Cx<'_>) -> Arc<str> {
        let workflow = self.workflow.as_deref().map(|start| start.workflow);
        workflow.map_or_else(|| "".into(), |ix| cx.program().workflows[ix.index()].name.clone())
    }

    /// The workflow's output becomes the run's.
    fn put_output(&mut self, cx: &mut Cx<'_>, output: ReturnValue) {
        let key = self.workflow_name(cx);
        self.put_under(cx, key, output);
    }

    /// What a workflow has made becomes an output of the run.
    fn put_under(&mut self, cx: &mut Cx<'_>, key: Arc<str>, output: ReturnValue) {
        // A function may have put something under this name; what is there stays.
        if self.objects.find(Program::OUTPUT, &key).is_some() {
            return super::put::discard(&output.payload, cx.effects);
        }
        let object = object(Program::OUTPUT, key, output);
        self.objects.push(Slot::new(object, Owner::Client, None, true));
    }

    /// What a function is called with. Small values stay with the call; of larger ones the run keeps the bytes.
    fn argument(&mut self, key: Arc<str>, value: ReturnValue) -> Items {
        let object = object(Program::INPUT, key, value);
        match object.payload {
            Payload::Inline(_) => Items::Value(Box::new(object)),
            Payload::Stored { .. } | Payload::Open { .. } => Items::One(self.adopt(object)),
        }
    }

    /// Panics unless the run does for its workflow what the workflow waits for, and nothing else.
    pub(super) fn check_workflow(&self) {
        let Some(hosted) = self.machine.as_deref() else { return };
        let is_under_way = self.is_running() && hosted.machinery.is_running();
        let due_ms = hosted.machinery.next_deadline().filter(|_| is_under_way);
        assert_eq!(hosted.due_ms, due_ms, "{}: the deadline of the workflow", self.id);
        match &hosted.machinery {
            Machinery::States(states) => self.check_states(states),
            Machinery::Code(code) => self.check_code(code),
            Machinery::Dag(dag) => self.check_dag(dag),
        }
    }

    /// What its workflow was started with.
    pub fn workflow(&self) -> Option<&WorkflowStart> {
        self.workflow.as_deref()
    }

    /// Whether it is the run of a workflow that another run called, and so has no triggers of its own.
    pub(crate) fn is_called_workflow(&self) -> bool {
        self.caller.is_some() && self.workflow.is_some()
    }

    /// A version of its app as it executes it.
    pub(crate) fn compiled_as(&self, compiled: &Arc<Compiled>) -> Arc<Compiled> {
        if self.is_called_workflow() { Compiled::called(compiled) } else { compiled.clone() }
    }

    /// How many calls of workflows led to this run.
    pub fn call_depth(&self) -> u32 {
        self.caller.map_or(0, |caller| caller.depth)
    }

    /// Whether a pending invocation answers to a workflow that looks into the answer: its return value must come with the
    /// record.
    pub fn answers_to_steps(&self, seq: u32) -> bool {
        let is_task = |pending: &Pending| matches!(pending.part, Some(Part::Task(_)));
        self.pending.get(seq).is_some_and(is_task) || self.answers_to_dag(seq)
    }

    /// The code of its workflow, as far as it got; `None` for runs of which no code says what is to be done, and for express
    /// runs, which another engine executes.
    pub fn code_execution(&self) -> Option<&sluice_flow::Execution> {
        self.code().map(CodeHost::execution)
    }

    /// The turn of its code that has ended last.
    pub fn last_turn(&self) -> Option<u32> {
        self.code().and_then(CodeHost::last_turn)
    }

    /// Entries that the code of its workflow was told, those of the turn that is out included; `None` for runs of which
    /// no code says what is to be done.
    pub fn told(&self) -> Option<u64> {
        self.code().map(|code| code.execution().told())
    }

    /// From which line of its history on the journal of its code is needed, to go on in a worker that knows nothing.
    pub fn journal_line(&self) -> u64 {
        self.code().map_or(1, CodeHost::journal_line)
    }

    /// Where its code begins in such a worker; `None`: at its start.
    pub fn origin(&self) -> Option<sluice_flow::Origin> {
        let checkpoint = *self.code()?.execution().checkpoint()?;
        let input = Payload::Inline(self.workflow.as_ref()?.input.clone());
        let input = Some(ReturnValue { content_type: ContentType::Json, payload: input });
        let before = if self.journal_line() == 1 { 0 } else { checkpoint.before_turn };
        Some(sluice_flow::Origin { checkpoint, input, before })
    }

    /// Whether an attempt is under way that is one at a turn of code.
    pub fn takes_turn(&self, seq: u32, attempt: sluice_types::Attempt) -> bool {
        self.is_turn(seq) && self.pending.get(seq).is_some_and(|pending| pending.is_current(attempt))
    }

    /// Whether a pending invocation is a turn of code.
    pub fn is_turn(&self, seq: u32) -> bool {
        self.pending.get(seq).is_some_and(|pending| pending.part == Some(Part::Turn))
    }
}

fn object(bucket: sluice_types::BucketIx, key: Arc<str>, value: ReturnValue) -> Object {
    let ReturnValue { content_type, payload } = value;
    Object { bucket, key, content_type, payload, group: None, meta: None }
}

fn json(value: &Value) -> ReturnValue {
    ReturnValue { content_type: ContentType::Json, payload: Payload::Inline(Bytes::from(value.to_json())) }
}

fn named(error: Option<Arc<str>>, cause: Option<Arc<str>>) -> Option<Cause> {
    (error.is_some() || cause.is_some()).then(|| Cause {
        r#type: error.as_deref().unwrap_or_default().to_owned(),
        message: cause.as_deref().unwrap_or_default().to_owned(),
        stack: String::new(),
    })
}
