//! One workflow under way: what it waits for, and what it has not been told yet.
//!
//! Invariants:
//! * while the workflow runs, a turn is out exactly when there is something to tell;
//! * `waiting` holds the commands that are not done, and `timers` those among them that wait for a time;
//! * `again` is empty but in the first turn of a workflow that goes on from another one's past; nothing of it is asked for
//!   before that turn has ended;
//! * whatever is told or wanted is a line of the journal, in the order in which it came to be;
//! * what the code had been told when it took its last checkpoint was told in turns that have ended.

use crate::checkpoint::Checkpoint;
use crate::command::{Command, Malformed, Want};
use crate::entry::{Entry, News};
use crate::update::{Answer, Updates};
use serde::{Deserialize, Serialize};
use sluice_types::ReturnValue;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A workflow under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    status: Status,
    /// Commands so far: the number of the next one.
    commands: u64,
    /// Entries that were told in turns that have ended.
    seen: u64,
    /// What the code has not been told in a turn that has ended, oldest first.
    news: Vec<Entry>,
    /// How many of `news` the turn that is out tells; 0 when none is.
    told: u32,
    waiting: BTreeMap<u64, Waiting>,
    timers: BTreeSet<(u64, u64)>,
    is_cancelled: bool,
    updates: Updates,
    /// Commands that the turn that is out wants once more, before all others.
    again: BTreeMap<u64, Want>,
    checkpoint: Option<Checkpoint>,
}

/// What a command that is not done waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Waiting {
    Call,
    Timer { due_ms: u64 },
}

/// Where a workflow is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Not ended.
    Running,
    /// It returned this.
    Returned(Option<ReturnValue>),
    /// It raised what the value tells, as JSON.
    Failed(Option<ReturnValue>),
    /// It ended after it was cancelled.
    Stopped,
}

/// What the world tells an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The turn that was out has ended with these commands.
    Turned(Vec<Command>),
    /// A call succeeded.
    Done {
        /// The command.
        command: u64,
        /// What it returned.
        value: Option<ReturnValue>,
    },
    /// A call failed for good.
    Failed {
        /// The command.
        command: u64,
        /// What happened, as JSON.
        error: ReturnValue,
    },
    /// [`Execution::next_deadline`] is reached.
    Timer,
    /// Somebody sends a signal.
    Signal {
        /// Its name.
        name: Arc<str>,
        /// What comes with it.
        value: Option<ReturnValue>,
    },
    /// Somebody asks for something and waits for the answer. The same `id` again changes nothing.
    Update {
        /// Names it.
        id: Arc<str>,
        /// What is asked for.
        name: Arc<str>,
        /// What comes with it.
        value: Option<ReturnValue>,
    },
    /// Somebody wants the workflow to end.
    Cancel {
        /// Why, as JSON text.
        reason: ReturnValue,
    },
}

/// What an execution asks and reports, in order.
#[derive(Debug, Default)]
pub struct Output {
    /// What is to be done.
    pub requests: Vec<Request>,
    /// What was told and wanted.
    pub journal: Vec<Line>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Let the code have a turn.
    Turn(Vec<Entry>),
    /// Call a function, and tell how it ended.
    Call {
        /// Names the call in events.
        command: u64,
        /// The function.
        function: Arc<str>,
        /// What it is called with.
        value: Option<ReturnValue>,
    },
    /// Run a workflow of the app, and tell how it ended.
    Child {
        /// Names it in events.
        command: u64,
        /// The workflow.
        workflow: Arc<str>,
        /// Its input.
        value: Option<ReturnValue>,
    },
    /// Put an object into the run, and tell how that went.
    Put {
        /// Names it in events.
        command: u64,
        /// The bucket.
        bucket: Arc<str>,
        /// The key.
        key: Arc<str>,
        /// The object.
        value: Option<ReturnValue>,
    },
    /// Emit an event, and tell how that went.
    Emit {
        /// Names it in events.
        command: u64,
        /// Its type.
        name: Arc<str>,
        /// Its data.
        value: Option<ReturnValue>,
    },
    /// The end of a call no longer matters; stop it if that is cheap.
    Cancel(u64),
    /// An update has its answer.
    Answered(Arc<str>),
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Line {
    /// The code was told something.
    Entry(Entry),
    /// It wanted something.
    Command {
        /// Its number, from 0.
        number: u64,
        /// What.
        want: Want,
        /// What the worker knows it by.
        digest: Arc<str>,
        /// What is remembered, of [`Want::Record`] and [`Want::Checkpoint`] alone.
        value: Option<ReturnValue>,
    },
    /// From here on the code's run has this id.
    Run(Arc<str>),
}

impl Execution {
    /// A workflow that starts with this input.
    pub fn start(input: Option<ReturnValue>, now_ms: u64, out: &mut Output) -> Self {
        let mut execution = Self {
            status: Status::Running,
            commands: 0,
            seen: 0,
            news: Vec::new(),
            told: 0,
            waiting: BTreeMap::new(),
            timers: BTreeSet::new(),
            is_cancelled: false,
            updates: Updates::default(),
            again: BTreeMap::new(),
            checkpoint: None,
        };
        execution.tell(News::Started, input, now_ms, out);
        execution.take_turn(out);
        execution
    }

    /// A workflow with a past: see [`crate::Past::resume`]. The turn that tells it everything is out, and
    /// [`Execution::retake`] asks for it.
    pub(crate) fn resumed(
        commands: u64,
        entries: u64,
        news: Vec<Entry>,
        waiting: BTreeMap<u64, Option<u64>>,
        again: BTreeMap<u64, Want>,
        is_cancelled: bool,
        updates: Updates,
    ) -> Self {
        let timers = waiting.iter().filter_map(|(number, due_ms)| Some(((*due_ms)?, *number))).collect();
        let waiting = waiting.into_iter().map(|(number, due_ms)| {
            (number, due_ms.map_or(Waiting::Call, |due_ms| Waiting::Timer { due_ms }))
        });
        Self {
            status: Status::Running,
            commands,
            seen: entries - news.len() as u64,
            told: news.len() as u32,
            news,
            waiting: waiting.collect(),
            timers,
            is_cancelled,
            updates,
            again,
            checkpoint: None,
        }
    }

    /// Asks anew for the turn that is out, if one is: whoever had it no longer has.
    pub fn retake(&mut self, out: &mut Output) {
        self.told = 0;
        self.take_turn(out);
    }

    /// Whether the turn that is out may end with these commands: those that it is to want once more come first, and a
    /// checkpoint is where the code is told something.
    pub fn admits(&self, commands: &[Command]) -> Result<(), Malformed> {
        let mut wanted = commands.iter().map(|command| &command.want);
        if let Some((number, want)) = self.again.iter().find(|(_, again)| wanted.next() != Some(again)) {
            return Err(Malformed(format!("command {number}, {want}, is not put once more")));
        }
        let told = self.told();
        let is_ahead = |want: &&Want| matches!(want, Want::Checkpoint(at) if *at > told);
        wanted.find(is_ahead).map_or(Ok(()), |want| {
            Err(Malformed(format!("{:?}, where {told} entries were told", want.to_string())))
        })
    }

    /// Whether a checkpoint that the turn wants which is out is taken. One at an entry that an earlier turn told is not: code
    /// that was changed wants it late, and what follows it was wanted by other code.
    pub fn takes(&self, entries: u64) -> bool {
        (self.seen + 1..=self.told()).contains(&entries)
    }

    /// Commands that the turn that is out is to want once more.
    pub fn again(&self) -> &BTreeMap<u64, Want> {
        &self.again
    }

    /// Lets something happen.
    pub fn apply(&mut self, event: Event, now_ms: u64, out: &mut Output) {
        if self.status != Status::Running {
            return;
        }
        match event {
            Event::Turned(commands) => self.turned(commands, now_ms, out),
            Event::Done { command, value } => self.done(command, News::Done(command), value, now_ms, out),
            Event::Failed { command, error } => {
                self.done(command, News::Failed(command), Some(error), now_ms, out);
            }
            Event::Timer => self.fire(now_ms, out),
            Event::Signal { name, value } => self.tell(News::Signal(name), value, now_ms, out),
            Event::Update { id, name, value } => {
                if self.updates.ask(&id) {
                    self.tell(News::Update { id, name }, value, now_ms, out);
                }
            }
            Event::Cancel { reason } => {
                if !std::mem::replace(&mut self.is_cancelled, true) {
                    self.tell(News::Cancelled, Some(reason), now_ms, out);
                }
            }
        }
        self.take_turn(out);
    }

    /// When it next wants to be told that time has passed, in milliseconds since the Unix epoch.
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.first().map(|(due_ms, _)| *due_ms)
    }

    /// Where it is in its life.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Calls that were asked for and are not done, by command.
    pub fn calls(&self) -> impl Iterator<Item = u64> + '_ {
        let calls = self.waiting.iter().filter(|(_, waiting)| **waiting == Waiting::Call);
        calls.map(|(command, _)| *command).filter(|command| !self.again.contains_key(command))
    }

    /// Entries that were told in all turns, that which is out included.
    pub fn told(&self) -> u64 {
        self.seen + u64::from(self.told)
    }

    /// Entries that no turn tells yet.
    pub fn untold(&self) -> usize {
        self.news.len() - self.told as usize
    }

    /// Where a worker begins that has lost the workflow; `None`: at its start.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// The answer to an update: `None` if there is no such update, or it is forgotten; `Some(None)` as long as there is no
    /// answer.
    pub fn update(&self, id: &str) -> Option<Option<&Answer>> {
        self.updates.find(id)
    }

    /// Whether a turn is out.
    pub fn is_in_turn(&self) -> bool {
        self.told > 0
    }

    fn tell(&mut self, news: News, value: Option<ReturnValue>, at_ms: u64, out: &mut Output) {
        let entry = Entry { at_ms, news, value };
        out.journal.push(Line::Entry(entry.clone()));
        self.news.push(entry);
    }

    fn take_turn(&mut self, out: &mut Output) {
        if self.status == Status::Running && self.told == 0 && !self.news.is_empty() {
            self.told = self.news.len() as u32;
            out.requests.push(Request::Turn(self.news.clone()));
        }
    }

    fn done(&mut self, command: u64, news: News, value: Option<ReturnValue>, now_ms: u64, out: &mut Output) {
        if self.waiting.remove(&command).is_some() {
            self.tell(news, value, now_ms, out);
        }
    }

    fn fire(&mut self, now_ms: u64, out: &mut Output) {
        while let Some((_, command)) = self.timers.first().copied().filter(|(due_ms, _)| *due_ms <= now_ms) {
            self.timers.pop_first();
            self.done(command, News::Done(command), None, now_ms, out);
        }
    }

    fn turned(&mut self, commands: Vec<Command>, now_ms: u64, out: &mut Output) {
        let mut commands = commands.into_iter();
        let again: Vec<Command> = commands.by_ref().take(self.again.len()).collect();
        self.take_checkpoint(commands.as_slice());
        self.news.drain(..self.told as usize);
        self.seen += u64::from(std::mem::take(&mut self.told));
        for (number, command) in std::mem::take(&mut self.again).into_keys().zip(again) {
            request(number, command.want, command.value, out);
        }
        for command in commands {
            if self.status == Status::Running {
                self.follow(command, now_ms, out);
            }
        }
    }

    /// Of several checkpoints in a turn, the last one counts.
    fn take_checkpoint(&mut self, commands: &[Command]) {
        let wanted = (self.commands..).zip(commands).take_while(|(_, command)| !command.is_last());
        let taken = wanted.filter_map(|(number, command)| match command.want {
            Want::Checkpoint(entries) if self.takes(entries) => Some((number, entries)),
            _ => None,
        });
        let Some((command, entries)) = taken.last() else { return };
        let at_ms = self.news[(entries - self.seen - 1) as usize].at_ms;
        self.checkpoint = Some(Checkpoint { command, entries, at_ms, before_turn: self.seen });
        let news = std::mem::take(&mut self.news);
        self.news = news.into_iter().map(|entry| entry.since(command)).collect();
    }

    fn follow(&mut self, command: Command, now_ms: u64, out: &mut Output) {
        let number = self.commands;
        self.commands += 1;
        let Command { want, value, digest } = command;
        let remembered = value.clone().filter(|_| matches!(want, Want::Record(_) | Want::Checkpoint(_)));
        out.journal.push(Line::Command { number, want: want.clone(), digest, value: remembered });
        match want {
            Want::Call(_) | Want::Child(_) | Want::Put { .. } | Want::Emit(_) => {
                self.waiting.insert(number, Waiting::Call);
                request(number, want, value, out);
            }
            Want::Sleep(ms) => {
                let due_ms = now_ms.saturating_add(ms);
                self.waiting.insert(number, Waiting::Timer { due_ms });
                self.timers.insert((due_ms, number));
            }
            Want::Cancel(of) => self.forget(of, out),
            Want::Record(_) | Want::Patch(_) | Want::Checkpoint(_) => {}
            Want::Answer(update) => self.answer(update, Answer::Done(value), out),
            Want::Refuse(update) => self.answer(update, Answer::Refused(value), out),
            Want::Return => self.end(Status::Returned(value), out),
            Want::Fail => self.end(Status::Failed(value), out),
            Want::Stopped => self.end(Status::Stopped, out),
        }
    }

    /// Nobody waits for a command any more.
    fn forget(&mut self, command: u64, out: &mut Output) {
        match self.waiting.remove(&command) {
            Some(Waiting::Timer { due_ms }) => drop(self.timers.remove(&(due_ms, command))),
            Some(Waiting::Call) => out.requests.push(Request::Cancel(command)),
            None => {}
        }
    }

    fn answer(&mut self, update: Arc<str>, answer: Answer, out: &mut Output) {
        if self.updates.answer(&update, answer) {
            out.requests.push(Request::Answered(update));
        }
    }

    fn end(&mut self, status: Status, out: &mut Output) {
        for update in self.updates.open() {
            self.answer(update, Answer::Ended, out);
        }
        while let Some((&command, _)) = self.waiting.first_key_value() {
            self.forget(command, out);
        }
        self.news.clear();
        self.status = status;
    }
}

/// Asks for what a command wants of the world.
fn request(command: u64, want: Want, value: Option<ReturnValue>, out: &mut Output) {
    out.requests.push(match want {
        Want::Call(function) => Request::Call { command, function, value },
        Want::Child(workflow) => Request::Child { command, workflow, value },
        Want::Put { bucket, key } => Request::Put { command, bucket, key, value },
        Want::Emit(name) => Request::Emit { command, name, value },
        other => unreachable!("{other} asks nothing of the world"),
    });
}
