//! What each record of the log must add to the journals of workflows that are code: what it brings, and nothing else.

use super::journals::lines;
use super::scene::Scene;
use super::verdict::{Checker, Violation};
use crate::behaviour::inline;
use bytes::Bytes;
use sluice_engine::run::{Pending, PendingState};
use sluice_engine::{InputKind, Run, Status};
use sluice_flow::{Line, News, Want};
use sluice_types::invocation::Emission;
use sluice_types::{Attempt, EventPack, Failure, FailureKind, InvocationId, Outcome, Put, RunKey};

/// What a record may change in a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Journal {
    commands: Vec<String>,
    /// Names and data.
    signals: Vec<(String, Bytes)>,
    is_cancelled: bool,
    is_over: bool,
}

impl Journal {
    /// The journal of a run, if code says what is done in it.
    fn of(run: &Run) -> Option<Self> {
        run.told()?;
        let mut journal = Self { is_over: run.status() != Status::Running, ..Self::default() };
        for line in lines(run) {
            match line {
                Line::Command { want, digest, .. } => {
                    journal.is_over |= matches!(want, Want::Return | Want::Fail | Want::Stopped);
                    journal.commands.push(format!("{digest} {want}"));
                }
                Line::Entry(entry) => match entry.news {
                    News::Signal(name) => {
                        let data = entry.value.and_then(|value| inline(&value.payload).cloned());
                        journal.signals.push((name.to_string(), data.unwrap_or_default()));
                    }
                    News::Cancelled => journal.is_cancelled = true,
                    _ => {}
                },
                Line::Run(_) => {}
            }
        }
        Some(journal)
    }

    /// A turn has ended with these commands.
    fn want(&mut self, puts: &[Box<Put>]) {
        self.commands.extend(puts.iter().map(|put| put.key.to_string()));
        let ends = ["return", "fail", "stopped"];
        self.is_over |= self.commands.last().is_some_and(|key| ends.iter().any(|end| key.ends_with(end)));
        // What the code emits it hears itself.
        let emits = puts.iter().filter_map(|put| put.key.split_once(" emit "));
        let heard = emits.map(|(_, name)| (name.to_owned(), Bytes::new()));
        self.signals.extend(heard.filter(|_| !self.is_over));
    }

    /// A function that the code called has emitted these events: they are signals, too.
    fn hear(&mut self, emits: &[Emission]) {
        let signal = |emission: &Emission| (emission.r#type.to_string(), emission.data.clone());
        self.signals.extend(emits.iter().map(signal).filter(|_| !self.is_over));
    }
}

fn cannot_go_on(run: &Run) -> bool {
    let diverged = |failure: &Failure| failure.kind == FailureKind::Diverged;
    run.pending().any(|(seq, of)| run.is_turn(seq) && of.failure.as_deref().is_some_and(diverged))
}

/// What journals must be after the record at hand.
#[derive(Default)]
pub(super) struct Clerk {
    expected: Vec<(RunKey, Journal)>,
}

impl Clerk {
    /// Before a record is applied.
    pub fn before<'a>(&mut self, kind: &InputKind, run: impl Fn(RunKey) -> Option<&'a Run>, scene: &Scene) {
        match kind {
            InputKind::Events { events, runs, .. } => {
                runs.iter().filter_map(|key| run(*key)).for_each(|run| self.events(run, events, scene));
            }
            InputKind::Cancel { run: key, .. } => {
                let Some(run) = run(*key) else { return };
                if let Some(mut journal) = Journal::of(run) {
                    // Code that diverges can be told nothing: its run ends.
                    match cannot_go_on(run) {
                        true => journal.is_over = true,
                        false => journal.is_cancelled |= !journal.is_over,
                    }
                    self.expected.push((*key, journal));
                }
            }
            InputKind::Completed { invocation, attempt, outcome: Outcome::Succeeded { puts, emits, .. } } => {
                if let Some((run, journal)) =
                    run(invocation.run).and_then(|run| Some((run, Journal::of(run)?)))
                {
                    self.completed(run, journal, (*invocation, *attempt), puts, emits);
                }
            }
            _ => {}
        }
    }

    /// Events arrive. Those addressed to the run are signals.
    fn events(&mut self, run: &Run, events: &EventPack, scene: &Scene) {
        let heard = events.iter().filter(|event| event.head.run.as_ref().is_some_and(|id| id == run.id()));
        let heard = heard.map(|event| (event.head.r#type.to_string(), Bytes::copy_from_slice(event.data)));
        if run.is_delegated() {
            let turns = &mut scene.workers.borrow_mut().turns;
            heard.for_each(|signal| turns.note_logged(run.key(), signal));
        } else if let Some(mut journal) = Journal::of(run) {
            journal.signals.extend(heard.filter(|_| !journal.is_over));
            self.expected.push((run.key(), journal));
        }
    }

    /// An attempt succeeded. If it is not the current one it adds nothing.
    fn completed(
        &mut self,
        run: &Run,
        mut journal: Journal,
        (invocation, attempt): (InvocationId, Attempt),
        puts: &[Box<Put>],
        emits: &[Emission],
    ) {
        let is_current = |(seq, pending): (u32, &Pending)| {
            let is_running = pending.state == PendingState::Running;
            seq == invocation.seq && pending.attempt == attempt && is_running
        };
        if run.pending().any(is_current) {
            match run.is_turn(invocation.seq) {
                true => {
                    let again = run.code_execution().map_or(0, |execution| execution.again().len());
                    journal.want(&puts[again..]);
                }
                false => journal.hear(emits),
            }
        }
        self.expected.push((run.key(), journal));
    }

    /// After it was applied.
    pub fn after<'a>(
        &mut self,
        run: impl Fn(RunKey) -> Option<&'a Run>,
        scene: &Scene,
    ) -> Result<(), Violation> {
        for (key, expected) in self.expected.drain(..) {
            let Some((run, journal)) = run(key).and_then(|run| Some((run, Journal::of(run)?))) else {
                continue;
            };
            scene.cover(|coverage| coverage.check("records that add to journals", 1));
            if journal != expected {
                let message =
                    format!("{}: its journal has {journal:?}, and should have {expected:?}", run.id());
                return Err(Violation::new(Checker::NothingLost, message));
            }
        }
        Ok(())
    }
}
