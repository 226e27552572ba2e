//! From firings of conditions to invocations and events.

use super::pending::{Pending, PendingState};
use super::{Cx, HistoryKind, Part, Run};
use crate::condition::{Firing, Items, event_object};
use crate::objects::Owner;
use sluice_types::invocation::Arguments;
use sluice_types::{Action, Attempt, EventPack, FunctionIx, Puts, TriggerIx};
use smallvec::SmallVec;
use std::sync::Arc;

impl Run {
    /// Performs one firing. Its references go to the invocation that its last action starts.
    pub(super) fn fire(&mut self, cx: &mut Cx<'_>, trigger: TriggerIx, firing: Firing) {
        let state = &mut self.triggers[trigger.index()];
        let ordinal = state.fired;
        state.fired += 1;
        if ordinal == 0 {
            self.disarm(cx, trigger);
        }
        let Firing { items, group, numbered } = firing;
        let items = self.flatten(items);
        self.record_fired(cx, trigger, &items);
        let numbered = numbered.then_some(ordinal);
        let (last, others) = cx.compiled.program.triggers[trigger.index()].actions.split_last().unzip();
        for action in others.unwrap_or_default() {
            match action {
                Action::Invoke(function) => {
                    items.each(&mut |item| self.objects.hold(item, 1));
                    self.invoke(cx, *function, items.clone(), group.clone(), numbered, None);
                }
                Action::Emit { r#type, subject } => {
                    self.emit_firing(cx, trigger, r#type, subject.clone(), &items)
                }
            }
        }
        match last {
            Some(Action::Invoke(function)) => drop(self.invoke(cx, *function, items, group, numbered, None)),
            Some(Action::Emit { r#type, subject }) => {
                self.emit_firing(cx, trigger, r#type, subject.clone(), &items);
                self.let_go_items(cx, &items);
            }
            None => self.let_go_items(cx, &items),
        }
        self.cancel_stragglers(cx, trigger);
    }

    fn record_fired(&mut self, cx: &Cx<'_>, trigger: TriggerIx, items: &Items) {
        let mut objects = items.events();
        items.each(&mut |_| objects += 1);
        self.record(cx, HistoryKind::TriggerFired { trigger, objects });
    }

    /// The parts of an `all` as one list; an event takes part as an object that holds its data.
    fn flatten(&mut self, items: Items) -> Items {
        let Items::Parts(parts) = items else { return items };
        let mut list = Vec::new();
        for part in parts {
            match self.flatten(part) {
                Items::One(item) => list.push(item),
                Items::List(items) => list.extend(items),
                Items::Event(event) => {
                    let pack = EventPack::from(vec![event]);
                    list.extend(pack.iter().map(|event| self.adopt(event_object(&event))));
                }
                Items::Events { list: events } | Items::Retained { list: events, .. } => {
                    list.extend(events.iter().map(|event| self.adopt(event_object(&event))));
                }
                Items::Parts(_) => unreachable!("flatten leaves no parts"),
                Items::Value(_) | Items::Values(_) => unreachable!("no condition collects values"),
            }
        }
        Items::List(list)
    }

    /// Creates an invocation and returns its number.
    pub(super) fn invoke(
        &mut self,
        cx: &mut Cx<'_>,
        function: FunctionIx,
        items: Items,
        group: Option<Arc<str>>,
        ordinal: Option<u32>,
        part: Option<Part>,
    ) -> u32 {
        let seq = self.next_invocation;
        self.next_invocation += 1;
        self.active[cx.compiled.component_of(function) as usize] += 1;
        self.tallies[function.index()].started += 1;
        // Of turns the journal tells.
        if part != Some(Part::Turn) {
            self.record(cx, HistoryKind::InvocationCreated { invocation: seq, function });
        }
        let pending = Pending {
            function,
            attempt: Attempt(1),
            state: PendingState::Running,
            items,
            group,
            ordinal,
            puts: SmallVec::new(),
            held: Puts::new(),
            failure: None,
            part,
            child: None,
        };
        self.pending.insert(seq, pending);
        self.begin_attempt(cx, seq);
        if seq == sluice_types::limits::RUN_INVOCATIONS_MAX {
            self.exceed("invocations in one run", u64::from(seq));
        }
        seq
    }

    pub(super) fn arguments(&self, items: &Items) -> Arguments {
        let object = |at: &u32| self.objects.slot(*at).object.clone();
        match items {
            Items::One(at) => Arguments::One(object(at)),
            Items::List(list) => Arguments::List(list.iter().map(object).collect()),
            Items::Value(object) => Arguments::One((**object).clone()),
            Items::Values(objects) => Arguments::List(objects.clone()),
            Items::Event(event) => Arguments::Event(event.clone()),
            Items::Events { list } => Arguments::Events { count: list.len() as u32, list: list.clone() },
            Items::Retained { count, list, .. } => Arguments::Events { count: *count, list: list.clone() },
            Items::Parts(_) => unreachable!("a firing is flattened before it is performed"),
        }
    }

    /// The keys of what an invocation was called with.
    pub(super) fn keys(&self, items: &Items) -> Vec<Arc<str>> {
        if let Items::Value(object) = items {
            return vec![object.key.clone()];
        }
        let mut keys = Vec::new();
        items.each(&mut |at| keys.push(self.objects.slot(at).object.key.clone()));
        keys
    }

    pub(super) fn let_go_items(&mut self, cx: &mut Cx<'_>, items: &Items) {
        items.each(&mut |at| self.let_go(cx, at));
    }

    /// One holder less of an object.
    pub(super) fn let_go(&mut self, cx: &mut Cx<'_>, at: u32) {
        let owner_done = match self.objects.slot(at).owner {
            Owner::Client | Owner::Firing => true,
            Owner::Invocation(seq) => self.pending.get(seq).is_none(),
        };
        self.objects.drop_use(at, owner_done, cx.effects);
    }
}
