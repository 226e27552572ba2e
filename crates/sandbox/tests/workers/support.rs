//! An app in a pool, driven the way a shard drives it.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sluice_isolation::Host;
use sluice_objects::Memory;
use sluice_sandbox::{Options, Pool, RunInfo, SandboxEvent};
use sluice_types::invocation::Arguments;
use sluice_types::{
    AppKey, Attempt, Bucket, BucketIx, ContentType, Durability, Failure, Function, FunctionIx, Invocation,
    InvocationId, Object, Outcome, Payload, Program, Put, ReturnValue, RunKey, Runtime, Version,
};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Longest wait for anything; reaching it fails the test.
const PATIENCE: Duration = Duration::from_secs(60);

pub const APP: AppKey = AppKey(7);
pub const VERSION: Version = Version(1);
/// Buckets of every test app after `input` and `output`.
pub const PARTS: BucketIx = BucketIx(2);

pub fn host() -> Arc<Host> {
    static HOST: OnceLock<Arc<Host>> = OnceLock::new();
    Arc::clone(HOST.get_or_init(|| Arc::new(Host::new(env!("CARGO_BIN_EXE_sluice-noop-worker")))))
}

pub fn sdk_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/python").canonicalize().unwrap()
}

pub struct Stage {
    pub pool: Pool,
    pub memory: Memory,
    pub events: Vec<SandboxEvent>,
    host: Arc<Host>,
    program: Arc<Program>,
    next: u32,
    dir: tempfile::TempDir,
}

/// What one attempt did.
#[derive(Debug)]
pub struct Ran {
    pub outcome: Outcome,
    pub puts: Vec<Put>,
    pub output: String,
    pub pid: u32,
}

impl Ran {
    pub fn value(&self) -> &ReturnValue {
        match &self.outcome {
            Outcome::Succeeded { value: Some(value), .. } => value,
            other => panic!("no value: {other:?}"),
        }
    }

    pub fn text(&self) -> String {
        match &self.value().payload {
            Payload::Inline(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            stored => panic!("stored: {stored:?}"),
        }
    }

    pub fn failure(&self) -> &Failure {
        match &self.outcome {
            Outcome::Failed(failure) => failure,
            other => panic!("it did not fail: {other:?}"),
        }
    }
}

impl Stage {
    /// An app of Python functions in one file, with default settings.
    pub fn python(source: &str, functions: &[&str]) -> Self {
        Self::python_with(source, functions, |_| {})
    }

    pub fn python_with(source: &str, functions: &[&str], change: impl Fn(&mut Function)) -> Self {
        let functions = functions.iter().map(|name| {
            let runtime = Runtime::Python { module: "app.py".to_owned(), name: (*name).to_owned() };
            let mut function = Function::new(name, runtime);
            function.into = vec![PARTS];
            change(&mut function);
            function
        });
        Self::new(functions.collect(), &[("app.py", source)])
    }

    pub fn new(functions: Vec<Function>, files: &[(&str, &str)]) -> Self {
        Self::on(host(), functions, files)
    }

    pub fn on(host: Arc<Host>, functions: Vec<Function>, files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("bundle");
        for (name, text) in files {
            let path = bundle.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::create_dir_all(&bundle).unwrap();
        let scratch = dir.path().join("scratch");
        let mut pool = Pool::new(Options::new(Arc::clone(&host), sdk_dir(), scratch)).unwrap();
        let bucket = |name: &str| Bucket { name: name.into(), keep: false };
        let program = Program {
            app: "test".into(),
            durability: Durability::Express,
            buckets: vec![bucket("input"), bucket("output"), bucket("parts")],
            functions,
            triggers: Vec::new(),
            workflows: Vec::new(),
        };
        let program = Arc::new(program);
        pool.add_app(APP, VERSION, Arc::clone(&program), &bundle);
        let memory = Memory::new(sluice_objects::Options::new(dir.path(), 1 << 30)).unwrap();
        Self { pool, memory, events: Vec::new(), host, program, next: 0, dir }
    }

    pub fn bundle(&self) -> PathBuf {
        self.dir.path().join("bundle")
    }

    /// Directories of attempts that are still there once all errands have had their time.
    pub fn scratch_entries(&self) -> usize {
        let start = Instant::now();
        loop {
            let left = std::fs::read_dir(self.dir.path().join("scratch")).map_or(0, Iterator::count);
            if left == 0 || start.elapsed() > PATIENCE {
                return left;
            }
            std::thread::yield_now();
        }
    }

    pub fn object(&mut self, key: &str, content_type: ContentType, bytes: &[u8]) -> Object {
        let payload = self.memory.store(APP, bytes).unwrap();
        Object { bucket: BucketIx(0), key: key.into(), content_type, payload, group: None, meta: None }
    }

    /// The same app with fewer processes.
    pub fn limited_to(self, workers_max: usize) -> Self {
        self.with_options(|options| options.workers_max = workers_max)
    }

    /// The same app in a pool with other options.
    pub fn with_options(mut self, change: impl Fn(&mut Options)) -> Self {
        let host = Arc::clone(&self.host);
        let mut options = Options::new(host, sdk_dir(), self.dir.path().join("scratch"));
        change(&mut options);
        self.pool = Pool::new(options).unwrap();
        self.add_again(APP);
        self
    }

    /// The same program as another app.
    pub fn add_again(&mut self, app: AppKey) {
        let bundle = self.bundle();
        self.pool.add_app(app, VERSION, Arc::clone(&self.program), &bundle);
    }

    pub fn start(&mut self, function: u16, arguments: Arguments) -> InvocationId {
        self.start_of(APP, function, arguments)
    }

    pub fn start_of(&mut self, app: AppKey, function: u16, arguments: Arguments) -> InvocationId {
        self.start_in(RunKey(1), app, function, arguments)
    }

    /// Starts an attempt of a run of that name.
    pub fn start_in(
        &mut self,
        run: RunKey,
        app: AppKey,
        function: u16,
        arguments: Arguments,
    ) -> InvocationId {
        let id = InvocationId { run, seq: self.next };
        self.next += 1;
        let invocation =
            Invocation { id, attempt: Attempt(1), function: FunctionIx(function), arguments, group: None };
        let run_id = format!("run_{}", run.0).into();
        let run = RunInfo { app, version: VERSION, run_id, traceparent: None };
        self.pool.start(invocation, run, &mut self.memory).unwrap();
        id
    }

    /// Polls until there are so many workers.
    pub fn until_workers(&mut self, count: usize) {
        self.until_pool(|pool, _| pool.worker_count() >= count);
    }

    /// Polls until `done` holds of the events so far.
    pub fn until(&mut self, done: impl Fn(&[SandboxEvent]) -> bool) {
        self.until_pool(|_, events| done(events));
    }

    fn until_pool(&mut self, done: impl Fn(&Pool, &[SandboxEvent]) -> bool) {
        let start = Instant::now();
        loop {
            self.pool.poll(&mut self.memory, Instant::now(), &mut self.events).unwrap();
            if done(&self.pool, &self.events) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "nothing more happens; so far: {:?}", self.events);
            let now = Instant::now();
            let wait = self.pool.next_deadline().map_or(PATIENCE, |d| d.saturating_duration_since(now));
            let wait = Timespec::try_from(wait.min(PATIENCE)).unwrap();
            let mut fds = [PollFd::from_borrowed_fd(self.pool.as_fd(), PollFlags::IN)];
            poll(&mut fds, Some(&wait)).unwrap();
        }
    }

    /// Waits for the end of an attempt and takes its events.
    pub fn finish(&mut self, id: InvocationId) -> Ran {
        self.until(|events| completed(events, id).is_some());
        let outcome = completed(&self.events, id).unwrap();
        let mut ran = Ran { outcome, puts: Vec::new(), output: String::new(), pid: 0 };
        for event in &self.events {
            match event {
                SandboxEvent::Started { id: of, pid, .. } if *of == id => ran.pid = *pid,
                SandboxEvent::Put { id: of, put, .. } if *of == id => ran.puts.push(put.clone()),
                SandboxEvent::Log { id: of, bytes, .. } if *of == id => {
                    ran.output.push_str(&String::from_utf8_lossy(bytes));
                }
                _ => {}
            }
        }
        ran
    }

    pub fn run(&mut self, function: u16, arguments: Arguments) -> Ran {
        let id = self.start(function, arguments);
        self.finish(id)
    }

    /// Calls a function with one inline object.
    pub fn call(&mut self, function: u16, content_type: ContentType, bytes: &[u8]) -> Ran {
        let object = self.object("key", content_type, bytes);
        self.run(function, Arguments::One(object))
    }
}

fn completed(events: &[SandboxEvent], id: InvocationId) -> Option<Outcome> {
    events.iter().find_map(|event| match event {
        SandboxEvent::Completed { id: of, outcome, .. } if *of == id => Some(outcome.clone()),
        _ => None,
    })
}
