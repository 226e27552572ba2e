//! The desk: where the shard leaves calls and the client picks them up. It takes the place of sandboxes.
//!
//! A call is here while it waits or is made; a stopped one that waits is gone at once, one that is being made is told.

use crate::clock::{Chance, Clock};
use crate::memory::MapObjects;
use crate::protocol::{self, Arguments, Data, Outcome};
use sluice_runtime::ports::{self, Objects, Report, Sandboxes};
use sluice_types::invocation::Emission;
use sluice_types::{
    AppKey, Attempt, Code, ContentType, Event, Failure, FailureKind, FunctionIx, InvocationId, Object,
    Problem, Program, Put, ReturnValue, RunKey, Version,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// Calls that wait, and those that are being made.
pub struct Desk {
    clock: Clock,
    /// Picks among the calls that wait; without it the first is next.
    chance: Option<Chance>,
    programs: BTreeMap<(AppKey, Version), Arc<Program>>,
    waiting: VecDeque<protocol::Call>,
    made: BTreeMap<u64, Made>,
    heard: Vec<Heard>,
    last: u64,
}

/// A call whose end has not been reported.
struct Made {
    invocation: InvocationId,
    attempt: Attempt,
    app: AppKey,
    program: Arc<Program>,
    stopped: bool,
    /// Whether its function is a workflow.
    is_run: bool,
}

/// A report of the client that the shard has not seen.
struct Heard {
    invocation: InvocationId,
    attempt: Attempt,
    app: AppKey,
    what: What,
}

enum What {
    Started,
    Passed,
    Put { put: Put, data: Data },
    Ended(Outcome),
}

impl Desk {
    pub fn new(clock: Clock, chance: Option<Chance>) -> Self {
        let (programs, waiting, made) = Default::default();
        Self { clock, chance, programs, waiting, made, heard: Vec::new(), last: 0 }
    }

    /// The next call to make.
    pub fn take(&mut self) -> Option<protocol::Call> {
        let index = match &mut self.chance {
            Some(chance) if !self.waiting.is_empty() => chance.below(self.waiting.len()),
            _ => 0,
        };
        let call = self.waiting.remove(index)?;
        self.hear(call.call, What::Started).expect("a call that waits is known");
        Some(protocol::Call { now_ms: self.clock.now_ms(), ..call })
    }

    /// Whether calls are being made: until they end, time stands still.
    pub fn is_busy(&self) -> bool {
        self.made.len() > self.waiting.len()
    }

    /// The client puts an object for a call.
    pub fn put(&mut self, call: u64, object: protocol::Object) -> Result<(), Problem> {
        let made = self.made.get(&call).ok_or_else(|| unknown(call))?;
        let protocol::Object { bucket, key, data, group, meta } = object;
        let bucket = made.program.bucket(&bucket).ok_or_else(|| {
            Problem::new(Code::UNKNOWN_NAME, format!("the app has no bucket {bucket:?}"), "declare it")
        })?;
        let payload = sluice_types::Payload::Inline(Default::default());
        let put = Put { bucket, key: key.into(), content_type: data.content_type(), payload, group, meta };
        self.hear(call, What::Put { put, data })
    }

    /// A call has ended.
    pub fn end(&mut self, call: u64, outcome: Outcome) -> Result<(), Problem> {
        self.hear(call, What::Ended(outcome))?;
        self.made.remove(&call);
        Ok(())
    }

    /// A call is to become a run.
    pub fn pass(&mut self, call: u64) -> Result<(), Problem> {
        let made = self.made.get(&call).ok_or_else(|| unknown(call))?;
        if !made.is_run {
            let message = format!("call {call} is of a function that is no workflow");
            return Err(Problem::new(Code::BAD_REQUEST, message, "make it, and report its end"));
        }
        self.hear(call, What::Passed)?;
        self.made.remove(&call);
        Ok(())
    }

    /// Whether a call that is being made should stop.
    pub fn is_stopped(&self, call: u64) -> bool {
        self.made.get(&call).is_some_and(|made| made.stopped)
    }

    fn hear(&mut self, call: u64, what: What) -> Result<(), Problem> {
        let made = self.made.get(&call).ok_or_else(|| unknown(call))?;
        self.heard.push(Heard { invocation: made.invocation, attempt: made.attempt, app: made.app, what });
        Ok(())
    }

    fn start(&mut self, call: ports::Call, objects: &mut MapObjects) -> Result<(), Problem> {
        let program = &self.programs[&(call.app, call.version)];
        let ports::Call { invocation, app, run_id, .. } = call;
        let arguments = arguments(program, &invocation.arguments, objects)?;
        self.last += 1;
        let (id, attempt) = (invocation.id, invocation.attempt);
        let function = &program.functions[invocation.function.index()];
        self.waiting.push_back(protocol::Call {
            call: self.last,
            run: run_id,
            function: function.name.clone(),
            invocation: id.seq,
            attempt: attempt.0,
            group: invocation.group,
            now_ms: 0,
            arguments,
        });
        let is_run = function.workflow().is_some();
        let made = Made { invocation: id, attempt, app, program: program.clone(), stopped: false, is_run };
        self.made.insert(self.last, made);
        Ok(())
    }

    fn stop(&mut self, invocation: InvocationId, attempt: Attempt) {
        let is_it = |made: &Made| made.invocation == invocation && made.attempt == attempt;
        let Some((&call, made)) = self.made.iter_mut().find(|(_, made)| is_it(made)) else { return };
        made.stopped = true;
        let waiting = self.waiting.len();
        self.waiting.retain(|waiting| waiting.call != call);
        if self.waiting.len() < waiting {
            self.made.remove(&call);
        }
    }
}

/// The desk as the shard sees it.
pub struct Calls(pub Rc<RefCell<Desk>>);

impl Sandboxes<MapObjects> for Calls {
    fn add_app(
        &mut self,
        app: AppKey,
        version: Version,
        program: &Arc<Program>,
        _: &Path,
    ) -> Result<(), Problem> {
        self.0.borrow_mut().programs.insert((app, version), program.clone());
        Ok(())
    }

    fn forget_app(&mut self, _: AppKey, _: Version) {}

    fn is_pure(&self, _: &Program, _: FunctionIx) -> bool {
        false
    }

    fn takes_runs(&self) -> bool {
        true
    }

    fn start(&mut self, call: ports::Call, objects: &mut MapObjects, reports: &mut Vec<Report>) {
        let (invocation, attempt) = (call.invocation.id, call.invocation.attempt);
        if let Err(problem) = self.0.borrow_mut().start(call, objects) {
            reports.push(Report::Completed { invocation, attempt, outcome: lost(&problem) });
        }
    }

    fn stop(&mut self, invocation: InvocationId, attempt: Attempt) {
        self.0.borrow_mut().stop(invocation, attempt);
    }

    /// Nothing is started on an object that is still being written.
    fn closed(&mut self, _: (AppKey, Version), _: RunKey, _: &Object, _: &mut MapObjects) {}

    fn poll(&mut self, objects: &mut MapObjects, reports: &mut Vec<Report>) {
        let heard = std::mem::take(&mut self.0.borrow_mut().heard);
        reports.extend(heard.into_iter().map(|heard| report(heard, objects)));
    }

    fn next_poll_ms(&self) -> Option<u64> {
        None
    }

    fn has_backlog(&self) -> bool {
        false
    }

    fn load(&self) -> usize {
        self.0.borrow().made.len()
    }
}

fn report(heard: Heard, objects: &mut MapObjects) -> Report {
    let Heard { invocation, attempt, app, what } = heard;
    let completed = |outcome| Report::Completed { invocation, attempt, outcome };
    match what {
        What::Started => Report::Started { invocation, attempt },
        What::Passed => Report::Passed { invocation, attempt },
        What::Put { put, data } => match objects.store(app, &data.base64) {
            Ok(payload) => Report::Put { invocation, attempt, put: Put { payload, ..put } },
            Err(problem) => completed(lost(&problem)),
        },
        What::Ended(Outcome::Succeeded { value, emits }) => {
            let kept = value.map(|data| {
                let payload = objects.store(app, &data.base64)?;
                Ok(ReturnValue { content_type: data.content_type(), payload })
            });
            let emits = emits.into_iter().map(emission).collect();
            completed(match kept.transpose() {
                Ok(value) => sluice_types::Outcome::Succeeded { puts: Default::default(), value, emits },
                Err(problem) => lost(&problem),
            })
        }
        What::Ended(Outcome::Failed(failure)) => completed(sluice_types::Outcome::Failed(failure)),
        What::Ended(Outcome::Cancelled) => completed(sluice_types::Outcome::Cancelled),
    }
}

fn emission(emission: protocol::Emission) -> Emission {
    let protocol::Emission { r#type, subject, data } = emission;
    Emission { r#type, subject, content_type: data.content_type(), data: data.base64 }
}

fn arguments(
    program: &Program,
    arguments: &sluice_types::invocation::Arguments,
    objects: &mut MapObjects,
) -> Result<Arguments, Problem> {
    let mut object = |object: &sluice_types::Object| {
        Ok(protocol::Object {
            bucket: program.buckets[object.bucket.index()].name.to_string(),
            key: object.key.to_string(),
            data: Data::new(&object.content_type, objects.read(&object.payload)?),
            group: object.group.clone(),
            meta: object.meta.clone(),
        })
    };
    Ok(match arguments {
        sluice_types::invocation::Arguments::One(one) => Arguments::One(object(one)?),
        sluice_types::invocation::Arguments::List(list) => {
            Arguments::List(list.iter().map(object).collect::<Result<_, _>>()?)
        }
        sluice_types::invocation::Arguments::Event(found) => Arguments::Event(event(found)),
        sluice_types::invocation::Arguments::Events { list, .. } => {
            Arguments::Events(list.iter().map(|found| event(&found.to_event())).collect())
        }
    })
}

fn event(event: &Event) -> protocol::Event {
    let has_data = !event.data.is_empty() || event.content_type != ContentType::Bytes;
    protocol::Event {
        id: Some(event.id.to_string()),
        source: Some(event.source.to_string()),
        r#type: event.r#type.to_string(),
        subject: event.subject.clone(),
        time_ms: Some(event.time_ms),
        data: has_data.then(|| Data::new(&event.content_type, event.data.clone())),
        run: event.run.clone(),
    }
}

fn lost(problem: &Problem) -> sluice_types::Outcome {
    let (r#type, message) = (problem.code.to_string(), problem.message.clone());
    sluice_types::Outcome::Failed(Failure {
        kind: FailureKind::Crashed,
        r#type,
        message,
        stack: String::new(),
    })
}

fn unknown(call: u64) -> Problem {
    Problem::new(
        Code::BAD_REQUEST,
        format!("no call {call} is being made"),
        "report on a call until it has ended",
    )
}
