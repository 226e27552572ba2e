//! What arrives at the app-scoped triggers, and the runs that they start.

use super::{App, AppCx};
use crate::condition::{Arrival, Collected, Firing, Happening, Items, State, event_object};
use crate::effect::{Effect, Reply};
use crate::hearing::Ear;
use crate::input::Origin;
use crate::timers::{Entity, TimerId};
use serde::{Deserialize, Serialize};
use sluice_types::invocation::Arguments;
use sluice_types::{
    Code, Condition, Evaluator, Event, EventPack, Object, Problem, Program, Scope, TriggerIx, Version,
};
use std::sync::Arc;

/// A firing whose run is not logged yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Launch {
    version: Version,
    trigger: TriggerIx,
    ordinal: u32,
    group: Option<Arc<str>>,
    pub(super) items: Items,
}

impl App {
    /// A client puts an object into the app itself.
    pub(crate) fn client_put(&mut self, cx: &mut AppCx<'_>, version: Version, object: Object) -> Reply {
        let Some(bucket) = self.bucket_name(version, &object) else {
            crate::run::discard(&object.payload, cx.effects);
            let problem =
                Problem::new(Code::UNKNOWN_NAME, "no such version or bucket of the app", "deploy it first");
            return Reply::Rejected(Box::new(problem));
        };
        if let Some(present) = self.object(&bucket, &object.key) {
            let same = crate::objects::same_bytes(&present.payload, &object.payload);
            crate::run::discard(&object.payload, cx.effects);
            return match same {
                true => Reply::Unchanged,
                false => Reply::Rejected(Box::new(Problem::new(
                    Code::OBJECT_CONFLICT,
                    "this key already holds another object of the app",
                    "objects are immutable: put under another key",
                ))),
            };
        }
        let key = object.key.clone();
        let item = self.items.insert(object, bucket.clone());
        self.items.hold(item, 1);
        self.named.entry(bucket).or_default().insert(key, item);
        self.show(cx, item);
        Reply::Accepted
    }

    /// An object crosses from a run.
    pub(crate) fn deliver(&mut self, cx: &mut AppCx<'_>, version: Version, object: Object) {
        match self.bucket_name(version, &object) {
            None => crate::run::discard(&object.payload, cx.effects),
            Some(bucket) => {
                let item = self.items.insert(object, bucket);
                self.show(cx, item);
            }
        }
    }

    fn bucket_name(&self, version: Version, object: &Object) -> Option<Arc<str>> {
        let program = &self.version(version)?.program;
        program.buckets.get(object.bucket.index()).map(|bucket| bucket.name.clone())
    }

    /// Shows an item to every trigger that listens to its bucket, and lets go of it.
    fn show(&mut self, cx: &mut AppCx<'_>, item: u32) {
        let compiled = self.compiled(self.current().0).expect("the current version exists");
        if let Some(bucket) = compiled.program.bucket(self.items.bucket(item)) {
            let object = &Object { bucket, ..self.items.object(item).clone() };
            let bucket_name = &compiled.program.buckets[bucket.index()].name;
            let arrival =
                Arrival { item, object, bucket_name, from: None, now_ms: cx.now_ms, scope: Scope::App };
            for &trigger in compiled.listeners(Scope::App, bucket) {
                self.step_trigger(
                    cx,
                    &compiled.program,
                    trigger,
                    Some(item),
                    |state, condition, eval, out| {
                        state.arrive(condition, &arrival, eval, out);
                    },
                );
            }
        }
        self.items.let_go(item, cx.effects);
    }

    /// Events arrive.
    pub(crate) fn events(&mut self, cx: &mut AppCx<'_>, events: &EventPack) {
        let compiled = self.compiled(self.current().0).expect("the current version exists");
        let ears = events.heads().iter().map(|head| match head.run {
            None => compiled.ears(Scope::App, head),
            Some(_) => Vec::new(),
        });
        let ears: Vec<Vec<Ear>> = ears.collect();
        let now_ms = cx.now_ms;
        for event in events.iter() {
            for &Ear { trigger, attributes_match } in &ears[event.head_at] {
                let happening = Happening::Event { event, attributes_match, now_ms, scope: Scope::App };
                self.step_trigger(cx, &compiled.program, trigger, None, |state, condition, eval, out| {
                    state.occur(condition, &happening, eval, out);
                });
            }
        }
    }

    /// A cron trigger is due. One that is not there any more is ignored.
    pub(crate) fn cron(&mut self, cx: &mut AppCx<'_>, trigger: TriggerIx, event: &Arc<Event>) {
        let program = self.current().1.program.clone();
        if trigger.index() < program.triggers.len() {
            self.step_trigger(cx, &program, trigger, None, |state, condition, eval, out| {
                state.occur(condition, &Happening::Cron(event), eval, out);
            });
        }
    }

    /// A condition's time has come.
    pub(crate) fn due(&mut self, cx: &mut AppCx<'_>, trigger: TriggerIx) {
        let (program, now_ms) = (self.current().1.program.clone(), cx.now_ms);
        self.step_trigger(cx, &program, trigger, None, |state, condition, _, out| {
            state.due(condition, now_ms, out)
        });
    }

    /// Whether this app's own state asks for a timer at that time.
    pub(crate) fn awaits(&self, trigger: TriggerIx, due_ms: u64) -> bool {
        let declared = self.current().1.program.triggers.get(trigger.index());
        let state = self.triggers.get(trigger.index());
        state.zip(declared).is_some_and(|(t, declared)| t.state.deadline(&declared.condition) == Some(due_ms))
    }

    /// The run of a firing is logged, with payloads of its own; events stay here until it has ended.
    pub(crate) fn launched(&mut self, cx: &mut AppCx<'_>, number: u64) {
        let Some(launch) = self.outbox.remove(&number) else { return };
        launch.items.each(&mut |item| self.items.let_go(item, cx.effects));
        if let Items::Events { list } = launch.items {
            self.retained.insert(number, list);
        }
    }

    /// The run of a firing has ended.
    pub(crate) fn consumed(&mut self, number: u64) {
        self.retained.remove(&number);
    }

    /// Lets `step` change the state of a condition; its timer follows, and it fires.
    fn step_trigger(
        &mut self,
        cx: &mut AppCx<'_>,
        program: &Program,
        trigger: TriggerIx,
        arriving: Option<u32>,
        step: impl FnOnce(&mut State, &Condition, &mut dyn Evaluator, &mut Collected),
    ) {
        let condition = &program.triggers[trigger.index()].condition;
        let state = &mut self.triggers[trigger.index()].state;
        let mut out = Collected::default();
        let before_ms = state.deadline(condition);
        step(state, condition, cx.eval, &mut out);
        let after_ms = state.deadline(condition);
        cx.timers.update(Entity::App(self.key), TimerId::Trigger(trigger), before_ms, after_ms);
        if let Some(item) = arriving {
            self.items.hold(item, out.held);
        }
        for firing in out.firings {
            self.launch(cx, trigger, firing);
        }
        for item in out.dropped {
            self.items.let_go(item, cx.effects);
        }
    }

    fn launch(&mut self, cx: &mut AppCx<'_>, trigger: TriggerIx, firing: Firing) {
        let version = self.current().0;
        let state = &mut self.triggers[trigger.index()];
        let launch =
            Launch { version, trigger, ordinal: state.fired, group: firing.group, items: firing.items };
        state.fired += 1;
        let number = self.next_firing;
        self.next_firing += 1;
        cx.effects.push(self.launch_effect(number, &launch));
        self.outbox.insert(number, launch);
    }

    pub(super) fn launch_effect(&self, number: u64, launch: &Launch) -> Effect {
        let program = &self.versions[&launch.version].program;
        let arguments = match &launch.items {
            Items::One(item) => Arguments::One(self.argument(program, *item)),
            Items::Event(event) => Arguments::Event(event.clone()),
            Items::Events { list } => Arguments::Events { count: list.len() as u32, list: list.clone() },
            items => {
                let mut list = Vec::new();
                self.append_arguments(program, items, &mut list);
                Arguments::List(list)
            }
        };
        let (trigger, ordinal, group) = (launch.trigger, launch.ordinal, launch.group.clone());
        let origin = Box::new(Origin::Firing { trigger, number, arguments, group, ordinal });
        Effect::Launch { app: self.key, version: launch.version, origin }
    }

    fn append_arguments(&self, program: &Program, items: &Items, list: &mut Vec<Object>) {
        match items {
            Items::One(item) => list.push(self.argument(program, *item)),
            Items::List(items) => list.extend(items.iter().map(|item| self.argument(program, *item))),
            Items::Event(event) => {
                list.extend(EventPack::from(vec![event.clone()]).iter().map(|event| event_object(&event)));
            }
            Items::Events { list: events } => list.extend(events.iter().map(|event| event_object(&event))),
            Items::Retained { .. } => unreachable!("an app has the events themselves"),
            Items::Value(_) | Items::Values(_) => unreachable!("no condition collects values"),
            Items::Parts(parts) => parts.iter().for_each(|part| self.append_arguments(program, part, list)),
        }
    }

    fn argument(&self, program: &Program, item: u32) -> Object {
        let bucket =
            program.bucket(self.items.bucket(item)).expect("a trigger keeps only what its version sees");
        Object { bucket, ..self.items.object(item).clone() }
    }
}
