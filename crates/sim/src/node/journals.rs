//! Journals of workflows that are code: they are in order. And what the workflows came to, against the naive interpreter.

use super::clients::Client;
use super::examination::{one_of, outputs};
use super::forks;
use super::sandboxes::Workers;
use super::scene::Scene;
use super::verdict::{Checker, Violation};
use crate::code::context::digest;
use crate::code::model::{End, Facts, ends};
use crate::code::plan::{NOWHERE, Plan, TOLD};
use sluice_engine::{HistoryKind, Run, Status};
use sluice_flow::{Entry, Line, News, Want};
use sluice_types::{Code, FailureKind, InvocationId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The lines of a run's journal.
pub(super) fn lines(run: &Run) -> impl Iterator<Item = Line> + '_ {
    run.history().filter_map(|entry| match entry.kind {
        HistoryKind::Code(line) => Some(*line),
        _ => None,
    })
}

/// Whether the code of a run was told that it is to end.
pub(super) fn is_cancelled(run: &Run) -> bool {
    lines(run).any(|line| matches!(line, Line::Entry(entry) if entry.news == News::Cancelled))
}

/// A reader of a journal, line by line.
#[derive(Default)]
struct Reader {
    commands: u64,
    /// What is not done: a function, or when a timer is due.
    waiting: BTreeMap<u64, Waiting>,
    /// Calls that no invocation was created for yet.
    unmade: VecDeque<(u64, String)>,
    /// Commands of the invocations, and digests of their arguments.
    made: BTreeMap<u32, (u64, String)>,
    /// Calls that ended, and that the code was not told of yet.
    untold: BTreeSet<u64>,
    /// Updates without an answer.
    asked: BTreeSet<String>,
    digests: BTreeMap<u64, String>,
    is_started: bool,
    is_cancelled: bool,
    /// The code wanted something else than it had wanted before.
    has_diverged: bool,
    end: Option<Want>,
    last_ms: u64,
}

#[derive(Debug)]
enum Waiting {
    Call(String),
    Timer(u64),
    Child,
    /// It is done at once.
    Nothing,
}

/// The journal of a run is in order: commands have numbers without a gap, each that waits is done at most once and not too
/// early, a call is made for each, and nothing goes on after the end.
pub(super) fn as_journalled(run: &Run, scene: &Scene) -> Result<(), Violation> {
    if run.told().is_none() {
        return Ok(());
    }
    let mut reader = Reader::default();
    let wrong = |message: String| Violation::new(Checker::NothingTwice, format!("{}: {message}", run.id()));
    let Some(past) = forks::inherited(run, scene) else { return Ok(()) };
    past.into_iter().try_for_each(|(_, at_ms, line)| reader.inherit(line, at_ms)).map_err(wrong)?;
    reader.unmade.retain(|(number, _)| reader.waiting.contains_key(number));
    for entry in run.history() {
        let read = match entry.kind {
            HistoryKind::Code(line) => {
                scene.cover(|coverage| coverage.check(name(&line), 1));
                reader.line(*line, entry.at_ms)
            }
            HistoryKind::InvocationCreated { invocation, .. } => reader.created(invocation),
            HistoryKind::InvocationSucceeded { invocation, .. } => reader.ended(invocation),
            HistoryKind::AttemptFailed { invocation, retry_ms: None, .. } => reader.ended(invocation),
            HistoryKind::AttemptFailed { failure, .. } => {
                reader.has_diverged |= failure.kind == FailureKind::Diverged;
                Ok(())
            }
            _ => Ok(()),
        };
        read.map_err(wrong)?;
    }
    reader.conclude(run).map_err(wrong)?;
    reader.compare_calls(run, &scene.workers.borrow()).map_err(wrong)
}

fn name(line: &Line) -> &'static str {
    match line {
        Line::Run(_) => "code: run",
        Line::Entry(entry) => match entry.news {
            News::Started => "code: start",
            News::Done(_) => "code: done",
            News::Failed(_) => "code: failed",
            News::Signal(_) => "code: signal",
            News::Cancelled => "code: cancelled",
            News::Update { .. } => "code: update",
        },
        Line::Command { want, .. } => match want {
            Want::Call(_) => "code: call",
            Want::Sleep(_) => "code: sleep",
            Want::Cancel(_) => "code: cancel",
            Want::Record(_) => "code: record",
            Want::Return => "code: return",
            Want::Fail => "code: fail",
            Want::Stopped => "code: stopped",
            Want::Checkpoint(_) => "code: checkpoint",
            Want::Child(_) => "code: child",
            Want::Put { .. } => "code: put",
            Want::Emit(_) => "code: emit",
            Want::Answer(_) => "code: answer",
            Want::Patch(_) | Want::Refuse(_) => "code: what no plan wants",
        },
    }
}

impl Reader {
    /// A line of the past of another run, where the ends of calls are no lines.
    fn inherit(&mut self, line: Line, at_ms: u64) -> Result<(), String> {
        match line {
            Line::Entry(Entry { news: News::Done(number) | News::Failed(number), at_ms, .. }) => {
                self.waiting.remove(&number);
                self.last_ms = at_ms;
                Ok(())
            }
            Line::Run(_) => Ok(()),
            line => self.line(line, at_ms),
        }
    }

    fn line(&mut self, line: Line, at_ms: u64) -> Result<(), String> {
        if let Some(end) = &self.end {
            return Err(format!("{line:?} comes after {end:?}"));
        }
        match line {
            Line::Entry(entry) => {
                if entry.at_ms < self.last_ms || (entry.news == News::Started) == self.is_started {
                    return Err(format!("{entry:?} comes after {} ms", self.last_ms));
                }
                (self.last_ms, self.is_started) = (entry.at_ms, true);
                self.entry(entry.news)
            }
            Line::Command { number, want, digest, .. } => {
                if number != self.commands {
                    return Err(format!("command {number} follows {} others", self.commands));
                }
                self.commands += 1;
                self.digests.insert(number, digest.to_string());
                self.command(number, want, at_ms)
            }
            Line::Run(_) => Err("only a journal that another run began names one".to_owned()),
        }
    }

    fn entry(&mut self, news: News) -> Result<(), String> {
        let (number, failed) = match news {
            News::Done(number) => (number, false),
            News::Failed(number) => (number, true),
            News::Cancelled if std::mem::replace(&mut self.is_cancelled, true) => {
                return Err("it is cancelled twice".to_owned());
            }
            News::Started | News::Signal(_) | News::Cancelled => return Ok(()),
            News::Update { id, .. } => {
                self.asked.insert(id.to_string());
                return Ok(());
            }
        };
        match self.waiting.remove(&number) {
            Some(Waiting::Timer(due_ms)) if !failed && self.last_ms >= due_ms => Ok(()),
            Some(Waiting::Call(name)) if name == NOWHERE && failed => Ok(()),
            Some(Waiting::Child) => Ok(()),
            Some(Waiting::Nothing) if !failed => Ok(()),
            Some(Waiting::Call(_)) if self.untold.remove(&number) => Ok(()),
            waiting => Err(format!("at {} ms {news:?}, which is {waiting:?}", self.last_ms)),
        }
    }

    fn command(&mut self, number: u64, want: Want, at_ms: u64) -> Result<(), String> {
        match want {
            Want::Call(function) => {
                let function = function.to_string();
                if function != NOWHERE {
                    self.unmade.push_back((number, function.clone()));
                }
                self.waiting.insert(number, Waiting::Call(function));
            }
            Want::Sleep(ms) => drop(self.waiting.insert(number, Waiting::Timer(at_ms + ms))),
            Want::Cancel(of) if of >= number => return Err(format!("command {number} takes back {of}")),
            Want::Cancel(of) => {
                self.waiting.remove(&of);
            }
            Want::Record(_) | Want::Checkpoint(_) => {}
            Want::Return | Want::Fail | Want::Stopped => self.end = Some(want),
            Want::Child(_) => drop(self.waiting.insert(number, Waiting::Child)),
            Want::Put { .. } | Want::Emit(_) => drop(self.waiting.insert(number, Waiting::Nothing)),
            Want::Answer(id) if self.asked.remove(&*id) => {}
            Want::Patch(_) | Want::Answer(_) | Want::Refuse(_) => {
                return Err(format!("no plan wants {want:?}"));
            }
        }
        Ok(())
    }

    fn created(&mut self, invocation: u32) -> Result<(), String> {
        let (number, function) =
            self.unmade.pop_front().ok_or_else(|| format!("nobody wants invocation {invocation}"))?;
        self.made.insert(invocation, (number, function));
        Ok(())
    }

    fn ended(&mut self, invocation: u32) -> Result<(), String> {
        let Some((number, _)) = self.made.get(&invocation) else { return Ok(()) };
        match self.waiting.contains_key(number) && self.end.is_none() && self.untold.insert(*number) {
            true => Ok(()),
            false => Err(format!("invocation {invocation} ends, for which command {number} does not wait")),
        }
    }

    fn conclude(&self, run: &Run) -> Result<(), String> {
        let fits = matches!(
            (run.status(), &self.end),
            (Status::Running, None)
                | (Status::Succeeded, Some(Want::Return))
                | (Status::Failed, Some(Want::Fail))
                | (Status::Cancelled, Some(Want::Stopped))
        );
        // Code that diverges can be told nothing any more: whoever cancels its run ends it.
        if run.status() == Status::Cancelled && self.end.is_none() && self.has_diverged {
            return Ok(());
        }
        let is_quiet = run.status() == Status::Running || run.pending().next().is_none();
        match fits && is_quiet && self.unmade.is_empty() && self.untold.is_empty() {
            true => Ok(()),
            false => Err(format!(
                "it is {:?}, its code came to {:?}; not made: {:?}, not told: {:?}, pending: {}",
                run.status(),
                self.end,
                self.unmade,
                self.untold,
                run.pending().count()
            )),
        }
    }

    /// Calls came to their functions with what the code gave, and the code was told what they returned.
    fn compare_calls(&self, run: &Run, workers: &Workers) -> Result<(), String> {
        for (invocation, (number, function)) in &self.made {
            let id = InvocationId { run: run.key(), seq: *invocation };
            let Some(call) = workers.calls.get(&id).filter(|_| !workers.is_provisional(id)) else { continue };
            let (key, bytes) = call.objects.first().ok_or_else(|| format!("{id} is called with nothing"))?;
            if *key != format!("{function}-{number}") || self.digests[number] != digest(bytes) {
                return Err(format!("{id} gets {key:?}, digest {}, for command {number}", digest(bytes)));
            }
        }
        Ok(())
    }
}

/// A workflow that is code ended as it may.
pub(super) fn as_thought(
    run: &Run,
    client: &Client,
    clients: &[Client],
    codes: &BTreeMap<&'static str, Plan>,
    scene: &Scene,
) -> Result<(), Violation> {
    let Some((workflow, input)) = &client.workflow else { return Ok(()) };
    // What happened to the runs whose past it has, happened to it.
    let ids: Vec<&str> = client.ancestors.iter().map(String::as_str).chain([&*client.id]).collect();
    let mut own = clients.iter().filter(|client| ids.contains(&&*client.id));
    let mut facts = Facts { is_cancelled: own.any(Client::asked_to_cancel), ..Facts::default() };
    for (name, number) in ids.iter().flat_map(|id| clients.iter().flat_map(|client| client.signals_to(id))) {
        facts.signals.entry(name.to_owned()).or_default().insert(number);
    }
    let code = &codes[workflow];
    if code.tells() {
        facts.signals.entry(TOLD.to_owned()).or_default().insert(0);
    }
    let n = input["n"].as_i64().unwrap_or_default();
    let Some(ends) = ends(code, n, &facts) else {
        scene.cover(|coverage| coverage.check("code with too many ends", 1));
        return Ok(());
    };
    let count = if ends.len() == 1 { "code with one end" } else { "code with several ends" };
    scene.cover(|coverage| coverage.check(count, 1));
    one_of(run, workflow, end(run, scene), ends)
}

fn end(run: &Run, scene: &Scene) -> Option<End> {
    match run.status() {
        Status::Succeeded => {
            let (_, bytes) = outputs(scene, run).pop_first()?;
            Some(End::Returned(std::str::from_utf8(&bytes).ok()?.parse().ok()?))
        }
        Status::Failed => {
            let problem = run.error().filter(|problem| problem.code == Code::WORKFLOW_FAILED)?;
            Some(End::Raised(problem.cause.as_ref()?.r#type.clone()))
        }
        Status::Cancelled => Some(End::Stopped),
        Status::Running => None,
    }
}
