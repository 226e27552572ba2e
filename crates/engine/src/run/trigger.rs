//! One step of a trigger: its condition changes, its timer follows, and it fires.

use super::put::Placed;
use super::{Cx, Run};
use crate::condition::{Arrival, Collected, State};
use crate::objects::ObjectTable;
use crate::timers::TimerId;
use sluice_types::{Condition, Evaluator, Scope, TriggerIx};

impl Run {
    /// Lets `step` change the state of a condition and does what follows. `arriving` is the slot of an object that the
    /// condition may take references to.
    pub(super) fn step_trigger(
        &mut self,
        cx: &mut Cx<'_>,
        trigger: TriggerIx,
        arriving: Option<u32>,
        step: impl FnOnce(&mut State, &Condition, &ObjectTable, &mut dyn Evaluator, &mut Collected),
    ) {
        let condition = &cx.compiled.program.triggers[trigger.index()].condition;
        let state = &mut self.triggers[trigger.index()].state;
        let mut out = Collected::default();
        let before_ms = state.deadline(condition);
        step(state, condition, &self.objects, cx.eval, &mut out);
        let after_ms = state.deadline(condition);
        if before_ms != after_ms {
            cx.timers.update(self.entity(), TimerId::Trigger(trigger), before_ms, after_ms);
        }
        if let Some(at) = arriving {
            self.objects.hold(at, out.held);
        }
        for firing in out.firings {
            self.fire(cx, trigger, firing);
        }
        for item in out.dropped {
            self.let_go(cx, item);
        }
    }

    /// Shows an object to everything that listens to its bucket. One that is opened is seen only by the triggers that
    /// take it early, and not again by them when it is closed.
    pub(super) fn show(&mut self, cx: &mut Cx<'_>, placed: Placed) {
        let (at, early) = match placed {
            Placed::Hidden => return,
            Placed::Whole(at) => (at, None),
            Placed::Opened(at) => (at, Some(true)),
            Placed::Closed(at) => (at, Some(false)),
        };
        if self.is_delegated() {
            return;
        }
        let compiled = cx.compiled;
        let bucket = self.objects.slot(at).object.bucket;
        if early == Some(true) {
            self.record(cx, super::HistoryKind::ObjectOpened { slot: at });
        } else {
            self.record(cx, super::HistoryKind::ObjectPut { slot: at });
            if !compiled.listeners(Scope::App, bucket).is_empty() {
                self.objects.hold(at, 1);
                self.send(cx, super::Outgoing::Object(at));
            }
        }
        let bucket_name = &compiled.program.buckets[bucket.index()].name;
        let now_ms = cx.now_ms;
        for &trigger in compiled.listeners(Scope::Run, bucket) {
            if early.is_some_and(|early| early != compiled.is_early(trigger)) {
                continue;
            }
            self.step_trigger(cx, trigger, Some(at), |state, condition, objects, eval, out| {
                let slot = objects.slot(at);
                let (object, from) = (&slot.object, slot.function);
                let arrival = Arrival { item: at, object, bucket_name, from, now_ms, scope: Scope::Run };
                state.arrive(condition, &arrival, eval, out);
            });
        }
    }

    /// A timer that this run awaits came due.
    pub(crate) fn due(&mut self, cx: &mut Cx<'_>, id: TimerId) {
        match id {
            TimerId::Trigger(trigger) => {
                let now_ms = cx.now_ms;
                self.step_trigger(cx, trigger, None, |state, condition, _, _, out| {
                    state.due(condition, now_ms, out);
                });
            }
            TimerId::Retry(seq) => self.retry(cx, seq),
            TimerId::Workflow => self.workflow_due(cx),
        }
        self.settle(cx);
    }

    /// Whether this run's own state asks for a timer at that time.
    pub(crate) fn awaits(&self, id: TimerId, due_ms: u64) -> bool {
        match id {
            TimerId::Trigger(trigger) => self.triggers.get(trigger.index()).is_some_and(|state| {
                let condition = &self.compiled().program.triggers[trigger.index()].condition;
                state.state.deadline(condition) == Some(due_ms)
            }),
            TimerId::Retry(seq) => {
                self.pending.get(seq).is_some_and(|p| p.state == super::PendingState::Waiting { due_ms })
            }
            TimerId::Workflow => self.workflow_due_ms() == Some(due_ms),
        }
    }
}
