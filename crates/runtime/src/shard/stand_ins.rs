//! Attempts at functions that are workflows which the sandboxes get before they become runs: in the rehearsal of a test
//! something else may stand in for the workflow.
//!
//! Invariant: the outbox of the calling run owes the run that each of them is instead of; what it owes no more is stopped.

use super::Shard;
use crate::ports::{Objects, Ports, Sandboxes};
use rustc_hash::FxHashMap;
use sluice_engine::{Caller, OutboxId};
use sluice_types::{Attempt, Failure, FailureKind, Invocation, InvocationId, Outcome, Payload};

/// Those that have not ended.
pub(super) type StandIns = FxHashMap<(InvocationId, Attempt), StandIn>;

/// What such an attempt is instead of.
pub(super) struct StandIn {
    from: OutboxId,
    caller: Caller,
    invocation: Box<Invocation>,
}

impl<P: Ports> Shard<P> {
    /// An attempt is to become a run, unless the sandboxes take it.
    pub(super) fn begin_run(&mut self, from: OutboxId, caller: Caller, invocation: Box<Invocation>) {
        if !self.sandboxes.takes_runs() {
            return self.call_workflow(from, caller, &invocation);
        }
        if self.executed(from.run).is_some_and(|run| run.owes(from)) {
            let stand_in = StandIn { from, caller, invocation: invocation.clone() };
            self.stand_ins.insert((invocation.id, invocation.attempt), stand_in);
            self.invoke(invocation);
        }
    }

    /// The sandboxes pass an attempt on: it becomes a run after all.
    pub(super) fn pass_on(&mut self, invocation: InvocationId, attempt: Attempt) {
        self.flights.landed(invocation, attempt);
        if let Some(StandIn { from, caller, invocation }) = self.stand_ins.remove(&(invocation, attempt)) {
            self.call_workflow(from, caller, &invocation);
        }
    }

    /// An attempt has ended. If it was instead of a run, its outcome is that of the run; else it is given back.
    pub(super) fn stood_in(
        &mut self,
        invocation: InvocationId,
        attempt: Attempt,
        outcome: Outcome,
    ) -> Option<Outcome> {
        let Some(stand_in) = self.stand_ins.remove(&(invocation, attempt)) else { return Some(outcome) };
        let StandIn { from, caller, .. } = stand_in;
        let outcome = self.carried(invocation, outcome);
        self.come_back(from, caller, outcome);
        None
    }

    /// What the record carries: of what lies beside the log, only one of the two engines may let go.
    fn carried(&mut self, invocation: InvocationId, mut outcome: Outcome) -> Outcome {
        if self.express.run(invocation.run).is_none() {
            return outcome;
        }
        let Outcome::Succeeded { value: Some(value), .. } = &mut outcome else { return outcome };
        if let Payload::Stored { id, .. } = value.payload {
            match self.objects.read(&value.payload) {
                Ok(bytes) => value.payload = Payload::Inline(bytes),
                Err(problem) => {
                    let (r#type, message) = (problem.code.to_string(), problem.message);
                    let (kind, stack) = (FailureKind::Crashed, String::new());
                    return Outcome::Failed(Failure { kind, r#type, message, stack });
                }
            }
            self.objects.release(id);
        }
        outcome
    }

    /// Stops those that nobody waits for any more.
    pub(super) fn stop_stand_ins(&mut self) {
        let is_owed =
            |stand_in: &StandIn| self.executed(stand_in.from.run).is_some_and(|run| run.owes(stand_in.from));
        let unwanted = self.stand_ins.iter().filter(|(_, stand_in)| !is_owed(stand_in));
        let unwanted: Vec<_> = unwanted.map(|(attempt, _)| *attempt).collect();
        for (invocation, attempt) in unwanted {
            self.stand_ins.remove(&(invocation, attempt));
            self.flights.landed(invocation, attempt);
            self.sandboxes.stop(invocation, attempt);
        }
    }
}
