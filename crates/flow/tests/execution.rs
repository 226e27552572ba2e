//! An execution against a naive one: flat lists of all that was ever told and wanted, searched from the start each time.

use bytes::Bytes;
use proptest::prelude::*;
use sluice_flow::{
    Command, Entry, Event, Execution, Line, News, Origin, Output, Past, Request, Status, Want, journal,
    retold,
};
use sluice_types::{ContentType, Lsn, Object, Payload, ReturnValue};
use std::ops::Range;
use std::sync::Arc;

/// What may happen next. Numbers pick among the commands so far.
#[derive(Clone, Debug)]
enum Step {
    Turned(Vec<Wish>),
    Done(usize),
    Failed(usize),
    /// So many milliseconds pass, and what is due then happens.
    Time(u64),
    Signal(bool),
    Cancel,
    /// It is written down and read again.
    Saved,
}

#[derive(Clone, Debug)]
enum Wish {
    Call,
    Sleep(u64),
    Cancel(usize),
    Record,
    /// When one of the entries of the turn was told.
    Checkpoint(usize),
    Return,
    Fail,
    Stopped,
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        4 => Just(Wish::Call),
        4 => (0..40_u64).prop_map(Wish::Sleep),
        3 => (0..12_usize).prop_map(Wish::Cancel),
        2 => Just(Wish::Record),
        2 => (0..8_usize).prop_map(Wish::Checkpoint),
        1 => prop_oneof![9 => Just(Wish::Record), 1 => Just(Wish::Return), 1 => Just(Wish::Fail), 1 => Just(Wish::Stopped)],
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(wish(), 0..4).prop_map(Step::Turned),
        3 => (0..12_usize).prop_map(Step::Done),
        1 => (0..12_usize).prop_map(Step::Failed),
        3 => (0..30_u64).prop_map(Step::Time),
        2 => any::<bool>().prop_map(Step::Signal),
        1 => Just(Step::Cancel),
        1 => Just(Step::Saved),
    ]
}

fn value(text: &str) -> ReturnValue {
    let payload = Payload::Inline(Bytes::copy_from_slice(text.as_bytes()));
    ReturnValue { content_type: ContentType::Text, payload }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Call,
    Timer(u64),
    Settled,
}

/// All that was ever told and wanted.
struct Naive {
    entries: Vec<Entry>,
    fates: Vec<Fate>,
    /// Entries told in turns that have ended, and in the one that is out.
    seen: usize,
    out: Option<usize>,
    status: Status,
    requests: Vec<Request>,
    lines: Vec<Line>,
    /// The command that is the last checkpoint, and the entries that were told by then.
    checkpoint: Option<(u64, u64)>,
}

impl Naive {
    fn start() -> Self {
        let mut naive = Self {
            entries: Vec::new(),
            fates: Vec::new(),
            seen: 0,
            out: None,
            status: Status::Running,
            requests: Vec::new(),
            lines: Vec::new(),
            checkpoint: None,
        };
        naive.tell(News::Started, Some(value("input")), 0);
        naive.give_turn();
        naive
    }

    fn tell(&mut self, news: News, value: Option<ReturnValue>, at_ms: u64) {
        let entry = Entry { at_ms, news, value };
        self.entries.push(entry.clone());
        self.lines.push(Line::Entry(entry));
    }

    fn give_turn(&mut self) {
        if self.status == Status::Running && self.out.is_none() && self.seen < self.entries.len() {
            self.out = Some(self.entries.len());
            self.requests.push(Request::Turn(self.entries[self.seen..].to_vec()));
        }
    }

    fn apply(&mut self, event: Event, now_ms: u64) {
        if self.status != Status::Running {
            return;
        }
        match event {
            Event::Turned(commands) => {
                self.seen = self.out.take().expect("a turn is out");
                commands.into_iter().for_each(|command| self.want(command, now_ms));
            }
            Event::Done { command, value } => self.settle(command, News::Done(command), value, now_ms),
            Event::Failed { command, error } => {
                self.settle(command, News::Failed(command), Some(error), now_ms)
            }
            Event::Timer => {
                let mut due: Vec<(u64, u64)> =
                    self.timers().filter(|(due_ms, _)| *due_ms <= now_ms).collect();
                due.sort_unstable();
                due.into_iter().for_each(|(_, number)| self.settle(number, News::Done(number), None, now_ms));
            }
            Event::Signal { name, value } => self.tell(News::Signal(name), value, now_ms),
            Event::Update { .. } => unreachable!("the script asks for no updates"),
            Event::Cancel { reason } => {
                if !self.entries.iter().any(|entry| entry.news == News::Cancelled) {
                    self.tell(News::Cancelled, Some(reason), now_ms);
                }
            }
        }
        self.give_turn();
    }

    fn settle(&mut self, number: u64, news: News, value: Option<ReturnValue>, now_ms: u64) {
        if let Some(fate) = self.fates.get_mut(number as usize)
            && std::mem::replace(fate, Fate::Settled) != Fate::Settled
        {
            self.tell(news, value, now_ms);
        }
    }

    fn want(&mut self, command: Command, now_ms: u64) {
        if self.status != Status::Running {
            return;
        }
        let number = self.fates.len() as u64;
        let Command { want, value, digest } = command;
        let kept = if matches!(want, Want::Record(_) | Want::Checkpoint(_)) { value.clone() } else { None };
        self.lines.push(Line::Command { number, want: want.clone(), digest, value: kept });
        self.fates.push(match want {
            Want::Call(_) => Fate::Call,
            Want::Sleep(ms) => Fate::Timer(now_ms + ms),
            _ => Fate::Settled,
        });
        match want {
            Want::Call(function) => self.requests.push(Request::Call { command: number, function, value }),
            Want::Cancel(of) => self.take_back(of),
            Want::Return => self.end(Status::Returned(value)),
            Want::Fail => self.end(Status::Failed(value)),
            Want::Stopped => self.end(Status::Stopped),
            Want::Checkpoint(entries) => self.begin_here(number, entries),
            Want::Sleep(_) | Want::Record(_) => {}
            _ => unreachable!("the script wants nothing else"),
        }
    }

    /// What is told from now on of commands before the checkpoint comes without a value.
    fn begin_here(&mut self, number: u64, entries: u64) {
        self.checkpoint = Some((number, entries));
        let untold = &mut self.entries[self.seen..];
        untold.iter_mut().filter(|entry| is_of_earlier(entry, number)).for_each(|entry| entry.value = None);
    }

    fn take_back(&mut self, number: u64) {
        let Some(fate) = self.fates.get_mut(number as usize) else { return };
        if std::mem::replace(fate, Fate::Settled) == Fate::Call {
            self.requests.push(Request::Cancel(number));
        }
    }

    fn end(&mut self, status: Status) {
        (0..self.fates.len() as u64).for_each(|number| self.take_back(number));
        self.status = status;
    }

    fn timers(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.fates.iter().zip(0..).filter_map(|(fate, number)| match fate {
            Fate::Timer(due_ms) => Some((*due_ms, number)),
            _ => None,
        })
    }

    fn calls(&self) -> Vec<u64> {
        self.fates
            .iter()
            .zip(0..)
            .filter(|(fate, _)| **fate == Fate::Call)
            .map(|(_, number)| number)
            .collect()
    }
}

fn is_of_earlier(entry: &Entry, than: u64) -> bool {
    matches!(entry.news, News::Done(command) | News::Failed(command) if command < than)
}

/// The commands of a turn that tells entries `told`.
fn commands(wishes: Vec<Wish>, told: Range<usize>) -> Vec<Command> {
    let with = |want: Want, value: Option<ReturnValue>| Command { want, value, digest: "00000000".into() };
    let command = |wish| match wish {
        Wish::Call => with(Want::Call("work".into()), Some(value("argument"))),
        Wish::Sleep(ms) => with(Want::Sleep(ms), None),
        Wish::Cancel(of) => with(Want::Cancel(of as u64), None),
        Wish::Record => with(Want::Record("it".into()), Some(value("recorded"))),
        Wish::Checkpoint(at) => {
            let entries = told.start + 1 + at % told.len();
            with(Want::Checkpoint(entries as u64), Some(value("state")))
        }
        Wish::Return => with(Want::Return, Some(value("output"))),
        Wish::Fail => with(Want::Fail, Some(value("error"))),
        Wish::Stopped => with(Want::Stopped, None),
    };
    wishes.into_iter().map(command).collect()
}

/// The journal from the last checkpoint up to the entries that were told: what the worker needs to be where it was. Keys,
/// and what comes with them.
fn told(naive: &Naive, told: u64) -> Vec<(String, Option<ReturnValue>)> {
    let mut lines = Vec::new();
    let (since, first) = naive.checkpoint.map_or((0, 0), |(number, entries)| (entries, number + 1));
    if let Some((number, entries)) = naive.checkpoint {
        lines.push((format!("checkpoint {number} {entries}"), Some(value("state"))));
        lines.push((format!("{} start", naive.entries[entries as usize - 1].at_ms), Some(value("input"))));
    }
    let mut entries = 0;
    for line in &naive.lines {
        match line {
            Line::Entry(entry) => {
                entries += 1;
                let value = entry.value.clone().filter(|_| !is_of_earlier(entry, first));
                let key = format!("{} {}", entry.at_ms, entry.news);
                lines.extend((since < entries && entries <= told).then_some((key, value)));
            }
            Line::Command { number, want, digest, value } if *number >= first => {
                lines.push((format!("= {digest} {want}"), value.clone()));
            }
            Line::Command { .. } | Line::Run(_) => {}
        }
    }
    lines
}

/// What whoever hosts the execution knows of the lines: the first that is needed, the first entry of the turn that is out,
/// and the first that no turn tells.
#[derive(Default)]
struct Lines {
    from: usize,
    turn: usize,
    untold: Option<usize>,
}

impl Lines {
    fn note(&mut self, at: usize, out: &Output) {
        let entries = out.journal.iter().zip(at..).filter(|(line, _)| matches!(line, Line::Entry(_)));
        self.untold = self.untold.or(entries.map(|(_, at)| at).next());
        if out.requests.iter().any(|request| matches!(request, Request::Turn(_))) {
            self.turn = self.untold.take().expect("a turn tells something");
        }
    }
}

/// What comes with a line.
fn with(object: &Object) -> Option<ReturnValue> {
    let (content_type, payload) = (object.content_type.clone(), object.payload.clone());
    (!payload.is_empty()).then_some(ReturnValue { content_type, payload })
}

fn compare(execution: &Execution, naive: &Naive) {
    assert_eq!(execution.status(), &naive.status);
    assert_eq!(execution.calls().collect::<Vec<_>>(), naive.calls());
    assert_eq!(execution.next_deadline(), naive.timers().min().map(|(due_ms, _)| due_ms));
    if naive.status == Status::Running {
        assert_eq!(execution.is_in_turn(), naive.out.is_some());
        assert_eq!(execution.told(), naive.out.unwrap_or(naive.seen) as u64);
    }
}

/// One that goes on from the journal is where the naive one is, once its turn has wanted again what is under way.
fn compare_resumed(past: &Past, naive: &Naive) {
    let entries = naive.lines.iter().filter_map(|line| match line {
        Line::Entry(entry) => Some(entry.clone()),
        Line::Command { .. } | Line::Run(_) => None,
    });
    let entries: Vec<Entry> = entries.collect();
    let untold = &entries[naive.seen..];
    let Some(mut execution) = past.clone().resume() else {
        return assert!(naive.status != Status::Running && past.end().is_some());
    };
    assert_eq!(naive.status, Status::Running);
    assert!(past.news().ends_with(untold), "{:?} {untold:?}", past.news());
    assert_eq!(execution.next_deadline(), naive.timers().min().map(|(due_ms, _)| due_ms));
    assert_eq!(execution.told(), naive.entries.len() as u64);
    let journal = retold(naive.lines.clone(), None, execution.told(), execution.again(), Some(1), 9);
    let again = journal.iter().filter(|object| object.key.starts_with("+ ")).count();
    assert_eq!((again, execution.calls().count()), (naive.calls().len(), 0));
    let mut out = Output::default();
    execution.retake(&mut out);
    let last = || entries.last().cloned().into_iter().collect();
    let told = if past.news().is_empty() { last() } else { past.news().to_vec() };
    assert_eq!(out.requests, [Request::Turn(told)]);
    out.requests.clear();
    let mut wanted = commands(vec![Wish::Call; again], 0..1);
    assert_eq!(execution.admits(&wanted[1.min(again)..]).is_err(), again > 0);
    assert!(execution.admits(&wanted).is_ok());
    wanted.extend(commands(vec![Wish::Call], 0..1));
    execution.apply(Event::Turned(wanted), 0, &mut out);
    let made: Vec<u64> = naive.calls().into_iter().chain([naive.fates.len() as u64]).collect();
    let called = out.requests.iter().map(|request| match request {
        Request::Call { command, .. } => *command,
        other => panic!("{other:?}"),
    });
    assert_eq!(called.collect::<Vec<_>>(), made);
    assert_eq!(execution.calls().collect::<Vec<_>>(), made);
    assert_eq!(out.journal.len(), 1, "what is wanted again is in the journal already");
}

proptest! {
    #[test]
    fn an_execution_does_what_a_naive_one_does(steps in prop::collection::vec(step(), 0..60)) {
        let (mut out, mut now_ms) = (Output::default(), 0);
        let mut execution = Execution::start(Some(value("input")), now_ms, &mut out);
        let mut naive = Naive::start();
        let (mut lines, mut known) = (Vec::new(), Lines::default());
        let mut past = Past::default();
        known.note(0, &out);
        out.journal.iter().for_each(|line| past.add(Lsn(0), now_ms, line));
        lines.append(&mut out.journal);
        prop_assert_eq!(std::mem::take(&mut out.requests), std::mem::take(&mut naive.requests));
        for (step, lsn) in steps.into_iter().zip(1..) {
            let event = match step {
                // Turns end that are out, and calls end, also those that nobody waits for.
                Step::Turned(_) if naive.out.is_none() => continue,
                Step::Done(of) | Step::Failed(of) if matches!(naive.fates.get(of), Some(Fate::Timer(_))) => continue,
                Step::Turned(wishes) => {
                    let commands = commands(wishes, naive.seen..naive.out.expect("a turn is out"));
                    prop_assert_eq!(execution.admits(&commands), Ok(()));
                    let lasts = commands.iter().position(Command::is_last).unwrap_or(commands.len());
                    if commands[..lasts].iter().any(|command| matches!(command.want, Want::Checkpoint(_))) {
                        known.from = known.turn;
                    }
                    Event::Turned(commands)
                }
                Step::Done(command) => Event::Done { command: command as u64, value: Some(value("result")) },
                Step::Failed(command) => Event::Failed { command: command as u64, error: value("error") },
                Step::Time(ms) => {
                    now_ms += ms;
                    Event::Timer
                }
                Step::Signal(loud) => Event::Signal { name: Arc::from("news"), value: loud.then(|| value("data")) },
                Step::Cancel => Event::Cancel { reason: value("why") },
                Step::Saved => {
                    let bytes = postcard::to_stdvec(&execution).expect("it is plain data");
                    execution = postcard::from_bytes(&bytes).expect("it was just written");
                    continue;
                }
            };
            execution.apply(event.clone(), now_ms, &mut out);
            naive.apply(event, now_ms);
            known.note(lines.len(), &out);
            prop_assert_eq!(std::mem::take(&mut out.requests), std::mem::take(&mut naive.requests));
            out.journal.iter().for_each(|line| past.add(Lsn(lsn), now_ms, line));
            lines.append(&mut out.journal);
            prop_assert_eq!(&lines, &naive.lines);
            compare(&execution, &naive);
            compare_resumed(&past, &naive);
            let input = Some(value("input"));
            let origin = execution.checkpoint().map(|checkpoint| {
                Origin { checkpoint: *checkpoint, input, before: checkpoint.before_turn }
            });
            let needed = lines[known.from..].to_vec();
            let journal = journal(needed, origin.as_ref(), execution.told(), Some(7), 9);
            prop_assert_eq!(&*journal[0].key, "turn - 7 9");
            let journal = journal[1..].iter().map(|object| (object.key.to_string(), with(object))).collect::<Vec<_>>();
            prop_assert_eq!(journal, told(&naive, execution.told()));
        }
    }
}

#[test]
fn a_checkpoint_is_of_an_entry_that_was_told_and_counts_if_this_turn_tells_it() {
    let mut out = Output::default();
    let execution = Execution::start(None, 0, &mut out);
    let checkpoint = |entries| [Command { want: Want::Checkpoint(entries), value: None, digest: "0".into() }];
    assert_eq!(execution.admits(&checkpoint(1)), Ok(()));
    assert!(execution.takes(1) && !execution.takes(0));
    for entries in [2, u64::MAX] {
        let refused = execution.admits(&checkpoint(entries)).expect_err("no such entry is told");
        assert_eq!(refused.0, format!("\"checkpoint {entries}\", where 1 entries were told"));
    }
    let mut execution = execution;
    execution.apply(Event::Turned(checkpoint(0).to_vec()), 0, &mut out);
    assert_eq!(execution.checkpoint(), None, "it comes late");
}
