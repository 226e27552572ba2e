//! A synchronous world around one engine: it performs every effect with plain functions, in an order drawn from a seed,
//! with faults if asked for, and watches what no engine may ever do.
//!
//! Invariants (asserted): every invocation asked for is completed or stopped; no attempt is asked for twice by one life
//! of the process; nothing is released twice, before its last use, or used after its release; after every input the
//! entities are consistent in themselves, and a shadow engine whose entities are saved, evicted and loaded at random
//! gives the same effects.

mod children;
mod clients;
mod crash;
mod flight;
mod shadow;

use crate::behaviour::{Call, Reaction, inline};
use crate::eval::Plain;
use crate::ledger::Ledger;
use crate::rng::Rng;
use crate::store::Store;
use flight::Flight;
use shadow::Shadow;
use sluice_engine::{Effect, Engine, Input, InputKind, Origin, Reply, Run, Start};
use sluice_types::invocation::Arguments;
use sluice_types::{AppKey, Invocation, InvocationId, Lsn, Object, Payload, RunKey, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What goes wrong, in events per thousand chances.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// An attempt crashes although another is left.
    pub crash_attempts: u32,
    /// A completion or an acknowledgement is submitted again.
    pub duplicates: u32,
    /// A stopped attempt goes on putting.
    pub disobedience: u32,
    /// The process dies and recovers.
    pub crash_process: u32,
    /// A payload is stored outside the record.
    pub stored: u32,
}

type Function = Arc<dyn Fn(&Call) -> Reaction>;

/// The world.
pub struct World {
    /// The engine under test.
    pub engine: Engine,
    /// Everything that was applied, in order.
    pub log: Vec<(Lsn, Input)>,
    /// Bytes of stored objects.
    pub ledger: Ledger,
    /// What clients were told, in order.
    pub replies: Vec<Reply>,
    /// First attempts in the order in which they were asked for.
    pub calls: Vec<(InvocationId, Call)>,
    /// Attempts that were told to stop.
    pub stopped: Vec<InvocationId>,
    /// Runs that ended, in order.
    pub ended: Vec<RunKey>,
    /// Express runs that were delegated, in order.
    pub delegated: Vec<RunKey>,
    /// Events that left a run, in order.
    pub emitted: Vec<Arc<sluice_types::Event>>,
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// What goes wrong.
    pub faults: Faults,
    rng: Rng,
    functions: BTreeMap<String, Function>,
    flights: BTreeMap<InvocationId, Flight>,
    errands: Vec<Effect>,
    next_run: u64,
    store: Store,
    shadow: Shadow,
}

impl World {
    /// The one app of most tests.
    pub const APP: AppKey = AppKey(1);

    /// An empty world that executes everything itself.
    pub fn new(seed: u64) -> Self {
        Self::with(seed, || Engine::new(Box::new(Plain)))
    }

    /// An empty world whose engine leaves express runs to another.
    pub fn durable(seed: u64) -> Self {
        Self::with(seed, || Engine::durable(Box::new(Plain)))
    }

    fn with(seed: u64, engine: fn() -> Engine) -> Self {
        Self {
            engine: engine(),
            log: Vec::new(),
            ledger: Ledger::default(),
            replies: Vec::new(),
            calls: Vec::new(),
            stopped: Vec::new(),
            ended: Vec::new(),
            delegated: Vec::new(),
            emitted: Vec::new(),
            now_ms: 1_000_000,
            faults: Faults::default(),
            rng: Rng::new(seed),
            functions: BTreeMap::new(),
            flights: BTreeMap::new(),
            errands: Vec::new(),
            next_run: 1,
            store: Store::new(engine),
            shadow: Shadow::new(engine),
        }
    }

    /// Says what a function does. Must be a pure function of the call.
    pub fn behaves(&mut self, function: &str, body: impl Fn(&Call) -> Reaction + 'static) {
        self.functions.insert(function.to_owned(), Arc::new(body));
    }

    /// Applies one input unless it is an acknowledgement that is owed no more. Returns whether it was applied.
    pub fn submit(&mut self, kind: InputKind) -> bool {
        if !self.engine.admits(&kind) {
            return false;
        }
        let lsn = Lsn(self.log.len() as u64 + 1);
        let input = Input { now_ms: self.now_ms, kind };
        self.log.push((lsn, input.clone()));
        if let InputKind::Completed { invocation, attempt, .. } = &input.kind {
            self.landed(*invocation, *attempt);
        }
        let mut effects = Vec::new();
        self.engine.apply(lsn, input.clone(), &mut effects);
        self.engine.runs().for_each(Run::check);
        self.engine.apps().for_each(sluice_engine::app::App::check);
        self.shadow.follow(lsn, input, &effects, &self.engine, &mut self.rng);
        effects.into_iter().for_each(|effect| self.perform(effect));
        self.store.step(&self.engine, &self.log, &mut self.rng);
        true
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Invoke(invocation) => self.take_off(*invocation),
            Effect::Stop { invocation, attempt } => self.stop(invocation, attempt),
            Effect::Release(id) => {
                let user = self.flights.iter().find(|(_, flight)| flight.uses(id));
                assert!(user.is_none(), "{id} is released while {user:?} uses it");
                self.ledger.release(id);
            }
            Effect::Reply(reply) => self.replies.push(reply),
            Effect::Ended(run) => self.ended.push(run),
            Effect::Express(run) => self.delegated.push(run),
            Effect::Forgotten(_) | Effect::Abandon { .. } => {}
            errand => self.errands.push(errand),
        }
    }

    /// One thing happens, in an order that the seed decides: a step of an attempt, an errand, or else time passes until
    /// something is due. False when the world is at rest.
    pub fn step(&mut self) -> bool {
        if self.rng.chance(self.faults.crash_process) {
            self.crash();
        }
        let choices = self.flights.len() + self.errands.len();
        if choices == 0 {
            return self.wait();
        }
        match self.rng.below(choices) {
            at if at < self.flights.len() => {
                let id = *self.flights.keys().nth(at).expect("it is below the number of flights");
                self.fly(id);
            }
            at => {
                let errand = self.errands.swap_remove(at - self.flights.len());
                self.run_errand(errand);
            }
        }
        true
    }

    /// Lets time pass until the next timer is due, and fires it. False when there is none.
    pub fn wait(&mut self) -> bool {
        let Some(due_ms) = self.engine.next_deadline() else { return false };
        self.now_ms = self.now_ms.max(due_ms);
        self.submit(InputKind::Timers)
    }

    /// Steps until the world is at rest. Panics after twenty thousand steps: something does not end.
    pub fn rest(&mut self) {
        for _ in 0..20_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    fn run_errand(&mut self, errand: Effect) {
        let again = self.rng.chance(self.faults.duplicates).then(|| errand.clone());
        match errand {
            Effect::Deliver { from, app, version, object } => {
                // What is owed no more may be released already: asked before the bytes are copied.
                let owed = self.engine.run(from.run).is_some_and(|run| run.owes(from));
                if owed {
                    let object = Object { payload: self.ledger.copy(&object.payload), ..*object };
                    self.submit(InputKind::Deliver { app, version, from, object });
                }
            }
            Effect::Emit { from, app, event } => {
                self.emitted.push(event.clone());
                let runs = self.engine.listening(app).filter(|run| *run != from.run).collect();
                let acknowledges = Some(from);
                self.submit(InputKind::Events {
                    events: vec![event].into(),
                    apps: vec![app],
                    runs,
                    acknowledges,
                });
            }
            Effect::Launch { app, version, origin } => self.launch(app, version, *origin),
            Effect::Consume { from, app, number } => {
                if self.engine.run(from.run).is_some_and(|run| run.owes(from)) {
                    self.submit(InputKind::Consumed { app, number, from });
                }
            }
            Effect::Call { from, caller, invocation } => self.call_workflow(from, caller, &invocation),
            Effect::Return { from, to } => self.give_back(from, to),
            Effect::CancelChild { from, child } => {
                let acknowledges = Some(from);
                self.submit(InputKind::Cancel { run: child, reason: "not needed".into(), acknowledges });
            }
            other => unreachable!("{other:?} is performed at once"),
        }
        self.errands.extend(again);
    }

    fn launch(&mut self, app: AppKey, version: Version, origin: Origin) {
        let Origin::Firing { number, .. } = &origin else { unreachable!("a launch is a firing") };
        if !self.engine.app(app).is_some_and(|app| app.owes(*number)) {
            return;
        }
        let Origin::Firing { trigger, number, arguments, group, ordinal } = origin else { unreachable!() };
        let mut own = |object: Object| Object { payload: self.ledger.copy(&object.payload), ..object };
        let arguments = match arguments {
            Arguments::One(object) => Arguments::One(own(object)),
            Arguments::List(objects) => Arguments::List(objects.into_iter().map(own).collect()),
            event @ (Arguments::Event(_) | Arguments::Events { .. }) => event,
        };
        let origin = Origin::Firing { trigger, number, arguments, group, ordinal };
        let start = self.new_start(app, version, origin);
        self.submit(InputKind::Start(Box::new(start)));
    }

    fn new_start(&mut self, app: AppKey, version: Version, origin: Origin) -> Start {
        let run = RunKey(self.next_run);
        self.next_run += 1;
        Start {
            run,
            namespace: "default".into(),
            id: format!("run-{}", run.0).into(),
            app,
            version,
            objects: Vec::new(),
            events: Vec::new(),
            seal: true,
            request: 0,
            seed: self.rng.bits(),
            incarnation: 0,
            origin,
            workflow: None,
        }
    }

    /// A payload, stored or inline as the seed has it.
    pub fn payload(&mut self, bytes: impl Into<bytes::Bytes>) -> Payload {
        match self.rng.chance(self.faults.stored) {
            true => self.ledger.store(bytes.into()),
            false => Payload::Inline(bytes.into()),
        }
    }

    fn call(&self, invocation: &Invocation) -> Call {
        let run = self.engine.run(invocation.id.run).expect("it was just asked for");
        let read = |object: &Object| {
            let bytes = inline(&object.payload).cloned();
            (object.key.to_string(), bytes.unwrap_or_else(|| self.ledger.read(&object.payload)))
        };
        Call {
            run: run.id().to_string(),
            function: run.program().functions[invocation.function.index()].name.to_string(),
            attempt: invocation.attempt,
            objects: match &invocation.arguments {
                Arguments::Events { list, .. } => list.iter().map(crate::behaviour::event).collect(),
                arguments => arguments.objects().iter().map(read).collect(),
            },
            single: matches!(invocation.arguments, Arguments::One(_)),
            event: match &invocation.arguments {
                Arguments::Event(event) => Some(event.clone()),
                _ => None,
            },
            group: invocation.group.as_ref().map(|group| group.to_string()),
        }
    }
}
