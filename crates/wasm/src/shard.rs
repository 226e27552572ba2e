//! The Wasm functions of one shard: idle instances, suspended calls, and the order in which they go on.
//!
//! Invariants: a call is in `suspended` from the turn that did not end it to its completion; it is there with
//! `due_ms` and an entry in `timers`, or without and exactly once in `runnable`.

use crate::call::{Call, InputBytes, RunInfo, StoreBytes};
use crate::declaration::Declaration;
use crate::engine::Engine;
use crate::error::Error;
use crate::limits;
use crate::module::Compiled;
use crate::options::Options;
use crate::output::LogLine;
use crate::resident::{Code, Resident, Turn};
use crate::ticker::Beat;
use crate::timers::{Ticket, Timers};
use rustc_hash::FxHashMap;
use sluice_types::limits::CANCEL_GRACE_MS;
use sluice_types::{
    AppKey, Attempt, Failure, FailureKind, FunctionIx, Invocation, InvocationId, Outcome, Program, Runtime,
    Version,
};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

/// A function of a version of an app.
pub type FunctionKey = (AppKey, Version, FunctionIx);

/// What came of [`Wasm::start`].
#[derive(Debug)]
pub enum Step {
    /// The call has ended.
    Done(Outcome, Vec<LogLine>),
    /// It sleeps or ran over its slice; [`Wasm::poll`] will report its end.
    Pending,
    /// All instances of the process are in use. Start it again after a completion.
    Full(Box<Invocation>, RunInfo),
}

/// The end of a call that was pending.
#[derive(Debug)]
pub struct Completion {
    /// The call.
    pub id: InvocationId,
    /// The attempt.
    pub attempt: Attempt,
    /// How it ended.
    pub outcome: Outcome,
    /// What it logged.
    pub logs: Vec<LogLine>,
}

/// Runs the Wasm functions of one shard, on the thread that calls it. Times are milliseconds of one monotonic
/// clock, given by the caller.
pub struct Wasm {
    engine: Engine,
    beat: Beat,
    functions: FxHashMap<FunctionKey, Registered>,
    suspended: FxHashMap<Ticket, Suspended>,
    timers: Timers,
    runnable: VecDeque<Ticket>,
    /// Idle instances beyond what their function may keep, dropped a few at a time.
    surplus: Vec<Resident>,
    /// Calls that are over, for their memory.
    #[allow(clippy::vec_box, reason = "they travel as they are")]
    used: Vec<Box<Call>>,
}

struct Registered {
    code: Rc<Code>,
    idle: Vec<Resident>,
    idle_max: usize,
}

struct Suspended {
    function: FunctionKey,
    resident: Resident,
    /// When it is due, while it sleeps.
    due_ms: Option<u64>,
    /// When it is ended by force.
    expires_at_ms: u64,
}

impl Wasm {
    /// A shard with an engine of its own, for processes that have one shard.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn new(options: Options) -> Result<Self, Error> {
        Engine::new(options).map(Self::on)
    }

    /// A shard on the engine of the process.
    pub fn on(engine: Engine) -> Self {
        Self {
            beat: engine.beat(),
            engine,
            functions: FxHashMap::default(),
            suspended: FxHashMap::default(),
            timers: Timers::default(),
            runnable: VecDeque::new(),
            surplus: Vec::new(),
            used: Vec::new(),
        }
    }

    /// The engine, to compile with on another thread.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Compiles and registers a function: blocks for the compilation. `key` names a function of `program`.
    ///
    /// # Errors
    /// As [`Engine::compile`] and [`Wasm::add`].
    pub fn load(&mut self, key: FunctionKey, module: &[u8], program: &Program) -> Result<(), Error> {
        let compiled = self.engine.compile(module)?;
        self.add(key, compiled, program)
    }

    /// Registers a compiled function, or replaces its code; calls of it may start. Pending calls go on with the
    /// code they began with.
    ///
    /// # Errors
    /// [`Error::Module`] when its memory is larger than its allocation from the start, or `key` is no Wasm
    /// function of `program`.
    pub fn add(&mut self, key: FunctionKey, compiled: Compiled, program: &Program) -> Result<(), Error> {
        let function = program.functions.get(key.2.index());
        let Some((function, &Runtime::Wasm { fresh, .. })) = function.map(|f| (f, &f.runtime)) else {
            return Err(Error::module(format!("{} is no wasm function", key.2), "deploy the app again"));
        };
        let memory_bytes = function.resources.memory_bytes;
        if compiled.memory_bytes_min > memory_bytes {
            let needs = compiled.memory_bytes_min;
            return Err(Error::module(
                format!("the module starts with {needs} bytes of memory, its allocation is {memory_bytes}"),
                format!("set resources.memory to {needs} or more"),
            ));
        }
        let declaration = Arc::new(Declaration::new(program, function, fresh));
        let idle_max = self.engine.options().idle_max.max(declaration.warm);
        let code = Rc::new(Code {
            engine: self.engine.wasmtime().clone(),
            compiled,
            declaration,
            slice_ticks: self.engine.options().slice_ticks,
        });
        self.functions.insert(key, Registered { code, idle: Vec::new(), idle_max });
        Ok(())
    }

    /// Forgets a function and its idle instances; calls that are pending go on.
    pub fn remove(&mut self, key: FunctionKey) {
        self.functions.remove(&key);
    }

    /// Starts a call and runs it until it ends, sleeps or has used up its slice.
    pub fn start(
        &mut self,
        now_ms: u64,
        invocation: Box<Invocation>,
        run: RunInfo,
        inputs: &dyn InputBytes,
        store: &mut dyn StoreBytes,
    ) -> Step {
        let key = (run.app, run.version, invocation.function);
        let ticket = (invocation.id, invocation.attempt);
        let Some(function) = self.functions.get_mut(&key) else {
            return Step::Done(Outcome::Failed(not_loaded(key)), Vec::new());
        };
        let Some(mut resident) = function.idle.pop().or_else(|| self.vacancy(key)) else {
            return Step::Full(invocation, run);
        };
        match Call::new(self.used.pop(), invocation, run, inputs) {
            Ok(call) => resident.place(call),
            Err(fault) => return Step::Done(Outcome::Failed(fault.failure(String::new())), Vec::new()),
        }
        match self.turn(&mut resident, now_ms) {
            Turn::Ended { mut call, reusable } => {
                self.retire(key, resident, reusable);
                let (outcome, logs) = call.finish(store);
                self.keep_used(call);
                Step::Done(outcome, logs)
            }
            turn => {
                self.suspend(now_ms, key, ticket, resident, &turn);
                Step::Pending
            }
        }
    }

    /// Lets pending calls go on: all whose sleep is over, and those that were preempted until one of them uses
    /// up a slice. Completions are appended to `done`.
    pub fn poll(&mut self, now_ms: u64, store: &mut dyn StoreBytes, done: &mut Vec<Completion>) {
        while let Some((due_ms, ticket)) = self.timers.pop_due(now_ms) {
            let call = self.suspended.get_mut(&ticket).filter(|call| call.due_ms == Some(due_ms));
            if let Some(call) = call {
                call.due_ms = None;
                self.runnable.push_back(ticket);
            }
        }
        self.surplus.truncate(self.surplus.len().saturating_sub(limits::DROPS_PER_POLL_MAX));
        for _ in 0..self.runnable.len() {
            let Some(ticket) = self.runnable.pop_front() else { return };
            if self.resume(now_ms, ticket, store, done) {
                return;
            }
        }
    }

    /// When [`Wasm::poll`] has something to do: 0 for at once, `None` for nothing until the next call.
    pub fn next_deadline(&self) -> Option<u64> {
        let at_once = !self.runnable.is_empty() || !self.surplus.is_empty();
        if at_once { Some(0) } else { self.timers.next_ms() }
    }

    /// Tells a pending call to stop. It goes on at once and has the usual grace to end by itself; either way its
    /// outcome is `Cancelled`. Unknown calls are ignored: they have ended.
    pub fn cancel(&mut self, now_ms: u64, id: InvocationId, attempt: Attempt) {
        let ticket = (id, attempt);
        let Some(call) = self.suspended.get_mut(&ticket) else { return };
        call.resident.gate().cancel();
        call.expires_at_ms = call.expires_at_ms.min(now_ms.saturating_add(CANCEL_GRACE_MS));
        if call.due_ms.take().is_some() {
            self.runnable.push_back(ticket);
        }
    }

    /// Calls that are pending.
    pub fn pending(&self) -> usize {
        self.suspended.len()
    }

    /// Instances that wait for a call.
    pub fn idle(&self) -> usize {
        self.functions.values().map(|function| function.idle.len()).sum()
    }

    /// Lets one runnable call go on; whether it used up its slice.
    fn resume(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        store: &mut dyn StoreBytes,
        done: &mut Vec<Completion>,
    ) -> bool {
        let mut call = self.suspended.remove(&ticket).expect("a runnable call is suspended");
        if now_ms >= call.expires_at_ms {
            call.resident.gate().expire();
        }
        match self.turn(&mut call.resident, now_ms) {
            Turn::Ended { call: mut ended, reusable } => {
                self.retire(call.function, call.resident, reusable);
                let (id, attempt) = ticket;
                let (outcome, logs) = ended.finish(store);
                self.keep_used(ended);
                done.push(Completion { id, attempt, outcome, logs });
                false
            }
            turn => {
                self.wait(ticket, call, &turn);
                matches!(turn, Turn::Preempted)
            }
        }
    }

    fn keep_used(&mut self, call: Box<Call>) {
        if self.used.len() < limits::USED_CALLS_MAX {
            self.used.push(call);
        }
    }

    fn turn(&mut self, resident: &mut Resident, now_ms: u64) -> Turn {
        self.beat.enter();
        let turn = resident.run(now_ms);
        self.beat.leave();
        turn
    }

    /// A new instance, if need be in place of another function's idle one.
    fn vacancy(&mut self, key: FunctionKey) -> Option<Resident> {
        let code = Rc::clone(&self.functions.get(&key)?.code);
        let seat = self.engine.seat().or_else(|| {
            let idle = || self.functions.values_mut().find_map(|function| function.idle.pop());
            drop(self.surplus.pop().or_else(idle));
            self.engine.seat()
        })?;
        Some(Resident::new(&code, seat))
    }

    fn retire(&mut self, key: FunctionKey, resident: Resident, reusable: bool) {
        if !reusable {
            return;
        }
        let Some(function) = self.functions.get_mut(&key).filter(|f| resident.runs(&f.code)) else { return };
        let full = function.idle.len() >= function.idle_max;
        let shelf = if full { &mut self.surplus } else { &mut function.idle };
        shelf.push(resident);
    }

    fn suspend(
        &mut self,
        now_ms: u64,
        function: FunctionKey,
        ticket: Ticket,
        resident: Resident,
        turn: &Turn,
    ) {
        let timeout_ms = self.functions.get(&function).map_or(0, |f| f.code.declaration.timeout_ms);
        let expires_at_ms = now_ms.saturating_add(timeout_ms);
        self.wait(ticket, Suspended { function, resident, due_ms: None, expires_at_ms }, turn);
    }

    fn wait(&mut self, ticket: Ticket, mut call: Suspended, turn: &Turn) {
        call.due_ms = match turn {
            Turn::Asleep { wake_at_ms } => Some(call.expires_at_ms.min(*wake_at_ms)),
            _ => None,
        };
        match call.due_ms {
            Some(due_ms) => self.timers.add(due_ms, ticket),
            None => self.runnable.push_back(ticket),
        }
        self.suspended.insert(ticket, call);
    }
}

fn not_loaded((app, version, function): FunctionKey) -> Failure {
    Failure {
        kind: FailureKind::Unstartable,
        r#type: "NotLoaded".into(),
        message: format!("{function} of {app} {version} is not loaded on this shard"),
        stack: String::new(),
    }
}
