//! Failed attempts: retries, and what happens when none is left.

use super::pending::{Pending, PendingState};
use super::put::discard;
use super::{Cx, HistoryKind, Lost, Part, Run, Status};
use crate::timers::TimerId;
use sluice_types::problem::Cause;
use sluice_types::{Attempt, Code, Failure, FailureKind, Problem, RetryPolicy, limits};
use std::sync::Arc;

impl Run {
    /// An attempt failed; `pending` has been taken out of the table.
    pub(super) fn failed(&mut self, cx: &mut Cx<'_>, seq: u32, mut pending: Pending, failure: Failure) {
        pending.held.drain(..).for_each(|put| discard(&put.payload, cx.effects));
        let policy = self.retry_policy(cx, &pending);
        let again = failure.kind.is_retryable()
            && match pending.part {
                None | Some(Part::Call(_) | Part::Node { .. }) => pending.attempt.0 < policy.attempts,
                // Its state machine says whether it is tried again.
                Some(Part::Task(_)) => false,
                // Nothing but its code can say how a workflow ends.
                Some(Part::Turn) => true,
            };
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
                pending.failure = Some(Box::new(failure));
                cx.timers.update(self.entity(), TimerId::Retry(seq), None, Some(due_ms));
                self.pending.insert(seq, pending);
            }
            None => self.exhausted(cx, seq, pending, failure),
        }
    }

    /// What happens after a failed attempt: what its task says, else what its function does.
    fn retry_policy<'c>(&self, cx: &Cx<'c>, pending: &Pending) -> &'c RetryPolicy {
        let task = match (pending.part, self.workflow.as_deref()) {
            (Some(Part::Node { task, .. }), Some(start)) => cx.compiled.task(start.workflow, task),
            _ => None,
        };
        let own = task.and_then(|task| task.retry.as_deref());
        own.unwrap_or(&cx.compiled.program.functions[pending.function.index()].retry)
    }

    /// No attempt is left: a trigger handles it, a join reports it at closing, or the run fails.
    pub(super) fn exhausted(&mut self, cx: &mut Cx<'_>, seq: u32, pending: Pending, failure: Failure) {
        let function = pending.function;
        self.tallies[function.index()].failed += 1;
        if let Some(part) = pending.part {
            self.break_streams(cx, &pending, &failure.message);
            self.done(cx, &pending);
            return self.part_failed(cx, part, &pending, &failure);
        }
        let problem = self.problem(cx, &pending, &failure);
        let handled = self.announce_failure(cx, seq, &pending, &problem);
        let cause = problem.message.clone();
        if cx.compiled.is_joined(function) {
            let keys = self.keys(&pending.items);
            self.lost.push(Lost { function, keys, problem });
        } else if !handled {
            self.end(cx, Status::Failed, Some(problem));
        }
        self.break_streams(cx, &pending, &cause);
        self.done(cx, &pending);
    }

    fn problem(&self, cx: &Cx<'_>, pending: &Pending, failure: &Failure) -> Problem {
        let function = &cx.program().functions[pending.function.index()];
        let input = match self.keys(&pending.items).as_slice() {
            [one] => format!(" for key {:?}", &**one),
            _ => String::new(),
        };
        let attempts = match pending.attempt.0 {
            1 => "attempt 1".to_owned(),
            n => format!("{n} attempts"),
        };
        let (code, fix) = explain(failure);
        Problem {
            code,
            message: format!(
                "function {:?} failed{input} after {attempts}: {}",
                &*function.name, failure.message
            ),
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
    pub(super) fn retry(&mut self, cx: &mut Cx<'_>, seq: u32) {
        let pending = self.pending.get_mut(seq).expect("a run awaits only what is pending");
        pending.state = PendingState::Running;
        pending.attempt.0 += 1;
        self.tallies[pending.function.index()].retried += 1;
        self.begin_attempt(cx, seq);
    }
}

/// The name of a failure for those who catch it by name.
pub(super) fn name_of(failure: &Failure) -> &str {
    match failure.kind {
        FailureKind::TimedOut => "States.Timeout",
        _ => &failure.r#type,
    }
}

pub(super) fn explain(failure: &Failure) -> (Code, &'static str) {
    match failure.kind {
        FailureKind::Raised => {
            (Code::FUNCTION_FAILED, "see the cause; mend the function or its input and start again")
        }
        FailureKind::Crashed => {
            (Code::WORKER_CRASHED, "see the run's logs; a native library or a signal ended it")
        }
        FailureKind::TimedOut => {
            (Code::FUNCTION_TIMED_OUT, "raise timeout= of the function, or find out what it waits for")
        }
        FailureKind::OutOfMemory => {
            (Code::FUNCTION_OUT_OF_MEMORY, "raise memory= of the function, or use less")
        }
        FailureKind::Unserialisable => (
            Code::VALUE_UNSERIALISABLE,
            "return bytes, text, a JSON value or a numpy array; encode anything else yourself",
        ),
        FailureKind::UndeclaredPut => (Code::PUT_UNDECLARED, "name the bucket in the function's into="),
        FailureKind::Conflict if failure.r#type == "OutputNotRepeatable" => {
            (Code::OUTPUT_NOT_REPEATABLE, "make the function deterministic, or give it visibility=\"commit\"")
        }
        FailureKind::Conflict => (Code::OUTPUT_KEY_TAKEN, "put under a key that no other invocation uses"),
        FailureKind::Diverged => (
            Code::WORKFLOW_DIVERGED,
            "use ctx.now, ctx.random and ctx.record for what differs from one time to the next; after a change of the \
             code, see ctx.patched",
        ),
        FailureKind::Protocol | FailureKind::Cold => {
            (Code::WORKER_PROTOCOL, "use the worker library of this version")
        }
        FailureKind::Unstartable => {
            (Code::SANDBOX_UNSTARTABLE, "see the cause: the program, module or handler could not be loaded")
        }
        FailureKind::Limit => (Code::RUN_LIMIT, "stay within the limit that the message names"),
    }
}

/// Names keys, the first few of them in full.
pub(super) fn name_keys(keys: &[Arc<str>]) -> String {
    let mut named: Vec<String> =
        keys.iter().take(limits::KEYS_NAMED_MAX).map(|key| format!("{key:?}")).collect();
    if keys.len() > limits::KEYS_NAMED_MAX {
        named.push(format!("and {} more", keys.len() - limits::KEYS_NAMED_MAX));
    }
    named.join(", ")
}
