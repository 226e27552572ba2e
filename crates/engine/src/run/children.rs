//! Invocations of functions that are workflows: each attempt is a run of its own.
//!
//! Invariant: an attempt that is under way and is a run has a `child`: the entry of the outbox that is to become the run,
//! or the run.

use super::invocations::discard_outcome;
use super::pending::{Child, Pending, PendingState};
use super::{Cx, Outgoing, Run};
use crate::effect::{Effect, Reply};
use crate::input::OutboxId;
use sluice_types::{Outcome, RunKey};

impl Run {
    /// Asks for the attempt that is due: of a sandbox, or for a run of the workflow that the function is.
    pub(super) fn begin_attempt(&mut self, cx: &mut Cx<'_>, seq: u32) {
        let pending = self.pending.get(seq).expect("it is due");
        if cx.compiled.program.functions[pending.function.index()].workflow().is_none() {
            return cx.effects.push(Effect::Invoke(self.invocation(seq, pending)));
        }
        let sent = Child::Sent(self.send(cx, Outgoing::Invocation(seq)));
        self.pending.get_mut(seq).expect("it is still there").child = Some(sent);
    }

    /// What was to be an attempt at an invocation is a run now.
    pub(super) fn became(&mut self, seq: u32, child: RunKey) {
        if let Some(pending) = self.pending.get_mut(seq) {
            pending.child = Some(Child::Run(child));
        }
    }

    /// A run has ended, or could not begin, that is an attempt; `from` is the entry of its outbox, or of this run's.
    pub(crate) fn returned(&mut self, cx: &mut Cx<'_>, seq: u32, outcome: Outcome, from: OutboxId) -> Reply {
        let key = self.key;
        let is_its_own = |pending: &&mut Pending| match pending.child {
            Some(Child::Sent(seq)) => from == OutboxId { run: key, seq },
            Some(Child::Run(run)) => run == from.run,
            None => false,
        };
        let Some(pending) = self.pending.get_mut(seq).filter(is_its_own) else {
            discard_outcome(&outcome, cx.effects);
            return Reply::Accepted;
        };
        let (attempt, child) = (pending.attempt, pending.child.take());
        if let Some(Child::Sent(sent)) = child {
            self.acknowledged(cx, sent);
        }
        self.completed(cx, seq, attempt, outcome);
        Reply::Accepted
    }

    /// Nobody waits any more for an attempt that is a run.
    pub(super) fn take_back_child(&mut self, cx: &mut Cx<'_>, pending: &Pending) {
        match pending.child {
            Some(Child::Sent(sent)) => self.acknowledged(cx, sent),
            Some(Child::Run(run)) => drop(self.send(cx, Outgoing::Cancel(run))),
            None => {}
        }
    }

    /// Panics unless what is to become a run is in the outbox. For tests and the simulator.
    pub(super) fn check_children(&self) {
        let mut sent: Vec<u32> = Vec::new();
        for (seq, pending) in self.pending.iter() {
            let is_run = self.compiled().program.functions[pending.function.index()].workflow().is_some();
            let is_out = pending.state == PendingState::Running && !self.is_delegated();
            assert_eq!(pending.child.is_some(), is_run && is_out, "{}: invocation {seq}", self.id);
            if let Some(Child::Sent(at)) = pending.child {
                assert!(matches!(self.outbox.get(&at), Some(Outgoing::Invocation(of)) if *of == seq));
                sent.push(at);
            }
        }
        let to_be = self.outbox.values().filter(|outgoing| matches!(outgoing, Outgoing::Invocation(_)));
        assert_eq!(to_be.count(), sent.len(), "{}: runs that are to be", self.id);
    }
}
