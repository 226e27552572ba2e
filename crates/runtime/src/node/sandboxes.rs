//! The sandboxes of a real node: Wasm on the shard's own thread, processes beside it.

use super::NodeConfig;
use super::memory::NodeMemory;
use crate::ports::{Call, Objects as _, Report, Sandboxes};
use bytes::Bytes;
use sluice_types::{
    AppKey, Attempt, Code, FunctionIx, InvocationId, Outcome, Payload, Problem, Program, Runtime, Version,
};
use sluice_wasm::{Completion, InputBytes, LogLine, RunInfo, Step, StoreBytes, Wasm};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Everything that executes attempts on this node.
pub struct LocalSandboxes {
    wasm: Option<Wasm>,
    overflow: VecDeque<Call>,
    since: Instant,
}

impl LocalSandboxes {
    pub(super) fn new(_config: &NodeConfig) -> Result<Self, Problem> {
        Ok(Self { wasm: None, overflow: VecDeque::new(), since: Instant::now() })
    }

    /// Readable when a sandbox has something to say.
    pub(super) fn wake_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn now_ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }

    /// The Wasm side, made when the first module comes: a node without one pays nothing for it.
    fn wasm(&mut self) -> Result<&mut Wasm, Problem> {
        if self.wasm.is_none() {
            let wasm = Wasm::new(sluice_wasm::Options::default());
            self.wasm = Some(wasm.map_err(|error| Problem::new(Code::HOST_LACKS, error.to_string(), "see sluice doctor"))?);
        }
        Ok(self.wasm.as_mut().expect("it was just made"))
    }

    fn start_wasm(&mut self, call: Call, objects: &mut NodeMemory, reports: &mut Vec<Report>) {
        let now_ms = self.now_ms();
        let Some(wasm) = &mut self.wasm else { return };
        let Call { invocation, app, version, run_id } = call;
        let (id, attempt) = (invocation.id, invocation.attempt);
        let run = RunInfo { app, version, run_id: run_id.clone() };
        let memory = RefCell::new(objects);
        match wasm.start(now_ms, invocation, run, &Reader(&memory), &mut Writer { memory: &memory, app }) {
            Step::Done(outcome, logs) => report(id, attempt, outcome, logs, reports),
            Step::Pending => reports.push(Report::Started { invocation: id, attempt }),
            Step::Full(invocation) => self.overflow.push_back(Call { invocation, app, version, run_id }),
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
        for (index, function) in program.functions.iter().enumerate() {
            let key = (app, version, FunctionIx(index as u16));
            if let Runtime::Wasm { module, .. } = &function.runtime {
                let place = || format!("functions.{}.module", function.name);
                let bytes = std::fs::read(bundle.join(module)).map_err(|error| {
                    let message = format!("module {module:?} cannot be read: {error}");
                    Problem::new(Code::FILE_NOT_FOUND, message, "add the file to the app's folder").at(place())
                })?;
                self.wasm()?.load(key, &bytes, program).map_err(|error| {
                    Problem::new(Code::APP_INVALID, error.to_string(), "give it a valid module").at(place())
                })?;
            }
        }
        Ok(())
    }

    fn is_pure(&self, program: &Program, function: FunctionIx) -> bool {
        matches!(program.functions[function.index()].runtime, Runtime::Wasm { .. })
    }

    fn start(&mut self, call: Call, objects: &mut NodeMemory, reports: &mut Vec<Report>) {
        self.start_wasm(call, objects, reports);
    }

    fn stop(&mut self, invocation: InvocationId, attempt: Attempt) {
        let now_ms = self.now_ms();
        self.overflow.retain(|call| (call.invocation.id, call.invocation.attempt) != (invocation, attempt));
        if let Some(wasm) = &mut self.wasm {
            wasm.cancel(now_ms, invocation, attempt);
        }
    }

    fn poll(&mut self, objects: &mut NodeMemory, reports: &mut Vec<Report>) {
        let now_ms = self.now_ms();
        let Some(wasm) = &mut self.wasm else { return };
        let mut done: Vec<Completion> = Vec::new();
        let memory = RefCell::new(&mut *objects);
        // Objects of calls that were pending are kept for the app of the call; the id says which run it was.
        wasm.poll(now_ms, &mut Writer { memory: &memory, app: AppKey(0) }, &mut done);
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

    fn next_poll_ms(&self) -> Option<u64> {
        let due = self.wasm.as_ref().and_then(Wasm::next_deadline)?;
        Some(due.saturating_sub(self.now_ms()))
    }

    fn load(&self) -> usize {
        self.overflow.len() + self.wasm.as_ref().map_or(0, Wasm::pending)
    }
}

fn report(id: InvocationId, attempt: Attempt, outcome: Outcome, logs: Vec<LogLine>, reports: &mut Vec<Report>) {
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

struct Writer<'a, 'm> {
    memory: &'a RefCell<&'m mut NodeMemory>,
    app: AppKey,
}

impl StoreBytes for Writer<'_, '_> {
    fn store(&mut self, bytes: &[u8]) -> Payload {
        let stored = self.memory.borrow_mut().store(self.app, bytes);
        // Without room outside, the bytes stay in the record, however large it gets.
        stored.unwrap_or_else(|_| Payload::Inline(Bytes::copy_from_slice(bytes)))
    }
}
