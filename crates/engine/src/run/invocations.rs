//! Invocations: completion and cancellation.

use super::pending::{Pending, PendingState};
use super::put::{Placed, commits, discard, failure};
use super::{Cx, HistoryKind, Part, Run};
use crate::condition::{Items, State};
use crate::effect::Effect;
use crate::timers::TimerId;
use sluice_types::invocation::Emission;
use sluice_types::{
    Attempt, Failure, FailureKind, FunctionIx, InvocationId, Outcome, Program, Put, Puts, ReturnValue, Scope,
    TriggerIx,
};
use std::sync::Arc;

impl Run {
    /// An attempt ended.
    pub(crate) fn completed(&mut self, cx: &mut Cx<'_>, seq: u32, attempt: Attempt, outcome: Outcome) {
        if !self.pending.get(seq).is_some_and(|pending| pending.is_current(attempt)) {
            return discard_outcome(&outcome, cx.effects);
        }
        // While it is out of the table it is being completed; whatever follows, it will not run again.
        let pending = self.pending.remove(seq).expect("it is current");
        match outcome {
            Outcome::Succeeded { puts, value, emits } => self.succeeded(cx, seq, pending, puts, value, emits),
            Outcome::Failed(failure) => self.failed(cx, seq, pending, failure),
            Outcome::Cancelled => {
                let why = failure(FailureKind::Crashed, "Stopped", "the node stopped the attempt");
                self.failed(cx, seq, pending, why);
            }
        }
        self.settle(cx);
    }

    fn succeeded(
        &mut self,
        cx: &mut Cx<'_>,
        seq: u32,
        mut pending: Pending,
        puts: Puts,
        value: Option<ReturnValue>,
        emits: Vec<Emission>,
    ) {
        if pending.part == Some(Part::Turn) {
            value.iter().for_each(|value| discard(&value.payload, cx.effects));
            return self.turned(cx, seq, pending, puts);
        }
        if let Err(failure) = self.check_closed(&pending) {
            let rest = puts.iter().map(|put| &put.payload);
            rest.chain(value.iter().map(|value| &value.payload)).for_each(|bytes| discard(bytes, cx.effects));
            return self.failed(cx, seq, pending, failure);
        }
        let (answer, value) = if pending.part.is_some() { (value, None) } else { (None, value) };
        let returned = value.map(|value| self.placed(cx, &pending, value));
        let mut brought = std::mem::take(&mut pending.held);
        brought.extend(puts.into_iter().chain(returned.map(Box::new)));
        if let Err(failure) = self.check_all(cx, seq, pending.function, &brought) {
            brought.iter().for_each(|put| discard(&put.payload, cx.effects));
            return self.failed(cx, seq, pending, failure);
        }
        let mut rest = brought.into_iter();
        while let Some(put) = rest.next() {
            match self.place(cx, seq, pending.function, *put) {
                Ok(None) => {}
                Ok(Some(at)) => {
                    pending.puts.push(at);
                    self.show(cx, Placed::Whole(at));
                }
                Err(failure) => {
                    rest.for_each(|put| discard(&put.payload, cx.effects));
                    return self.failed(cx, seq, pending, failure);
                }
            }
        }
        self.tallies[pending.function.index()].succeeded += 1;
        self.record(cx, HistoryKind::InvocationSucceeded { invocation: seq, attempt: pending.attempt });
        for (number, emission) in emits.into_iter().enumerate() {
            self.emit_by(cx, seq, number, emission);
        }
        self.done(cx, &pending);
        if let Some(part) = pending.part {
            self.part_done(cx, part, answer);
        }
    }

    /// Checks what an attempt brings at its end before any of it becomes visible.
    fn check_all(
        &self,
        cx: &Cx<'_>,
        seq: u32,
        function: FunctionIx,
        puts: &[Box<Put>],
    ) -> Result<(), Failure> {
        puts.iter().try_for_each(|put| self.check_put(cx, function, put))?;
        match commits(cx, function) {
            true => self.check_commit(cx, seq, puts),
            false => Ok(()),
        }
    }

    /// Where a return value goes.
    fn placed(&self, cx: &Cx<'_>, pending: &Pending, value: ReturnValue) -> Put {
        let function = &cx.program().functions[pending.function.index()];
        let key = match (&pending.items, &pending.group, pending.ordinal) {
            (Items::One(at), ..) => self.objects.slot(*at).object.key.clone(),
            (Items::Event(event), ..) => event.id.clone(),
            (_, _, Some(ordinal)) => Arc::from(format!("{}-{ordinal}", function.name)),
            (_, Some(group), None) => group.clone(),
            (_, None, None) => function.name.clone(),
        };
        let ReturnValue { content_type, payload } = value;
        Put { bucket: function.returns_into(), key, content_type, payload, group: None, meta: None }
    }

    /// Lets go of everything a finished invocation held.
    pub(super) fn done(&mut self, cx: &mut Cx<'_>, pending: &Pending) {
        if !self.is_running() {
            return;
        }
        self.let_go_items(cx, &pending.items);
        for &at in &pending.puts {
            self.abandon(cx, at);
            self.objects.release_if_unused(at, true, cx.effects);
        }
        for put in &pending.held {
            discard(&put.payload, cx.effects);
        }
        self.deactivate(cx.compiled.component_of(pending.function));
    }

    /// After a `first` has fired: cancels those that can only put what nobody waits for any more.
    pub(super) fn cancel_stragglers(&mut self, cx: &mut Cx<'_>, fired: TriggerIx) {
        if !matches!(self.triggers[fired.index()].state, State::First(_)) {
            return;
        }
        let useless = self.pending.iter().filter(|(_, pending)| self.is_useless(cx, pending.function));
        for seq in useless.map(|(seq, _)| seq).collect::<Vec<_>>() {
            // Letting go of one cannot end another.
            let pending = self.pending.remove(seq).expect("it was pending a moment ago");
            self.stop(cx, seq, &pending);
            self.done(cx, &pending);
        }
    }

    fn is_useless(&self, cx: &Cx<'_>, function: FunctionIx) -> bool {
        let program = cx.program();
        let into = &program.functions[function.index()].into;
        let is_unwatched = |bucket: &sluice_types::BucketIx| {
            let listeners = cx.compiled.listeners(Scope::Run, *bucket);
            let satisfied = |trigger: &TriggerIx| self.triggers[trigger.index()].state.is_satisfied();
            *bucket != Program::OUTPUT
                && !program.buckets[bucket.index()].keep
                && cx.compiled.listeners(Scope::App, *bucket).is_empty()
                && !listeners.is_empty()
                && listeners.iter().all(satisfied)
        };
        !into.is_empty() && into.iter().all(is_unwatched)
    }

    /// Cancels one invocation, wherever it is.
    pub(super) fn stop(&mut self, cx: &mut Cx<'_>, seq: u32, pending: &Pending) {
        self.take_back(cx, seq, pending);
        self.tallies[pending.function.index()].cancelled += 1;
        self.record(cx, HistoryKind::InvocationCancelled { invocation: seq });
    }

    /// Neither the runtime nor a timer is to go on with an invocation.
    pub(super) fn take_back(&mut self, cx: &mut Cx<'_>, seq: u32, pending: &Pending) {
        match pending.state {
            PendingState::Running if pending.child.is_some() => self.take_back_child(cx, pending),
            PendingState::Running => {
                let invocation = InvocationId { run: self.key, seq };
                cx.effects.push(Effect::Stop { invocation, attempt: pending.attempt });
            }
            PendingState::Waiting { due_ms } => {
                cx.timers.update(self.entity(), TimerId::Retry(seq), Some(due_ms), None);
            }
        }
    }
}

/// Frees what a completion brought that nobody takes.
pub(crate) fn discard_outcome(outcome: &Outcome, effects: &mut Vec<Effect>) {
    if let Outcome::Succeeded { puts, value, .. } = outcome {
        puts.iter().for_each(|put| discard(&put.payload, effects));
        value.iter().for_each(|value| discard(&value.payload, effects));
    }
}
