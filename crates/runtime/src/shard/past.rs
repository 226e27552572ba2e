//! How a run was right after a record: its stored history, folded line by line up to there. What is kept of it is no more
//! than what was under way.

use super::Shard;
use super::tasks::{task_event, task_name};
use crate::api::{AT_ITEMS_MAX, AtView, CallAt, CodeAt, FunctionView, RunView, lsn_text};
use crate::ports::Ports;
use sluice_asl::execution::{ChildId, ExecutionStep, HistoryEvent, HistoryKind as StatesKind};
use sluice_engine::run::lines_of;
use sluice_engine::{HistoryEntry, HistoryKind, Run, Status, Tally};
use sluice_flow::{Past, Want};
use sluice_types::{AppKey, Code, FunctionIx, Lsn, Problem, Program, RunKey, TaskIx, Version};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A run as the lines of its history tell it.
struct Fold {
    version: Version,
    program: Arc<Program>,
    status: Status,
    sealed: bool,
    ended_ms: Option<u64>,
    lines: u64,
    at_ms: u64,
    objects: u64,
    tallies: Vec<Tally>,
    calls: BTreeMap<u32, Made>,
    code: Past,
    states: States,
    tasks: BTreeMap<TaskIx, &'static str>,
}

/// A call that is not done.
struct Made {
    function: FunctionIx,
    failed: u32,
    next_ms: Option<u64>,
}

/// The states of a machine that are entered and not left. Events follow one another; the last that follows an entry tells
/// of the same state.
#[derive(Default)]
struct States {
    entered: BTreeMap<EventId, (Arc<str>, u64)>,
    /// Which entry an event follows.
    tips: BTreeMap<EventId, EventId>,
    is_aborted: bool,
}

type EventId = (Option<ChildId>, u64);

impl<P: Ports> Shard<P> {
    /// A run as it was right after a record.
    pub(super) fn view_at(&mut self, key: RunKey, at: Lsn) -> Result<RunView, Problem> {
        let run = self.durable.run(key).expect("a viewed run is loaded");
        let (app, first) = (run.app(), run.moves().first().map_or(run.version(), |(_, before)| *before));
        let mut fold = Fold::new(first, self.program_of(app, first));
        for (lsn, at_ms, line) in self.inherited(key)? {
            fold.code.add(lsn, at_ms, &line);
        }
        let (mut first, mut last) = (None, Lsn(0));
        self.read_history(key, 1, |_, entry| {
            (first, last) = (first.or(Some(entry.lsn)), entry.lsn);
            match entry.kind {
                _ if entry.lsn > at => {}
                HistoryKind::Moved { to, .. } => fold.moved(to, self.program_of(app, to)),
                _ => fold.add(&entry),
            }
            // What is the last record is only known at the end, but that there is one beyond is enough.
            if entry.lsn > at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let run = self.durable.run(key).expect("a viewed run is loaded");
        if first.is_none_or(|first| at < first) || at > last {
            return Err(no_such_record(run, at));
        }
        // Only after its last line it has the outputs that it has now.
        let now = self.view(key, fold.lines == run.history_len())?;
        let run = self.durable.run(key).expect("a viewed run is loaded");
        Ok(fold.view(now, run, at))
    }

    fn program_of(&self, app: AppKey, version: Version) -> Arc<Program> {
        let app = self.durable.app(app).expect("a run's app is there");
        app.version(version).expect("a run's versions are kept").program.clone()
    }

    /// Visits the lines of a run's history with their numbers, a stored piece at a time.
    pub(super) fn read_history(
        &self,
        key: RunKey,
        first: u64,
        mut visit: impl FnMut(u64, HistoryEntry) -> ControlFlow<()>,
    ) -> Result<(), Problem> {
        let last = self.durable.run(key).expect("a viewed run is loaded").history_len();
        let mut next = first;
        while next <= last {
            let (first, bytes) = self.chunk_at(key, next)?;
            let before = next;
            for (entry, seq) in lines_of(&bytes).zip(first..) {
                self.history_lines_read.update(|read| read + 1);
                if seq < before {
                    continue;
                }
                next = seq + 1;
                if visit(seq, entry).is_break() {
                    return Ok(());
                }
            }
            if next == before {
                let run = self.durable.run(key).expect("a viewed run is loaded");
                return Err(super::views::lost(run, next));
            }
        }
        Ok(())
    }
}

/// The run has no such record.
pub(super) fn no_such_record(run: &Run, at: Lsn) -> Problem {
    let message = format!(
        "run {:?} has no record {}: its records begin after it, or end before",
        &**run.id(),
        lsn_text(at)
    );
    let fix =
        format!("`sluice runs history {}` shows its records (lsn), from its start to its last", run.id());
    Problem::new(Code::BAD_REQUEST, message, fix)
}

impl Fold {
    fn new(version: Version, program: Arc<Program>) -> Self {
        Self {
            tallies: vec![Tally::default(); program.functions.len()],
            version,
            program,
            status: Status::Running,
            sealed: false,
            ended_ms: None,
            lines: 0,
            at_ms: 0,
            objects: 0,
            calls: BTreeMap::new(),
            code: Past::default(),
            states: States::default(),
            tasks: BTreeMap::new(),
        }
    }

    fn add(&mut self, entry: &HistoryEntry) {
        (self.lines, self.at_ms) = (self.lines + 1, entry.at_ms);
        // A run that goes on after its end was taken up again.
        if self.ended_ms.take().is_some() {
            self.status = Status::Running;
        }
        match &entry.kind {
            HistoryKind::Sealed => self.sealed = true,
            HistoryKind::ObjectPut { .. } => self.objects += 1,
            HistoryKind::InvocationCreated { invocation, function } => {
                self.tally(*function).started += 1;
                self.calls.insert(*invocation, Made { function: *function, failed: 0, next_ms: None });
            }
            HistoryKind::InvocationSucceeded { invocation, attempt } => {
                if let Some(made) = self.calls.remove(invocation) {
                    let tally = self.tally(made.function);
                    tally.succeeded += 1;
                    tally.retried += attempt.0 - 1;
                }
            }
            HistoryKind::AttemptFailed { invocation, attempt, retry_ms, .. } => {
                self.attempt_failed(*invocation, attempt.0, *retry_ms);
            }
            HistoryKind::InvocationCancelled { invocation } => {
                if let Some(made) = self.calls.remove(invocation) {
                    self.tally(made.function).cancelled += 1;
                }
            }
            HistoryKind::RunEnded => self.ended(entry.at_ms),
            HistoryKind::Workflow(event) => self.states.add(event),
            HistoryKind::Code(line) => self.code.add(entry.lsn, entry.at_ms, line),
            HistoryKind::Dag(line) => drop(self.tasks.insert(line.task, task_event(line))),
            HistoryKind::RunStarted
            | HistoryKind::TriggerFired { .. }
            | HistoryKind::PutDiscarded { .. }
            | HistoryKind::EventEmitted { .. }
            | HistoryKind::EventIgnored { .. }
            | HistoryKind::RunCalled { .. }
            | HistoryKind::Reincarnated { .. }
            // What it has moved to is looked up elsewhere.
            | HistoryKind::Moved { .. }
            | HistoryKind::ObjectOpened { .. } => {}
        }
    }

    /// The run goes on on another version, in which functions have other numbers.
    fn moved(&mut self, version: Version, program: Arc<Program>) {
        self.lines += 1;
        let old = std::mem::replace(&mut self.program, program);
        self.version = version;
        let named = |at: FunctionIx| self.program.function(&old.functions[at.index()].name);
        let mut tallies = vec![Tally::default(); self.program.functions.len()];
        for (tally, at) in self.tallies.iter().zip(0..) {
            named(FunctionIx(at)).into_iter().for_each(|at| tallies[at.index()] = *tally);
        }
        self.tallies = tallies;
        self.calls.retain(|_, made| named(made.function).map(|at| made.function = at).is_some());
    }

    fn tally(&mut self, function: FunctionIx) -> &mut Tally {
        &mut self.tallies[function.index()]
    }

    fn attempt_failed(&mut self, invocation: u32, attempt: u32, retry_ms: Option<u64>) {
        // Of the attempts at turns the code tells.
        let Some(made) = self.calls.get_mut(&invocation) else { return };
        (made.failed, made.next_ms) = (attempt, retry_ms);
        if retry_ms.is_none() {
            let made = self.calls.remove(&invocation).expect("it is there");
            let tally = self.tally(made.function);
            tally.failed += 1;
            tally.retried += attempt - 1;
        }
    }

    /// How it ended, the line does not say; what came before does, or the run itself.
    fn ended(&mut self, at_ms: u64) {
        self.ended_ms = Some(at_ms);
        self.status = if self.states.is_aborted { Status::Cancelled } else { Status::Failed };
        self.calls.clear();
    }

    fn functions(&self) -> Vec<FunctionView> {
        let declared = self.program.functions.iter().zip(0..).filter(|(function, _)| !function.takes_turns());
        let views = declared.map(|(function, at)| {
            let made = self.calls.values().filter(|made| made.function == FunctionIx(at));
            let (out, waiting): (Vec<&Made>, Vec<&Made>) = made.partition(|made| self.is_out(made));
            FunctionView {
                function: function.name.clone(),
                tally: self.tallies[usize::from(at)],
                running: out.len() as u32,
                queued: waiting.len() as u32,
            }
        });
        views.collect()
    }

    fn view(mut self, now: RunView, run: &Run, at: Lsn) -> RunView {
        let under_way = Some(Box::new(self.under_way(run, at)));
        if self.lines == run.history_len() {
            return RunView { at: under_way, ..now };
        }
        for made in self.calls.values() {
            self.tallies[made.function.index()].retried += made.failed - u32::from(!self.is_out(made));
        }
        let ended = self.ended_ms.is_some();
        RunView {
            version: self.version.0,
            status: self.status,
            sealed: self.sealed || ended,
            ended_ms: self.ended_ms,
            outputs: Vec::new(),
            error: None,
            functions: self.functions(),
            retrying: Vec::new(),
            at: under_way,
            ..now
        }
    }

    /// Whether an attempt at a call is under way, and not waited for.
    fn is_out(&self, made: &Made) -> bool {
        made.next_ms.is_none_or(|next_ms| next_ms <= self.at_ms)
    }

    fn under_way(&self, run: &Run, lsn: Lsn) -> AtView {
        let call = |(invocation, made): (&u32, &Made)| CallAt {
            invocation: *invocation,
            function: self.program.functions[made.function.index()].name.clone(),
            failed: made.failed,
            next_ms: made.next_ms.filter(|_| !self.is_out(made)),
        };
        AtView {
            lsn,
            lines: self.lines,
            at_ms: self.at_ms,
            objects: self.objects,
            calls: self.calls.iter().take(AT_ITEMS_MAX).map(call).collect(),
            code: run.has_code().then(|| code(&self.code)),
            states: self.states.entered.values().take(AT_ITEMS_MAX).cloned().collect(),
            tasks: self.tasks.iter().map(|(task, what)| (task_name(run, *task), *what)).collect(),
        }
    }
}

fn code(past: &Past) -> CodeAt {
    let end = past.end().map(Want::to_string);
    let waiting = past.waiting().filter(|_| end.is_none()).take(AT_ITEMS_MAX);
    CodeAt {
        commands: past.commands(),
        waiting: waiting
            .map(|(number, undone)| (number, undone.want.to_string(), undone.since_ms, undone.due_ms()))
            .collect(),
        news: past
            .news()
            .iter()
            .take(AT_ITEMS_MAX)
            .map(|entry| (entry.at_ms, entry.news.to_string()))
            .collect(),
        updates: past.updates(),
        end,
    }
}

impl States {
    fn add(&mut self, event: &HistoryEvent) {
        let (id, previous) = ((event.child, event.id), (event.child, event.previous));
        match &event.kind {
            StatesKind::StateEntered { name, .. } => {
                self.entered.insert(id, (name.clone(), event.at_ms));
                self.tips.insert(id, id);
            }
            StatesKind::StateExited { .. } | StatesKind::StateAborted { .. } => {
                if let Some(entry) = self.tips.get(&previous).copied() {
                    self.entered.remove(&entry);
                    self.tips.retain(|_, of| *of != entry);
                }
            }
            StatesKind::Execution(step) => self.execution(event.child, step),
            _ => {
                if let Some(entry) = self.tips.get(&previous).copied() {
                    self.tips.insert(id, entry);
                }
            }
        }
    }

    /// What an execution that has ended was in, it is in no more.
    fn execution(&mut self, child: Option<ChildId>, step: &ExecutionStep) {
        let is_of = |id: &EventId| child.is_none() || id.0 == child;
        if !matches!(step, ExecutionStep::Started { .. } | ExecutionStep::Redriven { .. }) {
            self.entered.retain(|id, _| !is_of(id));
            self.tips.retain(|id, _| !is_of(id));
        }
        if child.is_none() {
            self.is_aborted = matches!(step, ExecutionStep::Aborted { .. });
        }
    }
}
