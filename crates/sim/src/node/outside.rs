//! The world outside of the node that workflows call: it ends errands, gives callbacks, and works on activities. It is
//! slow, repeats itself, loses what it was given, and goes on when the node is gone.

use super::callees::Errand;
use super::desk::{Ending, Heard};
use super::mutant::Mutant;
use super::scene::Scene;
use super::verdict::{Checker, Violation};
use crate::states::tasks::outcome;
use sluice_asl::execution::{Event, TaskId};
use sluice_expression::Value;
use sluice_runtime::Command;
use sluice_runtime::api::ActivityTask;
use sluice_runtime::callees::TaskRef;
use sluice_runtime::handle::TokenEvent;
use sluice_types::{Code, RunKey};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Workers that ask for tasks at once.
const WORKERS: usize = 2;
/// How long a report is repeated after a problem that passes, in milliseconds.
const PATIENCE_MS: u64 = 15;

/// What is to be said.
#[derive(Clone, Debug)]
enum Word {
    /// How an errand ended, or that it was taken.
    Report(TaskRef, Event),
    /// By the holder of a token.
    ByToken(Arc<str>, TokenEvent),
}

/// Something that is to be said until it was heard.
#[derive(Debug)]
struct Job {
    due_ms: u64,
    word: Word,
    ticket: Option<u64>,
    /// It is said for the second time.
    again: bool,
}

/// Names a task in all lives of its run.
type TaskName = (RunKey, u32, TaskId);

/// Everybody outside.
#[derive(Debug, Default)]
pub(super) struct Outside {
    jobs: Vec<Job>,
    /// Requests for a task of the activity.
    asking: Vec<u64>,
    /// Errands whose first report the node has accepted.
    accepted: BTreeSet<TaskName>,
    /// The errand that a run asked for last.
    latest: BTreeMap<RunKey, Errand>,
}

impl Outside {
    /// When something is to be said next, in milliseconds since the Unix epoch.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.jobs.iter().filter(|job| job.ticket.is_none()).map(|job| job.due_ms).min()
    }

    /// Whether nothing is left to be said.
    pub fn is_silent(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Takes what the node asks for, and says what it is time to say.
    pub fn requests(&mut self, scene: &Scene) -> Vec<Command> {
        for errand in scene.callees.take_errands() {
            self.take_errand(errand, scene);
        }
        for errand in scene.callees.take_callbacks() {
            self.promise_callback(&errand, scene);
        }
        let desk = &mut *scene.desk.borrow_mut();
        let mut commands = Vec::new();
        for job in &mut self.jobs {
            if job.ticket.is_some() || job.due_ms > scene.now_ms() {
                continue;
            }
            if job.again && scene.mutant == Some(Mutant::MisdirectedReport) {
                misdirect(&mut job.word, &self.latest);
            }
            scene.tell(|| format!("  outside: {:?}", job.word));
            let (ticket, answer) = desk.ask(None);
            job.ticket = Some(ticket);
            commands.push(match job.word.clone() {
                Word::Report(task, event) => Command::Report { task, event, answer },
                Word::ByToken(token, event) => {
                    Command::ReportByToken { token: token.to_string(), event, answer }
                }
            });
        }
        if self.asking.len() < WORKERS {
            let (ticket, answer) = desk.ask(None);
            self.asking.push(ticket);
            let activity = super::apps::ACTIVITY.to_owned();
            commands.push(Command::AskForTask { activity, worker: Some("worker".to_owned()), answer });
        }
        commands
    }

    fn later(&mut self, scene: &Scene, word: Word) {
        let due_ms = scene.now_ms() + scene.below(60) as u64;
        // Of few reports a repetition does harm.
        let often = if scene.mutant == Some(Mutant::MisdirectedReport) { 600 } else { 60 };
        if scene.fault("report made twice", often) {
            let due_ms = due_ms + scene.below(60) as u64;
            self.jobs.push(Job { due_ms, word: word.clone(), ticket: None, again: true });
        }
        self.jobs.push(Job { due_ms, word, ticket: None, again: false });
    }

    fn take_errand(&mut self, errand: Errand, scene: &Scene) {
        let TaskRef { run, incarnation, task, .. } = errand.task;
        scene.tell(|| format!("  errand {run} {incarnation} {}", task.0));
        scene.cover(|coverage| coverage.check("errands", 1));
        if self.accepted.contains(&(run, incarnation, task)) {
            let message =
                format!("task {} of {run} is asked for again after its report was accepted", task.0);
            return scene.complain(Checker::NothingTwice, message);
        }
        self.latest.insert(run, errand.clone());
        let event = match &errand.request.token {
            Some(_) => Event::Succeeded { task, output: Value::Null },
            None => match outcome(&arguments(errand.request.input())) {
                Ok(number) => Event::Succeeded { task, output: Value::Int(number) },
                Err(error) => {
                    let (error, cause) = (error.into(), "on purpose".into());
                    Event::Failed { task, error, cause, timed_out: false }
                }
            },
        };
        self.later(scene, Word::Report(errand.task, event));
        self.promise_callback(&errand, scene);
    }

    /// Whoever has the token gives it back.
    fn promise_callback(&mut self, errand: &Errand, scene: &Scene) {
        let Some(token) = &errand.request.token else { return };
        self.work(token, &arguments(errand.request.input()), scene);
    }

    fn work(&mut self, token: &Arc<str>, arguments: &serde_json::Value, scene: &Scene) {
        if scene.chance(300) {
            self.later(scene, Word::ByToken(token.clone(), TokenEvent::Heartbeat));
        }
        let event = match outcome(arguments) {
            Ok(number) => TokenEvent::Succeeded(Value::Int(number)),
            Err(error) => TokenEvent::Failed { error: error.into(), cause: "on purpose".into() },
        };
        self.later(scene, Word::ByToken(token.clone(), event));
    }

    /// A request ended. Says whether it was one from here.
    pub fn hear(&mut self, ticket: u64, ending: &Ending, scene: &Scene) -> Result<bool, Violation> {
        if let Some(at) = self.asking.iter().position(|asking| *asking == ticket) {
            self.asking.swap_remove(at);
            if let Ending::Answered(Heard::Task(Some(given))) = ending {
                self.start(given, scene);
            }
            return Ok(true);
        }
        let Some(at) = self.jobs.iter().position(|job| job.ticket == Some(ticket)) else { return Ok(false) };
        let again = match ending {
            Ending::Gone => true,
            Ending::Refused(problem) => match problem.code {
                Code::UNKNOWN_TASK | Code::UNKNOWN_RUN => false,
                code if super::clients::is_passing(code) => true,
                code => {
                    let word = &self.jobs[at].word;
                    let message = format!("{word:?} is refused: {code} {}", problem.message);
                    return Err(Violation::new(Checker::NothingLost, message));
                }
            },
            Ending::Answered(_) => {
                self.note_accepted(at, scene);
                false
            }
        };
        match again {
            true => (self.jobs[at].ticket, self.jobs[at].due_ms) = (None, scene.now_ms() + PATIENCE_MS),
            false => drop(self.jobs.swap_remove(at)),
        }
        Ok(true)
    }

    fn note_accepted(&mut self, at: usize, scene: &Scene) {
        scene.cover(|coverage| coverage.check("reports accepted", 1));
        if let Word::Report(task, _) = self.jobs[at].word {
            self.accepted.insert((task.run, task.incarnation, task.task));
            if scene.mutant == Some(Mutant::RepeatedErrand) && scene.chance(20) {
                let latest = self.latest.get(&task.run).cloned();
                latest.into_iter().for_each(|errand| self.take_errand(errand, scene));
            }
        }
    }

    /// A worker was given a task. Some die with it.
    fn start(&mut self, given: &ActivityTask, scene: &Scene) {
        scene.cover(|coverage| coverage.check("tasks of activities", 1));
        if scene.fault("worker lost", 100) {
            return;
        }
        let arguments = serde_json::from_str(&given.input).unwrap_or_default();
        self.work(&given.token, &arguments, scene);
    }
}

fn arguments(input: &Value) -> serde_json::Value {
    serde_json::from_str(&input.to_json()).unwrap_or_default()
}

/// Makes a report one on the task that its run asked for last.
fn misdirect(word: &mut Word, latest: &BTreeMap<RunKey, Errand>) {
    let Word::Report(told, event) = word else { return };
    let Some(errand) = latest.get(&told.run) else { return };
    *told = TaskRef { from: None, ..errand.task };
    match event {
        Event::Succeeded { task, .. } | Event::Failed { task, .. } => *task = told.task,
        _ => {}
    }
}
