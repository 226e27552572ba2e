//! One run: its objects, invocations, conditions, and how far it has closed.
//!
//! Invariants (asserted where they are relied on):
//! * `open` is the number of components that are not closed; the run ends when it reaches 0, or earlier by failing;
//! * `active[c]` is the number of pending invocations of functions in component `c`, plus one per armed event trigger
//!   that calls a function in it; a component with `active > 0` is not closed;
//! * an ended run has no pending invocations, no conditions and no timers;
//! * an object is held by exactly the buffers, pending invocations and outbox entries that will pass it on
//!   (`Run::check`, which the simulator calls after every step).

mod children;
mod closing;
mod delegated;
mod events;
mod failing;
mod firing;
mod history;
mod invocations;
mod lifecycle;
mod outbox;
mod pending;
mod put;
mod streams;
mod trigger;
mod view;
mod workflow;

use history::History;
pub use history::{Chunk, HistoryEntry, HistoryKind, lines_of};
pub(crate) use invocations::discard_outcome;
pub use outbox::Outgoing;
pub use pending::{Pending, PendingState};
pub(crate) use put::discard;
pub use workflow::Part;
pub(crate) use workflow::{compile, plan};

use crate::compiled::Compiled;
use crate::condition::State;
use crate::effect::Effect;
use crate::input::{Caller, WorkflowStart};
use crate::objects::ObjectTable;
use crate::timers::TimerQueue;
use delegated::Delegated;
use pending::PendingTable;
use serde::{Deserialize, Serialize};
use sluice_types::{AppKey, Evaluator, FunctionIx, Lsn, Problem, Program, RunKey, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not ended.
    Running,
    /// Ended by quiescence.
    Succeeded,
    /// Ended by a failure that nothing handled.
    Failed,
    /// Ended because somebody said so.
    Cancelled,
}

/// Invocations of one function of a run, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Invocations created.
    pub started: u32,
    /// Those that succeeded.
    pub succeeded: u32,
    /// Those that ran out of attempts.
    pub failed: u32,
    /// Those that were stopped.
    pub cancelled: u32,
    /// Attempts beyond each first.
    pub retried: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct TriggerState {
    state: State,
    fired: u32,
}

/// An invocation that ran out of attempts while a join or group waits for its function.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Lost {
    function: FunctionIx,
    keys: Vec<Arc<str>>,
    problem: Problem,
}

/// The state of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    key: RunKey,
    namespace: Arc<str>,
    id: Arc<str>,
    app: AppKey,
    version: Version,
    request: u128,
    seed: u64,
    incarnation: u32,
    /// An express run as the durable engine sees it: inputs and outcome, no hops.
    delegated: Option<Box<Delegated>>,
    /// The firing whose events the app retains for this run, until it ends.
    retained: Option<u64>,
    status: Status,
    sealed: bool,
    started_ms: u64,
    ended_ms: Option<u64>,
    error: Option<Box<Problem>>,
    applied: Lsn,
    objects: ObjectTable,
    next_invocation: u32,
    pending: PendingTable,
    triggers: Vec<TriggerState>,
    active: Vec<u32>,
    open_predecessors: Vec<u32>,
    closed: Vec<bool>,
    open: u32,
    tallies: Vec<Tally>,
    lost: Vec<Lost>,
    outbox: BTreeMap<u32, Outgoing>,
    next_outgoing: u32,
    history: History,
    /// The workflow that it was started with.
    workflow: Option<Box<WorkflowStart>>,
    /// Its machine, from the start on. An express run's is in the express engine.
    machine: Option<Box<workflow::Hosted>>,
    /// The task of another run's workflow that this run is the work of.
    caller: Option<Caller>,
    /// Components that may have become closable in this step.
    #[serde(skip)]
    ready: Vec<u32>,
    /// How deep emitting within this step is nested.
    #[serde(skip)]
    emitting: u32,
    /// A limit that this step met; the run fails over it when the step settles.
    #[serde(skip)]
    exceeded: Option<Box<Problem>>,
    #[serde(skip)]
    compiled: Option<Arc<Compiled>>,
    #[serde(skip)]
    pub(crate) dirty: bool,
}

/// What an input is applied with.
pub(crate) struct Cx<'a> {
    pub lsn: Lsn,
    pub now_ms: u64,
    pub compiled: &'a Compiled,
    pub eval: &'a mut dyn Evaluator,
    pub timers: &'a mut TimerQueue,
    pub effects: &'a mut Vec<Effect>,
}

impl Cx<'_> {
    fn program(&self) -> &Program {
        &self.compiled.program
    }
}
