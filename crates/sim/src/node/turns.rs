//! Workers of workflows that are code: instances that are warm, lost at random and made anew out of the journal, and a
//! memory of what they were told, which every journal is compared with.

use super::forks;
use super::scene::Scene;
use super::verdict::Checker;
use crate::behaviour::{Call, Reaction};
use crate::code::context::Line;
use crate::code::instance::{Instance, again, wanted};
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
    let is_first = matches!(lines, [(key, _), ..] if key.ends_with(" start"));
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

/// Other code is told the journal: it must notice.
fn changed(scene: &Scene, plan: Plan, call: &Call, lines: &[Line]) -> Reaction {
    let other = Plan::Sequence(vec![Plan::Sleep(77), plan]);
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

impl Turns {
    /// Compares what the code of a run is told with what it was told before.
    fn note_told(&mut self, run: RunKey, head: &Head, lines: &[Line]) -> Result<(), String> {
        let (commands, entries): (Vec<_>, Vec<_>) = lines.iter().partition(|(key, _)| wanted(key).is_some());
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
            (None, true) if !entries.starts_with(&told.entries) => {
                return Err(format!("the journal tells {entries:?}, the code was told {:?}", told.entries));
            }
            (None, true) if commands != told.commands => {
                return Err(format!("the journal holds {commands:?}, the code wanted {:?}", told.commands));
            }
            (None, true) => entries[told.entries.len()..].to_vec(),
            (None, false) => {
                told.seed.clone_from(&head.seed);
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
        let (Some(told), Some(logged)) = (self.told.get(&run), self.logged.get(&run)) else { return Ok(()) };
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
