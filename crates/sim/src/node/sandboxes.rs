//! Sandboxes that execute functions on the virtual clock, and that are slow, hang, die, raise, repeat themselves, go on
//! when they were stopped and report across crashes.

use super::mutant::Mutant;
use super::scene::Scene;
use super::turns::{Turns, turn};
use super::verdict::Checker;
use crate::behaviour::{Call, Reaction};
use crate::dag::conduct::Conduct;
use crate::generate::react_with_outputs;
use sluice_runtime::ports::{self, Objects, Report, Sandboxes};
use sluice_types::invocation::{Arguments, Emission, ReturnValue};
use sluice_types::{
    AppKey, Attempt, ContentType, Durability, Failure, FailureKind, Function, FunctionIx, InvocationId,
    Object, ObjectId, Outcome, Payload, Problem, Program, Put, RunKey, Runtime, Version, limits,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// Attempts that run at once as far as the shard is told; more are said to wait.
const WORKERS: usize = 2;

/// A put as a function makes it: bucket, key, bytes, group.
type Made = (String, String, bytes::Bytes, Option<String>);

/// The message of every failure.
pub(super) const ON_PURPOSE: &str = "on purpose";

/// One attempt.
struct Flight {
    id: InvocationId,
    attempt: Attempt,
    program: Arc<Program>,
    reaction: Reaction,
    is_turn: bool,
    arguments: Vec<ObjectId>,
    /// Early puts that were reported.
    reported: usize,
    /// Whether the next of them is open.
    opened: bool,
    due_ms: u64,
    /// It was told to stop, or its process was thought dead: nothing is kept for it any more.
    abandoned: bool,
    /// Whether what it does may be thrown away by a crash, or executed again from another beginning.
    provisional: bool,
}

/// Everything in sandboxes, of this life of the node and of earlier ones.
#[derive(Default)]
pub(super) struct Workers {
    programs: BTreeMap<(AppKey, Version), Arc<Program>>,
    flights: BTreeMap<u64, Flight>,
    next_flight: u64,
    /// Attempts that read what is still being written. They say nothing before it is whole.
    reading: Vec<ports::Call>,
    /// What was said outside a poll.
    late: Vec<Report>,
    /// Attempts asked for in this life of the node.
    asked: BTreeSet<(InvocationId, Attempt)>,
    /// What each invocation was called with, last.
    pub calls: BTreeMap<InvocationId, Call>,
    /// Invocations of which that may change with a crash.
    provisional: BTreeSet<InvocationId>,
    /// Workers of workflows that are code.
    pub turns: Turns,
    /// Attempts that have ended, truly.
    pub ended: BTreeSet<(InvocationId, Attempt)>,
}

impl Workers {
    /// When the next attempt has something to report, in milliseconds since the Unix epoch.
    pub fn next_due_ms(&self) -> Option<u64> {
        let late = (!self.late.is_empty()).then_some(0);
        self.flights.values().map(|flight| flight.due_ms).chain(late).min()
    }

    /// Whether what an invocation was called with may have changed with a crash.
    pub fn is_provisional(&self, id: InvocationId) -> bool {
        self.provisional.contains(&id)
    }

    /// The node is gone. Some attempts of durable runs go on, and report again what may not have been heard.
    pub fn crash(&mut self, mut survives: impl FnMut() -> bool) {
        self.asked.clear();
        self.reading.clear();
        self.late.clear();
        self.turns.crash();
        self.flights.retain(|_, flight| !flight.provisional && survives());
        self.flights.values_mut().for_each(|flight| {
            (flight.abandoned, flight.reported, flight.opened) = (true, 0, false);
        });
    }
}

/// What a function does that is of a task of a DAG.
fn conduct(function: &Function) -> Option<Conduct> {
    match &function.runtime {
        Runtime::Process { command } if command.len() == 2 => {
            Some(serde_json::from_str(&command[1]).expect("the second word of a simulated command is this"))
        }
        _ => None,
    }
}

/// The shard's door to the sandboxes.
pub(super) struct SimSandboxes(pub Rc<Scene>);

fn is_pure(program: &Program, function: FunctionIx) -> bool {
    let function = &program.functions[function.index()];
    function.takes_turns() || function.name.ends_with(['0', '3'])
}

impl Sandboxes<super::objects::SimObjects> for SimSandboxes {
    fn add_app(
        &mut self,
        app: AppKey,
        version: Version,
        program: &Arc<Program>,
        _: &Path,
    ) -> Result<(), Problem> {
        self.0.workers.borrow_mut().programs.insert((app, version), program.clone());
        Ok(())
    }

    fn forget_app(&mut self, _: AppKey, _: Version) {}

    fn is_pure(&self, program: &Program, function: FunctionIx) -> bool {
        is_pure(program, function)
    }

    fn start(
        &mut self,
        call: ports::Call,
        objects: &mut super::objects::SimObjects,
        reports: &mut Vec<Report>,
    ) {
        let invocation = &call.invocation;
        let (id, attempt) = (invocation.id, invocation.attempt);
        let program = self.0.workers.borrow().programs[&(call.app, call.version)].clone();
        if invocation.arguments.objects().iter().any(|object| object.payload.is_open()) {
            self.0.cover(|coverage| coverage.check("objects read while they are written", 1));
            return self.0.workers.borrow_mut().reading.push(call);
        }
        let pure = is_pure(&program, invocation.function);
        let provisional = pure || program.durability == Durability::Express;
        let Ok(mut seen) = self.seen(&program, &call, objects) else { return };
        self.mistell(&mut seen);
        self.note(id, attempt, &seen, provisional);
        let function = &program.functions[invocation.function.index()];
        let is_turn = function.takes_turns();
        let reaction = self.reaction(&program, &call, &seen);
        let hangs = reaction.fails == Some(FailureKind::TimedOut);
        let delay_ms = match hangs {
            true => function.timeout_ms,
            false => self.0.below(40) as u64,
        };
        let due_ms = self.0.now_ms() + delay_ms;
        let stored = |object: &sluice_types::Object| match object.payload {
            Payload::Stored { id, .. } => Some(id),
            Payload::Inline(_) | Payload::Open { .. } => None,
        };
        let arguments = invocation.arguments.objects().iter().filter_map(stored).collect();
        let mut flight = Flight {
            id,
            attempt,
            program,
            reaction,
            is_turn,
            arguments,
            reported: 0,
            opened: false,
            due_ms,
            abandoned: false,
            provisional,
        };
        if let Some(Mutant::MisdirectedReturn | Mutant::MisdirectedResult) = self.0.mutant {
            self.misdirect(&mut flight);
        }
        if pure && !hangs && self.0.chance(500) {
            return self.fly_through(flight, reports);
        }
        let workers = &mut *self.0.workers.borrow_mut();
        workers.next_flight += 1;
        workers.flights.insert(workers.next_flight, flight);
    }

    fn stop(&mut self, invocation: InvocationId, attempt: Attempt) {
        let scene = &self.0;
        let meant =
            |call: &ports::Call| (call.invocation.id, call.invocation.attempt) == (invocation, attempt);
        scene.workers.borrow_mut().reading.retain(|call| !meant(call));
        scene.workers.borrow_mut().flights.retain(|_, flight| {
            let meant = flight.id == invocation && flight.attempt == attempt;
            flight.abandoned |= meant;
            !meant || scene.fault("stopped attempt goes on", 300)
        });
    }

    fn closed(
        &mut self,
        _: (AppKey, Version),
        run: RunKey,
        object: &Object,
        objects: &mut super::objects::SimObjects,
    ) {
        let reads = |call: &mut ports::Call| {
            let name = |object: &Object| (object.bucket, object.key.clone());
            let read = call.invocation.arguments.objects().first();
            call.invocation.id.run == run && read.map(name) == Some(name(object))
        };
        let calls: Vec<_> = self.0.workers.borrow_mut().reading.extract_if(.., reads).collect();
        for mut call in calls {
            call.invocation.arguments = Arguments::One(object.clone());
            let mut reports = Vec::new();
            self.start(call, objects, &mut reports);
            self.0.workers.borrow_mut().late.extend(reports);
        }
    }

    fn poll(&mut self, _: &mut super::objects::SimObjects, reports: &mut Vec<Report>) {
        reports.append(&mut self.0.workers.borrow_mut().late);
        let now_ms = self.0.now_ms();
        let due = |flight: &Flight| flight.due_ms <= now_ms;
        let mut ready: Vec<u64> = Vec::new();
        ready.extend(
            self.0
                .workers
                .borrow()
                .flights
                .iter()
                .filter(|(_, flight)| due(flight))
                .map(|(number, _)| *number),
        );
        while !ready.is_empty() {
            let number = ready.swap_remove(self.0.below(ready.len()));
            let taken = self.0.workers.borrow_mut().flights.remove(&number);
            if let Some(flight) = taken.and_then(|flight| self.fly(flight, reports)) {
                self.0.workers.borrow_mut().flights.insert(number, flight);
            }
        }
    }

    fn next_poll_ms(&self) -> Option<u64> {
        self.0.workers.borrow().next_due_ms().map(|due_ms| due_ms.saturating_sub(self.0.now_ms()))
    }

    fn has_backlog(&self) -> bool {
        self.load() > WORKERS
    }

    fn load(&self) -> usize {
        self.0.workers.borrow().flights.len()
    }
}

impl SimSandboxes {
    /// The call as the function sees it.
    fn seen(
        &self,
        program: &Program,
        call: &ports::Call,
        objects: &mut super::objects::SimObjects,
    ) -> Result<Call, Problem> {
        let invocation = &call.invocation;
        let mut read =
            |object: &sluice_types::Object| Ok((object.key.to_string(), objects.read(&object.payload)?));
        Ok(Call {
            run: call.run_id.to_string(),
            function: program.functions[invocation.function.index()].name.to_string(),
            attempt: Attempt(1),
            objects: match &invocation.arguments {
                Arguments::Events { list, .. } => list.iter().map(crate::behaviour::event).collect(),
                arguments => arguments.objects().iter().map(&mut read).collect::<Result<_, Problem>>()?,
            },
            single: matches!(invocation.arguments, Arguments::One(_)),
            event: match &invocation.arguments {
                Arguments::Event(event) => Some(event.clone()),
                _ => None,
            },
            group: invocation.group.as_ref().map(|group| group.to_string()),
        })
    }

    /// What comes of an attempt.
    fn reaction(&self, program: &Program, call: &ports::Call, seen: &Call) -> Reaction {
        let (id, at) = (call.invocation.id, call.invocation.function);
        let function = &program.functions[at.index()];
        if !function.takes_turns() {
            let reaction = match conduct(function) {
                Some(conduct) => conduct.react(&seen.objects, self.0.chance(500)),
                None => react_with_outputs(seen),
            };
            let mut reaction = self.disturbed(program, at, call.invocation.attempt, reaction);
            if conduct(function).is_some() {
                self.misreport(&mut reaction);
            }
            return reaction;
        }
        let reaction = turn(&self.0, call.app, function, id, seen);
        let reaction = self.disturbed(program, at, call.invocation.attempt, reaction);
        if let Some(kind) = reaction.fails {
            self.0.workers.borrow_mut().turns.fail(call.app, function, id.run, kind);
        }
        reaction
    }

    /// What mutants do to what a workflow is told.
    fn mistell(&self, call: &mut Call) {
        let at = match self.0.mutant {
            Some(Mutant::ForgottenCommand) => call.objects.iter().rposition(|(key, _)| key.starts_with("= ")),
            Some(Mutant::UntoldNews) => call.objects.iter().rposition(|(key, _)| key.contains(" signal ")),
            _ => None,
        };
        if let Some(at) = at
            && self.0.fault("workflow told wrongly", 100)
        {
            call.objects.remove(at);
        }
    }

    /// What a mutant does to calls of one workflow that are under way.
    fn misdirect(&self, flight: &mut Flight) {
        let of_workflow = match self.0.mutant {
            Some(Mutant::MisdirectedResult) => |function: &Function| conduct(function).is_some(),
            _ => Function::takes_turns,
        };
        let is_call = |flight: &Flight| !flight.is_turn && flight.program.functions.iter().any(of_workflow);
        let workers = &mut *self.0.workers.borrow_mut();
        let mut others = workers.flights.values_mut();
        if let Some(other) =
            others.find(|other| other.id.run == flight.id.run && is_call(other) && is_call(flight))
        {
            std::mem::swap(&mut other.reaction, &mut flight.reaction);
        }
    }

    /// What mutants do to what a task of a DAG comes to.
    fn misreport(&self, reaction: &mut Reaction) {
        match self.0.mutant {
            Some(Mutant::TruncatedList) => {
                let list = reaction.value.as_deref().map(serde_json::from_slice::<Vec<serde_json::Value>>);
                if let Some(Ok(mut list)) = list
                    && list.pop().is_some()
                {
                    reaction.value = Some(serde_json::Value::from(list).to_string().into());
                }
            }
            Some(Mutant::SilencedFailure) if reaction.fails == Some(FailureKind::Raised) => {
                *reaction = Reaction::nothing();
            }
            _ => {}
        }
    }

    fn note(&self, id: InvocationId, attempt: Attempt, seen: &Call, provisional: bool) {
        self.0.tell(|| format!("  call {id} {attempt}: {} [{}]", seen.function, seen.keys()));
        let workers = &mut *self.0.workers.borrow_mut();
        if !workers.asked.insert((id, attempt)) && !provisional {
            self.0.complain(
                Checker::NothingTwice,
                format!("{id} {attempt} is asked for twice in one life of the node"),
            );
        }
        let before = workers.calls.insert(id, seen.clone());
        let settled = !workers.provisional.contains(&id) && !provisional;
        if provisional {
            workers.provisional.insert(id);
        }
        if before.is_some_and(|before| before != *seen) && settled {
            self.0.complain(
                Checker::SameState,
                format!("{id} {attempt} sees other arguments than the attempt before it"),
            );
        }
    }

    /// Perhaps goes wrong, if another attempt is left.
    fn disturbed(
        &self,
        program: &Program,
        function: FunctionIx,
        attempt: Attempt,
        mut reaction: Reaction,
    ) -> Reaction {
        let another = attempt.0 < program.functions[function.index()].retry.attempts;
        let faults = [
            ("attempt raises", FailureKind::Raised, 60),
            ("attempt dies", FailureKind::Crashed, 60),
            ("attempt hangs", FailureKind::TimedOut, 20),
            ("attempt runs out of memory", FailureKind::OutOfMemory, 20),
        ];
        if another
            && let Some((_, kind, _)) = faults.into_iter().find(|(name, _, often)| self.0.fault(name, *often))
        {
            reaction.early.truncate(self.0.below(reaction.early.len() + 1));
            reaction.fails = Some(kind);
        }
        reaction
    }

    /// Everything at once.
    fn fly_through(&self, flight: Flight, reports: &mut Vec<Report>) {
        let mut left = Some(flight);
        while let Some(flight) = left {
            left = self.fly(flight, reports);
        }
    }

    /// The next thing that an attempt reports. `None` when that was the last.
    fn fly(&self, mut flight: Flight, reports: &mut Vec<Report>) -> Option<Flight> {
        let (invocation, attempt) = (flight.id, flight.attempt);
        self.check_arguments(&flight);
        flight.due_ms = self.0.now_ms() + self.0.below(20) as u64;
        if let Some(put) = flight.reaction.early.get(flight.reported).cloned() {
            if self.is_streamed(&flight.program, &put.0) {
                self.write(&mut flight, put, reports);
                return Some(flight);
            }
            flight.reported += 1;
            // What is put is compared with what was put before; a command is another one each time.
            let repeats = !flight.is_turn || self.0.mutant == Some(Mutant::RepeatedCommand);
            let times = if repeats && self.0.fault("put reported twice", 50) { 2 } else { 1 };
            self.0.tell(|| format!("  {invocation} {attempt} reports {}", put.1));
            let puts = (0..times).map(|_| self.put(&flight, put.clone()));
            reports.extend(puts.map(|put| Report::Put { invocation, attempt, put }));
            return Some(flight);
        }
        self.0.workers.borrow_mut().ended.insert((invocation, attempt));
        let outcome = self.outcome(&flight);
        self.0.tell(|| format!("  {invocation} {attempt} reports its end: {outcome:?}"));
        let failed = matches!(outcome, Outcome::Failed(_));
        let label = match (self.0.mutant, failed) {
            (Some(Mutant::StaleCompletion), true) if flight.abandoned => Attempt(attempt.0 + 1),
            _ => attempt,
        };
        reports.push(Report::Completed { invocation, attempt: label, outcome });
        let is_cold = flight.reaction.fails == Some(FailureKind::Cold);
        if flight.abandoned || is_cold || !self.0.fault("completion reported twice", 80) {
            return None;
        }
        flight.abandoned = true;
        Some(flight)
    }

    fn is_streamed(&self, program: &Program, bucket: &str) -> bool {
        program.bucket(bucket).is_some_and(|bucket| program.is_streamed(bucket))
    }

    /// Opens the next object, or ends it; one that fails may break it off.
    fn write(&self, flight: &mut Flight, (bucket, key, bytes, group): Made, reports: &mut Vec<Report>) {
        let (invocation, attempt) = (flight.id, flight.attempt);
        let whole = bytes.clone();
        let mut put = self.put(flight, (bucket, key, bytes::Bytes::new(), group));
        if !std::mem::replace(&mut flight.opened, true) {
            self.0.tell(|| format!("  {invocation} {attempt} opens {}", put.key));
            put.payload = Payload::Open { written: 0 };
            let times = if self.0.fault("opening reported twice", 50) { 2 } else { 1 };
            reports.extend((0..times).map(|_| Report::Opened { invocation, attempt, put: put.clone() }));
            return;
        }
        flight.opened = false;
        flight.reported += 1;
        if flight.reaction.fails.is_some() && self.0.fault("object broken off", 500) {
            flight.reported = flight.reaction.early.len();
            return;
        }
        self.0.tell(|| format!("  {invocation} {attempt} closes {}", put.key));
        put.payload = Payload::Open { written: whole.len() as u64 };
        let name = (invocation.run, put.bucket, put.key.clone());
        self.0.vault.borrow_mut().written.entry(name).or_default().push(whole);
        reports.push(Report::Closed { invocation, attempt, put });
    }

    fn check_arguments(&self, flight: &Flight) {
        // Nobody holds what questions and checks read. Memory does as long as it is mapped; who comes too late fails.
        if flight.id.seq > limits::RUN_INVOCATIONS_MAX {
            return;
        }
        // Another copy of the attempt, from before a crash, may have ended it.
        if self.0.workers.borrow().ended.contains(&(flight.id, flight.attempt)) {
            return;
        }
        let vault = self.0.vault.borrow();
        let gone = flight.arguments.iter().find(|id| !flight.abandoned && vault.bytes(**id).is_none());
        if let Some(gone) = gone {
            self.0.complain(
                Checker::Objects,
                format!("{gone} is released while {} {} uses it", flight.id, flight.attempt),
            );
        }
    }

    fn outcome(&self, flight: &Flight) -> Outcome {
        let reaction = &flight.reaction;
        if let Some(kind) = reaction.fails {
            let r#type = reaction.error.clone().unwrap_or_else(|| format!("{kind:?}"));
            let (message, stack) = (ON_PURPOSE.to_owned(), String::new());
            return Outcome::Failed(Failure { kind, r#type, message, stack });
        }
        let puts = reaction.late.iter().map(|put| Box::new(self.put(flight, put.clone()))).collect();
        let value = reaction.value.clone().map(|bytes| {
            let payload = self.payload(bytes);
            ReturnValue { content_type: reaction.content_type.clone(), payload }
        });
        let emission = |name: &String| Emission {
            r#type: name.as_str().into(),
            subject: None,
            content_type: ContentType::Bytes,
            data: bytes::Bytes::new(),
        };
        Outcome::Succeeded { puts, value, emits: reaction.emits.iter().map(emission).collect() }
    }

    fn put(&self, flight: &Flight, (bucket, key, bytes, group): Made) -> Put {
        let bucket = flight.program.bucket(&bucket).expect("random functions put to buckets that exist");
        let content_type = match flight.is_turn && !bytes.is_empty() {
            true => ContentType::Json,
            false => ContentType::Bytes,
        };
        // The input of a workflow lies in the record.
        let is_input = flight.is_turn && key.contains(" workflow ");
        let payload = if is_input { Payload::Inline(bytes) } else { self.payload(bytes) };
        Put { bucket, key: key.into(), content_type, payload, group: group.map(Into::into), meta: None }
    }

    fn payload(&self, bytes: bytes::Bytes) -> Payload {
        match !bytes.is_empty() && self.0.chance(400) {
            true => self.0.vault.borrow_mut().store(bytes),
            false => Payload::Inline(bytes),
        }
    }
}
