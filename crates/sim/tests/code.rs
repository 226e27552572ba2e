//! Random plans without a node: whatever is done first, a workflow comes to an end that the naive interpreter knows, and
//! code that is told the journal is where the code was that was told bit by bit.

use bytes::Bytes;
use sluice_flow::{Command, Event, Execution, Line, Origin, Output, Request, Status, Want, journal};
use sluice_sim::Rng;
use sluice_sim::code::generate::plan;
use sluice_sim::code::instance::{Instance, origin};
use sluice_sim::code::model::{End, Facts, ends};
use sluice_sim::code::plan::{NOWHERE, Plan, UNKNOWN_FUNCTION};
use sluice_sim::states::tasks;
use sluice_types::{ContentType, Object, Payload, Program, Put, ReturnValue};
use std::collections::{BTreeMap, BTreeSet};

/// Plans that are tried.
const PLANS: u64 = 400;
/// What a workflow starts with.
const INPUT: &str = r#"{"n": 3}"#;
/// Turns in which a workflow must end.
const TURNS_MAX: usize = 2_000;

fn value(text: impl Into<Bytes>) -> ReturnValue {
    ReturnValue { content_type: ContentType::Json, payload: Payload::Inline(text.into()) }
}

fn bytes(payload: &Payload) -> Bytes {
    match payload {
        Payload::Inline(bytes) => bytes.clone(),
        _ => unreachable!("nothing is stored here"),
    }
}

/// A workflow, and all that is around it.
struct World {
    plan: Plan,
    instance: Instance,
    execution: Execution,
    lines: Vec<Line>,
    calls: BTreeMap<u64, Event>,
    turn: Option<Vec<Object>>,
    now_ms: u64,
    facts: Facts,
    rng: Rng,
}

impl World {
    fn apply(&mut self, event: Event) {
        let mut out = Output::default();
        self.execution.apply(event, self.now_ms, &mut out);
        self.follow(out);
    }

    fn follow(&mut self, out: Output) {
        self.lines.extend(out.journal);
        for request in out.requests {
            match request {
                Request::Turn(entries) => {
                    self.turn = Some(entries.iter().map(|entry| entry.to_object()).collect())
                }
                Request::Call { command, function, value } => {
                    self.calls.insert(command, answer(command, &function, value.as_ref()));
                }
                Request::Cancel(command) => drop(self.calls.remove(&command)),
                Request::Put { command, .. } | Request::Emit { command, .. } => {
                    self.calls.insert(command, Event::Done { command, value: None });
                }
                _ => unreachable!("no plan asks for it"),
            }
        }
    }

    /// The turn that is out, told bit by bit, and perhaps told everything to new code.
    fn take_turn(&mut self) {
        let entries = self.turn.take().expect("a turn is out");
        let entropy = self.rng.bits();
        let wanted = self.instance.go_on(&read(&entries), entropy).expect("it wants what it wanted");
        if self.rng.chance(300) {
            let told = self.journal(self.execution.told());
            let mut anew = Instance::new(self.plan.clone());
            let again = anew.go_on(&read(&told[1..]), entropy).expect("what the journal expects is wanted");
            assert_eq!(again, wanted, "{:?}", self.plan);
            self.instance = anew;
        }
        let commands =
            wanted.into_iter().map(|(key, bytes)| Command::of(put(key, bytes)).expect("a command"));
        let commands = commands.collect();
        self.apply(Event::Turned(commands));
    }

    /// What is told to code that knows nothing.
    fn journal(&self, told: u64) -> Vec<Object> {
        let checkpoint = self.execution.checkpoint().copied();
        let input = Some(value(INPUT));
        let before = checkpoint.map_or(0, |checkpoint| checkpoint.before_turn) as usize;
        let entries = self.lines.iter().enumerate().filter(|(_, line)| matches!(line, Line::Entry(_)));
        let first = entries.map(|(at, _)| at).nth(before).expect("the turn told something");
        let origin =
            checkpoint.map(|checkpoint| Origin { checkpoint, input, before: checkpoint.before_turn });
        journal(self.lines[first..].to_vec(), origin.as_ref(), told, Some(0), 0)
    }

    /// Something that may happen now.
    fn happen(&mut self) {
        match self.rng.below(8) {
            0..=2 if self.turn.is_some() => self.take_turn(),
            3 | 4 if !self.calls.is_empty() => {
                let calls: Vec<u64> = self.calls.keys().copied().collect();
                let event = self.calls.remove(self.rng.pick(&calls)).expect("it was just listed");
                self.apply(event);
            }
            5 | 6 => {
                self.now_ms += self.rng.below(300) as u64;
                self.apply(Event::Timer);
            }
            7 => {
                let number = self.rng.below(3) as i64;
                self.facts.signals.entry("told".to_owned()).or_default().insert(number);
                self.apply(Event::Signal {
                    name: "told".into(),
                    value: Some(value(format!("news {number}"))),
                });
                if self.rng.chance(20) {
                    self.facts.is_cancelled = true;
                    self.apply(Event::Cancel { reason: value("\"enough\"") });
                }
            }
            _ => {}
        }
    }
}

fn answer(command: u64, function: &str, argument: Option<&ReturnValue>) -> Event {
    let arguments = argument.map(|argument| bytes(&argument.payload)).unwrap_or_default();
    let arguments = serde_json::from_slice(&arguments).expect("plans call with JSON");
    let end = if function == NOWHERE { Err(UNKNOWN_FUNCTION.to_owned()) } else { tasks::outcome(&arguments) };
    match end {
        Ok(number) => Event::Done { command, value: Some(value(number.to_string())) },
        Err(error) => Event::Failed { command, error: value(serde_json::json!({"type": error}).to_string()) },
    }
}

fn read(objects: &[Object]) -> Vec<(String, Bytes)> {
    objects.iter().map(|object| (object.key.to_string(), bytes(&object.payload))).collect()
}

fn put(key: String, bytes: Bytes) -> Put {
    let (bucket, payload) = (Program::OUTPUT, Payload::Inline(bytes));
    Put { bucket, key: key.into(), content_type: ContentType::Bytes, payload, group: None, meta: None }
}

fn end(status: &Status) -> Option<End> {
    let text = |value: &Option<ReturnValue>| value.as_ref().map(|value| bytes(&value.payload));
    match status {
        Status::Running => None,
        Status::Returned(value) => {
            Some(End::Returned(serde_json::from_slice(&text(value)?).expect("a number")))
        }
        Status::Failed(value) => {
            let error: serde_json::Value = serde_json::from_slice(&text(value)?).expect("an error");
            Some(End::Raised(error["type"].as_str().unwrap_or_default().to_owned()))
        }
        Status::Stopped => Some(End::Stopped),
    }
}

fn live(seed: u64) -> (World, Option<BTreeSet<End>>) {
    let mut rng = Rng::new(seed);
    let plan = plan(&mut rng, None);
    let mut out = Output::default();
    let execution = Execution::start(Some(value(INPUT)), 0, &mut out);
    let instance = Instance::new(plan.clone());
    let (lines, calls, facts) = (Vec::new(), BTreeMap::new(), Facts::default());
    let mut world = World { plan, instance, execution, lines, calls, turn: None, now_ms: 0, facts, rng };
    world.follow(out);
    for _ in 0..TURNS_MAX {
        if *world.execution.status() != Status::Running {
            break;
        }
        world.happen();
    }
    let ends = ends(&world.plan, 3, &world.facts);
    (world, ends)
}

#[test]
fn plans_end_as_the_naive_interpreter_says() {
    let mut known = 0;
    for seed in 0..PLANS {
        let (world, ends) = live(seed);
        let end =
            end(world.execution.status()).unwrap_or_else(|| panic!("{seed}: no end of {:?}", world.plan));
        if let Some(ends) = ends {
            known += 1;
            assert!(ends.contains(&end), "{seed}: {end:?} of {:?}, not one of {ends:?}", world.plan);
        }
    }
    assert!(known * 10 > PLANS * 9, "of {known} plans alone the ends are known");
}

#[test]
fn code_that_wants_something_else_is_noticed() {
    let (mut noticed, mut checkpoints) = (0, 0);
    for seed in 0..PLANS {
        let (world, _) = live(seed);
        if !world
            .lines
            .iter()
            .any(|line| matches!(line, Line::Command { want: Want::Call(_) | Want::Sleep(_), .. }))
        {
            continue;
        }
        let told = read(&world.journal(u64::MAX)[1..]);
        let checkpoint = origin(&told).map(|(_, _, saved)| saved.at);
        checkpoints += usize::from(checkpoint.is_some());
        let other = world.plan.delayed(checkpoint, Plan::Sleep(77));
        noticed += 1;
        assert!(Instance::new(other).go_on(&told, 0).is_err(), "{seed}: {:?}", world.plan);
    }
    assert!(noticed > PLANS / 2, "{noticed} plans alone wait for something");
    assert!(checkpoints > 50, "{checkpoints} plans alone come to a checkpoint");
}
