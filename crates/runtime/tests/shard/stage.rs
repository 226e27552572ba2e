//! A shard in the hands of a test: disks are memory, time stands still, calls wait for what the test says of them, and
//! objects beside the log have a length but no bytes.

use bytes::Bytes;
use sluice_frontend::cel::CelEvaluator;
use sluice_runtime::api::{DeployRequest, StartRequest};
use sluice_runtime::bundles::Bundles;
use sluice_runtime::handle::Answer;
use sluice_runtime::ports::{AtOnce, Call, Objects, Ports, Report, Sandboxes, World};
use sluice_runtime::{Command, Opened, Shard, ShardOptions};
use sluice_storage::RunStore;
use sluice_storage::disk::MemDisk;
use sluice_storage::log::Options;
use sluice_storage::store::StoreOptions;
use sluice_types::{
    AppKey, Attempt, Bucket, BucketIx, Code, ContentType, Durability, Event, Failure, FailureKind, Function,
    FunctionIx, InvocationId, Object, ObjectId, Outcome, Payload, Problem, Program, Put, Puts, ReturnValue,
    RunKey, Runtime, Steps, Version, Workflow, limits,
};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::oneshot::{self, Receiver};

/// Runs that stay in memory.
pub const LOADED_MAX: usize = 10;

pub struct StagePorts;

impl Ports for StagePorts {
    type Disk = MemDisk;
    type Sandboxes = Calls;
    type Objects = Lengths;
    type World = Still;
    type Background = AtOnce;
}

/// Calls that were made, and what is reported of them at the next turn.
#[derive(Clone, Default)]
pub struct Calls {
    made: Rc<RefCell<Vec<Call>>>,
    reports: Rc<RefCell<Vec<Report>>>,
}

impl<O> Sandboxes<O> for Calls {
    fn add_app(&mut self, _: AppKey, _: Version, _: &Arc<Program>, _: &Path) -> Result<(), Problem> {
        Ok(())
    }

    fn forget_app(&mut self, _: AppKey, _: Version) {}

    fn is_pure(&self, _: &Program, _: FunctionIx) -> bool {
        false
    }

    fn start(&mut self, call: Call, _: &mut O, _: &mut Vec<Report>) {
        self.made.borrow_mut().push(call);
    }

    fn stop(&mut self, _: InvocationId, _: Attempt) {}

    fn closed(&mut self, _: (AppKey, Version), _: RunKey, _: &Object, _: &mut O) {}

    fn poll(&mut self, _: &mut O, reports: &mut Vec<Report>) {
        reports.append(&mut self.reports.borrow_mut());
    }

    fn next_poll_ms(&self) -> Option<u64> {
        None
    }

    fn load(&self) -> usize {
        0
    }

    fn has_backlog(&self) -> bool {
        false
    }
}

/// How often objects beside the log were made or copied.
#[derive(Default)]
pub struct Lengths {
    next: u64,
    copies: Rc<Cell<usize>>,
    reads: Rc<Cell<usize>>,
}

impl Objects for Lengths {
    fn store(&mut self, app: AppKey, bytes: &[u8]) -> Result<Payload, Problem> {
        match bytes.len() <= limits::INLINE_BYTES_MAX {
            true => Ok(Payload::Inline(Bytes::copy_from_slice(bytes))),
            false => self.store_apart(app, bytes),
        }
    }

    fn store_apart(&mut self, app: AppKey, bytes: &[u8]) -> Result<Payload, Problem> {
        let len = bytes.len() as u64;
        self.duplicate(app, &Payload::Stored { id: ObjectId(0), len, digest: Some(0) })
    }

    fn read(&mut self, payload: &Payload) -> Result<Bytes, Problem> {
        self.reads.update(|reads| reads + 1);
        match payload {
            Payload::Inline(bytes) => Ok(bytes.clone()),
            _ => Err(Problem::new(Code::OBJECT_RELEASED, "there are no bytes", "")),
        }
    }

    fn persist(&mut self, _: &mut Payload) -> Result<(), Problem> {
        Ok(())
    }

    fn save(&mut self, _: &mut Payload) -> Result<bool, Problem> {
        Ok(true)
    }

    fn saved(&mut self) -> Option<(ObjectId, Result<(), Problem>)> {
        None
    }

    fn digest(&mut self, _: &mut Payload) -> Result<(), Problem> {
        Ok(())
    }

    fn duplicate(&mut self, _: AppKey, payload: &Payload) -> Result<Payload, Problem> {
        self.copies.update(|copies| copies + 1);
        self.next += 1;
        Ok(Payload::Stored { id: ObjectId(self.next), len: payload.len(), digest: Some(0) })
    }

    fn close(&mut self, _: AppKey, _: RunKey, _: &mut Put) -> Result<(), Problem> {
        Ok(())
    }

    fn let_go(&mut self, _: RunKey, _: BucketIx, _: &Arc<str>) {}

    fn abandon(&mut self, _: RunKey) {}

    fn release(&mut self, _: ObjectId) {}

    fn sweep(&mut self, _: ObjectId, _: &BTreeSet<ObjectId>) {}

    fn next_id(&self) -> ObjectId {
        ObjectId(self.next)
    }

    fn skip_to(&mut self, id: ObjectId) {
        self.next = self.next.max(id.0);
    }

    fn resident_bytes(&self) -> u64 {
        0
    }
}

pub struct Still(u64);

impl World for Still {
    fn now_ms(&mut self) -> u64 {
        1_000
    }

    fn now_us(&mut self) -> u64 {
        // Far on each time: nothing that was logged waits for more to be synced with it.
        self.0 += 1_000_000;
        self.0
    }

    fn random(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

pub struct Stage {
    pub shard: Shard<StagePorts>,
    calls: Calls,
    signals: u32,
    copies: Rc<Cell<usize>>,
    reads: Rc<Cell<usize>>,
    _folder: TempDir,
}

impl Stage {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (disk, calls, objects) = (MemDisk::default(), Calls::default(), Lengths::default());
        let (copies, reads) = (objects.copies.clone(), objects.reads.clone());
        let store = RunStore::open(&disk, Path::new("/store/runs"), &StoreOptions::default());
        let opened = Opened {
            disk,
            log: Options { ahead_bytes: 0, ..Options::default() },
            store: store.expect("the store opens"),
            objects,
            sandboxes: calls.clone(),
            background: AtOnce,
            world: Still(0),
        };
        let options = ShardOptions {
            callees: Arc::new(sluice_runtime::callees::NoCallees),
            namespace: Arc::from("default"),
            bundles: Bundles::new(folder.path()),
            evaluator: || Box::new(CelEvaluator::default()),
            cron: sluice_frontend::cron::next_after,
            checkpoint_bytes: u64::MAX,
            checkpoint_ms: u64::MAX,
            loaded_runs_max: LOADED_MAX,
            retention_ms: None,
            give_back: || {},
        };
        let shard = Shard::open(options, opened, Path::new("/log")).expect("the shard opens");
        Self { shard, calls, signals: 0, copies, reads, _folder: folder }
    }

    /// Sends a command; turns follow.
    pub fn send<T>(&mut self, command: impl FnOnce(Answer<T>) -> Command) -> Receiver<Result<T, Problem>> {
        let (answer, receiver) = oneshot::channel();
        self.shard.turn([command(answer)]);
        receiver
    }

    /// What comes of a command once the shard has nothing to do at once.
    pub fn ask<T>(&mut self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Problem> {
        let mut answer = self.send(command);
        self.settle();
        answer.try_recv().expect("it is answered")
    }

    /// Turns until nothing is left to be done at once.
    pub fn settle(&mut self) {
        self.shard.turn([]);
        while self.shard.is_busy() {
            assert!(self.shard.failure().is_none(), "{:?}", self.shard.failure());
            self.shard.turn([]);
        }
    }

    pub fn deploy(&mut self, program: Program) {
        self.ask(|answer| Command::Deploy(Box::new(bundle(program)), answer)).expect("it deploys");
    }

    /// Starts a run, with the workflow if the app is one.
    pub fn start(&mut self, id: &str) {
        let request =
            StartRequest { app: "app".to_owned(), id: Some(id.to_owned()), ..StartRequest::default() };
        self.ask(|answer| Command::Start(Box::new(request), answer)).expect("it starts");
    }

    /// Tells a run something.
    pub fn signal(&mut self, run: &str) {
        self.signals += 1;
        let event = Event {
            id: self.signals.to_string().into(),
            source: "test".into(),
            r#type: "go".into(),
            subject: None,
            time_ms: 1_000,
            content_type: ContentType::Bytes,
            data: Bytes::new(),
            run: Some(run.into()),
        };
        self.ask(|answer| Command::Events(vec![event].into(), answer)).expect("it is taken");
    }

    /// The calls that were made since the last time.
    pub fn take_calls(&self) -> Vec<Call> {
        self.calls.made.take()
    }

    /// The call that was made, all alone.
    pub fn take_call(&self) -> Call {
        let calls = self.take_calls();
        <[Call; 1]>::try_from(calls)
            .unwrap_or_else(|calls| panic!("not one call, but {calls:?}"))
            .into_iter()
            .next()
            .expect("there is one")
    }

    /// Has a turn of a workflow end that wants these. What is returned is the number one.
    pub fn wants(&mut self, turn: &Call, wants: &[&str]) {
        let value = |want: &&str| match *want {
            "return" => (ContentType::Json, Payload::Inline("1".into())),
            _ => (ContentType::Bytes, Payload::Inline(Bytes::new())),
        };
        self.wants_values(turn, wants.iter().map(|want| (*want, value(want))).collect());
    }

    /// The same, with values.
    pub fn wants_values(&mut self, turn: &Call, wants: Vec<(&str, (ContentType, Payload))>) {
        let put = |(want, (content_type, payload))| Put {
            bucket: Program::OUTPUT,
            key: format!("0 {want}").into(),
            content_type,
            payload,
            group: None,
            meta: None,
        };
        let puts: Puts = wants.into_iter().map(|want| Box::new(put(want))).collect();
        self.end(turn, Outcome::Succeeded { puts, value: None, emits: Vec::new() });
    }

    /// Has a call return so many bytes beside the log.
    pub fn returns(&mut self, call: &Call, id: u64, len: u64) {
        let value = Some(ReturnValue { content_type: ContentType::Bytes, payload: apart(id, len) });
        self.end(call, Outcome::Succeeded { puts: Puts::new(), value, emits: Vec::new() });
    }

    pub fn fails(&mut self, call: &Call, kind: FailureKind, message: &str) {
        let (message, stack) = (message.to_owned(), "line 7".to_owned());
        self.end(call, Outcome::Failed(Failure { kind, r#type: "Odd".to_owned(), message, stack }));
    }

    pub fn end(&mut self, call: &Call, outcome: Outcome) {
        let (invocation, attempt) = (call.invocation.id, call.invocation.attempt);
        self.calls.reports.borrow_mut().push(Report::Completed { invocation, attempt, outcome });
        self.settle();
    }

    /// How many objects were written or copied beside the log so far, and how many were read.
    pub fn copies(&self) -> (usize, usize) {
        (self.copies.get(), self.reads.get())
    }
}

/// So many bytes beside the log.
pub fn apart(id: u64, len: u64) -> Payload {
    Payload::Stored { id: ObjectId(id), len, digest: Some(0) }
}

pub fn bundle(program: Program) -> DeployRequest {
    let definition = Bytes::from(format!("{program:?}"));
    DeployRequest {
        program: Arc::new(program),
        definition,
        files: BTreeMap::new(),
        reset_triggers: Vec::new(),
    }
}

/// An app with a workflow that is code, and a function that it may call.
pub fn app() -> Program {
    let bucket = |name: &str| Bucket { name: name.into(), keep: false };
    let file = || "app.py".to_owned();
    let flow = Runtime::Workflow { module: file(), name: "flow".to_owned() };
    let large = Runtime::Python { module: file(), name: "large".to_owned() };
    Program {
        app: "app".into(),
        durability: Durability::Durable,
        buckets: ["input", "output", "texts"].map(bucket).into(),
        functions: vec![Function::new("flow", flow), Function::new("large", large)],
        triggers: Vec::new(),
        workflows: vec![Workflow { name: "flow".into(), steps: Steps::Code { function: FunctionIx(0) } }],
    }
}
