//! Functions that are workflows: an attempt is a run, which what the function is called with is the input of, and whose output
//! it returns.

use super::Shard;
use super::calls::{INVOCATION, own_fault, too_deep};
use crate::callees::{CalledRun, Fault};
use crate::ports::{Objects, Ports};
use bytes::Bytes;
use sluice_engine::{Caller, InputKind, OutboxId};
use sluice_expression::Value;
use sluice_storage::log::Priority;
use sluice_types::calendar::rfc3339;
use sluice_types::invocation::Arguments;
use sluice_types::{
    AppKey, ContentType, EventPack, EventView, Failure, FailureKind, Invocation, InvocationId, Object,
    Outcome, Payload, Problem, Puts, ReturnValue, RunKey, limits,
};

impl<P: Ports> Shard<P> {
    /// Starts the run that an attempt is to become.
    pub(super) fn call_workflow(&mut self, from: OutboxId, caller: Caller, invocation: &Invocation) {
        let executed = self.executed(from.run);
        let Some(run) = executed.filter(|run| run.owes(from)) else { return };
        // Since it was asked for, the run may have gone on on a version that numbers its functions in another way.
        let function = run.function_of(invocation.id.seq).unwrap_or(invocation.function);
        let function = &run.program().functions[function.index()];
        let workflow = function.workflow().expect("only workflows are called so").to_owned();
        let attempt = match invocation.attempt.0 {
            1 => String::new(),
            attempt => format!(".{attempt}"),
        };
        let rest = format!("{}-{}{attempt}", function.name, invocation.id.seq);
        if caller.depth > limits::WORKFLOW_CALLS_DEEP_MAX {
            return self.come_back(from, caller, Outcome::Failed(failure(&too_deep())));
        }
        let input = self.input_of(&invocation.arguments);
        let called = input.and_then(|input| self.own_workflow(from.run, &rest, workflow, input));
        let called = called.map(|called| CalledRun { form: INVOCATION, ..called });
        if let Err(fault) = called.and_then(|called| self.call(from, caller, true, called)) {
            self.come_back(from, caller, Outcome::Failed(failure(&fault)));
        }
    }

    /// A run has ended that is an attempt.
    pub(super) fn give_back_attempt(&mut self, from: OutboxId, to: Caller) {
        let outcome = self.outcome_of(from.run, to);
        let outcome = outcome.unwrap_or_else(|fault| Outcome::Failed(failure(&fault)));
        self.come_back(from, to, outcome);
    }

    pub(super) fn come_back(&mut self, from: OutboxId, to: Caller, outcome: Outcome) {
        let invocation = InvocationId { run: to.run, seq: to.task.0 as u32 };
        let kind = InputKind::Returned { invocation, outcome, incarnation: to.incarnation, from };
        // Refused only when the log is; the outbox asks again after recovery.
        if self.submit(kind.clone(), Priority::Progress).is_ok() {
            self.forward_express(kind);
        }
    }

    /// What an ended run returns to whoever called it: its output, or all of them as one JSON object.
    fn outcome_of(&mut self, child: RunKey, to: Caller) -> Result<Outcome, Fault> {
        let run = self.durable.run(child).ok_or_else(|| fault("the run is gone"))?;
        if let Some(problem) = run.error() {
            let stack =
                problem.cause.as_ref().map(|cause| cause.stack.clone()).filter(|stack| !stack.is_empty());
            let told = failure(&own_fault(problem));
            return Ok(Outcome::Failed(Failure { stack: stack.unwrap_or(told.stack), ..told }));
        }
        let (app, outputs): (_, Vec<Object>) = (run.app(), run.outputs().cloned().collect());
        let (content_type, payload) = match &outputs[..] {
            [] => return Ok(succeeded(None)),
            [one] => (one.content_type.clone(), one.payload.clone()),
            several => {
                bounded(several)?;
                (ContentType::Json, Payload::Inline(Bytes::from(self.together(several)?.to_json())))
            }
        };
        let payload = self.handed_over(app, &payload, to)?;
        Ok(succeeded(Some(ReturnValue { content_type, payload })))
    }

    /// What whoever called gets of an output: bytes of his own. They ride in the record if a workflow of his looks into them,
    /// or if his run is express: of what lies beside the log, only one of the two engines may let go.
    fn handed_over(&mut self, app: AppKey, payload: &Payload, to: Caller) -> Result<Payload, Fault> {
        let express = self.express.run(to.run);
        let calling = express.or_else(|| self.durable.run(to.run));
        let looks = calling.is_some_and(|run| run.answers_to_steps(to.task.0 as u32));
        let (is_express, most) = (express.is_some(), limits::WORKFLOW_VALUE_BYTES_MAX);
        if (looks || is_express) && payload.len() <= most {
            return Ok(Payload::Inline(self.objects.read(payload).map_err(unkept)?));
        }
        if is_express {
            let len = payload.len();
            return Err(fault(&format!(
                "its output has {len} bytes; an express run is handed {most} at most"
            )));
        }
        match payload {
            Payload::Inline(bytes) => {
                let mut own = self.objects.store(app, bytes).map_err(unkept)?;
                self.objects.persist(&mut own).map_err(unkept)?;
                Ok(own)
            }
            stored => self.objects.duplicate(app, stored).map_err(unkept),
        }
    }

    /// What an ended run gives to a workflow that has started it as a task, or the error under its name there.
    pub(super) fn output_of(&mut self, child: RunKey) -> Result<Value, Fault> {
        let named = |error: &'static str| move |fault: Fault| Fault::new(error, fault.cause);
        let run = self.durable.run(child).ok_or_else(|| Fault::new("States.Runtime", "the run is gone"))?;
        if let Some(problem) = run.error() {
            return Err(own_fault(problem));
        }
        let outputs: Vec<Object> = run.outputs().cloned().collect();
        bounded(&outputs).map_err(named("States.DataLimitExceeded"))?;
        self.together(&outputs).map_err(named("States.Runtime"))
    }

    /// The outputs of a run as one value: none is null, one is itself, of several each is under its key.
    fn together(&mut self, outputs: &[Object]) -> Result<Value, Fault> {
        match outputs {
            [] => Ok(Value::default()),
            [one] => self.value_of(one),
            several => {
                let fields = several.iter().map(|object| Ok((object.key.clone(), self.value_of(object)?)));
                Ok(Value::fields(fields.collect::<Result<Vec<_>, Fault>>()?))
            }
        }
    }

    /// What a function is called with, as the input of a workflow.
    fn input_of(&mut self, arguments: &Arguments) -> Result<Bytes, Fault> {
        bounded(arguments.objects())?;
        let value = match arguments {
            Arguments::One(object) => self.value_of(object)?,
            Arguments::List(objects) => {
                let values: Result<_, _> = objects.iter().map(|object| self.value_of(object)).collect();
                Value::array(values?)
            }
            Arguments::Event(event) => {
                let pack = EventPack::from(vec![event.clone()]);
                let event = pack.iter().next().expect("it was packed");
                value_of_event(event)?
            }
            Arguments::Events { list, .. } => {
                let values: Result<_, _> = list.iter().map(value_of_event).collect();
                Value::array(values?)
            }
        };
        Ok(Bytes::from(value.to_json()))
    }

    fn value_of(&mut self, object: &Object) -> Result<Value, Fault> {
        let bytes = self.objects.read(&object.payload).map_err(unkept)?;
        value_of_bytes(&object.content_type, &bytes)
            .map_err(|why| fault(&format!("object {:?} is {why}", object.key)))
    }
}

/// Objects are decoded on the shard's thread, so not any amount of them.
fn bounded(objects: &[Object]) -> Result<(), Fault> {
    let (bytes, most) =
        (objects.iter().map(|object| object.payload.len()).sum::<u64>(), limits::WORKFLOW_VALUE_BYTES_MAX);
    if bytes <= most {
        return Ok(());
    }
    Err(fault(&format!("{bytes} bytes are too many for a value of a workflow, which has {most} at most")))
}

/// An event as JSON.
fn value_of_event(event: EventView<'_>) -> Result<Value, Fault> {
    let head = event.head;
    let data = match event.data {
        [] => Value::default(),
        data => value_of_bytes(&head.content_type, data)
            .map_err(|why| fault(&format!("the data of event {:?} is {why}", event.id)))?,
    };
    Ok(Value::fields([
        ("data", data),
        ("id", Value::from(event.id)),
        ("source", Value::from(&*head.source)),
        ("subject", head.subject.as_deref().map_or_else(Value::default, Value::from)),
        ("time", Value::from(&*rfc3339(event.time_ms))),
        ("type", Value::from(&*head.r#type)),
    ]))
}

/// Bytes as a workflow sees them: JSON as it is, text as a string.
pub(super) fn value_of_bytes(content_type: &ContentType, bytes: &[u8]) -> Result<Value, String> {
    if content_type.is_json() {
        return Value::parse(bytes).map_err(|error| format!("not JSON: {error}"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Value::from(text)),
        Err(_) => Err("neither JSON nor text, which a workflow takes".to_owned()),
    }
}

fn succeeded(value: Option<ReturnValue>) -> Outcome {
    Outcome::Succeeded { puts: Puts::new(), value, emits: Vec::new() }
}

/// A failure for whoever called. The cause of what a state machine ends with may be that of an exception, as JSON.
fn failure(Fault { error, cause }: &Fault) -> Failure {
    let told = Value::parse(cause.as_bytes()).ok();
    let field = |name| told.as_ref().and_then(|told| told.get(name));
    let message = field("errorMessage").and_then(Value::as_str).unwrap_or(cause).to_owned();
    let lines = field("stackTrace").and_then(Value::as_array).into_iter().flatten();
    let stack = lines.filter_map(Value::as_str).collect::<Vec<_>>().join("\n");
    Failure { kind: FailureKind::Raised, r#type: error.clone(), message, stack }
}

fn fault(cause: &str) -> Fault {
    Fault::new("WorkflowFailed", cause)
}

fn unkept(problem: Problem) -> Fault {
    fault(&problem.message)
}
