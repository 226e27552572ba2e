//! What can be seen of a run from outside, and what it asks of the runtime.

use super::{Outgoing, Pending, PendingState, Run, Status, Tally};
use crate::compiled::Compiled;
use crate::condition::Items;
use crate::effect::Effect;
use crate::input::OutboxId;
use crate::objects::{Owner, Slot};
use crate::slots::Slots;
use crate::snapshot::Awaited;
use crate::timers::{Entity, TimerId};
use sluice_types::{
    AppKey, BucketIx, Durability, FunctionIx, Invocation, InvocationId, Lsn, Object, Problem, Program,
    RunKey, TriggerIx, Version,
};
use std::sync::Arc;

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

    /// What its chance follows from.
    pub fn seed(&self) -> u64 {
        self.seed
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

    /// Invocations that are not done, by number.
    pub fn pending(&self) -> impl Iterator<Item = (u32, &Pending)> {
        self.pending.iter()
    }

    /// The function of an invocation that is not done.
    pub fn function_of(&self, seq: u32) -> Option<FunctionIx> {
        self.pending.get(seq).map(|pending| pending.function)
    }

    /// Whether the outbox still holds an entry.
    pub fn owes(&self, outgoing: OutboxId) -> bool {
        self.outbox.contains_key(&outgoing.seq)
    }

    /// Entries of the outbox that are not acknowledged.
    pub fn outbox_len(&self) -> usize {
        self.outbox.len()
    }

    /// All objects with their bookkeeping, in order of arrival.
    pub fn slots(&self) -> &Slots {
        self.objects.slots()
    }

    /// One object, released or not.
    pub fn object(&self, bucket: BucketIx, key: &str) -> Option<&Slot> {
        self.objects.find(bucket, key).map(|at| self.objects.slot(at))
    }

    /// The objects in the bucket `output`, in order of arrival.
    pub fn outputs(&self) -> impl Iterator<Item = &Object> {
        let in_output = |slot: &&Slot| {
            slot.object.bucket == Program::OUTPUT && !slot.released && !slot.object.payload.is_open()
        };
        self.objects.slots().iter().filter(in_output).map(|slot| &slot.object)
    }

    /// The objects that clients put, with which an express run starts again.
    pub fn inputs(&self) -> impl Iterator<Item = &Object> {
        // What a workflow has made lies in the bucket `output` as if a client had put it.
        let by_client = |slot: &&Slot| {
            slot.owner == Owner::Client && !slot.released && slot.object.bucket != Program::OUTPUT
        };
        self.objects.slots().iter().filter(by_client).map(|slot| &slot.object)
    }

    /// Whether nothing of this run waits for the runtime: it may be written to the store and evicted.
    pub fn is_idle(&self) -> bool {
        self.outbox.is_empty()
            && self.pending.values().all(Pending::is_idle)
            && !(self.is_delegated() && self.is_running())
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

    /// Gets back from the app the events that it was started with.
    pub(crate) fn regain(&mut self, app: &crate::app::App) {
        let Some(retained) = self.retained.and_then(|number| app.retained(number)) else { return };
        self.pending.each_items(|items| {
            if let Items::Retained { list, .. } = items {
                *list = retained.clone();
            }
        });
        self.retained_events().into_iter().for_each(|list| *list = retained.clone());
    }

    pub(crate) fn set_applied(&mut self, lsn: Lsn) {
        self.applied = lsn;
    }

    pub(super) fn entity(&self) -> Entity {
        Entity::Run(self.key)
    }

    pub(super) fn is_express(&self) -> bool {
        self.compiled().program.durability == Durability::Express
    }

    /// The deadlines that this run's own state asks for.
    pub(crate) fn deadlines(&self) -> Vec<(TimerId, u64)> {
        let declared = &self.compiled().program.triggers;
        let conditions =
            self.triggers.iter().zip(declared).enumerate().filter_map(|(at, (trigger, declared))| {
                let due_ms = trigger.state.deadline(&declared.condition)?;
                Some((TimerId::Trigger(TriggerIx(at as u16)), due_ms))
            });
        let retries = self.pending.iter().filter_map(|(seq, pending)| match pending.state {
            PendingState::Waiting { due_ms } => Some((TimerId::Retry(seq), due_ms)),
            PendingState::Running => None,
        });
        let workflow = self.workflow_due_ms().map(|due_ms| (TimerId::Workflow, due_ms));
        conditions.chain(retries).chain(workflow).collect()
    }

    /// What would bring it back from the store; `None` when nothing but its own key.
    pub fn awaited(&self) -> Option<Awaited> {
        let awaited = Awaited { app: self.app, listens: self.listens(), deadlines: self.deadlines() };
        (awaited.listens || !awaited.deadlines.is_empty()).then_some(awaited)
    }

    /// Asks again for everything that an earlier life of the process was asked for and did not acknowledge.
    pub(crate) fn outstanding(&self, effects: &mut Vec<Effect>) {
        let in_sandbox =
            |pending: &Pending| pending.state == PendingState::Running && pending.child.is_none();
        for (seq, pending) in self.pending.iter().filter(|(_, pending)| in_sandbox(pending)) {
            effects.push(Effect::Invoke(self.invocation(seq, pending)));
        }
        for (seq, outgoing) in &self.outbox {
            effects.push(self.outgoing_effect(*seq, outgoing));
        }
        if self.is_delegated() && self.is_running() {
            effects.push(Effect::Express(self.key));
        }
    }

    pub(super) fn invocation(&self, seq: u32, pending: &Pending) -> Box<Invocation> {
        Box::new(Invocation {
            id: InvocationId { run: self.key, seq },
            attempt: pending.attempt,
            function: pending.function,
            arguments: self.call_arguments(pending),
            group: pending.group.clone(),
        })
    }

    /// Panics unless every object is held exactly as often as something will pass it on, every component is as active
    /// as its invocations make it, and the calls of a workflow are where it thinks. For tests and the simulator.
    pub fn check(&self) {
        self.check_workflow();
        self.check_children();
        let mut held = vec![0; self.objects.slots().len()];
        let mut visit = |item: u32| held[item as usize] += 1;
        self.triggers.iter().for_each(|trigger| trigger.state.each_held(&mut visit));
        self.pending.values().for_each(|pending| pending.items.each(&mut visit));
        self.dag().into_iter().flat_map(|dag| dag.held()).for_each(&mut visit);
        self.outbox.values().filter_map(Outgoing::slot).for_each(visit);
        for (at, slot) in self.objects.slots().iter().enumerate() {
            assert_eq!(slot.uses, held[at], "{}: holders of object {:?}", self.id, slot.object.key);
            assert!(
                !slot.released || slot.uses == 0,
                "{}: object {:?} is held and released",
                self.id,
                slot.object.key
            );
        }
        if self.is_delegated() || !self.is_running() {
            return;
        }
        let compiled = self.compiled();
        assert_eq!(self.open as usize, self.closed.iter().filter(|closed| !**closed).count());
        let mut active = self.armed(compiled);
        active.resize(self.active.len(), 0);
        for pending in self.pending.values() {
            active[compiled.component_of(pending.function) as usize] += 1;
        }
        assert_eq!(self.active, active, "{}: activity by component", self.id);
        for (component, active) in self.active.iter().enumerate() {
            assert!(
                !self.closed[component] || *active == 0,
                "{}: component {component} is closed and active",
                self.id
            );
        }
    }
}
