//! What sandboxes report becomes inputs.

use super::saves::stored;
use super::{Shard, flights};
use crate::api::LogLine;
use crate::ports::{Objects, Ports, Report, Sandboxes};
use sluice_engine::InputKind;
use sluice_storage::log::Priority;
use sluice_types::{
    Attempt, Failure, FailureKind, InvocationId, ObjectId, Outcome, Payload, Problem, Put, Visibility, limits,
};

impl<P: Ports> Shard<P> {
    /// Takes in what happened in the sandboxes. Attempts that end at once report while others are taken in: a chain
    /// of short calls runs to its end here, without a turn per hop.
    pub(super) fn take_reports(&mut self) {
        self.take_saved();
        self.sandboxes.poll(&mut self.objects, &mut self.reports);
        let mut taken = Vec::new();
        while !self.reports.is_empty() {
            std::mem::swap(&mut self.reports, &mut taken);
            for report in taken.drain(..) {
                self.report(report);
            }
            if self.log.buffered_bytes() > COMMIT_BYTES {
                return;
            }
        }
    }

    /// Takes in a report, unless it has to wait. Nearly none has, and those are not even moved.
    pub(super) fn report(&mut self, report: Report) {
        let Some(mut report) = self.gather(report) else { return };
        self.bring_in(&mut report);
        if !self.streams.concern() && !self.saves.concern(&report) {
            self.take_in_report(report);
        } else if let Some(report) = self.saves.queue(report).and_then(|report| self.keep(report)) {
            self.take_in_report(report);
        }
    }

    /// What a workflow's task returns goes with the record, so that the workflow can look at it; so does what code says
    /// that it has failed with.
    fn bring_in(&mut self, report: &mut Report) {
        let Report::Completed { invocation, outcome, .. } = report else { return };
        let Outcome::Succeeded { value, puts, .. } = outcome else { return };
        let error = puts.iter_mut().rfind(|put| put.key.ends_with(" fail")).map(|put| &mut put.payload);
        for payload in value.iter_mut().map(|value| &mut value.payload).chain(error) {
            let Payload::Stored { id, len, .. } = *payload else { continue };
            let run = self.executed(invocation.run);
            let looks =
                run.is_some_and(|run| run.answers_to_steps(invocation.seq) || run.is_turn(invocation.seq));
            if len > limits::WORKFLOW_VALUE_BYTES_MAX || !looks {
                continue;
            }
            // What cannot be read stays as it is, and the workflow says that it cannot be handed over.
            if let Ok(bytes) = self.objects.read(payload) {
                *payload = Payload::Inline(bytes::Bytes::copy_from_slice(&bytes));
                self.objects.release(id);
            }
        }
    }

    fn take_in_report(&mut self, report: Report) {
        match report {
            Report::Started { invocation, attempt } => self.flights.started(invocation, attempt),
            Report::Passed { invocation, attempt } => self.pass_on(invocation, attempt),
            Report::Log { invocation, attempt, stream, bytes } => {
                self.log_line(invocation, attempt, stream, &bytes)
            }
            Report::Put { invocation, attempt, put } => self.put_by(invocation, attempt, put),
            Report::Opened { invocation, attempt, put } => self.opened(invocation, attempt, put),
            Report::Closed { invocation, attempt, put } => self.closed(invocation, attempt, put),
            Report::Completed { invocation, attempt, outcome } => {
                self.completed(invocation, attempt, outcome)
            }
        }
    }

    fn put_by(&mut self, invocation: InvocationId, attempt: Attempt, mut put: Put) {
        let express = self.express.run(invocation.run).is_some();
        if let Err(problem) = self.make_comparable(invocation, &mut put) {
            return self.fail_attempt(invocation, attempt, stored(&put.payload), &problem);
        }
        let kind = InputKind::Output { invocation, attempt, put };
        match express {
            true => self.apply_express(kind),
            false => drop(self.submit(kind, Priority::Progress)),
        }
    }

    /// A put that repeats another is compared with it by digest. One that does not is passed on unread, whatever its size.
    pub(super) fn make_comparable(&mut self, invocation: InvocationId, put: &mut Put) -> Result<(), Problem> {
        let Some(run) = self.express.run(invocation.run) else { return Ok(()) };
        let function =
            run.function_of(invocation.seq).map(|function| &run.program().functions[function.index()]);
        let is_held = function.is_some_and(|function| function.visibility == Visibility::Commit);
        let before = run.object(put.bucket, &put.key).filter(|slot| !slot.released);
        let before = before.map(|slot| slot.object.payload.clone());
        if is_held || before.is_some() {
            self.objects.digest(&mut put.payload)?;
        }
        if let Some(mut before @ Payload::Stored { digest: None, .. }) = before {
            self.objects.digest(&mut before)?;
            self.express.learn_payload(invocation.run, put.bucket, &put.key, before);
        }
        Ok(())
    }

    pub(super) fn completed(&mut self, invocation: InvocationId, attempt: Attempt, outcome: Outcome) {
        self.flights.landed(invocation, attempt);
        if self.is_check(invocation, attempt, &outcome) || self.is_question(invocation, &outcome) {
            return;
        }
        if Self::is_cold(&outcome) {
            return self.tell_everything(invocation, attempt);
        }
        if matches!(outcome, Outcome::Failed(_)) {
            self.stats.attempts_failed += 1;
        }
        let Some(outcome) = self.stood_in(invocation, attempt, outcome) else { return };
        if self.express.run(invocation.run).is_some() {
            return self.apply_express(InputKind::Completed { invocation, attempt, outcome });
        }
        let _ = self.submit(InputKind::Completed { invocation, attempt, outcome }, Priority::Progress);
    }

    /// What an attempt `brought` cannot be kept: it has failed, whatever it does from now on.
    pub(super) fn fail_attempt(
        &mut self,
        invocation: InvocationId,
        attempt: Attempt,
        brought: impl IntoIterator<Item = ObjectId>,
        problem: &Problem,
    ) {
        brought.into_iter().for_each(|id| self.objects.release(id));
        self.sandboxes.stop(invocation, attempt);
        self.completed(invocation, attempt, Outcome::Failed(unkept(problem)));
    }

    fn log_line(&mut self, invocation: InvocationId, attempt: Attempt, stream: &'static str, bytes: &[u8]) {
        let at_ms = self.now();
        let run = self.executed(invocation.run);
        let function =
            run.and_then(|run| Some(&run.program().functions[run.function_of(invocation.seq)?.index()]));
        let Some(function) = function.map(|function| function.name.clone()) else { return };
        let line = LogLine {
            at_ms,
            function,
            invocation: invocation.seq,
            attempt: attempt.0,
            stream: flights::stream(stream),
            text: flights::text(bytes),
        };
        self.flights.log(invocation.run, line);
    }
}

/// Bytes logged in one go before they are made durable.
pub(super) const COMMIT_BYTES: usize = 8 * 1024 * 1024;

fn unkept(problem: &Problem) -> Failure {
    Failure {
        kind: FailureKind::Crashed,
        r#type: problem.code.to_string(),
        message: format!("its output could not be kept: {}", problem.message),
        stack: String::new(),
    }
}
