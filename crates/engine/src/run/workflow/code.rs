//! A workflow written as code. Its turns are invocations of its function: their arguments are entries, their puts are
//! commands.
//!
//! Invariant: `calls` has the invocation of every call that the workflow waits for, and `turn` the one in which its
//! code runs.

use super::super::failing::explain;
use super::super::put::{Placed, discard, failure};
use super::super::{Cx, Outgoing, Pending, Run, Status};
use super::fork::Inherited;
use super::journal::Journal;
use super::{Machinery, Part, json};
use crate::condition::Items;
use crate::effect::{Effect, Reply};
use crate::input::OutboxId;
use crate::objects::{Owner, Present, Slot};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sluice_asl::execution::{TaskId, TaskRequest, Work};
use sluice_expression::Value;
use sluice_flow::{Command, Entry, Event, Execution, Output, Request, Status as Standing};
use sluice_types::problem::Cause;
use sluice_types::{
    ContentType, EventView, Failure, FailureKind, FunctionIx, Payload, Problem, Puts, ReturnValue, RunKey,
    Version,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A workflow and where its calls are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Code {
    execution: Execution,
    function: FunctionIx,
    calls: BTreeMap<u64, Call>,
    turn: Option<u32>,
    /// The turn that has ended last.
    last_turn: Option<u32>,
    /// From where its past is, if from another run.
    inherited: Option<Box<Inherited>>,
    /// Where the run went on on another version: the line of its history, and the version before.
    moves: Vec<(u64, Version)>,
    pub(super) journal: Journal,
}

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Call {
    /// An invocation of a function.
    Invocation(u32),
    /// A run to be, in the outbox.
    Sent(u32),
    /// A run.
    Child(RunKey),
}

impl Code {
    fn new(execution: Execution, function: FunctionIx) -> Self {
        Self {
            execution,
            function,
            calls: BTreeMap::new(),
            turn: None,
            last_turn: None,
            inherited: None,
            moves: Vec::new(),
            journal: Journal::new(),
        }
    }

    /// One that goes on after this turn.
    pub(super) fn resumed(
        execution: Execution,
        function: FunctionIx,
        turn: u32,
        inherited: Option<Box<Inherited>>,
    ) -> Self {
        Self { last_turn: Some(turn), inherited, ..Self::new(execution, function) }
    }

    /// Goes on on another version, where its turns are calls of this function.
    pub(super) fn moved(&mut self, function: FunctionIx, line: u64, before: Version) {
        self.function = function;
        self.moves.push((line, before));
    }

    pub(super) fn moves(&self) -> &[(u64, Version)] {
        &self.moves
    }

    pub(super) fn function(&self) -> FunctionIx {
        self.function
    }

    /// The turn that is out, which is no longer.
    pub(super) fn take_turn(&mut self) -> Option<u32> {
        let turn = self.turn.take();
        turn.iter().for_each(|_| self.journal.turn_taken_back());
        turn
    }

    /// Asks anew for the turn that was out.
    pub(super) fn retake(&mut self, out: &mut Output) {
        self.execution.retake(out);
    }

    pub(super) fn inherited(&self) -> Option<&Inherited> {
        self.inherited.as_deref()
    }

    pub(super) fn last_turn(&self) -> Option<u32> {
        self.last_turn
    }

    pub(super) fn execution(&self) -> &Execution {
        &self.execution
    }

    /// The line of the run's history from which on the journal is needed.
    pub(super) fn journal_line(&self) -> u64 {
        self.journal.from
    }
}

impl Run {
    /// Starts a workflow whose turns are calls of this function.
    pub(super) fn start_code(&mut self, cx: &mut Cx<'_>, function: FunctionIx, input: Bytes) {
        let input = ReturnValue { content_type: ContentType::Json, payload: Payload::Inline(input) };
        let mut out = Output::default();
        let execution = Execution::start(Some(input), cx.now_ms, &mut out);
        self.host(Machinery::Code(Code::new(execution, function)));
        self.follow_code(cx, out);
    }

    /// Lets something happen to the workflow, and everything that follows from it.
    pub(super) fn step_code(&mut self, cx: &mut Cx<'_>, event: Event) {
        let Some(code) = self.code_mut() else { return };
        let mut out = Output::default();
        code.execution.apply(event, cx.now_ms, &mut out);
        self.follow_code(cx, out);
    }

    pub(super) fn follow_code(&mut self, cx: &mut Cx<'_>, mut out: Output) {
        let mut answers = VecDeque::new();
        loop {
            for line in out.journal.drain(..) {
                self.write_line(cx, line);
            }
            for request in out.requests.drain(..) {
                if !self.is_running() {
                    // What was asked for before has ended the run.
                    break;
                }
                match request {
                    Request::Turn(entries) => self.take_turn(cx, &entries),
                    Request::Call { command, function, value } => {
                        answers.extend(self.make_call(cx, command, &function, value));
                    }
                    Request::Child { command, workflow, value } => {
                        answers.extend(self.make_child(cx, command, workflow, value.as_ref()));
                    }
                    Request::Put { command, bucket, key, value } => {
                        answers.push_back(self.code_put(cx, command, &bucket, key, value));
                    }
                    Request::Emit { command, name, value } => {
                        answers.push_back(self.code_emit(cx, command, name, value));
                    }
                    Request::Cancel(command) => self.cancel_made(cx, command),
                    Request::Answered(update) => {
                        cx.effects.push(Effect::Answered { run: self.key, update });
                    }
                }
            }
            let Some(event) = answers.pop_front() else { break };
            let Some(code) = self.code_mut() else { break };
            code.execution.apply(event, cx.now_ms, &mut out);
        }
        self.follow_deadline(cx);
        self.conclude_code(cx);
    }

    fn take_turn(&mut self, cx: &mut Cx<'_>, entries: &[Entry]) {
        let (seq, seed) = (self.next_invocation, self.seed);
        let Some(code) = self.code_mut() else { return };
        let (function, after) = (code.function, code.last_turn);
        code.turn = Some(seq);
        code.journal.turn_taken(entries.len());
        let head = sluice_flow::head(after, Some(seq), seed);
        let items = Items::Values([head].into_iter().chain(entries.iter().map(Entry::to_object)).collect());
        self.invoke(cx, function, items, None, None, Some(Part::Turn));
    }

    /// Calls a function. Returns what is known of it at once.
    fn make_call(
        &mut self,
        cx: &mut Cx<'_>,
        command: u64,
        name: &Arc<str>,
        value: Option<ReturnValue>,
    ) -> Option<Event> {
        let Some(function) =
            cx.program().function(name).filter(|ix| !cx.program().functions[ix.index()].takes_turns())
        else {
            value.iter().for_each(|value| discard(&value.payload, cx.effects));
            let message = format!("the app has no function {name:?}");
            let error = error_json(&failure(FailureKind::Raised, "UnknownFunction", message), name, 0);
            return Some(Event::Failed { command, error });
        };
        let key = Arc::from(format!("{name}-{command}"));
        let value = value.unwrap_or_else(|| json(&Value::default()));
        let items = self.argument(key, value);
        let seq = self.invoke(cx, function, items, None, None, Some(Part::Call(command)));
        self.note_call(command, Call::Invocation(seq));
        None
    }

    /// Has a workflow of the app run. Returns what is known of it at once.
    fn make_child(
        &mut self,
        cx: &mut Cx<'_>,
        command: u64,
        name: Arc<str>,
        value: Option<&ReturnValue>,
    ) -> Option<Event> {
        let known = cx.program().workflow(&name).is_some();
        let input = value.map_or(Ok(Value::default()), super::states::json_value);
        let refusal = match (known, input) {
            (true, Ok(input)) => {
                let work = Work::Workflow { name, input };
                let task = TaskId(command);
                let request =
                    TaskRequest { task, work, token: None, timeout_seconds: None, heartbeat_seconds: None };
                let seq = self.send(cx, Outgoing::Task(Arc::new(request)));
                self.note_call(command, Call::Sent(seq));
                return None;
            }
            (false, _) => format!("the app has no workflow {name:?}"),
            (true, Err(reason)) => reason,
        };
        value.iter().for_each(|value| discard(&value.payload, cx.effects));
        let error = error_json(&failure(FailureKind::Raised, "ChildFailed", refusal), &name, 0);
        Some(Event::Failed { command, error })
    }

    /// The code puts an object, as a client would: while it is under way the run's inputs are not all there.
    fn code_put(
        &mut self,
        cx: &mut Cx<'_>,
        command: u64,
        bucket: &Arc<str>,
        key: Arc<str>,
        value: Option<ReturnValue>,
    ) -> Event {
        let value = value.unwrap_or_else(|| ReturnValue {
            content_type: ContentType::Bytes,
            payload: Payload::Inline(Bytes::new()),
        });
        let Some(found) = cx.program().bucket(bucket) else {
            discard(&value.payload, cx.effects);
            return refused_put(command, bucket, format!("the app has no bucket {bucket:?}"));
        };
        let object = super::object(found, key, value);
        match self.objects.present(Owner::Client, found, &object.key, &object.payload) {
            Present::Nothing => {
                let at = self.objects.push(Slot::new(object, Owner::Client, None, true));
                self.show(cx, Placed::Whole(at));
                Event::Done { command, value: None }
            }
            Present::Same { shares_payload } => {
                if !shares_payload {
                    discard(&object.payload, cx.effects);
                }
                Event::Done { command, value: None }
            }
            Present::Differs | Present::Taken => {
                discard(&object.payload, cx.effects);
                let message =
                    format!("key {:?} of bucket {bucket:?} already holds another object", object.key);
                refused_put(command, bucket, message)
            }
        }
    }

    fn code_emit(
        &mut self,
        cx: &mut Cx<'_>,
        command: u64,
        name: Arc<str>,
        value: Option<ReturnValue>,
    ) -> Event {
        let (content_type, data) = match value {
            None => (ContentType::Bytes, Bytes::new()),
            Some(ReturnValue { content_type, payload: Payload::Inline(data) }) => (content_type, data),
            Some(value) => {
                discard(&value.payload, cx.effects);
                let message = "its data is too large for an event; put an object and name its key".to_owned();
                return refused_put(command, &name, message);
            }
        };
        self.emit(cx, format!("{}/code/{command}", self.id), name, None, content_type, data);
        Event::Done { command, value: None }
    }

    fn note_call(&mut self, command: u64, call: Call) {
        if let Some(code) = self.code_mut() {
            code.calls.insert(command, call);
        }
    }

    /// A child has become a run of its own.
    pub(super) fn child_called(&mut self, task: TaskId, child: RunKey) {
        if let Some(call) = self.code_mut().and_then(|code| code.calls.get_mut(&task.0)) {
            *call = Call::Child(child);
        }
    }

    /// A child has ended, or could not begin; `from` is the entry of its outbox, or of this run's.
    pub(super) fn child_reported(
        &mut self,
        cx: &mut Cx<'_>,
        task: TaskId,
        event: Event,
        from: Option<OutboxId>,
    ) -> Reply {
        let calls = self.code().map(|code| &code.calls);
        let call = calls.and_then(|calls| calls.get(&task.0)).filter(|_| self.is_running()).copied();
        let is_its_own = match (call, from) {
            (Some(Call::Sent(seq)), Some(from)) => from == OutboxId { run: self.key, seq },
            (Some(Call::Child(run)), Some(from)) => run == from.run,
            _ => false,
        };
        if !is_its_own {
            return super::states::refused(Some(task));
        }
        if let Some(Call::Sent(seq)) = call {
            self.acknowledged(cx, seq);
        }
        self.code_mut().expect("it has called").calls.remove(&task.0);
        self.step_code(cx, event);
        self.settle(cx);
        Reply::Accepted
    }

    fn cancel_made(&mut self, cx: &mut Cx<'_>, command: u64) {
        match self.code_mut().and_then(|code| code.calls.remove(&command)) {
            Some(Call::Invocation(seq)) => {
                if let Some(pending) = self.pending.remove(seq) {
                    self.stop(cx, seq, &pending);
                    self.done(cx, &pending);
                }
            }
            Some(Call::Sent(seq)) => self.acknowledged(cx, seq),
            Some(Call::Child(run)) => drop(self.send(cx, Outgoing::Cancel(run))),
            None => {}
        }
    }

    /// A turn has ended with these puts.
    pub(in crate::run) fn turned(&mut self, cx: &mut Cx<'_>, seq: u32, mut pending: Pending, puts: Puts) {
        let mut brought = std::mem::take(&mut pending.held);
        brought.extend(puts);
        let commands: Result<Vec<Command>, _> =
            brought.iter().map(|put| Command::of((**put).clone())).collect();
        let execution = self.code().map(Code::execution);
        let admitted = commands.and_then(|commands| match execution.map(|of| of.admits(&commands)) {
            Some(Err(malformed)) => Err(malformed),
            _ => Ok(commands),
        });
        let commands = match admitted {
            Ok(commands) => commands,
            Err(malformed) => {
                brought.iter().for_each(|put| discard(&put.payload, cx.effects));
                let failure = failure(FailureKind::Protocol, "MalformedCommand", malformed.0);
                return self.failed(cx, seq, pending, failure);
            }
        };
        self.tallies[pending.function.index()].succeeded += 1;
        self.done(cx, &pending);
        let Some(code) = self.code_mut() else { return };
        (code.turn, code.last_turn) = (None, Some(seq));
        self.keep_values(cx, &commands);
        self.step_code(cx, Event::Turned(commands));
    }

    /// Somebody tells the code something from outside.
    pub(crate) fn code_told(&mut self, cx: &mut Cx<'_>, event: Event) -> Reply {
        if !self.hears_signals() {
            let message = format!("run {} has no workflow under way that is code", self.id);
            let fix = "ask while it runs; a state machine takes events and task tokens only";
            return Reply::Rejected(Box::new(Problem::new(sluice_types::Code::RUN_ENDED, message, fix)));
        }
        self.step_code(cx, event);
        self.settle(cx);
        Reply::Accepted
    }

    /// An event is for this run alone: its workflow hears it.
    pub(in crate::run) fn signal(&mut self, cx: &mut Cx<'_>, event: EventView<'_>) {
        if event.head.run.is_some() && self.hears_signals() {
            let event = event.to_event();
            self.hear_signal(cx, &event.r#type, &event.content_type, event.data);
        }
    }

    /// Whether code says what is to be done in this run, and has not ended.
    pub(in crate::run) fn hears_signals(&self) -> bool {
        self.is_running() && self.code().is_some_and(|code| *code.execution.status() == Standing::Running)
    }

    /// The workflow hears an event: its type is the signal's name, its data comes with it.
    pub(in crate::run) fn hear_signal(
        &mut self,
        cx: &mut Cx<'_>,
        name: &Arc<str>,
        content_type: &ContentType,
        data: Bytes,
    ) {
        if self.hears_signals() {
            let payload = Payload::Inline(data);
            let value =
                (!payload.is_empty()).then(|| ReturnValue { content_type: content_type.clone(), payload });
            self.step_code(cx, Event::Signal { name: name.clone(), value });
        }
    }

    /// A call that the code made succeeded.
    pub(super) fn call_done(&mut self, cx: &mut Cx<'_>, command: u64, value: Option<ReturnValue>) {
        if self.code_mut().is_some_and(|code| code.calls.remove(&command).is_some()) {
            value.iter().for_each(|value| self.hold_value(value));
            self.step_code(cx, Event::Done { command, value });
        }
    }

    /// A call that the code made is out of attempts.
    pub(super) fn call_failed(
        &mut self,
        cx: &mut Cx<'_>,
        command: u64,
        pending: &Pending,
        failure: &Failure,
    ) {
        if self.code_mut().is_some_and(|code| code.calls.remove(&command).is_some()) {
            let name = &cx.program().functions[pending.function.index()].name;
            let error = error_json(failure, name, pending.attempt.0);
            self.step_code(cx, Event::Failed { command, error });
        }
    }

    /// The code cannot have its turn, now or ever.
    pub(super) fn turn_failed(&mut self, cx: &mut Cx<'_>, pending: &Pending, failure: &Failure) {
        let name = &cx.program().functions[pending.function.index()].name;
        let (code, fix) = explain(failure);
        let message = format!("workflow {name:?} cannot go on: {}", failure.message);
        let problem = Problem::new(code, message, fix).at(format!("workflow {name}"));
        let cause = Some(Cause {
            r#type: failure.r#type.clone(),
            message: failure.message.clone(),
            stack: failure.stack.clone(),
        });
        self.end(cx, Status::Failed, Some(Problem { cause, ..problem }));
    }

    /// What the end of the code means for the run.
    fn conclude_code(&mut self, cx: &mut Cx<'_>) {
        let Some(code) = self.code().filter(|_| self.is_running()) else { return };
        match code.execution.status().clone() {
            Standing::Running => {}
            Standing::Returned(output) => {
                output.into_iter().for_each(|output| self.put_output(cx, output));
                self.consider_all();
            }
            Standing::Failed(error) => {
                let problem = self.raised(cx, error.as_ref());
                error.iter().for_each(|error| discard(&error.payload, cx.effects));
                self.end(cx, Status::Failed, Some(problem));
            }
            Standing::Stopped => {
                let message = "the run was cancelled, and its workflow has ended";
                let problem = Problem::new(sluice_types::Code::RUN_CANCELLED, message, "");
                self.end(cx, Status::Cancelled, Some(problem.at(format!("run {}", self.id))));
            }
        }
    }

    /// What a workflow failed with, from the error that its code raised.
    fn raised(&self, cx: &Cx<'_>, error: Option<&ReturnValue>) -> Problem {
        let name = self.workflow_name(cx);
        let error = error.and_then(|error| match &error.payload {
            Payload::Inline(bytes) => Value::parse(bytes).ok(),
            Payload::Stored { .. } | Payload::Open { .. } => None,
        });
        let text = |field: &str| {
            let value = error.as_ref().and_then(|error| error.get(field)).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let cause = Cause { r#type: text("type"), message: text("message"), stack: text("stack") };
        let message = format!("workflow {name:?} failed: {}: {}", cause.r#type, cause.message);
        let fix = "see the cause; mend the workflow or its input and start again";
        let problem = Problem::new(sluice_types::Code::WORKFLOW_FAILED, message, fix);
        Problem { cause: Some(cause), ..problem.at(format!("workflow {name}")) }
    }

    /// Whether the code can be told nothing: what it wants differs from what it wanted before.
    pub(super) fn cannot_go_on(&self, code: &Code) -> bool {
        let turn = code.turn.and_then(|seq| self.pending.get(seq));
        let failure = turn.and_then(|turn| turn.failure.as_deref());
        failure.is_some_and(|failure| failure.kind == FailureKind::Diverged)
    }

    /// The run ends while the code is under way.
    pub(super) fn abandon_code(&mut self, cx: &mut Cx<'_>) {
        let Some(code) = self.code_mut() else { return };
        code.turn = None;
        for call in std::mem::take(&mut code.calls).into_values() {
            match call {
                Call::Child(run) => drop(self.send(cx, Outgoing::Cancel(run))),
                Call::Sent(seq) => self.acknowledged(cx, seq),
                Call::Invocation(_) => {}
            }
        }
    }

    pub(super) fn check_code(&self, code: &Code) {
        let id = &self.id;
        let parts = self.pending.iter().filter_map(|(seq, pending)| Some((seq, pending.part?)));
        let (mut calls, mut turn) = (BTreeMap::new(), None);
        for (seq, part) in parts {
            match part {
                Part::Call(command) => drop(calls.insert(command, seq)),
                Part::Turn => turn = Some(seq),
                Part::Task(_) | Part::Node { .. } => panic!("{id}: a task of a workflow that has none"),
            }
        }
        let invoked = code.calls.iter().filter_map(|(command, call)| match call {
            Call::Invocation(seq) => Some((*command, *seq)),
            Call::Sent(_) | Call::Child(_) => None,
        });
        assert_eq!((invoked.collect(), code.turn), (calls, turn), "{id}: the invocations of the workflow");
        let sent = code.calls.values().filter_map(|call| match call {
            Call::Sent(seq) => Some(*seq),
            Call::Invocation(_) | Call::Child(_) => None,
        });
        let to_be = self.outbox.iter().filter(|(_, outgoing)| matches!(outgoing, Outgoing::Task(_)));
        let (sent, to_be): (BTreeSet<u32>, BTreeSet<u32>) =
            (sent.collect(), to_be.map(|(seq, _)| *seq).collect());
        assert_eq!(sent, to_be, "{id}: children that are to be");
        if self.is_running() {
            let waited: Vec<u64> = code.calls.keys().copied().collect();
            assert!(code.execution.calls().eq(waited), "{id}: calls that the workflow waits for");
            assert_eq!(code.execution.is_in_turn(), turn.is_some(), "{id}: the turn of the workflow");
            assert_eq!(
                code.journal.untold(),
                code.execution.untold(),
                "{id}: entries that no turn tells yet"
            );
        }
    }
}

/// What a workflow is told of a failure.
fn error_json(failure: &Failure, function: &Arc<str>, attempts: u32) -> ReturnValue {
    let fields = [
        ("attempts", Value::from(i64::from(attempts))),
        ("function", Value::string(&**function)),
        ("kind", Value::string(format!("{:?}", failure.kind))),
        ("message", Value::string(failure.message.as_str())),
        ("stack", Value::string(failure.stack.as_str())),
        ("type", Value::string(failure.r#type.as_str())),
    ];
    json(&Value::fields(fields))
}

/// What a workflow is told of a put or an event that was refused.
fn refused_put(command: u64, what: &Arc<str>, message: String) -> Event {
    Event::Failed { command, error: error_json(&failure(FailureKind::Raised, "Refused", message), what, 0) }
}

/// What a workflow is told of a child that failed.
pub(super) fn child_failed(task: TaskId, error: &str, cause: &str) -> Event {
    let kind = FailureKind::Raised;
    let failure = Failure { kind, r#type: error.to_owned(), message: cause.to_owned(), stack: String::new() };
    Event::Failed { command: task.0, error: error_json(&failure, &"".into(), 1) }
}
