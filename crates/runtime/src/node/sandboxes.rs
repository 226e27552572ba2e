//! The sandboxes of a real node: Wasm on the shard's own thread, processes beside it.

use super::NodeConfig;
use super::memory::NodeMemory;
use crate::ports::{Call, Objects as _, Report, Sandboxes};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use sluice_isolation::Host;
use sluice_sandbox::{Pool, SandboxEvent, Stream};
use sluice_types::{
    AppKey, Attempt, Code, Failure, FailureKind, FunctionIx, InvocationId, Object, Outcome, Payload, Problem,
    Program, RunKey, Runtime, Version,
};
use sluice_wasm::{Completion, InputBytes, LogLine, RunInfo, Step, StoreBytes, Wasm};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Wasm calls that start between two looks at the clock.
const STARTS_PER_LOOK: u32 = 32;

/// Everything that executes attempts on this node.
pub struct LocalSandboxes {
    pool: Pool,
    programs: FxHashMap<(AppKey, Version), Arc<Program>>,
    happened: Vec<SandboxEvent>,
    in_pool: usize,
    wasm: Option<Wasm>,
    overflow: VecDeque<Call>,
    since: Instant,
    /// When the clock was last looked at for a Wasm call.
    looked_ms: u64,
    /// Wasm calls that have started since.
    starts: u32,
}

impl LocalSandboxes {
    pub(super) fn new(config: &NodeConfig, scratch_dir: &Path) -> Result<Self, Problem> {
        let host = Arc::new(Host::new(&config.launcher));
        let mut options = sluice_sandbox::Options::new(host, &config.sdk_dir, scratch_dir);
        options.core = config.core;
        options.workers_max = config.workers_max;
        Ok(Self {
            pool: Pool::new(options).map_err(|error| unready(&error))?,
            programs: FxHashMap::default(),
            happened: Vec::new(),
            in_pool: 0,
            wasm: None,
            overflow: VecDeque::new(),
            since: Instant::now(),
            looked_ms: 0,
            starts: 0,
        })
    }

    /// Makes [`Self::wait`] end when this is readable.
    pub(super) fn watch(&self, bell: &impl AsFd) -> io::Result<()> {
        self.pool.watch(bell.as_fd())
    }

    /// Waits until a process has something to say, the watched bell is rung, or the time is over; whether it was rung.
    pub(super) fn wait(&mut self, patience: Option<Duration>) -> io::Result<bool> {
        self.pool.wait(patience)
    }

    fn start_process(&mut self, call: Call, objects: &mut NodeMemory, reports: &mut Vec<Report>) {
        let Call { invocation, app, version, run_id } = call;
        let (id, attempt) = (invocation.id, invocation.attempt);
        let run = sluice_sandbox::RunInfo { app, version, run_id, traceparent: None };
        match self.pool.start(*invocation, run, &mut objects.memory) {
            Ok(()) => self.in_pool += 1,
            Err(error) => {
                let failure = Failure {
                    kind: FailureKind::Unstartable,
                    r#type: error.code().to_string(),
                    message: error.to_string(),
                    stack: String::new(),
                };
                reports.push(Report::Completed {
                    invocation: id,
                    attempt,
                    outcome: Outcome::Failed(failure),
                });
            }
        }
    }

    fn poll_processes(&mut self, objects: &mut NodeMemory, reports: &mut Vec<Report>) {
        if let Err(error) = self.pool.poll(&mut objects.memory, Instant::now(), &mut self.happened) {
            tracing::error!(%error, "the worker pool");
        }
        for event in self.happened.drain(..) {
            reports.push(match event {
                SandboxEvent::Started { id, attempt, .. } => Report::Started { invocation: id, attempt },
                SandboxEvent::Put { id, attempt, put } => Report::Put { invocation: id, attempt, put },
                SandboxEvent::Opened { id, attempt, put } => Report::Opened { invocation: id, attempt, put },
                SandboxEvent::Closed { id, attempt, put } => Report::Closed { invocation: id, attempt, put },
                SandboxEvent::Log { id, attempt, stream, bytes } => {
                    let stream = match stream {
                        Stream::Stdout => "stdout",
                        Stream::Stderr => "stderr",
                        Stream::Log(_) => "log",
                    };
                    Report::Log { invocation: id, attempt, stream, bytes: Bytes::from(bytes) }
                }
                SandboxEvent::Completed { id, attempt, outcome } => {
                    self.in_pool -= 1;
                    Report::Completed { invocation: id, attempt, outcome }
                }
            });
        }
    }

    fn poll_wasm(&mut self, objects: &mut NodeMemory, reports: &mut Vec<Report>) {
        let now_ms = self.now_ms();
        (self.looked_ms, self.starts) = (now_ms, 1);
        let Some(wasm) = &mut self.wasm else { return };
        let mut done: Vec<Completion> = Vec::new();
        let memory = RefCell::new(&mut *objects);
        wasm.poll(now_ms, &mut Writer(&memory), &mut done);
        let freed = done.len();
        for Completion { id, attempt, outcome, logs } in done {
            report(id, attempt, outcome, logs, reports);
        }
        for _ in 0..freed.min(self.overflow.len()) {
            if let Some(call) = self.overflow.pop_front() {
                self.start_wasm(call, objects, reports);
            }
        }
    }

    /// The time for a Wasm call that starts. Looking at the clock costs as much as some of these calls, so not every
    /// one does.
    fn starting_ms(&mut self) -> u64 {
        if self.starts.is_multiple_of(STARTS_PER_LOOK) {
            self.looked_ms = self.now_ms();
        }
        self.starts = self.starts.wrapping_add(1);
        self.looked_ms
    }

    fn now_ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }

    /// The Wasm side, made when the first module comes: a node without one pays nothing for it.
    fn wasm(&mut self) -> Result<&mut Wasm, Problem> {
        if self.wasm.is_none() {
            let wasm = Wasm::new(sluice_wasm::Options::default());
            self.wasm =
                Some(wasm.map_err(|error| {
                    Problem::new(Code::HOST_LACKS, error.to_string(), "see sluice doctor")
                })?);
        }
        Ok(self.wasm.as_mut().expect("it was just made"))
    }

    fn start_wasm(&mut self, call: Call, objects: &mut NodeMemory, reports: &mut Vec<Report>) {
        let now_ms = self.starting_ms();
        let Some(wasm) = &mut self.wasm else { return };
        let Call { invocation, app, version, run_id } = call;
        let (id, attempt) = (invocation.id, invocation.attempt);
        let run = RunInfo { app, version, run_id };
        let memory = RefCell::new(objects);
        match wasm.start(now_ms, invocation, run, &Reader(&memory), &mut Writer(&memory)) {
            Step::Done(outcome, logs) => report(id, attempt, outcome, logs, reports),
            Step::Pending => reports.push(Report::Started { invocation: id, attempt }),
            Step::Full(invocation, RunInfo { app, version, run_id }) => {
                self.overflow.push_back(Call { invocation, app, version, run_id });
            }
        }
    }
}

impl Sandboxes<NodeMemory> for LocalSandboxes {
    fn add_app(
        &mut self,
        app: AppKey,
        version: Version,
        program: &Arc<Program>,
        bundle: &Path,
    ) -> Result<(), Problem> {
        self.programs.insert((app, version), program.clone());
        self.pool.add_app(app, version, program.clone(), bundle);
        for (index, function) in program.functions.iter().enumerate() {
            let key = (app, version, FunctionIx(index as u16));
            if let Runtime::Wasm { module, .. } = &function.runtime {
                let place = || format!("functions.{}.module", function.name);
                let bytes = std::fs::read(bundle.join(module)).map_err(|error| {
                    let message = format!("module {module:?} cannot be read: {error}");
                    Problem::new(Code::FILE_NOT_FOUND, message, "add the file to the app's folder")
                        .at(place())
                })?;
                self.wasm()?.load(key, &bytes, program).map_err(|error| {
                    Problem::new(Code::APP_INVALID, error.to_string(), "give it a valid module").at(place())
                })?;
            }
        }
        Ok(())
    }

    fn forget_app(&mut self, app: AppKey, version: Version) {
        self.programs.remove(&(app, version));
        self.pool.remove_app(app, version, Instant::now());
    }

    fn is_pure(&self, program: &Program, function: FunctionIx) -> bool {
        let runtime = &program.functions[function.index()].runtime;
        matches!(runtime, Runtime::Wasm { .. } | Runtime::Workflow { .. })
    }

    fn start(&mut self, call: Call, objects: &mut NodeMemory, reports: &mut Vec<Report>) {
        let program = &self.programs[&(call.app, call.version)];
        match program.functions[call.invocation.function.index()].runtime {
            Runtime::Wasm { .. } => self.start_wasm(call, objects, reports),
            Runtime::Python { .. }
            | Runtime::Exec { .. }
            | Runtime::Process { .. }
            | Runtime::Lambda { .. }
            | Runtime::Workflow { .. } => {
                self.start_process(call, objects, reports);
            }
            Runtime::Run { .. } => unreachable!("the engine asks for runs of workflows"),
        }
    }

    fn stop(&mut self, invocation: InvocationId, attempt: Attempt) {
        let now_ms = self.now_ms();
        self.overflow.retain(|call| (call.invocation.id, call.invocation.attempt) != (invocation, attempt));
        if let Some(wasm) = &mut self.wasm {
            wasm.cancel(now_ms, invocation, attempt);
        }
        self.pool.cancel(invocation, attempt, Instant::now());
    }

    fn closed(&mut self, app: (AppKey, Version), run: RunKey, object: &Object, objects: &mut NodeMemory) {
        self.pool.closed(app, run, object, &mut objects.memory);
    }

    fn poll(&mut self, objects: &mut NodeMemory, reports: &mut Vec<Report>) {
        self.poll_processes(objects, reports);
        self.poll_wasm(objects, reports);
    }

    fn next_poll_ms(&self) -> Option<u64> {
        let wasm =
            self.wasm.as_ref().and_then(Wasm::next_deadline).map(|due| due.saturating_sub(self.now_ms()));
        let now = Instant::now();
        let pool =
            self.pool.next_deadline().map(|due| due.saturating_duration_since(now).as_millis() as u64 + 1);
        wasm.into_iter().chain(pool).min()
    }

    fn has_backlog(&self) -> bool {
        self.pool.has_backlog()
    }

    fn load(&self) -> usize {
        self.in_pool + self.overflow.len() + self.wasm.as_ref().map_or(0, Wasm::pending)
    }
}

fn unready(error: &sluice_sandbox::Error) -> Problem {
    Problem::new(error.code(), error.to_string(), "see `sluice doctor` for what the host gives")
}

fn report(
    id: InvocationId,
    attempt: Attempt,
    outcome: Outcome,
    logs: Vec<LogLine>,
    reports: &mut Vec<Report>,
) {
    for line in logs {
        reports.push(Report::Log { invocation: id, attempt, stream: "log", bytes: Bytes::from(line.text) });
    }
    reports.push(Report::Completed { invocation: id, attempt, outcome });
}

struct Reader<'a, 'm>(&'a RefCell<&'m mut NodeMemory>);

impl InputBytes for Reader<'_, '_> {
    fn bytes(&self, payload: &Payload) -> Option<Bytes> {
        self.0.borrow_mut().read(payload).ok()
    }
}

struct Writer<'a, 'm>(&'a RefCell<&'m mut NodeMemory>);

impl StoreBytes for Writer<'_, '_> {
    fn store(&mut self, app: AppKey, bytes: &[u8]) -> Payload {
        let stored = self.0.borrow_mut().store(app, bytes);
        // Without room outside, the bytes stay in the record, however large it gets.
        stored.unwrap_or_else(|_| Payload::Inline(Bytes::copy_from_slice(bytes)))
    }
}
