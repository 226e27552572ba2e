//! Workers of workflows that are code: instances that are warm, lost at random and made anew out of the journal, and a
//! memory of what they were told, which every journal is compared with.

use super::forks;
use super::scene::Scene;
use super::verdict::Checker;
use crate::behaviour::{Call, Reaction};
use crate::code::context::Line;
use crate::code::context::digest;
use crate::code::instance::{Instance, again, origin, wanted};
use crate::code::plan::Plan;
use bytes::Bytes;
use sluice_types::{AppKey, FailureKind, Function, InvocationId, RunKey, Runtime};
use std::collections::BTreeMap;

/// Whose worker it is: the workflow of an app. All its instances live and die together.
type Worker = (AppKey, String);

/// Everything that workers of workflows know.
#[derive(Default)]
pub(super) struct Turns {
    instances: BTreeMap<(Worker, RunKey), (u64, Instance)>,
    told: BTreeMap<RunKey, Told>,
    /// Signals to express runs that are in the log, in its order.
    logged: BTreeMap<RunKey, Vec<Signal>>,
}

/// Name and data.
type Signal = (String, Bytes);

/// What the code of a run was told and has wanted, in turns that have ended, and in the one that has not.
#[derive(Debug, Default)]
struct Told {
    seed: String,
    /// Entries and commands before these, which nobody has seen that is there.
    before: (usize, usize),
    entries: Vec<Line>,
    commands: Vec<String>,
    open: Option<OpenTurn>,
}

/// A turn that may not have ended.
#[derive(Debug)]
struct OpenTurn {
    number: u64,
    entries: Vec<Line>,
    commands: Vec<String>,
}

/// The first line of a turn.
struct Head {
    after: Option<u64>,
    number: u64,
    seed: String,
}

impl Head {
    fn of(line: &str) -> Option<Self> {
        let [_, after, number, seed] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
        let after = if after == "-" { None } else { Some(after.parse().ok()?) };
        Some(Self { after, number: number.parse().ok()?, seed: seed.to_owned() })
    }
}

impl Turns {
    /// The node is gone, and its workers with it. What they were told last may have been lost.
    pub fn crash(&mut self) {
        self.instances.clear();
        self.told.clear();
    }

    /// An attempt went wrong: whatever fails a turn, its instance is gone; with a worker all are.
    pub fn fail(&mut self, app: AppKey, function: &Function, run: RunKey, kind: FailureKind) {
        let worker = (app, function.name.to_string());
        match kind {
            FailureKind::Crashed | FailureKind::TimedOut | FailureKind::OutOfMemory => {
                self.instances.retain(|(of, _), _| *of != worker);
            }
            _ => drop(self.instances.remove(&(worker, run))),
        }
    }
}

/// What a turn comes to, if nothing disturbs it.
pub(super) fn turn(
    scene: &Scene,
    app: AppKey,
    function: &Function,
    id: InvocationId,
    call: &Call,
) -> Reaction {
    let Runtime::Workflow { module, .. } = &function.runtime else { return Reaction::nothing() };
    let plan: Plan = serde_json::from_str(module).expect("the module of a simulated workflow is its plan");
    let ((head, _), lines) = call.objects.split_first().expect("a turn has a first line");
    if head.starts_with("check ") {
        return forks::checked(plan, lines, scene);
    }
    if let Some(head) = head.strip_prefix("query ") {
        return question(scene, (app, function.name.to_string()), id, plan, head, lines);
    }
    let Some(head) = Head::of(head) else {
        scene.complain(Checker::Model, format!("{id} begins with {head:?}"));
        return Reaction::fail(FailureKind::Protocol);
    };
    // Plans do not look at the id of their run.
    let lines: Vec<Line> = lines.iter().filter(|(key, _)| !key.starts_with("run ")).cloned().collect();
    let lines = &lines[..];
    let turns = &mut scene.workers.borrow_mut().turns;
    let worker = (app, function.name.to_string());
    if scene.fault("workflow forgotten", 100) {
        turns.instances.remove(&(worker.clone(), id.run));
    }
    let told = turns.note_told(id.run, &head, lines).and_then(|()| turns.compare_signals(id.run));
    if let Err(message) = told {
        scene.complain(Checker::SameState, format!("{}, turn {}: {message}", call.run, head.number));
    }
    let seat = (worker, id.run);
    let warm = turns.instances.remove(&seat).filter(|(seen, _)| Some(*seen) == head.after);
    let is_first =
        lines.get(usize::from(origin(lines).is_some())).is_some_and(|(key, _)| key.ends_with(" start"));
    let mut instance = match (warm, head.after) {
        (Some((_, instance)), Some(_)) => instance,
        (None, Some(_)) => return Reaction::fail(FailureKind::Cold),
        (_, None) if !is_first => {
            scene.complain(Checker::NothingLost, format!("{}: its journal does not begin", call.run));
            return Reaction::fail(FailureKind::Protocol);
        }
        (_, None) => {
            if lines.iter().any(|(key, _)| wanted(key).is_some()) && scene.fault("code changed", 30) {
                return changed(scene, plan, call, lines);
            }
            Instance::new(plan)
        }
    };
    scene.cover(|coverage| coverage.check(if head.after.is_some() { "warm turns" } else { "cold turns" }, 1));
    match instance.go_on(lines, scene.random()) {
        Ok(commands) => {
            let once_more = lines.iter().filter(|(key, _)| again(key).is_some()).count();
            scene.cover(|coverage| coverage.check("commands put once more", once_more));
            turns.note_wanted(id.run, head.number, &commands[once_more..]);
            turns.instances.insert(seat, (head.number, instance));
            reaction(commands, scene)
        }
        Err(message) => {
            scene.complain(Checker::SameState, format!("{}, turn {}: {message}", call.run, head.number));
            Reaction::fail(FailureKind::Diverged)
        }
    }
}

/// What a question comes to: the instance that is there answers it, or one that is made for it alone.
fn question(
    scene: &Scene,
    worker: Worker,
    id: InvocationId,
    plan: Plan,
    head: &str,
    lines: &[Line],
) -> Reaction {
    let turns = &scene.workers.borrow().turns;
    let kept = turns.instances.get(&(worker, id.run));
    let tally = match (head.split(' ').next().map(str::parse::<u64>), kept) {
        (Some(Ok(after)), Some((seen, instance))) if *seen == after => instance.tally(),
        (Some(Ok(_)), _) => return Reaction::fail(FailureKind::Cold),
        _ => {
            let mut instance = Instance::new(plan);
            let (_, journal) = lines.split_last().expect("a question comes last");
            if let Err(message) = instance.go_on(journal, 0) {
                scene.complain(Checker::SameState, format!("a question to {}: {message}", id.run));
            }
            instance.tally()
        }
    };
    scene.cover(|coverage| coverage.check("questions answered", 1));
    Reaction::value(tally.to_string())
}

/// Other code is told the journal: it must notice.
fn changed(scene: &Scene, plan: Plan, call: &Call, lines: &[Line]) -> Reaction {
    let other = plan.delayed(origin(lines).map(|(_, _, saved)| saved.at), Plan::Sleep(77));
    match Instance::new(other).go_on(lines, 0) {
        Ok(_) => scene.complain(Checker::Model, format!("{} goes on with other code", call.run)),
        Err(_) => scene.cover(|coverage| coverage.check("divergences noticed", 1)),
    }
    Reaction::fail(FailureKind::Diverged)
}

/// The commands as puts, some of them before the end of the attempt.
fn reaction(commands: Vec<Line>, scene: &Scene) -> Reaction {
    let put = |(key, value): Line| ("output".to_owned(), key, value, None);
    let mut early: Vec<_> = commands.into_iter().map(put).collect();
    let late = early.split_off(scene.below(early.len() + 1));
    Reaction { early, late, ..Reaction::nothing() }
}

impl Told {
    /// What a journal must tell that begins after so many entries and commands.
    fn since(&self, from: Option<(usize, usize)>) -> Result<(Vec<Line>, Vec<String>), String> {
        let (entries, commands) = from.unwrap_or(self.before);
        let (Some(past), Some(wanted)) =
            (entries.checked_sub(self.before.0), commands.checked_sub(self.before.1))
        else {
            return Err(format!("the journal begins at {from:?}, it had begun at {:?}", self.before));
        };
        let known = self.entries.get(past..).unwrap_or_default().iter();
        let known = known.map(|line| bare(line.clone(), commands)).collect();
        Ok((known, self.commands.get(wanted..).unwrap_or_default().to_vec()))
    }

    /// A checkpoint holds what the code has put for it, and its start has the time of the last entry before it.
    fn compare_checkpoint(&self, (entries, commands): (usize, usize), told: &[Line]) -> Result<(), String> {
        let wanted = commands.checked_sub(self.before.1 + 1).and_then(|at| self.commands.get(at));
        let key = format!("{} checkpoint {entries}", digest(&told[0].1));
        if wanted.is_some_and(|wanted| *wanted != key) {
            return Err(format!("the journal begins with {key:?}, the code wanted {wanted:?}"));
        }
        let time = |line: &Line| line.0.split(' ').next().map(str::to_owned);
        let last = entries.checked_sub(self.before.0 + 1).and_then(|at| self.entries.get(at));
        match last.is_some_and(|last| time(last) != time(&told[1])) {
            true => Err(format!("the code begins with {:?}, after {last:?}", told[1].0)),
            false => Ok(()),
        }
    }
}

/// A line as it is told to code that begins after so many commands: of those before it wants no results.
fn bare((key, value): Line, commands: usize) -> Line {
    let news = key.split(' ').collect::<Vec<_>>();
    let is_of_earlier = match news[..] {
        [_, "done" | "failed", number] => number.parse::<usize>().is_ok_and(|number| number < commands),
        _ => false,
    };
    let value = if is_of_earlier { Bytes::new() } else { value };
    (key, value)
}

impl Turns {
    /// Compares what the code of a run is told with what it was told before.
    fn note_told(&mut self, run: RunKey, head: &Head, lines: &[Line]) -> Result<(), String> {
        let from = origin(lines).map(|(command, told, _)| (told as usize, command as usize + 1));
        // A checkpoint, and a start that is told again.
        let again = if from.is_some() { 2 } else { 0 };
        let (commands, entries): (Vec<_>, Vec<_>) =
            lines[again..].iter().partition(|(key, _)| wanted(key).is_some());
        let entries: Vec<Line> = entries.into_iter().cloned().collect();
        let commands: Vec<String> =
            commands.iter().filter_map(|(key, _)| Some(wanted(key)?.to_owned())).collect();
        // One that begins where another had begun takes its place: the run has moved.
        let taken_back =
            |open: &OpenTurn| open.number < head.number && head.after.is_none_or(|after| after < open.number);
        if self.told.get(&run).is_some_and(|told| told.open.as_ref().is_some_and(taken_back)) {
            self.told.remove(&run);
        }
        let is_known = self.told.contains_key(&run);
        let told = self.told.entry(run).or_default();
        // A turn that another one follows has ended.
        if let Some(ended) = told.open.take_if(|open| open.number < head.number) {
            told.entries.extend(ended.entries);
            told.commands.extend(ended.commands);
        }
        if let Some(from) = from.filter(|_| is_known) {
            told.compare_checkpoint(from, &lines[..again])?;
        }
        let (known_entries, known_commands) = told.since(from)?;
        let now = match (head.after, is_known) {
            // All was told in an attempt before, to a worker that knew nothing.
            (Some(_), true) => match &told.open {
                Some(open) if open.entries.ends_with(&entries) => open.entries.clone(),
                _ => entries,
            },
            (Some(_), false) => {
                self.told.remove(&run);
                return Ok(());
            }
            (None, true) if !entries.starts_with(&known_entries) => {
                return Err(format!("the journal tells {entries:?}, the code was told {known_entries:?}"));
            }
            (None, true) if commands != known_commands => {
                return Err(format!("the journal holds {commands:?}, the code wanted {known_commands:?}"));
            }
            (None, true) => entries[known_entries.len()..].to_vec(),
            (None, false) => {
                told.seed.clone_from(&head.seed);
                told.before = from.unwrap_or_default();
                told.commands = commands;
                entries
            }
        };
        match &told.open {
            Some(open) if open.entries != now => {
                Err(format!("it is told {now:?} in an attempt at what told {:?} before", open.entries))
            }
            _ if told.seed != head.seed => Err(format!("its seed is {}, it was {}", head.seed, told.seed)),
            _ => {
                told.open = Some(OpenTurn { number: head.number, entries: now, commands: Vec::new() });
                Ok(())
            }
        }
    }

    /// A signal to an express run is in the log.
    pub fn note_logged(&mut self, run: RunKey, signal: Signal) {
        self.logged.entry(run).or_default().push(signal);
    }

    /// An express run, which may have begun again, is told every signal in the order of the log.
    fn compare_signals(&self, run: RunKey) -> Result<(), String> {
        let told = self.told.get(&run).filter(|told| told.before.0 == 0);
        let (Some(told), Some(logged)) = (told, self.logged.get(&run)) else { return Ok(()) };
        let open = told.open.iter().flat_map(|open| &open.entries);
        let signals = told.entries.iter().chain(open).filter_map(|(key, data)| {
            let (_, news) = key.split_once(' ')?;
            Some((news.strip_prefix("signal ")?.to_owned(), data.clone()))
        });
        // What the run itself has emitted, without data, is in no log.
        let signals = signals.filter(|(_, data)| !data.is_empty());
        let signals: Vec<Signal> = signals.collect();
        match logged.starts_with(&signals) || signals.starts_with(logged) {
            true => Ok(()),
            false => Err(format!("it is told the signals {signals:?}, the log has {logged:?}")),
        }
    }

    fn note_wanted(&mut self, run: RunKey, number: u64, commands: &[Line]) {
        if let Some(open) = self.told.get_mut(&run).and_then(|told| told.open.as_mut())
            && open.number == number
        {
            open.commands = commands.iter().map(|(key, _)| key.clone()).collect();
        }
    }
}
