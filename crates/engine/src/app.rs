//! One app: its versions, and the state of its app-scoped triggers.
//!
//! Invariants:
//! * app-scoped conditions belong to the current version; their state has one place per trigger of its program;
//! * an item is held by exactly the condition buffers and unacknowledged firings that have it; its payload is released
//!   with the last of them (a run gets payloads of its own, made by the runtime);
//! * a firing stays in the outbox until the run that it starts is logged.

use crate::compiled::Compiled;
use crate::condition::{Arrival, Firing, Firings, Items, State, event_object};
use crate::effect::{Effect, Reply};
use crate::input::{Deploy, Origin};
use crate::timers::{Entity, TimerId, TimerQueue};
use serde::{Deserialize, Serialize};
use sluice_types::invocation::Arguments;
use sluice_types::{
    AppKey, Code, Evaluator, Event, Lsn, Object, Problem, Program, Scope, TriggerIx, Version,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One version of an app.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppVersion {
    /// What it does.
    pub program: Arc<Program>,
    /// Digest of its code bundle.
    pub bundle: u128,
    /// When it was deployed, in milliseconds since the Unix epoch.
    pub deployed_ms: u64,
    #[serde(skip)]
    compiled: Option<Arc<Compiled>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct AppTrigger {
    state: State,
    fired: u32,
    deadline_ms: Option<u64>,
}

/// A firing whose run is not logged yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Launch {
    version: Version,
    trigger: TriggerIx,
    ordinal: u32,
    group: Option<Arc<str>>,
    parts: Vec<Items>,
}

/// The state of one app.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct App {
    key: AppKey,
    versions: BTreeMap<Version, AppVersion>,
    triggers: Vec<AppTrigger>,
    items: BTreeMap<u32, (Object, u32)>,
    next_item: u32,
    /// Objects put into the app itself, by (bucket name, key); each is held here for as long as the app lives.
    named: BTreeMap<(Arc<str>, Arc<str>), u32>,
    outbox: BTreeMap<u64, Launch>,
    next_firing: u64,
    applied: Lsn,
    #[serde(skip)]
    pub(crate) dirty: bool,
}

/// What an input is applied to an app with.
pub(crate) struct AppCx<'a> {
    pub now_ms: u64,
    pub eval: &'a mut dyn Evaluator,
    pub timers: &'a mut TimerQueue,
    pub effects: &'a mut Vec<Effect>,
}

impl App {
    pub(crate) fn new(key: AppKey) -> Self {
        Self {
            key,
            versions: BTreeMap::new(),
            triggers: Vec::new(),
            items: BTreeMap::new(),
            next_item: 0,
            named: BTreeMap::new(),
            outbox: BTreeMap::new(),
            next_firing: 0,
            applied: Lsn(0),
            dirty: false,
        }
    }

    /// Its key.
    pub fn key(&self) -> AppKey {
        self.key
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.current().1.program.app
    }

    /// The newest version.
    pub fn current(&self) -> (Version, &AppVersion) {
        let (version, newest) = self.versions.last_key_value().expect("an app has a version");
        (*version, newest)
    }

    /// One version.
    pub fn version(&self, version: Version) -> Option<&AppVersion> {
        self.versions.get(&version)
    }

    /// All versions that are kept, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = (Version, &AppVersion)> {
        self.versions.iter().map(|(version, app)| (*version, app))
    }

    /// Position of the last record applied to it.
    pub fn applied(&self) -> Lsn {
        self.applied
    }

    /// An object that was put into the app itself.
    pub fn object(&self, bucket: &str, key: &str) -> Option<&Object> {
        self.named.get(&(Arc::from(bucket), Arc::from(key))).map(|item| &self.items[item].0)
    }

    /// Whether a firing waits for its run to be started.
    pub fn owes(&self, number: u64) -> bool {
        self.outbox.contains_key(&number)
    }

    /// The program of a version, ready to execute.
    pub fn compiled(&self, version: Version) -> Option<Arc<Compiled>> {
        self.versions.get(&version).map(|app| app.compiled.clone().expect("a loaded app is compiled"))
    }

    pub(crate) fn attach(&mut self) {
        for version in self.versions.values_mut() {
            version.compiled = Some(Arc::new(Compiled::new(version.program.clone())));
        }
    }

    pub(crate) fn set_applied(&mut self, lsn: Lsn) {
        self.applied = lsn;
    }

    pub(crate) fn deadlines(&self) -> Vec<(TimerId, u64)> {
        let triggers = self.triggers.iter().enumerate();
        triggers.filter_map(|(i, t)| t.deadline_ms.map(|due| (TimerId::Trigger(TriggerIx(i as u16)), due))).collect()
    }

    pub(crate) fn outstanding(&self, effects: &mut Vec<Effect>) {
        effects.extend(self.outbox.iter().map(|(number, launch)| self.launch_effect(*number, launch)));
    }

    /// A new version. App-scoped conditions that did not change keep what they collected.
    pub(crate) fn deploy(&mut self, cx: &mut AppCx<'_>, deploy: Deploy) -> Reply {
        let old = self.versions.last_key_value().map(|(_, newest)| newest.program.clone());
        let old = old.as_deref();
        if let Some(problem) = old.and_then(|old| self.would_lose(old, &deploy)) {
            return Reply::Rejected(problem);
        }
        let mut carried = Vec::new();
        for trigger in &deploy.program.triggers {
            let state = old.and_then(|old| self.carry(old, trigger));
            let fresh = AppTrigger { state: State::new(&trigger.condition), fired: 0, deadline_ms: None };
            carried.push(state.unwrap_or(fresh));
        }
        for (id, due_ms) in self.deadlines() {
            cx.timers.update(Entity::App(self.key), id, Some(due_ms), None);
        }
        self.triggers = carried;
        for (id, due_ms) in self.deadlines() {
            cx.timers.update(Entity::App(self.key), id, None, Some(due_ms));
        }
        let compiled = Some(Arc::new(Compiled::new(deploy.program.clone())));
        let version =
            AppVersion { program: deploy.program, bundle: deploy.bundle, deployed_ms: cx.now_ms, compiled };
        self.versions.insert(deploy.version, version);
        Reply::Accepted
    }

    fn carry(&self, old: &Program, trigger: &sluice_types::Trigger) -> Option<AppTrigger> {
        let at = old.triggers.iter().position(|t| t.name == trigger.name && same_condition(t, trigger))?;
        Some(self.triggers[at].clone())
    }

    fn would_lose(&self, old: &Program, deploy: &Deploy) -> Option<Problem> {
        let lost = old.triggers.iter().zip(&self.triggers).find(|(declared, state)| {
            declared.scope == Scope::App
                && state.state != State::new(&declared.condition)
                && !deploy.reset_triggers.contains(&declared.name)
                && !deploy.program.triggers.iter().any(|t| t.name == declared.name && same_condition(t, declared))
        })?;
        let name = &lost.0.name;
        let message = format!(
            "app-scoped trigger {name:?} has collected objects, and its condition changed or is gone: they would be lost"
        );
        let fix = format!("deploy with --reset-trigger {name} to drop them, or keep the condition");
        Some(Problem::new(Code::TRIGGER_STATE_WOULD_BE_LOST, message, fix).at(format!("trigger {name}")))
    }

    /// A client puts an object into the app itself.
    pub(crate) fn client_put(&mut self, cx: &mut AppCx<'_>, version: Version, object: Object) -> Reply {
        let Some(declared) = self.version(version) else {
            crate::run::discard(&object.payload, cx.effects);
            return Reply::Rejected(Problem::new(Code::UNKNOWN_NAME, "no such version of the app", "deploy it first"));
        };
        let name = (declared.program.buckets[object.bucket.index()].name.clone(), object.key.clone());
        if let Some(item) = self.named.get(&name) {
            crate::run::discard(&object.payload, cx.effects);
            return match self.items[item].0.payload.same_bytes(&object.payload) {
                true => Reply::Unchanged,
                false => Reply::Rejected(Problem::new(
                    Code::OBJECT_CONFLICT,
                    "this key already holds another object of the app",
                    "objects are immutable: put under another key",
                )),
            };
        }
        self.named.insert(name, self.next_item);
        self.items.insert(self.next_item, (object.clone(), 1));
        self.show(cx, version, object);
        Reply::Accepted
    }

    /// An object crosses from a run.
    pub(crate) fn deliver(&mut self, cx: &mut AppCx<'_>, version: Version, object: Object) {
        self.items.insert(self.next_item, (object.clone(), 0));
        self.show(cx, version, object);
    }

    /// Shows the next item to every trigger that listens to its bucket.
    fn show(&mut self, cx: &mut AppCx<'_>, version: Version, mut object: Object) {
        let item = self.next_item;
        self.next_item += 1;
        // Held by this step, until every trigger has seen it.
        self.items.get_mut(&item).expect("the caller inserted it").1 += 1;
        let from = self.version(version).map(|v| v.program.buckets[object.bucket.index()].name.clone());
        let compiled = self.compiled(self.current().0).expect("the current version exists");
        let Some(bucket) = from.and_then(|name| compiled.program.bucket(&name)) else {
            return self.let_go(cx, item);
        };
        object.bucket = bucket;
        self.items.get_mut(&item).expect("this step holds it").0.bucket = bucket;
        for &trigger in compiled.listeners(Scope::App, bucket) {
            let arrival = Arrival {
                item,
                object: &object,
                bucket_name: &compiled.program.buckets[bucket.index()].name,
                from: None,
                now_ms: cx.now_ms,
                scope: Scope::App,
            };
            let mut firings = Firings::new();
            let condition = &compiled.program.triggers[trigger.index()].condition;
            let held = self.triggers[trigger.index()].state.arrive(condition, &arrival, cx.eval, &mut firings);
            self.items.get_mut(&item).expect("this step holds it").1 += held;
            self.fire_all(cx, &compiled, trigger, firings);
        }
        self.let_go(cx, item);
    }

    /// Events arrive.
    pub(crate) fn events(&mut self, cx: &mut AppCx<'_>, events: &[Arc<Event>]) {
        let compiled = self.compiled(self.current().0).expect("the current version exists");
        for event in events.iter().filter(|event| event.run.is_none()) {
            for &trigger in compiled.event_triggers(Scope::App) {
                let mut firings = Firings::new();
                let condition = &compiled.program.triggers[trigger.index()].condition;
                self.triggers[trigger.index()].state.event(condition, event, cx.eval, &mut firings);
                self.fire_all(cx, &compiled, trigger, firings);
            }
        }
    }

    /// A cron trigger is due.
    pub(crate) fn cron(&mut self, cx: &mut AppCx<'_>, trigger: TriggerIx, event: Arc<Event>) {
        let compiled = self.compiled(self.current().0).expect("the current version exists");
        let firing = Firing { items: Items::Event(event), group: None, numbered: false };
        self.fire_all(cx, &compiled, trigger, Firings::from_iter([firing]));
    }

    /// A condition's time has come.
    pub(crate) fn trigger_due(&mut self, cx: &mut AppCx<'_>, trigger: TriggerIx) {
        let compiled = self.compiled(self.current().0).expect("the current version exists");
        let mut firings = Firings::new();
        let state = &mut self.triggers[trigger.index()];
        state.deadline_ms = None;
        state.state.due(&compiled.program.triggers[trigger.index()].condition, cx.now_ms, &mut firings);
        self.fire_all(cx, &compiled, trigger, firings);
    }

    /// The run of a firing is logged, with payloads of its own.
    pub(crate) fn launched(&mut self, cx: &mut AppCx<'_>, number: u64) {
        let Some(launch) = self.outbox.remove(&number) else { return };
        for part in launch.parts {
            match part {
                Items::One(item) => self.let_go(cx, item),
                Items::List(items) => items.into_iter().for_each(|item| self.let_go(cx, item)),
                Items::Event(_) => {}
            }
        }
    }

    fn fire_all(&mut self, cx: &mut AppCx<'_>, compiled: &Compiled, trigger: TriggerIx, firings: Firings) {
        for Firing { items, group, .. } in firings {
            self.launch(cx, trigger, vec![items], group);
        }
        if let Some(parts) = self.triggers[trigger.index()].state.take_all() {
            self.launch(cx, trigger, parts, None);
        }
        let condition = &compiled.program.triggers[trigger.index()].condition;
        let state = &mut self.triggers[trigger.index()];
        let deadline_ms = state.state.deadline(condition);
        let before_ms = std::mem::replace(&mut state.deadline_ms, deadline_ms);
        cx.timers.update(Entity::App(self.key), TimerId::Trigger(trigger), before_ms, deadline_ms);
    }

    fn launch(&mut self, cx: &mut AppCx<'_>, trigger: TriggerIx, parts: Vec<Items>, group: Option<Arc<str>>) {
        let state = &mut self.triggers[trigger.index()];
        let ordinal = state.fired;
        state.fired += 1;
        let number = self.next_firing;
        self.next_firing += 1;
        let launch = Launch { version: self.current().0, trigger, ordinal, group, parts };
        cx.effects.push(self.launch_effect(number, &launch));
        self.outbox.insert(number, launch);
    }

    fn launch_effect(&self, number: u64, launch: &Launch) -> Effect {
        let object = |item: &u32| self.items[item].0.clone();
        let arguments = match launch.parts.as_slice() {
            [Items::One(item)] => Arguments::One(object(item)),
            [Items::Event(event)] => Arguments::Event(event.clone()),
            parts => Arguments::List(
                parts
                    .iter()
                    .flat_map(|part| match part {
                        Items::One(item) => vec![object(item)],
                        Items::List(items) => items.iter().map(object).collect(),
                        Items::Event(event) => vec![event_object(event)],
                    })
                    .collect(),
            ),
        };
        let (trigger, ordinal, group) = (launch.trigger, launch.ordinal, launch.group.clone());
        let origin = Origin::Firing { trigger, number, arguments, group, ordinal };
        Effect::Launch { app: self.key, version: launch.version, origin }
    }

    fn let_go(&mut self, cx: &mut AppCx<'_>, item: u32) {
        let (object, uses) = self.items.get_mut(&item).expect("what holds an item keeps it");
        *uses -= 1;
        if *uses == 0 {
            crate::run::discard(&object.payload, cx.effects);
            self.items.remove(&item);
        }
    }
}

fn same_condition(a: &sluice_types::Trigger, b: &sluice_types::Trigger) -> bool {
    a.scope == b.scope && a.condition == b.condition
}
