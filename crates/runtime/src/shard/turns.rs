//! Turns of workflows that are code.
//!
//! What a turn wants is put one after the other, and is kept here until the turn has ended: all of it is in the record of
//! the end, or none is, so an attempt that begins again after a crash does not want anything twice. A worker that has to be
//! told everything gets the journal, which is read from the run's history.

use super::Shard;
use crate::ports::{Call, Objects, Ports, Report, Sandboxes};
use rustc_hash::FxHashMap;
use sluice_engine::run::lines_of;
use sluice_engine::{HistoryKind, Run};
use sluice_flow::Line;
use sluice_types::invocation::Arguments;
use sluice_types::{
    Attempt, Failure, FailureKind, Invocation, InvocationId, Outcome, Payload, Problem, Puts, RunKey,
};

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
        let run = self.express.run(invocation.run).or_else(|| self.durable.run(invocation.run));
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
            if let Payload::Stored { id, .. } = put.payload {
                self.objects.release(id);
            }
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

    fn turn_from_journal(&self, id: InvocationId, attempt: Attempt) -> Result<Option<Call>, Problem> {
        let Some(run) = self.express.run(id.run).or_else(|| self.durable.run(id.run)) else {
            return Ok(None);
        };
        let (Some(function), Some(told)) = (run.function_of(id.seq), run.told()) else { return Ok(None) };
        if !run.is_turn(id.seq) {
            return Ok(None);
        }
        let (lines, origin) = (self.journal(run)?, run.origin());
        let journal = sluice_flow::journal(lines, origin.as_ref(), told, Some(id.seq), run.seed());
        let arguments = Arguments::List(journal);
        let invocation = Box::new(Invocation { id, attempt, function, arguments, group: None });
        let (app, version, run_id) = (run.app(), run.version(), run.id().clone());
        Ok(Some(Call { invocation, app, version, run_id }))
    }

    /// What the code of a run's workflow was told and wanted, in order, as far as a worker has to know it.
    pub(super) fn journal(&self, run: &Run) -> Result<Vec<Line>, Problem> {
        let first = run.journal_line();
        if self.express.run(run.key()).is_some() {
            let entries = run.history().skip(first as usize - 1);
            return Ok(entries.filter_map(|entry| line(entry.kind)).collect());
        }
        self.stored_journal(run.key(), first, run.history_len())
    }

    fn stored_journal(&self, key: RunKey, first: u64, last: u64) -> Result<Vec<Line>, Problem> {
        let (mut lines, mut next) = (Vec::new(), first);
        while next <= last {
            let (first, bytes) = self.chunk_at(key, next)?;
            let before = next;
            for (entry, seq) in lines_of(&bytes).zip(first..) {
                self.journal_lines_read.update(|read| read + 1);
                if seq >= before {
                    next = seq + 1;
                    lines.extend(line(entry.kind));
                }
            }
            if next == before {
                let run = self.durable.run(key).expect("a viewed run is loaded");
                return Err(super::views::lost(run, next));
            }
        }
        Ok(lines)
    }
}

fn line(kind: HistoryKind) -> Option<Line> {
    match kind {
        HistoryKind::Code(line) => Some(*line),
        _ => None,
    }
}
