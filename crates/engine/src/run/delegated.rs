//! An express run as the durable engine sees it: what the express engine starts it with, again after a crash, and what
//! became of it. A life that begins again does everything again; what must not happen twice is known here.

use super::{Cx, HistoryKind, PendingState, Run, Status};
use crate::effect::Effect;
use crate::hearing::Ear;
use crate::input::{ExpressEnded, Origin, OutboxId, Start};
use crate::objects::{Owner, Slot};
use serde::{Deserialize, Serialize};
use sluice_types::invocation::Arguments;
use sluice_types::{
    BucketIx, Code, Event, EventList, EventView, InvocationId, Object, Problem, Scope, limits,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is kept of a delegated run until it ends.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Delegated {
    /// The firing that started it, if that was not a client.
    origin: Option<Origin>,
    /// Events that it starts with: those of its start, and those it has seen since.
    events: Vec<Arc<Event>>,
    /// Objects that have crossed to the app.
    crossed: BTreeSet<(BucketIx, Arc<str>)>,
}

impl Run {
    /// Whether this is an express run as the durable engine sees it.
    pub fn is_delegated(&self) -> bool {
        self.delegated.is_some()
    }

    /// Keeps what a delegated run starts with and asks for its execution.
    pub(super) fn delegate(&mut self, cx: &mut Cx<'_>, origin: Origin, events: Vec<Arc<Event>>) {
        let origin = Some(origin).filter(|origin| *origin != Origin::Client);
        self.delegated = Some(Box::new(Delegated { origin, events, crossed: BTreeSet::new() }));
        cx.effects.push(Effect::Express(self.key));
    }

    /// What the express engine is to start this delegated run with.
    pub fn express_start(&self) -> Start {
        let (origin, events) =
            self.delegated.as_deref().map_or((None, &[][..]), |d| (d.origin.clone(), &d.events));
        Start {
            run: self.key,
            namespace: self.namespace.clone(),
            id: self.id.clone(),
            app: self.app,
            version: self.version,
            objects: self.inputs().cloned().collect(),
            events: events.to_vec(),
            seal: self.sealed,
            request: self.request,
            seed: self.seed,
            incarnation: self.incarnation,
            origin: origin.unwrap_or(Origin::Client),
            workflow: self.workflow.clone(),
        }
    }

    /// The express engine sees this event too, and should the run start again, it starts with what it had seen.
    pub(super) fn keep_event(&mut self, cx: &mut Cx<'_>, event: EventView<'_>) {
        let compiled = cx.compiled;
        let declared = |ear: &Ear| &compiled.program.triggers[ear.trigger.index()].condition;
        let ears = compiled.ears(Scope::Run, event.head);
        let is_signal = event.head.run.is_some() && self.has_code();
        if self.is_running()
            && (is_signal || ears.iter().any(|ear| self.would_match(cx, declared(ear), event)))
        {
            self.delegated.iter_mut().for_each(|delegated| delegated.events.push(Arc::new(event.to_event())));
        }
    }

    /// The events that the app retains for the firing that started this run.
    pub(super) fn retained_events(&mut self) -> Option<&mut Arc<EventList>> {
        match &mut self.delegated.as_deref_mut()?.origin {
            Some(Origin::Firing { arguments: Arguments::Events { list, .. }, .. }) => Some(list),
            _ => None,
        }
    }

    /// An object has crossed to the app.
    pub(crate) fn crossed(&mut self, cx: &mut Cx<'_>, from: OutboxId, object: &Object) {
        let running = self.is_running();
        match &mut self.delegated {
            Some(delegated) if running => drop(delegated.crossed.insert((object.bucket, object.key.clone()))),
            Some(_) => {}
            None => self.acknowledged(cx, from.seq),
        }
    }

    /// Whether an object that is to cross to the app has not done so yet.
    pub fn owes_object(&self, from: OutboxId, object: &Object) -> bool {
        match &self.delegated {
            Some(delegated) => !delegated.crossed.contains(&(object.bucket, object.key.clone())),
            None => self.owes(from),
        }
    }

    /// The express engine reports the end of this run.
    pub(crate) fn express_ended(&mut self, cx: &mut Cx<'_>, ended: ExpressEnded) {
        if !self.is_running() || ended.incarnation != self.incarnation {
            ended.outputs.iter().for_each(|object| super::put::discard(&object.payload, cx.effects));
            return;
        }
        for object in ended.outputs {
            // What a client put into `output` is here already, with the same payload.
            if self.objects.find(object.bucket, &object.key).is_none() {
                self.objects.push(Slot::new(object, Owner::Invocation(0), None, true));
            }
        }
        self.tallies = ended.tallies;
        let status = match (&ended.error, ended.cancelled) {
            (None, _) => Status::Succeeded,
            (Some(_), true) => Status::Cancelled,
            (Some(_), false) => Status::Failed,
        };
        self.end(cx, status, ended.error);
    }

    /// The process that ran this express run is gone.
    pub(crate) fn reincarnate(&mut self, cx: &mut Cx<'_>) {
        if self.is_running() && self.is_delegated() {
            if self.incarnation >= limits::EXPRESS_RESTARTS_MAX {
                return self.end(cx, Status::Failed, Some(too_many_lives(&self.id)));
            }
            self.incarnation += 1;
            self.record(cx, HistoryKind::Reincarnated { incarnation: self.incarnation });
            cx.effects.push(Effect::Express(self.key));
        }
    }

    /// Its state is not to be trusted any more: whatever it holds goes, but for its inputs, which another engine has.
    pub(crate) fn give_up(&mut self, effects: &mut Vec<Effect>) {
        for (seq, pending) in self.pending.iter().filter(|(_, p)| p.state == PendingState::Running) {
            let invocation = InvocationId { run: self.key, seq };
            effects.push(Effect::Stop { invocation, attempt: pending.attempt });
        }
        self.outputs().for_each(|output| super::put::discard(&output.payload, effects));
        self.objects.let_go_all(|_| false, effects);
    }

    /// It will not start again: what it would start with goes.
    pub(super) fn forget_start(&mut self, cx: &mut Cx<'_>) {
        let Some(delegated) = &mut self.delegated else { return };
        let Delegated { origin, .. } = std::mem::take(&mut **delegated);
        let Some(Origin::Firing { arguments, .. }) = origin else { return };
        arguments.objects().iter().for_each(|object| super::put::discard(&object.payload, cx.effects));
    }
}

fn too_many_lives(id: &str) -> Problem {
    let most = limits::EXPRESS_RESTARTS_MAX;
    let message =
        format!("express run {id} was begun again {most} times, and each time the process ended before it");
    let fix = "look whether it is what ends the process; a durable run goes on where it was";
    Problem::new(Code::RUN_LIMIT, message, fix).at(format!("run {id}"))
}
