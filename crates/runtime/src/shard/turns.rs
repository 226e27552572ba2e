//! Turns of workflows that are code.
//!
//! What a turn wants is put one after the other, and is kept here until the turn has ended: all of it is in the record of
//! the end, or none is, so an attempt that begins again after a crash does not want anything twice. A worker that has to be
//! told everything gets the journal, which is read from the run's history.

use super::Shard;
use crate::ports::{Call, Ports, Report, Sandboxes};
use rustc_hash::FxHashMap;
use sluice_engine::HistoryKind;
use sluice_flow::Line;
use sluice_types::invocation::Arguments;
use sluice_types::{Attempt, Failure, FailureKind, Invocation, InvocationId, Outcome, Problem, Puts, RunKey};
use std::ops::ControlFlow;

/// What turns want that have not ended.
pub(super) type Wanted = FxHashMap<(InvocationId, Attempt), Puts>;

impl<P: Ports> Shard<P> {
    /// Keeps what a turn wants until its end, which brings it along. Any other report is given back as it is.
    pub(super) fn gather(&mut self, report: Report) -> Option<Report> {
        match report {
            Report::Put { invocation, attempt, put } if self.takes_turn(invocation, attempt) => {
                self.wanted.entry((invocation, attempt)).or_default().push(Box::new(put));
                None
            }
            Report::Completed { invocation, attempt, outcome } if !self.wanted.is_empty() => {
                let outcome = self.bring_along(invocation, attempt, outcome);
                Some(Report::Completed { invocation, attempt, outcome })
            }
            report => Some(report),
        }
    }

    fn takes_turn(&self, invocation: InvocationId, attempt: Attempt) -> bool {
        let run = self.executed(invocation.run);
        run.is_some_and(|run| run.takes_turn(invocation.seq, attempt))
    }

    fn bring_along(&mut self, invocation: InvocationId, attempt: Attempt, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Succeeded { puts, value, emits } => {
                let mut wanted = self.wanted.remove(&(invocation, attempt)).unwrap_or_default();
                wanted.extend(puts);
                Outcome::Succeeded { puts: wanted, value, emits }
            }
            outcome => {
                self.forget_wanted(invocation, attempt);
                outcome
            }
        }
    }

    /// An attempt at a turn is over, and not because it has succeeded.
    pub(super) fn forget_wanted(&mut self, invocation: InvocationId, attempt: Attempt) {
        for put in self.wanted.remove(&(invocation, attempt)).into_iter().flatten() {
            self.release(&put.payload);
        }
    }

    /// Whether an attempt ended only because its worker does not have the workflow.
    pub(super) fn is_cold(outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Failed(Failure { kind: FailureKind::Cold, .. }))
    }

    /// Begins the attempt at a turn again, with everything that the code was told since its start, or its last checkpoint.
    pub(super) fn tell_everything(&mut self, id: InvocationId, attempt: Attempt) {
        match self.turn_from_journal(id, attempt) {
            Ok(Some(call)) => {
                self.sandboxes.start(call, &mut self.objects, &mut self.reports);
                self.flights.launched(id, attempt);
            }
            // The turn is not awaited any more.
            Ok(None) => {}
            Err(problem) => {
                let message = format!("the workflow's journal cannot be read: {}", problem.message);
                let kind = FailureKind::Crashed;
                let r#type = problem.code.to_string();
                let failure = Failure { kind, r#type, message, stack: String::new() };
                self.completed(id, attempt, Outcome::Failed(failure));
            }
        }
    }

    fn turn_from_journal(&mut self, id: InvocationId, attempt: Attempt) -> Result<Option<Call>, Problem> {
        let Some(run) = self.executed(id.run) else {
            return Ok(None);
        };
        let (Some(function), Some(told)) = (run.function_of(id.seq), run.told()) else { return Ok(None) };
        if !run.is_turn(id.seq) {
            return Ok(None);
        }
        let (app, version, run_id, seed) = (run.app(), run.version(), run.id().clone(), run.seed());
        let again = run.code_execution().map(|execution| execution.again().clone()).unwrap_or_default();
        let origin = run.origin();
        let lines = self.journal(id.run)?;
        let journal = sluice_flow::retold(lines, origin.as_ref(), told, &again, Some(id.seq), seed);
        let arguments = Arguments::List(journal);
        let invocation = Box::new(Invocation { id, attempt, function, arguments, group: None });
        Ok(Some(Call { invocation, app, version, run_id }))
    }

    /// What the code of a run's workflow was told and wanted, in order, as far as a worker has to know it.
    pub(super) fn journal(&mut self, key: RunKey) -> Result<Vec<Line>, Problem> {
        if let Some(run) = self.express.run(key) {
            let entries = run.history().skip(run.journal_line() as usize - 1);
            return Ok(entries.filter_map(|entry| line(entry.kind)).collect());
        }
        let first = self.durable.run(key).expect("a viewed run is loaded").journal_line();
        let mut lines: Vec<Line> = match first {
            1 => self.inherited(key)?.into_iter().map(|(.., line)| line).collect(),
            // What was before the checkpoint was in the past of another run, too.
            _ => Vec::new(),
        };
        self.read_history(key, first, |_, entry| {
            lines.extend(line(entry.kind));
            ControlFlow::Continue(())
        })?;
        Ok(lines)
    }
}

fn line(kind: HistoryKind) -> Option<Line> {
    match kind {
        HistoryKind::Code(line) => Some(*line),
        _ => None,
    }
}
