//! Start, seal, cancel, end.

use super::pending::PendingTable;
use super::{Cx, History, HistoryKind, Outgoing, Run, Status, Tally, TriggerState};
use crate::condition::{Firing, Items, State};
use crate::effect::{Effect, Reply};
use crate::input::{Origin, Start};
use crate::objects::ObjectTable;
use sluice_types::invocation::Arguments;
use sluice_types::{Code, Condition, Gathering, Lsn, Object, Problem, Scope, Trigger, TriggerIx};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Run {
    /// A run with nothing in it yet; `begin` gives it its inputs.
    pub(crate) fn new(start: &Start, compiled: Arc<crate::Compiled>, now_ms: u64) -> Self {
        let components = compiled.graph.len();
        let fresh = |t: &Trigger| TriggerState { state: State::new(&t.condition, t.scope), fired: 0 };
        Self {
            key: start.run,
            namespace: start.namespace.clone(),
            id: start.id.clone(),
            app: start.app,
            version: start.version,
            request: start.request,
            seed: start.seed,
            incarnation: start.incarnation,
            delegated: None,
            retained: None,
            status: Status::Running,
            sealed: false,
            started_ms: now_ms,
            ended_ms: None,
            error: None,
            applied: Lsn(0),
            objects: ObjectTable::default(),
            next_invocation: 0,
            pending: PendingTable::default(),
            triggers: compiled.program.triggers.iter().map(fresh).collect(),
            active: vec![0; components],
            open_predecessors: compiled.graph.predecessor_counts().to_vec(),
            closed: vec![false; components],
            open: components as u32,
            tallies: vec![Tally::default(); compiled.program.functions.len()],
            lost: Vec::new(),
            outbox: BTreeMap::new(),
            next_outgoing: 0,
            history: History::default(),
            workflow: start.workflow.clone(),
            machine: None,
            caller: match start.origin {
                Origin::Call { caller, .. } => Some(caller),
                Origin::Client | Origin::Firing { .. } | Origin::Fork(_) => None,
            },
            ready: Vec::new(),
            emitting: 0,
            exceeded: None,
            compiled: Some(compiled),
            dirty: false,
        }
    }

    /// The first inputs of a new run.
    pub(crate) fn begin(&mut self, cx: &mut Cx<'_>, mut start: Start, delegated: bool) {
        self.record(cx, HistoryKind::RunStarted);
        let fork = match std::mem::replace(&mut start.origin, Origin::Client) {
            Origin::Fork(fork) => Some(fork),
            origin => {
                start.origin = origin;
                None
            }
        };
        if let Origin::Firing { number, arguments: Arguments::Events { .. }, .. } = start.origin {
            self.retained = Some(number);
        }
        if delegated {
            self.delegate(cx, start.origin, start.events);
            self.first_objects(cx, start.objects);
        } else {
            if let Origin::Firing { trigger, .. } = start.origin {
                self.confine(cx, trigger);
            }
            self.arm(cx);
            self.first_objects(cx, start.objects);
            if let Origin::Firing { trigger, number, arguments, group, ordinal } = start.origin {
                self.launch(cx, trigger, number, arguments, group, ordinal);
            }
            // Its code hears what came before.
            match fork {
                Some(fork) => self.start_fork(cx, *fork),
                None => self.start_workflow(cx),
            }
            self.events(cx, &start.events.into());
        }
        if start.seal {
            self.seal(cx);
        }
    }

    fn first_objects(&mut self, cx: &mut Cx<'_>, objects: Vec<Object>) {
        for object in objects {
            self.client_put(cx, object);
        }
    }

    /// A run that a firing starts consists of what the trigger's functions can reach. All else is closed from the
    /// start: its joins do not fire with empty lists, and its sets lack nothing.
    fn confine(&mut self, cx: &Cx<'_>, trigger: TriggerIx) {
        let graph = &cx.compiled.graph;
        let mut reached = vec![false; graph.len()];
        let called = super::events::functions(&cx.compiled.program.triggers[trigger.index()]);
        let mut stack: Vec<u32> = called.map(|function| cx.compiled.component_of(function)).collect();
        while let Some(component) = stack.pop() {
            if !std::mem::replace(&mut reached[component as usize], true) {
                stack.extend(graph.successors(component));
            }
        }
        for component in (0..graph.len() as u32).filter(|component| !reached[*component as usize]) {
            self.closed[component as usize] = true;
            self.open -= 1;
            for &next in graph.successors(component) {
                self.open_predecessors[next as usize] -= 1;
            }
        }
    }

    /// The firing of an app-scoped trigger that started this run.
    fn launch(
        &mut self,
        cx: &mut Cx<'_>,
        trigger: TriggerIx,
        number: u64,
        arguments: Arguments,
        group: Option<Arc<str>>,
        ordinal: u32,
    ) {
        let items = match arguments {
            Arguments::One(object) => Items::One(self.adopt(object)),
            Arguments::List(objects) => {
                Items::List(objects.into_iter().map(|object| self.adopt(object)).collect())
            }
            Arguments::Event(event) => Items::Event(event),
            Arguments::Events { count, list } => Items::Retained { number, count, list },
        };
        self.triggers[trigger.index()].fired = ordinal;
        let mut numbered = false;
        cx.compiled.program.triggers[trigger.index()].condition.each_leaf(&mut |leaf| {
            numbered |= matches!(
                leaf,
                Condition::Batch { .. }
                    | Condition::Window { .. }
                    | Condition::Events { gathering: Gathering::Batch { .. } | Gathering::Window { .. }, .. }
            );
        });
        numbered &= matches!(items, Items::List(_) | Items::Retained { .. });
        self.fire(cx, trigger, Firing { items, group, numbered });
    }

    /// All inputs are there.
    pub(crate) fn seal(&mut self, cx: &mut Cx<'_>) -> Reply {
        if !self.sealed {
            self.sealed = true;
            self.record(cx, HistoryKind::Sealed);
            self.consider_all();
            self.settle(cx);
        }
        Reply::Accepted
    }

    /// Somebody stops the run.
    pub(crate) fn cancel(&mut self, cx: &mut Cx<'_>, reason: &str) -> Reply {
        if self.workflow_is_under_way() {
            self.cancel_workflow(cx, reason);
        } else if self.is_running() {
            let problem = Problem::new(Code::RUN_CANCELLED, format!("the run was cancelled: {reason}"), "")
                .at(format!("run {}", self.id));
            self.end(cx, Status::Cancelled, Some(problem));
        }
        Reply::Accepted
    }

    /// Applying a record of this run panicked.
    pub(crate) fn quarantine(&mut self, cx: &mut Cx<'_>, lsn: Lsn) {
        if self.is_running() {
            let problem = Problem::new(
                Code::RUN_QUARANTINED,
                format!("applying record {lsn} of this run failed inside the engine; the run was set aside"),
                "report it with the output of `sluice runs history`; other runs go on",
            );
            self.end(cx, Status::Failed, Some(problem.at(format!("run {}", self.id))));
        }
    }

    /// Ends the run: stops what still runs, frees intermediates, tells who waits.
    pub(super) fn end(&mut self, cx: &mut Cx<'_>, status: Status, error: Option<Problem>) {
        let pending = std::mem::take(&mut self.pending);
        for (seq, pending) in pending.iter() {
            self.stop(cx, seq, pending);
            pending.held.iter().for_each(|put| super::put::discard(&put.payload, cx.effects));
        }
        for (id, due_ms) in self.deadlines() {
            cx.timers.update(self.entity(), id, Some(due_ms), None);
        }
        self.abandon_workflow(cx);
        self.triggers.clear();
        (self.active, self.open_predecessors, self.closed) = (Vec::new(), Vec::new(), Vec::new());
        (self.open, self.lost, self.ready) = (0, Vec::new(), Vec::new());
        self.forget_start(cx);
        self.sealed = true;
        self.status = status;
        self.ended_ms = Some(cx.now_ms);
        self.error = error.map(Box::new);
        self.release_intermediates(cx);
        self.record(cx, HistoryKind::RunEnded);
        if let Some(number) = self.retained.take() {
            self.send(cx, Outgoing::Consumed(number));
        }
        // Of an express run, the durable engine says it.
        if let Some(caller) = self.caller.filter(|_| self.is_delegated() || !self.is_express()) {
            self.send(cx, Outgoing::Return(caller));
        }
        cx.effects.push(Effect::Ended(self.key));
    }

    /// Makes an ended run a running one again, in which nothing but its workflow has anything to do.
    pub(super) fn reopen(&mut self) {
        let compiled = self.compiled().clone();
        let components = compiled.graph.len();
        let fresh = |t: &Trigger| TriggerState { state: State::new(&t.condition, t.scope), fired: 0 };
        self.triggers = compiled.program.triggers.iter().map(fresh).collect();
        self.active = self.armed(&compiled);
        self.open_predecessors = compiled.graph.predecessor_counts().to_vec();
        (self.closed, self.open) = (vec![false; components], components as u32);
        (self.status, self.ended_ms, self.error) = (Status::Running, None, None);
    }

    /// Intermediates go, but for those that still are in the outbox.
    fn release_intermediates(&mut self, cx: &mut Cx<'_>) {
        let leaving: BTreeSet<u32> = self.outbox.values().filter_map(Outgoing::slot).collect();
        self.objects.let_go_all(|at| leaving.contains(&at), cx.effects);
    }

    /// Frees every object.
    pub(crate) fn release_all(&mut self, effects: &mut Vec<Effect>) {
        self.objects.release_all(effects);
    }

    /// Whether this run listens to events from outside.
    pub(crate) fn listens(&self) -> bool {
        self.is_running() && !self.compiled().event_triggers(Scope::Run).is_empty()
    }
}
