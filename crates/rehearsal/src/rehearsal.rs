//! A shard on a stage: requests go in, time moves only when told, calls come out.

use crate::clock::{Chance, Clock, Stage};
use crate::desk::{Calls, Desk};
use crate::memory::MapObjects;
use crate::protocol::{self, Answer, Data, Idle, Next, Request, Run, Start};
use bytes::Bytes;
use sluice_engine::Status;
use sluice_frontend::cel::CelEvaluator;
use sluice_frontend::{Definition, Diagnostic, lower};
use sluice_runtime::api::{
    DeployRequest, ListRequest, NewObject, ObjectView, RunView, StartRequest, WorkflowRequest,
};
use sluice_runtime::bundles::Bundles;
use sluice_runtime::handle::Answer as Sender;
use sluice_runtime::ports::{AtOnce, Ports};
use sluice_runtime::{Command, Opened, Shard, ShardOptions};
use sluice_storage::RunStore;
use sluice_storage::disk::MemDisk;
use sluice_storage::log::Options as LogOptions;
use sluice_storage::store::StoreOptions;
use sluice_types::{Code, ContentType, Event, Problem};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// How a rehearsal is set up.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The time at its start, in milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// What chance follows from. With 0 calls are made in the order in which they became due; any other seed picks
    /// among those that wait.
    pub seed: u64,
}

/// Bytes of log between checkpoints.
const CHECKPOINT_BYTES: u64 = 32 << 20;
/// Runs kept in memory.
const LOADED_RUNS_MAX: usize = 100_000;
/// `source` of events that name none.
const SOURCE: &str = "/sluice/test";

/// Separates the chance that picks calls from that of the shard.
const PICKING: u64 = 0x6465_736B;

struct StagePorts;

impl Ports for StagePorts {
    type Disk = MemDisk;
    type Sandboxes = Calls;
    type Objects = MapObjects;
    type World = Stage;
    type Background = AtOnce;
}

/// An app under test.
pub struct Rehearsal {
    shard: Shard<StagePorts>,
    desk: Rc<RefCell<Desk>>,
    clock: Clock,
    app: String,
    events: u64,
    /// Holds the bundles, which are definitions only.
    _folder: TempDir,
}

impl Rehearsal {
    /// An empty stage.
    pub fn new(options: Options) -> Result<Self, Problem> {
        let folder = TempDir::with_prefix("sluice-rehearsal-").map_err(|error| {
            let message = format!("a temporary folder cannot be made: {error}");
            Problem::new(Code::INTERNAL, message, "see TMPDIR and its permissions")
        })?;
        let clock = Clock::new(options.start_ms);
        let picking = (options.seed != 0).then(|| Chance::new(options.seed ^ PICKING));
        let desk = Rc::new(RefCell::new(Desk::new(clock.clone(), picking)));
        let disk = MemDisk::default();
        let store = RunStore::open(&disk, Path::new("/store/runs"), &StoreOptions::default());
        let opened = Opened {
            disk,
            log: LogOptions { ahead_bytes: 0, ..LogOptions::default() },
            store: store.map_err(|error| error.problem())?,
            objects: MapObjects::default(),
            sandboxes: Calls(desk.clone()),
            background: AtOnce,
            world: Stage { clock: clock.clone(), chance: Chance::new(options.seed) },
        };
        let options = ShardOptions {
            callees: std::sync::Arc::new(sluice_runtime::callees::NoCallees),
            namespace: Arc::from("default"),
            bundles: Bundles::new(folder.path()),
            evaluator: || Box::new(CelEvaluator::default()),
            cron: sluice_frontend::cron::next_after,
            checkpoint_bytes: CHECKPOINT_BYTES,
            checkpoint_ms: u64::MAX,
            loaded_runs_max: LOADED_RUNS_MAX,
            retention_ms: None,
            give_back: || {},
        };
        let shard = Shard::open(options, opened, Path::new("/log"))?;
        Ok(Self { shard, desk, clock, app: String::new(), events: 0, _folder: folder })
    }

    /// Does what a request asks.
    pub fn answer(&mut self, request: Request) -> Answer {
        let answer = match request {
            Request::Deploy(definition) => return self.deploy(definition.get()),
            Request::Start(start) => self.start(start).map(Answer::Started),
            Request::Put { run, object } => {
                let app = self.app.clone();
                self.ask(|answer| Command::Put { run, app, object: new_object(object), answer }).map(done)
            }
            Request::Seal(run) => self.ask(|answer| Command::Seal(run, answer)).map(done),
            Request::Cancel(run) => {
                let reason = "cancelled by the test".to_owned();
                self.ask(|answer| Command::Cancel { run, reason, answer }).map(done)
            }
            Request::Event(event) => {
                let event = self.event(event);
                self.ask(|answer| Command::Events(vec![event].into(), answer)).map(done)
            }
            Request::Run(run) => self.run(&run).map(|view| Answer::Run(Box::new(shown(view)))),
            Request::Runs(()) => self.runs().map(Answer::Runs),
            Request::History(run) => self
                .ask(|answer| Command::History { run, after: 0, limit: usize::MAX, answer })
                .map(Answer::History),
            Request::Next(next) => self.next(&next),
            Request::PutBy { call, object } => self.report(call, |desk| desk.put(call, object)),
            Request::Passed(call) => self.report(call, |desk| desk.pass(call)),
            Request::Completed { call, outcome } => self.report(call, |desk| desk.end(call, outcome)),
        };
        answer.unwrap_or_else(|problem| Answer::Refused(vec![problem]))
    }

    fn deploy(&mut self, definition: &str) -> Answer {
        let program = Definition::from_json(definition).and_then(|definition| lower(&definition));
        let program = match program {
            Ok(program) => Arc::new(program),
            Err(findings) => return Answer::Refused(findings.iter().map(Diagnostic::problem).collect()),
        };
        let app = program.app.to_string();
        let request = DeployRequest {
            program,
            definition: Bytes::copy_from_slice(definition.as_bytes()),
            files: BTreeMap::new(),
            reset_triggers: Vec::new(),
        };
        match self.ask(|answer| Command::Deploy(Box::new(request), answer)) {
            Ok(_) => {
                self.app = app;
                Answer::Done(())
            }
            Err(problem) => Answer::Refused(vec![problem]),
        }
    }

    fn start(&mut self, start: Start) -> Result<String, Problem> {
        let Start { id, objects, event, seal, workflow } = start;
        let workflow = workflow.map(|name| WorkflowRequest { name, input: None, execution: None });
        let objects = objects.into_iter().map(new_object).collect();
        let event = event.map(|event| self.event(event));
        let request =
            StartRequest { app: self.app.clone(), id, objects, event, workflow, version: None, seal };
        self.ask(|answer| Command::Start(Box::new(request), answer)).map(|started| started.run)
    }

    fn event(&mut self, event: protocol::Event) -> Event {
        let protocol::Event { id, source, r#type, subject, time_ms, data, run } = event;
        self.events += 1;
        let (content_type, data) = match data {
            Some(data) => (data.content_type(), data.base64),
            None => (ContentType::Bytes, Bytes::new()),
        };
        Event {
            id: id.unwrap_or_else(|| self.events.to_string()).into(),
            source: source.as_deref().unwrap_or(SOURCE).into(),
            r#type: r#type.into(),
            subject,
            time_ms: time_ms.unwrap_or_else(|| self.clock.now_ms()),
            content_type,
            data,
            run,
        }
    }

    fn run(&mut self, run: &str) -> Result<RunView, Problem> {
        let run = run.to_owned();
        self.ask(|answer| Command::Run(run, answer))
    }

    fn runs(&mut self) -> Result<Vec<Arc<str>>, Problem> {
        let newest_first = ListRequest { limit: usize::MAX, ..ListRequest::default() };
        let views = self.ask(|answer| Command::List(newest_first, answer))?;
        Ok(views.into_iter().rev().map(|view| view.run).collect())
    }

    /// The next call, after as many timers as it takes and `next` allows.
    fn next(&mut self, next: &Next) -> Result<Answer, Problem> {
        loop {
            self.settle()?;
            if let Some(call) = self.desk.borrow_mut().take() {
                return Ok(Answer::Call(Box::new(call)));
            }
            match self.later(next)? {
                Some(ms) => self.clock.advance_to(ms),
                None => {
                    let (now_ms, next_ms) = (self.clock.now_ms(), self.shard.next_deadline());
                    return Ok(Answer::Idle(Idle { now_ms, next_ms }));
                }
            }
        }
    }

    /// The time to go to when there is nothing to call.
    fn later(&mut self, next: &Next) -> Result<Option<u64>, Problem> {
        let Some(until_ms) = next.until_ms.filter(|_| !self.desk.borrow().is_busy()) else { return Ok(None) };
        if let Some(run) = &next.run
            && self.run(run)?.status != Status::Running
        {
            return Ok(None);
        }
        let due = self.shard.next_deadline().filter(|due_ms| *due_ms <= until_ms);
        let rest = (next.run.is_none() && until_ms > self.clock.now_ms()).then_some(until_ms);
        Ok(due.or(rest))
    }

    fn report(
        &mut self,
        call: u64,
        tell: impl FnOnce(&mut Desk) -> Result<(), Problem>,
    ) -> Result<Answer, Problem> {
        tell(&mut self.desk.borrow_mut())?;
        self.settle()?;
        Ok(Answer::Heard { stopped: self.desk.borrow().is_stopped(call) })
    }

    fn ask<T>(&mut self, command: impl FnOnce(Sender<T>) -> Command) -> Result<T, Problem> {
        let (sender, mut answer) = oneshot::channel();
        self.shard.turn([command(sender)]);
        self.settle()?;
        answer.try_recv().unwrap_or_else(|_| {
            Err(Problem::new(Code::INTERNAL, "the shard gave no answer", "report this with the test"))
        })
    }

    /// Turns until nothing more happens at this time.
    fn settle(&mut self) -> Result<(), Problem> {
        loop {
            self.shard.turn([]);
            if let Some(problem) = self.shard.failure() {
                return Err(problem.clone());
            }
            let is_due = self.shard.next_deadline().is_some_and(|due_ms| due_ms <= self.clock.now_ms());
            if !is_due && !self.shard.is_busy() {
                return Ok(());
            }
        }
    }
}

fn done<T>(_: T) -> Answer {
    Answer::Done(())
}

fn new_object(object: protocol::Object) -> NewObject {
    let protocol::Object { bucket, key, data, .. } = object;
    NewObject { bucket, key, content_type: data.content_type(), bytes: data.base64 }
}

fn shown(view: RunView) -> Run {
    let output = |object: ObjectView| protocol::Object {
        bucket: object.bucket.to_string(),
        key: object.key.to_string(),
        data: Data::new(&object.content_type, object.bytes),
        group: None,
        meta: None,
    };
    Run {
        run: view.run,
        status: view.status,
        sealed: view.sealed,
        started_ms: view.started_ms,
        ended_ms: view.ended_ms,
        outputs: view.outputs.into_iter().map(output).collect(),
        error: view.error,
        functions: view.functions,
    }
}
