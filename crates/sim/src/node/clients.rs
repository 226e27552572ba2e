//! Clients: each does one thing after another, repeats what was not answered, and remembers what it was told.

use super::desk::{Ending, Heard};
use super::forks::as_moved;
use super::scene::Scene;
use super::verdict::{Checker, Violation};
use crate::generate::Plan;
use bytes::Bytes;
use sluice_asl::execution::Event as StatesEvent;
use sluice_engine::Status;
use sluice_runtime::Command;
use sluice_runtime::api::{
    CodeValue, DeployRequest, ForkRequest, Movable, MoveRequest, NewObject, StartRequest, UpdateReply,
    WorkflowRequest,
};
use sluice_types::{Code, ContentType, Durability, Event, Lsn, Program, limits};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// CloudEvents source of what clients send.
pub(super) const SOURCE: &str = "/clients";
/// How long a client waits before it repeats something, in milliseconds.
const PATIENCE_MS: u64 = 20;

/// One thing to do.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Start the run with this many of the inputs.
    Start(usize),
    /// Start the run with the past of this one, up to a record.
    Fork(String, Option<Lsn>),
    /// Put one of the inputs.
    Put(usize),
    Seal,
    Cancel,
    /// Stop the run's workflow.
    Stop,
    /// Take up the run's failed workflow again.
    Redrive,
    /// Wait for the end.
    Wait,
    /// Read one of the inputs.
    Read(usize),
    /// Send the run a signal of that name, with this number.
    Signal(&'static str, usize),
    /// Ask the code of the run for an update with this number.
    Update(usize),
    /// Wait for the answer to it.
    AwaitUpdate(usize),
    /// Ask the code of the run how many updates it has done.
    Query,
    /// Send the event named like the client.
    Event(&'static str),
    /// Put one of the inputs to the app itself.
    AppPut(usize),
    /// Have runs go on on the newest version.
    Move(Movable),
    /// Deploy the client's program, with a definition of its own.
    Deploy,
}

/// A client, and what it was told.
#[derive(Debug)]
pub(super) struct Client {
    /// Name of its run, event or key.
    pub id: String,
    /// The app.
    pub app: String,
    /// Bucket, key, text.
    pub inputs: Vec<(String, String, String)>,
    pub plan: Vec<Deed>,
    /// The workflow that its run is, and its input.
    pub workflow: Option<(&'static str, serde_json::Value)>,
    program: Option<Arc<Program>>,
    /// The runs whose past its run has, oldest first.
    pub ancestors: Vec<String>,
    /// The run that its event is for, if not for all.
    addressee: Option<String>,
    left: VecDeque<Deed>,
    busy: Option<u64>,
    not_before_ms: u64,
    pub told: Told,
}

/// What a client was told, and may rely on.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub started: bool,
    pub put: Vec<usize>,
    pub sealed: bool,
    pub cancelled: bool,
    pub event: bool,
    /// Ids of the signals that were taken.
    pub signals: Vec<String>,
    /// Updates that were taken, and how many have been done.
    pub updates: BTreeSet<usize>,
    pub updated: usize,
    /// That there is no such run, when ended runs are forgotten.
    pub unknown: bool,
    /// That its run cannot begin with that past.
    pub refused: bool,
    /// Status and outputs, by key.
    pub ended: Option<(Status, BTreeMap<String, Bytes>)>,
}

impl Client {
    pub(super) fn new(id: String, app: &str, inputs: Vec<(String, String, String)>, plan: Vec<Deed>) -> Self {
        let left = plan.iter().cloned().collect();
        Self {
            id,
            app: app.into(),
            inputs,
            plan,
            workflow: None,
            program: None,
            ancestors: Vec::new(),
            addressee: None,
            left,
            busy: None,
            not_before_ms: 0,
            told: Told::default(),
        }
    }

    /// Runs a plan's app once: start, puts, seal, perhaps a cancel, and the end.
    pub fn of_run(scene: &Scene, number: u64, plan: &Plan) -> Self {
        let id = format!("run-{number}-of-clients");
        let mut inputs = Vec::new();
        for (bucket, key, text) in &plan.inputs {
            if scene.chance(800) {
                let mut text = format!("{text} of {id} in {bucket}");
                if scene.chance(5) {
                    text.push_str(&"x".repeat(limits::INLINE_BYTES_MAX));
                }
                inputs.push((bucket.clone(), key.clone(), text));
            }
        }
        let first = scene.below(inputs.len() + 1);
        let mut deeds = vec![Deed::Start(first)];
        deeds.extend((first..inputs.len()).map(Deed::Put));
        if scene.chance(300) && !inputs.is_empty() {
            deeds.push(Deed::Read(scene.below(inputs.len())));
        }
        if scene.chance(80) {
            deeds.push(Deed::Cancel);
        }
        deeds.extend([Deed::Seal, Deed::Wait]);
        Self::new(id, &plan.program.app, inputs, deeds)
    }

    /// Starts a workflow once: perhaps stops it, waits, perhaps takes it up again and waits again.
    pub fn of_workflow(scene: &Scene, number: u64, program: &Program, workflow: &'static str) -> Self {
        let durable = program.durability == Durability::Durable;
        let mut deeds = vec![Deed::Start(0)];
        match scene.below(20) {
            0 if durable => deeds.push(Deed::Stop),
            1 => deeds.push(Deed::Cancel),
            _ => {}
        }
        deeds.push(Deed::Wait);
        for _ in 0..2 {
            if durable && scene.chance(300) {
                deeds.extend([Deed::Redrive, Deed::Wait]);
            }
        }
        let items: Vec<usize> = (0..scene.below(5)).map(|_| scene.below(5)).collect();
        let input = serde_json::json!({"n": scene.below(8), "items": items, "seen": null, "outer": 0});
        let client = Self::new(format!("run-{number}-of-clients"), &program.app, Vec::new(), deeds);
        Self { workflow: Some((workflow, input)), ..client }
    }

    /// Starts a workflow that is code: sends it signals, perhaps stops it, and waits.
    pub fn of_code(scene: &Scene, number: u64, program: &Program, workflow: &'static str) -> Self {
        let mut deeds = vec![Deed::Start(0)];
        let signals = scene.below(4);
        deeds.extend(
            (0..signals).map(|at| Deed::Signal(if scene.chance(800) { "told" } else { "unheard" }, at)),
        );
        // Of express runs, which may begin again, only the end is certain.
        let updates = if program.durability == Durability::Durable { scene.below(3) } else { 0 };
        let mut at = 1;
        for update in 0..updates {
            for deed in [Deed::Update(update), Deed::AwaitUpdate(update), Deed::Query] {
                at += scene.below(deeds.len() - at + 1);
                deeds.insert(at, deed);
                at += 1;
            }
        }
        if scene.chance(250) {
            deeds.insert(1 + scene.below(deeds.len()), Deed::Cancel);
        }
        deeds.push(Deed::Wait);
        let client = Self::new(format!("run-{number}-of-clients"), &program.app, Vec::new(), deeds);
        Self { workflow: Some((workflow, serde_json::json!({"n": scene.below(8)}))), ..client }
    }

    /// Starts a DAG, perhaps stops it, and waits.
    pub fn of_dag(scene: &Scene, number: u64, program: &Program, workflow: &'static str) -> Self {
        let mut deeds = vec![Deed::Start(0), Deed::Wait];
        if scene.chance(80) {
            deeds.insert(1, Deed::Cancel);
        }
        let client = Self::new(format!("run-{number}-of-clients"), &program.app, Vec::new(), deeds);
        Self { workflow: Some((workflow, serde_json::json!({"n": scene.below(8)}))), ..client }
    }

    /// Sends one event, to one run or to everybody.
    pub fn of_event(number: u64, r#type: &'static str, addressee: Option<String>) -> Self {
        let client =
            Self::new(format!("event-{number}-of-clients"), "", Vec::new(), vec![Deed::Event(r#type)]);
        Self { addressee, ..client }
    }

    /// Puts one object into an app.
    pub fn of_object(number: u64, app: &str, bucket: &str) -> Self {
        let key = format!("object-{number}-of-clients");
        let inputs = vec![(bucket.to_owned(), key.clone(), format!("text of {key}"))];
        Self::new(key, app, inputs, vec![Deed::AppPut(0)])
    }

    /// Deploys a program.
    pub fn of_deploy(number: u64, program: &Arc<Program>) -> Self {
        let client = Self::new(format!("deploy-{number}"), &program.app, Vec::new(), vec![Deed::Deploy]);
        Self { program: Some(program.clone()), ..client }
    }

    pub fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    pub fn is_run(&self) -> bool {
        matches!(self.plan[0], Deed::Start(_) | Deed::Fork(..)) && !self.told.refused
    }

    /// Its run, when it knows that there is one.
    pub fn run_started(&self) -> Option<String> {
        self.told.started.then(|| self.id.clone())
    }

    pub fn asked_to_cancel(&self) -> bool {
        self.plan.iter().any(|deed| matches!(deed, Deed::Cancel | Deed::Stop))
    }

    pub fn asked_to_redrive(&self) -> bool {
        self.plan.iter().any(|deed| matches!(deed, Deed::Redrive))
    }

    /// The signals that it may have sent to a run: names and numbers.
    pub fn signals_to<'a>(&'a self, run: &'a str) -> impl Iterator<Item = (&'static str, i64)> + 'a {
        self.plan.iter().filter_map(move |deed| match deed {
            Deed::Signal(name, number) if self.id == run => Some((*name, *number as i64)),
            Deed::Event(name) if self.addressee.as_deref() == Some(run) => Some((*name, 0)),
            _ => None,
        })
    }

    /// The next request, when it is time for it.
    pub fn request(&mut self, scene: &Scene) -> Option<Command> {
        if self.busy.is_some() || scene.now_ms() < self.not_before_ms {
            return None;
        }
        let deed = self.left.front()?.clone();
        scene.tell(|| format!("{} asks: {deed:?}", self.id));
        let desk = &mut *scene.desk.borrow_mut();
        let (ticket, command) = match deed {
            Deed::Start(first) => {
                let objects = (0..first).map(|at| self.object(at)).collect();
                let (app, id) = (self.app.clone(), Some(self.id.clone()));
                let workflow = self.workflow.as_ref().map(|(name, input)| WorkflowRequest {
                    name: (*name).to_owned(),
                    input: Some(input.to_string().into()),
                    execution: None,
                });
                let seal = workflow.is_some();
                let request = StartRequest { app, id, objects, workflow, seal, ..StartRequest::default() };
                let (ticket, answer) = desk.ask(Some(self.id.clone()));
                (ticket, Command::Start(Box::new(request), answer))
            }
            Deed::Fork(run, at) => {
                let id = Some(self.id.clone());
                let request = ForkRequest { run, at, id, version: None };
                let (ticket, answer) = desk.ask(Some(self.id.clone()));
                (ticket, Command::Fork(request, answer))
            }
            Deed::Move(runs) => {
                let (ticket, answer) = desk.ask(None);
                (ticket, Command::Move(MoveRequest { runs, version: None }, answer))
            }
            Deed::Put(at) | Deed::AppPut(at) => {
                let object = self.object(at);
                let run = matches!(deed, Deed::Put(_)).then(|| self.id.clone());
                let text = &self.inputs[at].2;
                let (ticket, answer) =
                    desk.ask((text.len() <= limits::INLINE_BYTES_MAX).then(|| text.clone()));
                (ticket, Command::Put { run, app: self.app.clone(), object, answer })
            }
            Deed::Seal => {
                let (ticket, answer) = desk.ask(None);
                (ticket, Command::Seal(self.id.clone(), answer))
            }
            Deed::Cancel => {
                let reason = format!("{} has had enough", self.id);
                let (ticket, answer) = desk.ask(Some(reason.clone()));
                (ticket, Command::Cancel { run: self.id.clone(), reason, answer })
            }
            Deed::Stop | Deed::Redrive => {
                let event = match deed {
                    Deed::Stop => StatesEvent::Stop { error: None, cause: None },
                    _ => StatesEvent::Redrive,
                };
                // From now on it may go on, whether that is heard or not.
                (self.told.cancelled, self.told.ended) = (false, None);
                let (ticket, answer) = desk.ask(None);
                (ticket, Command::ChangeWorkflow { run: self.id.clone(), event, answer })
            }
            Deed::Wait => {
                let (ticket, answer) = desk.ask(None);
                (ticket, Command::Wait(self.id.clone(), answer))
            }
            Deed::Read(at) => {
                let (bucket, key, _) = self.inputs[at].clone();
                let (ticket, answer) = desk.ask(None);
                (
                    ticket,
                    Command::Object {
                        run: Some(self.id.clone()),
                        app: self.app.clone(),
                        bucket,
                        key,
                        answer,
                    },
                )
            }
            Deed::Deploy => {
                let program = self.program.clone().expect("who deploys has a program");
                let definition = Bytes::from(self.id.clone());
                let request =
                    DeployRequest { program, definition, files: BTreeMap::new(), reset_triggers: Vec::new() };
                let (ticket, answer) = desk.ask(None);
                (ticket, Command::Deploy(Box::new(request), answer))
            }
            Deed::Signal(name, number) => {
                let id = signal_id(&self.id, number);
                let event = Event {
                    id: id.as_str().into(),
                    data: format!("news {number}").into(),
                    run: Some(self.id.as_str().into()),
                    ..self.event(name, scene.now_ms())
                };
                let (ticket, answer) = desk.ask_either(vec![id.clone().into(), known(&id)]);
                (ticket, Command::Events(vec![event].into(), answer))
            }
            Deed::Update(number) => {
                let (run, id) = (self.id.clone(), update_id(&self.id, number));
                let value = CodeValue { content_type: ContentType::Json, bytes: "1".into() };
                let (ticket, answer) = desk.ask(Some(id.clone()));
                (ticket, Command::Update { run, id, name: "grow".to_owned(), value, answer })
            }
            Deed::AwaitUpdate(number) => {
                let (ticket, answer) = desk.ask(None);
                let (run, id) = (self.id.clone(), update_id(&self.id, number));
                (ticket, Command::AwaitUpdate { run, id, answer })
            }
            Deed::Query => {
                let (ticket, answer) = desk.ask(None);
                let (run, name) = (self.id.clone(), "tally".to_owned());
                (ticket, Command::AskCode { run, name, value: CodeValue::default(), answer })
            }
            Deed::Event(r#type) => {
                let (ticket, answer) = desk.ask_either(vec![self.id.clone().into(), known(&self.id)]);
                (ticket, Command::Events(vec![self.event(r#type, scene.now_ms())].into(), answer))
            }
        };
        self.busy = Some(ticket);
        Some(command)
    }

    fn object(&self, at: usize) -> NewObject {
        let (bucket, key, text) = self.inputs[at].clone();
        NewObject { bucket, key, content_type: ContentType::Text, bytes: text.into() }
    }

    fn event(&self, r#type: &str, time_ms: u64) -> Event {
        Event {
            id: self.id.as_str().into(),
            source: SOURCE.into(),
            r#type: r#type.into(),
            subject: None,
            time_ms,
            content_type: ContentType::Text,
            data: Bytes::from_static(b"news"),
            run: self.addressee.as_deref().map(Into::into),
        }
    }

    /// Whether that request is its own.
    pub fn awaits(&self, ticket: u64) -> bool {
        self.busy == Some(ticket)
    }

    /// A request ended.
    pub fn hear(&mut self, ending: Ending, scene: &Scene) -> Result<(), Violation> {
        self.busy = None;
        let Some(deed) = self.left.front().cloned() else { return Ok(()) };
        match ending {
            Ending::Gone => self.not_before_ms = scene.now_ms() + PATIENCE_MS,
            Ending::Refused(problem) if is_passing(problem.code) => {
                self.not_before_ms = scene.now_ms() + PATIENCE_MS
            }
            Ending::Refused(problem) if matches!(deed, Deed::Fork(..)) && is_no_past(problem.code) => {
                self.told.refused = true;
                self.left.clear();
            }
            // The worker died with the question.
            Ending::Refused(problem)
                if problem.code == Code::FUNCTION_FAILED && matches!(deed, Deed::Query) =>
            {
                self.not_before_ms = scene.now_ms() + PATIENCE_MS
            }
            Ending::Refused(problem)
                if problem.code == Code::UNKNOWN_RUN
                    && scene.retention_ms.is_some()
                    && !matches!(deed, Deed::Move(_)) =>
            {
                self.told.unknown = true;
                self.left.clear();
            }
            Ending::Refused(problem) => {
                let late = matches!(problem.code, Code::RUN_ENDED | Code::RUN_SEALED);
                let unput = matches!(deed, Deed::Read(at) if !self.told.put.contains(&at));
                let ended = matches!(problem.code, Code::UNKNOWN_TASK | Code::BAD_REQUEST)
                    && matches!(deed, Deed::Stop | Deed::Redrive)
                    || matches!(problem.code, Code::RUN_ENDED | Code::UNKNOWN_RUN)
                        && matches!(deed, Deed::Move(_));
                let unasked = match deed {
                    Deed::Update(_) => problem.code == Code::RUN_ENDED,
                    Deed::AwaitUpdate(number) => !self.told.updates.contains(&number),
                    _ => false,
                };
                if !(unput || ended || unasked || late && matches!(deed, Deed::Put(_))) {
                    let message =
                        format!("{} is refused {deed:?}: {} {}", self.id, problem.code, problem.message);
                    return Err(Violation::new(Checker::NothingLost, message));
                }
                self.left.pop_front();
            }
            Ending::Answered(heard) => {
                self.believe(&deed, heard, scene)?;
                self.left.pop_front();
            }
        }
        Ok(())
    }

    fn believe(&mut self, deed: &Deed, heard: Heard, scene: &Scene) -> Result<(), Violation> {
        let told = &mut self.told;
        match (deed, heard) {
            (Deed::Start(first), _) => {
                told.started = true;
                told.put.extend(0..*first);
            }
            (Deed::Fork(..), _) => told.started = true,
            (Deed::Move(_), Heard::Moved(report)) => return as_moved(&report, scene),
            (Deed::Put(at) | Deed::AppPut(at), _) => told.put.push(*at),
            (Deed::Deploy, Heard::Deployed) => {}
            (Deed::Seal, _) => told.sealed = true,
            (Deed::Cancel | Deed::Stop, _) => told.cancelled = true,
            (Deed::Redrive, _) => {}
            (Deed::Event(_), _) => told.event = true,
            (Deed::Signal(_, number), _) => told.signals.push(signal_id(&self.id, *number)),
            (Deed::Update(number), Heard::Done) => drop(told.updates.insert(*number)),
            (Deed::AwaitUpdate(_), Heard::Updated(UpdateReply::Ended)) => {}
            (Deed::AwaitUpdate(number), Heard::Updated(UpdateReply::Done(Some(sum))))
                if sum.bytes == (number + 1).to_string().as_bytes() =>
            {
                told.updated = number + 1;
            }
            (Deed::Query, Heard::Told(Some(tally))) if tally.bytes == told.updated.to_string().as_bytes() => {
            }
            (Deed::Wait, Heard::View(view)) => {
                let outputs =
                    view.outputs.into_iter().map(|object| (object.key.to_string(), object.bytes)).collect();
                told.ended = Some((view.status, outputs));
            }
            (Deed::Read(at), Heard::Object(object)) if object.bytes == self.inputs[*at].2.as_bytes() => {}
            (deed, heard) => {
                let message = format!("{} asked {deed:?} and heard {heard:?}", self.id);
                return Err(Violation::new(Checker::NothingLost, message));
            }
        }
        Ok(())
    }
}

/// Whether the run is gone, or that record was lost, or the workflow had ended by then, or a checkpoint let go of values.
fn is_no_past(code: Code) -> bool {
    matches!(code, Code::UNKNOWN_RUN | Code::FORK_REFUSED | Code::BAD_REQUEST | Code::OBJECT_RELEASED)
}

fn update_id(run: &str, number: usize) -> String {
    format!("update-{number}-for-{run}")
}

fn signal_id(run: &str, number: usize) -> String {
    format!("signal-{number}-for-{run}")
}

/// How the store notes an event that was taken, once the record with the event itself is gone: XXH3-128 of the id, seeded
/// with XXH3-64 of the source; little-endian.
fn known(id: &str) -> Vec<u8> {
    let seed = xxhash_rust::xxh3::xxh3_64(SOURCE.as_bytes());
    xxhash_rust::xxh3::xxh3_128_with_seed(id.as_bytes(), seed).to_le_bytes().into()
}

/// Whether the same request may succeed later.
pub(super) fn is_passing(code: Code) -> bool {
    matches!(code, Code::DISK_FULL | Code::OUTCOME_UNKNOWN | Code::OVERLOADED | Code::INTERNAL)
}
