//! Invocations: completion, retries, cancellation.

use super::put::{discard, failure};
use super::{Cx, HistoryKind, Lost, Run};
use crate::condition::Items;
use crate::effect::Effect;
use crate::timers::TimerId;
use serde::{Deserialize, Serialize};
use sluice_types::invocation::Emission;
use sluice_types::problem::Cause;
use sluice_types::{
    Attempt, Code, Failure, FailureKind, FunctionIx, InvocationId, Outcome, Problem, Put, RetryPolicy, ReturnValue,
    TriggerIx, limits,
};
use smallvec::SmallVec;
use std::sync::Arc;

/// An invocation that is not done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// Its function.
    pub function: FunctionIx,
    /// The current attempt.
    pub attempt: Attempt,
    /// Whether that attempt is with the runtime or waits for its time.
    pub state: PendingState,
    pub(super) items: Items,
    pub(super) group: Option<Arc<str>>,
    pub(super) ordinal: Option<u32>,
    pub(super) puts: SmallVec<[u32; 2]>,
    pub(super) held: Vec<Put>,
}

/// Where a pending invocation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PendingState {
    /// With the runtime: queued or running.
    Running,
    /// Waits to be tried again.
    Waiting {
        /// When, in milliseconds since the Unix epoch.
        due_ms: u64,
    },
}

impl Pending {
    pub(super) fn new(
        function: FunctionIx,
        attempt: Attempt,
        items: Items,
        group: Option<Arc<str>>,
        ordinal: Option<u32>,
    ) -> Self {
        let state = PendingState::Running;
        Self { function, attempt, state, items, group, ordinal, puts: SmallVec::new(), held: Vec::new() }
    }
}

impl Run {
    /// An attempt puts an object while it runs.
    pub(crate) fn put_by(&mut self, cx: &mut Cx<'_>, seq: u32, attempt: Attempt, put: Put) {
        let Some(mut pending) = self.take_current(seq, attempt) else {
            discard(&put.payload, cx.effects);
            self.record(cx, HistoryKind::PutDiscarded { invocation: seq });
            return;
        };
        match self.output(cx, seq, &mut pending, put) {
            Ok(()) => {
                // A put can end the run or cancel its own producer as a straggler: then it is not pending any more.
                self.restore(cx, seq, pending);
            }
            Err(failure) => {
                cx.effects.push(Effect::Stop { invocation: InvocationId { run: self.key, seq }, attempt });
                self.failed(cx, seq, pending, failure);
            }
        }
        self.settle(cx);
    }

    /// An attempt ended.
    pub(crate) fn completed(&mut self, cx: &mut Cx<'_>, seq: u32, attempt: Attempt, outcome: Outcome) {
        let Some(pending) = self.take_current(seq, attempt) else {
            return discard_outcome(&outcome, cx.effects);
        };
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

    /// Takes the invocation out if this attempt is the one that counts. While it is out it is "being completed".
    fn take_current(&mut self, seq: u32, attempt: Attempt) -> Option<Pending> {
        let current = |p: &Pending| p.attempt == attempt && p.state == PendingState::Running;
        if !self.pending.get(&seq).is_some_and(current) {
            return None;
        }
        self.pending.remove(&seq)
    }

    fn restore(&mut self, cx: &mut Cx<'_>, seq: u32, pending: Pending) {
        match self.is_running() {
            true => drop(self.pending.insert(seq, pending)),
            false => {
                let invocation = InvocationId { run: self.key, seq };
                cx.effects.push(Effect::Stop { invocation, attempt: pending.attempt });
            }
        }
    }

    fn succeeded(
        &mut self,
        cx: &mut Cx<'_>,
        seq: u32,
        mut pending: Pending,
        puts: SmallVec<[Put; 1]>,
        value: Option<ReturnValue>,
        emits: Vec<Emission>,
    ) {
        let returned = value.map(|value| self.returned(cx, &pending, value));
        let mut puts = puts.into_iter().chain(returned);
        while let Some(put) = puts.next() {
            if let Err(failure) = self.output(cx, seq, &mut pending, put) {
                puts.for_each(|rest| discard(&rest.payload, cx.effects));
                return self.failed(cx, seq, pending, failure);
            }
        }
        for put in std::mem::take(&mut pending.held) {
            if let Err(failure) = self.publish(cx, seq, &mut pending, put) {
                return self.failed(cx, seq, pending, failure);
            }
        }
        self.tallies[pending.function.index()].succeeded += 1;
        self.record(cx, HistoryKind::InvocationSucceeded { invocation: seq, attempt: pending.attempt });
        for (number, emission) in emits.into_iter().enumerate() {
            self.emit_by(cx, seq, number, emission);
        }
        self.done(cx, &pending);
    }

    /// Where a return value goes.
    fn returned(&self, cx: &Cx<'_>, pending: &Pending, value: ReturnValue) -> Put {
        let function = &cx.program().functions[pending.function.index()];
        let named = |name: &str| match pending.ordinal {
            Some(ordinal) => Arc::from(format!("{name}-{ordinal}")),
            None => Arc::from(name),
        };
        let key = match (&pending.items, &pending.group, pending.ordinal) {
            (Items::One(at), _, _) => self.objects.slot(*at).object.key.clone(),
            (Items::Event(event), _, _) => event.id.clone(),
            (Items::List(_), Some(group), None) if !group.is_empty() => group.clone(),
            (Items::List(_), _, _) => named(&function.name),
        };
        Put {
            bucket: function.returns_into(),
            key,
            content_type: value.content_type,
            payload: value.payload,
            group: None,
            meta: None,
        }
    }

    /// Lets go of everything a finished invocation held.
    fn done(&mut self, cx: &mut Cx<'_>, pending: &Pending) {
        if !self.is_running() {
            return;
        }
        self.let_go_items(cx, &pending.items);
        for at in &pending.puts {
            self.objects.release_if_unused(*at, true, cx.effects);
        }
        for put in &pending.held {
            discard(&put.payload, cx.effects);
        }
        self.deactivate(cx.compiled.component_of(pending.function));
    }

    fn failed(&mut self, cx: &mut Cx<'_>, seq: u32, mut pending: Pending, failure: Failure) {
        for put in pending.held.drain(..) {
            discard(&put.payload, cx.effects);
        }
        if !self.is_running() {
            return;
        }
        let policy = &cx.compiled.program.functions[pending.function.index()].retry;
        let again = failure.kind.is_retryable() && pending.attempt.0 < policy.attempts;
        let due_ms = again.then(|| cx.now_ms.saturating_add(self.delay_ms(policy, seq, pending.attempt)));
        let entry = HistoryKind::AttemptFailed {
            invocation: seq,
            attempt: pending.attempt,
            failure: Box::new(failure.clone()),
            retry_ms: due_ms,
        };
        self.record(cx, entry);
        match due_ms {
            Some(due_ms) => {
                pending.state = PendingState::Waiting { due_ms };
                cx.timers.update(self.entity(), TimerId::Retry(seq), None, Some(due_ms));
                self.pending.insert(seq, pending);
            }
            None => self.exhausted(cx, seq, pending, failure),
        }
    }

    /// No attempt is left: a trigger handles it, a join reports it at closing, or the run fails.
    fn exhausted(&mut self, cx: &mut Cx<'_>, seq: u32, pending: Pending, failure: Failure) {
        let function = pending.function;
        self.tallies[function.index()].failed += 1;
        let problem = self.problem(cx, &pending, &failure);
        let handled = self.announce_failure(cx, seq, &pending, &problem);
        if cx.compiled.is_joined(function) {
            let keys = self.arguments(&pending.items).objects().iter().map(|object| object.key.clone()).collect();
            self.lost.push(Lost { function, keys, problem });
        } else if !handled {
            self.end(cx, super::Status::Failed, Some(problem));
        }
        self.done(cx, &pending);
    }

    fn problem(&self, cx: &Cx<'_>, pending: &Pending, failure: &Failure) -> Problem {
        let function = &cx.program().functions[pending.function.index()];
        let arguments = self.arguments(&pending.items);
        let input = match arguments.objects() {
            [one] => format!(" for key {:?}", &*one.key),
            _ => String::new(),
        };
        let attempts = match pending.attempt.0 {
            1 => "attempt 1".to_owned(),
            n => format!("{n} attempts"),
        };
        let (code, fix) = explain(failure);
        Problem {
            code,
            message: format!("function {:?} failed{input} after {attempts}: {}", &*function.name, failure.message),
            place: format!("function {}", function.name),
            fix: fix.into(),
            cause: Some(Cause {
                r#type: failure.r#type.clone(),
                message: failure.message.clone(),
                stack: failure.stack.clone(),
            }),
        }
    }

    /// Exponential backoff, with full jitter drawn from the run's seed.
    fn delay_ms(&self, policy: &RetryPolicy, seq: u32, attempt: Attempt) -> u64 {
        let factor = f64::from(policy.backoff_permille) / 1000.0;
        let delay = policy.initial_ms as f64 * factor.powi(attempt.0 as i32 - 1);
        let delay = delay.min(policy.max_ms as f64) as u64;
        if !policy.jitter || delay == 0 {
            return delay;
        }
        let mut bytes = [0u8; 16];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8..12].copy_from_slice(&seq.to_le_bytes());
        bytes[12..].copy_from_slice(&attempt.0.to_le_bytes());
        xxhash_rust::xxh3::xxh3_64(&bytes) % (delay + 1)
    }

    /// The time of another attempt has come.
    pub(crate) fn retry_due(&mut self, cx: &mut Cx<'_>, seq: u32) {
        let Some(pending) = self.pending.get_mut(&seq) else { return };
        pending.state = PendingState::Running;
        pending.attempt.0 += 1;
        self.tallies[pending.function.index()].retried += 1;
        let pending = &self.pending[&seq];
        cx.effects.push(Effect::Invoke(self.invocation(seq, pending)));
    }

    /// After a `first` has fired: cancels those that can only put what nobody waits for any more.
    pub(super) fn cancel_stragglers(&mut self, cx: &mut Cx<'_>, fired: TriggerIx) {
        if !self.triggers[fired.index()].state.is_satisfied() {
            return;
        }
        let useless: Vec<u32> =
            self.pending.iter().filter(|(_, p)| self.is_useless(cx, p.function)).map(|(seq, _)| *seq).collect();
        for seq in useless {
            let Some(pending) = self.pending.remove(&seq) else { continue };
            self.stop(cx, seq, &pending);
            self.done(cx, &pending);
        }
    }

    fn is_useless(&self, cx: &Cx<'_>, function: FunctionIx) -> bool {
        let into = &cx.program().functions[function.index()].into;
        let satisfied = |t: &TriggerIx| self.triggers[t.index()].state.is_satisfied();
        !into.is_empty()
            && into.iter().all(|bucket| {
                let listeners = cx.compiled.listeners(sluice_types::Scope::Run, *bucket);
                !listeners.is_empty()
                    && listeners.iter().all(satisfied)
                    && cx.compiled.listeners(sluice_types::Scope::App, *bucket).is_empty()
                    && !cx.program().buckets[bucket.index()].keep
                    && *bucket != sluice_types::Program::OUTPUT
            })
    }

    /// Stops one invocation, wherever it is.
    pub(super) fn stop(&mut self, cx: &mut Cx<'_>, seq: u32, pending: &Pending) {
        match pending.state {
            PendingState::Running => {
                let invocation = InvocationId { run: self.key, seq };
                cx.effects.push(Effect::Stop { invocation, attempt: pending.attempt });
            }
            PendingState::Waiting { due_ms } => {
                cx.timers.update(self.entity(), TimerId::Retry(seq), Some(due_ms), None);
            }
        }
        self.tallies[pending.function.index()].cancelled += 1;
        self.record(cx, HistoryKind::InvocationCancelled { invocation: seq });
    }
}

/// Frees what a completion brought that nobody takes.
pub(crate) fn discard_outcome(outcome: &Outcome, effects: &mut Vec<Effect>) {
    if let Outcome::Succeeded { puts, value, .. } = outcome {
        puts.iter().for_each(|put| discard(&put.payload, effects));
        value.iter().for_each(|value| discard(&value.payload, effects));
    }
}

fn explain(failure: &Failure) -> (Code, &'static str) {
    match failure.kind {
        FailureKind::Raised => (Code::FUNCTION_FAILED, "see the cause; mend the function or its input and start again"),
        FailureKind::Crashed => (Code::WORKER_CRASHED, "see the run's logs; a native library or a signal ended it"),
        FailureKind::TimedOut => {
            (Code::FUNCTION_TIMED_OUT, "raise timeout= of the function, or find out what it waits for")
        }
        FailureKind::OutOfMemory => (Code::FUNCTION_OUT_OF_MEMORY, "raise memory= of the function, or use less"),
        FailureKind::Unserialisable => (
            Code::VALUE_UNSERIALISABLE,
            "return bytes, text, a JSON value or a numpy array; encode anything else yourself",
        ),
        FailureKind::UndeclaredPut => (Code::PUT_UNDECLARED, "name the bucket in the function's into="),
        FailureKind::Conflict if failure.message.starts_with("output not repeatable") => {
            (Code::OUTPUT_NOT_REPEATABLE, "make the function deterministic, or give it visibility=\"commit\"")
        }
        FailureKind::Conflict => (Code::OUTPUT_KEY_TAKEN, "put under a key that no other invocation uses"),
        FailureKind::Protocol => (Code::WORKER_PROTOCOL, "use the worker library of this version"),
        FailureKind::Unstartable => {
            (Code::SANDBOX_UNSTARTABLE, "see the cause: the program, module or handler could not be loaded")
        }
        FailureKind::Limit => (Code::RUN_LIMIT, "stay within the limit that the message names"),
    }
}

/// Names keys, the first few of them in full.
pub(super) fn name_keys(keys: &[Arc<str>]) -> String {
    let mut named: Vec<String> = keys.iter().take(limits::KEYS_NAMED_MAX).map(|key| format!("{key:?}")).collect();
    if keys.len() > limits::KEYS_NAMED_MAX {
        named.push(format!("and {} more", keys.len() - limits::KEYS_NAMED_MAX));
    }
    named.join(", ")
}
