//! From firings of conditions to invocations and events.

use super::{Cx, HistoryKind, Pending, Run};
use crate::condition::{Firing, Firings, Items};
use crate::effect::Effect;
use crate::timers::TimerId;
use sluice_types::invocation::Arguments;
use sluice_types::{Action, Attempt, FunctionIx, TriggerIx};

impl Run {
    /// Performs all firings of a trigger and keeps its timer in step with its state.
    pub(super) fn fire_all(&mut self, cx: &mut Cx<'_>, trigger: TriggerIx, firings: Firings) {
        for firing in firings {
            self.fire(cx, trigger, firing);
        }
        let condition = &cx.compiled.program.triggers[trigger.index()].condition;
        if let Some(parts) = self.triggers[trigger.index()].state.take_all() {
            let items = self.flatten(parts);
            self.fire(cx, trigger, Firing { items: Items::List(items), group: None, numbered: false });
        }
        let state = &mut self.triggers[trigger.index()];
        let deadline_ms = state.state.deadline(condition);
        let before_ms = std::mem::replace(&mut state.deadline_ms, deadline_ms);
        cx.timers.update(self.entity(), TimerId::Trigger(trigger), before_ms, deadline_ms);
    }

    /// The parts of an `all` as one list; an event takes part as an object that holds its data.
    fn flatten(&mut self, parts: Vec<Items>) -> Vec<u32> {
        let mut items = Vec::new();
        for part in parts {
            match part {
                Items::One(item) => items.push(item),
                Items::List(list) => items.extend(list),
                Items::Event(event) => {
                    let at = self.adopt(crate::condition::event_object(&event));
                    self.objects.hold(at);
                    items.push(at);
                }
            }
        }
        items
    }

    /// Performs one firing. Its references go to the invocations it starts.
    pub(super) fn fire(&mut self, cx: &mut Cx<'_>, trigger: TriggerIx, firing: Firing) {
        let state = &mut self.triggers[trigger.index()];
        let ordinal = state.fired;
        state.fired += 1;
        if ordinal == 0 {
            self.disarm(cx, trigger);
        }
        let objects = match &firing.items {
            Items::List(items) => items.len() as u32,
            Items::One(_) => 1,
            Items::Event(_) => 0,
        };
        self.record(cx, HistoryKind::TriggerFired { trigger, objects });
        let compiled = cx.compiled;
        for action in &compiled.program.triggers[trigger.index()].actions {
            match action {
                Action::Invoke(function) => {
                    self.hold_items(&firing.items);
                    let numbered = firing.numbered.then_some(ordinal);
                    self.invoke(cx, *function, firing.items.clone(), firing.group.clone(), numbered);
                }
                Action::Emit { r#type, subject } => {
                    self.emit_firing(cx, trigger, r#type, subject.clone(), &firing);
                }
            }
        }
        self.let_go_items(cx, &firing.items);
        self.cancel_stragglers(cx, trigger);
    }

    fn invoke(
        &mut self,
        cx: &mut Cx<'_>,
        function: FunctionIx,
        items: Items,
        group: Option<std::sync::Arc<str>>,
        ordinal: Option<u32>,
    ) {
        let seq = self.next_invocation;
        self.next_invocation += 1;
        self.active[cx.compiled.component_of(function) as usize] += 1;
        self.tallies[function.index()].started += 1;
        self.record(cx, HistoryKind::InvocationCreated { invocation: seq, function });
        let pending = Pending::new(function, Attempt(1), items, group, ordinal);
        cx.effects.push(Effect::Invoke(self.invocation(seq, &pending)));
        self.pending.insert(seq, pending);
    }

    pub(super) fn arguments(&self, items: &Items) -> Arguments {
        let object = |at: &u32| self.objects.slot(*at).object.clone();
        match items {
            Items::One(at) => Arguments::One(object(at)),
            Items::List(list) => Arguments::List(list.iter().map(object).collect()),
            Items::Event(event) => Arguments::Event(event.clone()),
        }
    }

    fn hold_items(&mut self, items: &Items) {
        match items {
            Items::One(at) => self.objects.hold(*at),
            Items::List(list) => list.iter().for_each(|at| self.objects.hold(*at)),
            Items::Event(_) => {}
        }
    }

    pub(super) fn let_go_items(&mut self, cx: &mut Cx<'_>, items: &Items) {
        match items {
            Items::One(at) => self.let_go(cx, *at),
            Items::List(list) => list.iter().for_each(|at| self.let_go(cx, *at)),
            Items::Event(_) => {}
        }
    }

    /// One holder less of an object.
    pub(super) fn let_go(&mut self, cx: &mut Cx<'_>, at: u32) {
        let owner_done = self.owner_done(at);
        self.objects.drop_use(at, owner_done, cx.effects);
    }

    pub(super) fn owner_done(&self, at: u32) -> bool {
        match self.objects.slot(at).owner {
            crate::objects::Owner::Client => true,
            crate::objects::Owner::Invocation(seq) => !self.pending.contains_key(&seq),
        }
    }
}
