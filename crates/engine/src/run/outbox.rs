//! What leaves a run: kept until the input that it became is logged.

use super::{Cx, Run};
use crate::effect::Effect;
use crate::input::{Caller, OutboxId};
use serde::{Deserialize, Serialize};
use sluice_asl::execution::{TaskId, TaskRequest};
use sluice_types::{Event, RunKey};
use std::sync::Arc;

/// One entry of the outbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Outgoing {
    /// The object in this slot goes to the app-scoped triggers.
    Object(u32),
    /// An event goes to the world.
    Event(Arc<Event>),
    /// The app may drop what it retained for this run under this number.
    Consumed(u64),
    /// A workflow asks for something outside of the run.
    Task(Arc<TaskRequest>),
    /// The run has ended that was the work of a task.
    Return(Caller),
    /// Nobody needs any more a run that this one had called.
    Cancel(RunKey),
    /// An attempt at this invocation is to become a run of the workflow that its function is.
    Invocation(u32),
}

impl Outgoing {
    pub(super) fn slot(&self) -> Option<u32> {
        match self {
            Self::Object(slot) => Some(*slot),
            Self::Event(_)
            | Self::Consumed(_)
            | Self::Task(_)
            | Self::Return(_)
            | Self::Cancel(_)
            | Self::Invocation(_) => None,
        }
    }
}

impl Run {
    /// Puts something into the outbox and asks the runtime to deliver it.
    /// Returns its number.
    pub(super) fn send(&mut self, cx: &mut Cx<'_>, outgoing: Outgoing) -> u32 {
        let seq = self.next_outgoing;
        self.next_outgoing += 1;
        cx.effects.push(self.outgoing_effect(seq, &outgoing));
        self.outbox.insert(seq, outgoing);
        seq
    }

    /// What was sent has become a logged input.
    pub(crate) fn acknowledged(&mut self, cx: &mut Cx<'_>, seq: u32) {
        if let Some(Outgoing::Object(slot)) = self.outbox.remove(&seq) {
            self.let_go(cx, slot);
        }
    }

    pub(super) fn outgoing_effect(&self, seq: u32, outgoing: &Outgoing) -> Effect {
        let from = OutboxId { run: self.key, seq };
        match outgoing {
            Outgoing::Object(slot) => {
                let object = Box::new(self.objects.slot(*slot).object.clone());
                Effect::Deliver { from, app: self.app, version: self.version, object }
            }
            Outgoing::Consumed(number) => Effect::Consume { from, app: self.app, number: *number },
            Outgoing::Task(request) => {
                Effect::Task { from, caller: self.calls_for(request.task), request: request.clone() }
            }
            Outgoing::Invocation(invocation) => {
                let pending = self.pending.get(*invocation).expect("what is taken back leaves the outbox");
                let caller = self.calls_for(TaskId(u64::from(*invocation)));
                Effect::Call { from, caller, invocation: self.invocation(*invocation, pending) }
            }
            Outgoing::Cancel(child) => Effect::CancelChild { from, child: *child },
            Outgoing::Return(to) => Effect::Return { from, to: *to },
            Outgoing::Event(event) => Effect::Emit { from, app: self.app, event: event.clone() },
        }
    }

    fn calls_for(&self, task: TaskId) -> Caller {
        Caller { run: self.key, incarnation: self.incarnation, task, depth: self.call_depth() + 1, form: 0 }
    }
}
