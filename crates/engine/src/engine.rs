//! The engine: tables of entities, and the way of an input to those it names.
//!
//! Invariants:
//! * every timer in the queue is asked for by a loaded entity's own state, or belongs to an evicted run;
//! * `ids` names exactly the loaded runs; `listening` the running runs, loaded or not, with event triggers.

use crate::app::App;
use crate::compiled::Compiled;
use crate::effect::Effect;
use crate::input::{Input, InputKind, Origin};
use crate::listening::Listening;
use crate::run::Run;
use crate::timers::{Entity, TimerQueue};
use rustc_hash::FxHashMap;
use sluice_types::{AppKey, Evaluator, Lsn, RunKey, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run that must be loaded before an input can be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need(pub RunKey);

/// The state of one shard.
pub struct Engine {
    pub(crate) apps: BTreeMap<AppKey, App>,
    pub(crate) runs: FxHashMap<RunKey, Box<Run>>,
    pub(crate) ids: FxHashMap<u128, RunKey>,
    pub(crate) listening: Listening,
    pub(crate) timers: TimerQueue,
    pub(crate) dirty: Vec<Entity>,
    pub(crate) eval: Box<dyn Evaluator>,
    delegates: bool,
}

impl Engine {
    /// An empty engine that executes runs of every durability itself: the express engine, and tests.
    pub fn new(eval: Box<dyn Evaluator>) -> Self {
        Self {
            apps: BTreeMap::new(),
            runs: FxHashMap::default(),
            ids: FxHashMap::default(),
            listening: Listening::default(),
            timers: TimerQueue::default(),
            dirty: Vec::new(),
            eval,
            delegates: false,
        }
    }

    /// An empty engine that leaves express runs to another and keeps only their start and end.
    pub fn durable(eval: Box<dyn Evaluator>) -> Self {
        Self { delegates: true, ..Self::new(eval) }
    }

    /// The fingerprint under which a run id is found: XXH3-128 of namespace, a zero byte, and id.
    pub fn fingerprint(namespace: &str, id: &str) -> u128 {
        xxhash_rust::xxh3::xxh3_128(&[namespace.as_bytes(), b"\0", id.as_bytes()].concat())
    }

    /// Applies one input, which is the record at `lsn`, and appends what it causes. Entities that hold the record
    /// already are left alone, so replay may repeat inputs.
    pub fn apply(&mut self, lsn: Lsn, input: Input, effects: &mut Vec<Effect>) {
        let now_ms = input.now_ms;
        match input.kind {
            InputKind::Deploy(deploy) => crate::inputs::deploy(self, lsn, now_ms, *deploy, effects),
            InputKind::Start(start) => crate::inputs::start(self, lsn, now_ms, *start, effects),
            InputKind::Put { run, object } => {
                if self.run(run).is_none() {
                    crate::run::discard(&object.payload, effects);
                }
                self.answer(lsn, now_ms, run, effects, |run, cx| run.client_put(cx, object));
            }
            InputKind::Seal { run } => self.answer(lsn, now_ms, run, effects, Run::seal),
            InputKind::Cancel { run, reason, acknowledges } => {
                if let Some(from) = acknowledges {
                    self.acknowledged(lsn, now_ms, from, effects);
                }
                self.answer(lsn, now_ms, run, effects, |run, cx| run.cancel(cx, &reason));
            }
            InputKind::Output { invocation, attempt, put } => {
                if self.run(invocation.run).is_none() {
                    crate::run::discard(&put.payload, effects);
                }
                self.with_run(lsn, now_ms, invocation.run, effects, |run, cx| {
                    run.put_by(cx, invocation.seq, attempt, put);
                });
            }
            InputKind::Opened { invocation, attempt, put } => {
                self.with_run(lsn, now_ms, invocation.run, effects, |run, cx| {
                    run.open_by(cx, invocation.seq, attempt, put);
                });
            }
            InputKind::Closed { invocation, attempt, put } => {
                if self.run(invocation.run).is_none() {
                    crate::run::discard(&put.payload, effects);
                }
                self.with_run(lsn, now_ms, invocation.run, effects, |run, cx| {
                    run.close_by(cx, invocation.seq, attempt, put);
                });
            }
            InputKind::Completed { invocation, attempt, outcome } => {
                crate::inputs::completed(self, lsn, now_ms, invocation, attempt, outcome, effects);
            }
            InputKind::Events { events, apps, runs, acknowledges } => {
                crate::inputs::events(self, lsn, now_ms, &events, &apps, &runs, acknowledges, effects);
            }
            InputKind::Deliver { app, version, from, object } => {
                self.with_run(lsn, now_ms, from.run, effects, |run, cx| run.crossed(cx, from, &object));
                self.with_app(lsn, now_ms, app, effects, |app, cx| app.deliver(cx, version, object));
            }
            InputKind::AppPut { app, version, object } => {
                self.with_app(lsn, now_ms, app, effects, |app, cx| {
                    let reply = app.client_put(cx, version, object);
                    cx.effects.push(Effect::Reply(reply));
                });
            }
            InputKind::Cron { app, trigger, event, .. } => {
                self.with_app(lsn, now_ms, app, effects, |app, cx| app.cron(cx, trigger, &event));
            }
            InputKind::Timers => crate::inputs::timers(self, lsn, now_ms, effects),
            InputKind::ExpressEnded(ended) => {
                self.with_run(lsn, now_ms, ended.run, effects, |run, cx| run.express_ended(cx, *ended));
            }
            InputKind::Reincarnate { run } => {
                self.with_run(lsn, now_ms, run, effects, Run::reincarnate);
            }
            InputKind::Quarantine { lsn: at, run } => {
                self.with_run(lsn, now_ms, run, effects, |run, cx| run.quarantine(cx, at));
            }
            InputKind::Forget { run } => crate::inputs::forget(self, run, effects),
            InputKind::Consumed { app, number, from } => {
                self.with_run(lsn, now_ms, from.run, effects, |run, cx| run.acknowledged(cx, from.seq));
                self.with_app(lsn, now_ms, app, effects, |app, _| app.consumed(number));
            }
            InputKind::Workflow { run, event, incarnation, acknowledges } => {
                crate::inputs::workflow(self, lsn, now_ms, run, *event, incarnation, acknowledges, effects);
            }
            InputKind::Code { run, event, incarnation } => {
                crate::inputs::code(self, lsn, now_ms, run, *event, incarnation, effects);
            }
            InputKind::Returned { invocation, outcome, incarnation, from } => {
                crate::inputs::returned(self, lsn, now_ms, invocation, outcome, incarnation, from, effects);
            }
            InputKind::Called { from, child } => {
                self.with_run(lsn, now_ms, from.run, effects, |run, cx| {
                    run.called(cx, from.seq, child, None)
                });
            }
            InputKind::Document { app, name, bytes, expected } => {
                self.with_app(lsn, now_ms, app, effects, |app, cx| {
                    let reply = app.document_written(cx, name, bytes, expected);
                    cx.effects.push(Effect::Reply(reply));
                });
            }
        }
    }

    /// Runs that must be loaded before `input` can be applied. Whether they exist is the caller's to find out.
    pub fn needs(&self, input: &Input) -> Vec<Need> {
        let named: Vec<RunKey> = match &input.kind {
            InputKind::Put { run, .. }
            | InputKind::Seal { run }
            | InputKind::Reincarnate { run }
            | InputKind::Code { run, .. }
            | InputKind::Quarantine { run, .. }
            | InputKind::Forget { run } => vec![*run],
            InputKind::Output { invocation, .. }
            | InputKind::Opened { invocation, .. }
            | InputKind::Closed { invocation, .. }
            | InputKind::Completed { invocation, .. } => vec![invocation.run],
            InputKind::Events { runs, acknowledges, .. } => {
                runs.iter().copied().chain(acknowledges.map(|from| from.run)).collect()
            }
            InputKind::Deliver { from, .. } | InputKind::Consumed { from, .. } => vec![from.run],
            InputKind::ExpressEnded(ended) => vec![ended.run],
            InputKind::Workflow { run, acknowledges, .. } => {
                acknowledges.iter().map(|from| from.run).chain([*run]).collect()
            }
            InputKind::Cancel { run, acknowledges, .. } => {
                acknowledges.iter().map(|from| from.run).chain([*run]).collect()
            }
            InputKind::Called { from, .. } => vec![from.run],
            InputKind::Returned { invocation, from, .. } => vec![from.run, invocation.run],
            InputKind::Start(start) => match start.origin {
                Origin::Call { from, .. } => vec![from.run],
                Origin::Client | Origin::Firing { .. } => Vec::new(),
            },
            InputKind::Timers => {
                self.timers.due(input.now_ms).filter_map(|timer| timer.entity.run()).collect()
            }
            InputKind::Deploy(_)
            | InputKind::AppPut { .. }
            | InputKind::Document { .. }
            | InputKind::Cron { .. } => Vec::new(),
        };
        let mut needs: Vec<Need> = Vec::new();
        for run in named.into_iter().filter(|run| !self.runs.contains_key(run)) {
            if !needs.contains(&Need(run)) {
                needs.push(Need(run));
            }
        }
        needs
    }

    /// When the first timer is due, in milliseconds since the Unix epoch.
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.next_deadline()
    }

    /// Everything asked of the runtime and not acknowledged; to be performed again after recovery.
    pub fn outstanding(&self, effects: &mut Vec<Effect>) {
        for app in self.apps.values() {
            app.outstanding(effects);
        }
        let mut runs: Vec<_> = self.runs.values().collect();
        runs.sort_unstable_by_key(|run| run.key());
        for run in runs {
            run.outstanding(effects);
        }
    }

    /// One app.
    pub fn app(&self, app: AppKey) -> Option<&App> {
        self.apps.get(&app)
    }

    /// All apps, by key.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.values()
    }

    /// One run, if it is loaded.
    pub fn run(&self, run: RunKey) -> Option<&Run> {
        self.runs.get(&run).map(Box::as_ref)
    }

    /// How many runs are loaded.
    pub fn loaded(&self) -> usize {
        self.runs.len()
    }

    /// All loaded runs, in no order.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().map(Box::as_ref)
    }

    /// A loaded run by the fingerprint of its id.
    pub fn find(&self, fingerprint: u128) -> Option<RunKey> {
        self.ids.get(&fingerprint).copied()
    }

    /// Running runs of an app that listen to events, loaded or not.
    pub fn listening(&self, app: AppKey) -> impl Iterator<Item = RunKey> + '_ {
        self.listening.of(app)
    }

    pub(crate) fn executes_elsewhere(&self, compiled: &Compiled) -> bool {
        self.delegates && compiled.program.durability == sluice_types::Durability::Express
    }

    pub(crate) fn compiled(&self, app: AppKey, version: Version) -> Option<Arc<Compiled>> {
        self.apps.get(&app)?.compiled(version)
    }

    /// Whether an acknowledgement is still owed. The runtime asks before it logs one, so that the log holds each at
    /// most once; all other inputs are always admitted.
    pub fn admits(&self, input: &InputKind) -> bool {
        match input {
            InputKind::Deliver { from, object, .. } => {
                self.run(from.run).is_some_and(|run| run.owes_object(*from, object))
            }
            InputKind::Consumed { from, .. }
            | InputKind::Events { acknowledges: Some(from), .. }
            | InputKind::Cancel { acknowledges: Some(from), .. } => {
                self.run(from.run).is_some_and(|run| run.owes(*from))
            }
            InputKind::Start(start) => match start.origin {
                Origin::Firing { number, .. } => self.app(start.app).is_some_and(|app| app.owes(number)),
                Origin::Call { from, .. } => self.run(from.run).is_some_and(|run| run.owes(from)),
                Origin::Client => true,
            },
            _ => true,
        }
    }

    /// Entities changed since the last call; each is reported once. Part of a checkpoint.
    pub fn take_dirty(&mut self) -> Vec<Entity> {
        let dirty = std::mem::take(&mut self.dirty);
        for entity in &dirty {
            match entity {
                Entity::App(app) => self.apps.get_mut(app).into_iter().for_each(|app| app.dirty = false),
                Entity::Run(run) => self.runs.get_mut(run).into_iter().for_each(|run| run.dirty = false),
            }
        }
        dirty
    }
}
