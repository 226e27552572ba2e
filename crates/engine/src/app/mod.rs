//! One app: its versions, and the state of its app-scoped triggers.
//!
//! Invariants:
//! * app-scoped conditions belong to the current version; their state has one place per trigger of its program;
//! * an item is held by exactly the condition buffers and unacknowledged firings that have it, and by its name if it was
//!   put into the app itself; its payload is released with the last of them (a run gets payloads of its own, made by
//!   the runtime); `App::check`, which the simulator calls after every step;
//! * a firing stays in the outbox until the run that it starts is logged.

mod deploy;
mod documents;
mod firing;
mod items;

pub use documents::Document;

use crate::compiled::Compiled;
use crate::condition::State;
use crate::effect::Effect;
use crate::timers::{TimerId, TimerQueue};
use firing::Launch;
use items::ItemTable;
use serde::{Deserialize, Serialize};
use sluice_types::{AppKey, Evaluator, EventList, Lsn, Object, Program, TriggerIx, Version};
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
    /// The record that deployed it: for earlier records it does not exist.
    pub deployed_at: Lsn,
    #[serde(skip)]
    compiled: Option<Arc<Compiled>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct AppTrigger {
    state: State,
    fired: u32,
}

/// The state of one app.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct App {
    key: AppKey,
    versions: BTreeMap<Version, AppVersion>,
    triggers: Vec<AppTrigger>,
    items: ItemTable,
    /// Objects put into the app itself, by bucket name and key; each is held here for as long as the app lives.
    named: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u32>>,
    outbox: BTreeMap<u64, Launch>,
    /// Events of firings whose runs have not ended, by the number of the firing.
    retained: BTreeMap<u64, Arc<EventList>>,
    next_firing: u64,
    documents: BTreeMap<Arc<str>, Document>,
    applied: Lsn,
    #[serde(skip)]
    pub(crate) dirty: bool,
}

/// What an input is applied to an app with.
pub(crate) struct AppCx<'a> {
    pub lsn: Lsn,
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
            items: ItemTable::default(),
            named: BTreeMap::new(),
            outbox: BTreeMap::new(),
            retained: BTreeMap::new(),
            next_firing: 0,
            documents: BTreeMap::new(),
            applied: Lsn(0),
            dirty: false,
        }
    }

    /// The same versions, with nothing collected and nothing owed.
    pub(crate) fn bare(&self) -> Self {
        Self { versions: self.versions.clone(), applied: self.applied, ..Self::new(self.key) }
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
        self.named.get(bucket)?.get(key).map(|item| self.items.object(*item))
    }

    /// Whether a firing waits for its run to be started.
    pub fn owes(&self, number: u64) -> bool {
        self.outbox.contains_key(&number)
    }

    /// The events that a firing passed to its run, until that has ended.
    pub fn retained(&self, number: u64) -> Option<&Arc<EventList>> {
        self.retained.get(&number)
    }

    /// Every list of events that is collected, or passed on and not used up. Their chunks are stored apart.
    pub fn event_lists(&self, visit: &mut dyn FnMut(&EventList)) {
        self.triggers.iter().for_each(|trigger| trigger.state.each_list(visit));
        self.outbox.values().for_each(|launch| launch.items.each_list(visit));
        self.retained.values().for_each(|list| visit(list));
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
        let Some((_, newest)) = self.versions.last_key_value() else { return Vec::new() };
        let triggers = newest.program.triggers.iter().zip(&self.triggers).enumerate();
        let due = triggers.filter_map(|(at, (declared, trigger))| {
            let due_ms = trigger.state.deadline(&declared.condition)?;
            Some((TimerId::Trigger(TriggerIx(at as u16)), due_ms))
        });
        due.collect()
    }

    /// Asks again for every run that is not started yet.
    pub(crate) fn outstanding(&self, effects: &mut Vec<Effect>) {
        effects.extend(self.outbox.iter().map(|(number, launch)| self.launch_effect(*number, launch)));
    }

    /// Panics unless every item is held exactly as often as something has it. For tests and the simulator.
    pub fn check(&self) {
        let mut held: BTreeMap<u32, u32> = BTreeMap::new();
        let mut visit = |item: u32| *held.entry(item).or_default() += 1;
        self.triggers.iter().for_each(|trigger| trigger.state.each_held(&mut visit));
        self.outbox.values().for_each(|launch| launch.items.each(&mut visit));
        self.named.values().flat_map(|keys| keys.values()).for_each(|item| visit(*item));
        assert_eq!(self.items.uses(), held, "{}: holders of items", self.key);
    }
}
