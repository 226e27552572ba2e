//! One run: its objects, invocations, conditions, and how far it has closed.
//!
//! Invariants (asserted where they are relied on):
//! * `open` is the number of components that are not closed; the run ends when it reaches 0, or earlier by failing;
//! * `active[c]` is the number of pending invocations of functions in component `c`, plus one per armed event trigger
//!   that calls a function in it; a component with `active > 0` is not closed;
//! * an ended run has no pending invocations and no timers;
//! * an object is held by exactly the buffers and pending invocations that will pass it on.

mod closing;
mod events;
mod firing;
mod history;
mod invocations;
mod lifecycle;
mod outbox;
mod put;

pub use history::{HistoryEntry, HistoryKind};
pub use invocations::{Pending, PendingState};
pub use outbox::Outgoing;
pub(crate) use invocations::discard_outcome;
pub(crate) use put::discard;

use crate::compiled::Compiled;
use crate::condition::State;
use crate::effect::Effect;
use crate::input::{Origin, OutboxId, Start};
use crate::objects::{ObjectTable, Slot};
use crate::timers::{Entity, TimerId, TimerQueue};
use serde::{Deserialize, Serialize};
use sluice_types::{
    AppKey, BucketIx, Durability, Evaluator, Event, FunctionIx, Invocation, InvocationId, Lsn, Object, Problem, Program,
    RunKey, TriggerIx, Version,
};
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
    deadline_ms: Option<u64>,
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
    delegated: bool,
    /// What the express engine starts a delegated run with, when that was not a client.
    origin: Option<Box<Origin>>,
    /// Events that a delegated run starts with.
    start_events: Vec<Arc<Event>>,
    status: Status,
    sealed: bool,
    started_ms: u64,
    ended_ms: Option<u64>,
    error: Option<Box<Problem>>,
    applied: Lsn,
    objects: ObjectTable,
    next_invocation: u32,
    pending: BTreeMap<u32, Pending>,
    triggers: Vec<TriggerState>,
    active: Vec<u32>,
    open_predecessors: Vec<u32>,
    closed: Vec<bool>,
    open: u32,
    tallies: Vec<Tally>,
    lost: Vec<Lost>,
    outbox: BTreeMap<u32, Outgoing>,
    next_outgoing: u32,
    history: Vec<HistoryEntry>,
    #[serde(skip)]
    ready: Vec<u32>,
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

impl Run {
    /// The key under which log and store know it.
    pub fn key(&self) -> RunKey {
        self.key
    }

    /// The namespace in which its id is unique.
    pub fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    /// The id that users see.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Its app.
    pub fn app(&self) -> AppKey {
        self.app
    }

    /// The version of the app that it keeps.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Digest of the request that started it.
    pub fn request(&self) -> u128 {
        self.request
    }

    /// Where it is in its life.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whether clients may put no more.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Whether this is an express run as the durable engine sees it.
    pub fn is_delegated(&self) -> bool {
        self.delegated
    }

    /// Which life of an express run this is.
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// When it started, in milliseconds since the Unix epoch.
    pub fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// When it ended, in milliseconds since the Unix epoch.
    pub fn ended_ms(&self) -> Option<u64> {
        self.ended_ms
    }

    /// Why it failed or was cancelled.
    pub fn error(&self) -> Option<&Problem> {
        self.error.as_deref()
    }

    /// Position of the last record applied to it.
    pub fn applied(&self) -> Lsn {
        self.applied
    }

    /// Its program.
    pub fn program(&self) -> &Arc<Program> {
        &self.compiled().program
    }

    /// Invocations by function, in the program's order.
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// What happened, in order.
    pub fn history(&self) -> &[HistoryEntry] {
        &self.history
    }

    /// Invocations that are not done, by number.
    pub fn pending(&self) -> impl Iterator<Item = (u32, &Pending)> {
        self.pending.iter().map(|(seq, pending)| (*seq, pending))
    }

    /// Whether the outbox still holds an entry.
    pub fn owes(&self, outgoing: OutboxId) -> bool {
        self.outbox.contains_key(&outgoing.seq)
    }

    /// All objects with their bookkeeping, in order of arrival.
    pub fn slots(&self) -> &[Slot] {
        self.objects.slots()
    }

    /// One object, released or not.
    pub fn object(&self, bucket: BucketIx, key: &str) -> Option<&Slot> {
        self.objects.find(bucket, key).map(|at| self.objects.slot(at))
    }

    /// The objects in the bucket `output`, in order of arrival.
    pub fn outputs(&self) -> impl Iterator<Item = &Object> {
        let in_output = |slot: &&Slot| slot.object.bucket == Program::OUTPUT && !slot.released;
        self.objects.slots().iter().filter(in_output).map(|slot| &slot.object)
    }

    /// The objects that clients put, with which an express run starts again.
    pub fn inputs(&self) -> impl Iterator<Item = &Object> {
        let by_client = |slot: &&Slot| slot.owner == crate::objects::Owner::Client && !slot.released;
        self.objects.slots().iter().filter(by_client).map(|slot| &slot.object)
    }

    /// What the express engine is to start this delegated run with.
    pub fn express_start(&self) -> Start {
        Start {
            run: self.key,
            namespace: self.namespace.clone(),
            id: self.id.clone(),
            app: self.app,
            version: self.version,
            objects: self.inputs().cloned().collect(),
            events: self.start_events.clone(),
            seal: self.sealed,
            request: self.request,
            seed: self.seed,
            incarnation: self.incarnation,
            origin: self.origin.as_deref().cloned().unwrap_or(Origin::Client),
        }
    }

    /// Whether nothing of this run waits for the runtime: it may be written to the store and evicted.
    pub fn is_idle(&self) -> bool {
        let waiting = |p: &Pending| matches!(p.state, PendingState::Waiting { .. });
        self.outbox.is_empty() && self.pending.values().all(waiting) && !(self.delegated && self.is_running())
    }

    pub(crate) fn is_running(&self) -> bool {
        self.status == Status::Running
    }

    pub(crate) fn compiled(&self) -> &Arc<Compiled> {
        self.compiled.as_ref().expect("a loaded run is attached to its program")
    }

    pub(crate) fn attach(&mut self, compiled: Arc<Compiled>) {
        self.compiled = Some(compiled);
    }

    pub(crate) fn set_applied(&mut self, lsn: Lsn) {
        self.applied = lsn;
    }

    fn entity(&self) -> Entity {
        Entity::Run(self.key)
    }

    fn is_express(&self) -> bool {
        self.compiled().program.durability == Durability::Express
    }

    /// The deadlines that this run's own state asks for.
    pub(crate) fn deadlines(&self) -> Vec<(TimerId, u64)> {
        let triggers = self.triggers.iter().enumerate();
        let conditions =
            triggers.filter_map(|(i, t)| t.deadline_ms.map(|due| (TimerId::Trigger(TriggerIx(i as u16)), due)));
        let retries = self.pending.iter().filter_map(|(seq, p)| match p.state {
            PendingState::Waiting { due_ms } => Some((TimerId::Retry(*seq), due_ms)),
            PendingState::Running => None,
        });
        conditions.chain(retries).collect()
    }

    /// Asks again for everything that an earlier life of the process was asked for and did not acknowledge.
    pub(crate) fn outstanding(&self, effects: &mut Vec<Effect>) {
        for (seq, pending) in &self.pending {
            if pending.state == PendingState::Running {
                effects.push(Effect::Invoke(self.invocation(*seq, pending)));
            }
        }
        for (seq, outgoing) in &self.outbox {
            effects.push(self.outgoing_effect(*seq, outgoing));
        }
        if self.delegated && self.is_running() {
            effects.push(Effect::Express(self.key));
        }
    }

    fn invocation(&self, seq: u32, pending: &Pending) -> Invocation {
        Invocation {
            id: InvocationId { run: self.key, seq },
            attempt: pending.attempt,
            function: pending.function,
            arguments: self.arguments(&pending.items),
            group: pending.group.clone(),
        }
    }
}
