//! Workflows as triggers: every state is one, whose condition is that a token arrives at it, and every task of a DAG.

use super::choice::test;
use super::dag::tasks;
use super::steps::{retrier, what};
use super::words::list;
use crate::states::{blocks, called};
use sluice_asl::Machine;
use sluice_asl::machine::{Block, Kind, Next, State, StateIx};
use sluice_types::{Action, FunctionIx, Program, Steps};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A state as a trigger.
#[derive(Debug)]
pub(super) struct Step {
    /// Its name.
    pub state: Arc<str>,
    /// Its type, as ASL calls it.
    pub kind: &'static str,
    /// The state whose branches or items it is part of.
    pub inside: Option<Arc<str>>,
    /// States around it.
    pub depth: usize,
    /// When a token arrives.
    pub when: String,
    /// What it does then.
    pub does: Vec<String>,
    /// What happens when that fails.
    pub fails: Vec<String>,
    /// The function of the app that it calls, if its name is written down.
    pub calls: Option<Arc<str>>,
    /// The states that its token can go to, within the same block.
    pub next: Vec<Arc<str>>,
}

/// A workflow as triggers.
pub(super) struct Explained<'p> {
    /// Its name.
    pub name: &'p str,
    /// What its triggers are: states or tasks.
    pub part: &'static str,
    /// When it starts by itself.
    pub schedule: Option<String>,
    /// Longest time that it may take, in seconds.
    pub timeout_seconds: Option<u64>,
    /// Its states.
    pub steps: Vec<Step>,
}

/// The workflows of a program.
pub(super) fn workflows(program: &Program) -> Vec<Explained<'_>> {
    let workflows = program.workflows.iter().filter_map(|workflow| {
        let mut schedule = None;
        let (part, timeout_seconds, steps) = match &workflow.steps {
            Steps::States { definition, .. } => {
                let (machine, _) = Machine::parse(definition).ok()?;
                ("state", machine.timeout_seconds, steps(&machine))
            }
            Steps::Dag(dag) => {
                schedule = dag.schedule.as_ref().map(|at| format!("at `{}` in {}", at.cron, at.tz));
                ("task", None, tasks(program, dag))
            }
            Steps::Code { .. } => return None,
        };
        Some(Explained { name: &workflow.name, part, schedule, timeout_seconds, steps })
    });
    workflows.collect()
}

/// The workflows that call each function, as `workflow NAME`.
pub(super) struct Callers {
    names: BTreeMap<FunctionIx, Vec<String>>,
    /// Functions that something calls that has retries of its own only, and none of theirs.
    once: BTreeSet<FunctionIx>,
}

impl Callers {
    /// Those of a program.
    pub fn of_all(program: &Program, workflows: &[Explained<'_>]) -> Self {
        let mut names: BTreeMap<FunctionIx, Vec<String>> = BTreeMap::new();
        let (mut once, mut more) = (BTreeSet::new(), BTreeSet::new());
        for workflow in workflows {
            let called = workflow.steps.iter().filter_map(|step| program.function(step.calls.as_deref()?));
            for function in called.collect::<BTreeSet<_>>() {
                names.entry(function).or_default().push(format!("workflow {}", workflow.name));
                if workflow.part == "state" { &mut once } else { &mut more }.insert(function);
            }
        }
        Self { names, once: &once - &more }
    }

    /// Whether those of a function let it have one attempt at a time, and say themselves what follows.
    pub fn try_once(&self, function: FunctionIx) -> bool {
        self.once.contains(&function)
    }

    /// Those of a function.
    pub fn of(&self, function: FunctionIx) -> &[String] {
        self.names.get(&function).map_or(&[], Vec::as_slice)
    }

    /// Whether what a function returns always answers a workflow, and it puts nothing elsewhere that it declares.
    pub fn takes_all_answers(&self, program: &Program, function: FunctionIx) -> bool {
        let mut actions = program.triggers.iter().flat_map(|trigger| &trigger.actions);
        !self.of(function).is_empty()
            && program.functions[function.index()].into.is_empty()
            && !actions.any(|action| *action == Action::Invoke(function))
    }
}

/// The states of a machine, each before those inside it.
fn steps(machine: &Machine) -> Vec<Step> {
    let mut steps = Vec::new();
    let outside = Outside { arrival: "the start".to_owned(), end: "end".to_owned(), state: None, depth: 0 };
    describe(&machine.body, &outside, &mut steps);
    steps
}

/// What lies around a block.
struct Outside {
    /// Where tokens at its first state come from.
    arrival: String,
    /// What a token does that leaves it.
    end: String,
    state: Option<Arc<str>>,
    depth: usize,
}

fn describe(block: &Block, outside: &Outside, steps: &mut Vec<Step>) {
    let arrivals = arrivals(block, outside);
    for (index, state) in block.states.iter().enumerate() {
        let from = arrivals.get(&StateIx(index as u32)).map_or(&[][..], Vec::as_slice);
        let place = Place { block, end: &outside.end };
        steps.push(Step {
            state: state.name.clone(),
            kind: kind(state),
            inside: outside.state.clone(),
            depth: outside.depth,
            when: format!("a token arrives from {}", list(from.iter().map(String::as_str))),
            does: place.does(state),
            fails: place.fails(state),
            calls: called(state)
                .filter(|called| !called.is_lambda)
                .and_then(|called| called.name)
                .map(Into::into),
            next: targets(state).map(|(next, _)| place.name(next).clone()).collect(),
        });
        let arrival = match state.kind {
            Kind::Map(_) => format!("{}, for each item", state.name),
            _ => state.name.to_string(),
        };
        let end = format!("join at {}", state.name);
        let inner = Outside { arrival, end, state: Some(state.name.clone()), depth: outside.depth + 1 };
        blocks(state).iter().for_each(|block| describe(block, &inner, steps));
    }
}

/// From where tokens arrive at each state of a block.
fn arrivals(block: &Block, outside: &Outside) -> BTreeMap<StateIx, Vec<String>> {
    let mut arrivals: BTreeMap<StateIx, Vec<String>> = BTreeMap::new();
    arrivals.entry(block.start).or_default().push(outside.arrival.clone());
    for state in &block.states {
        for (next, is_caught) in targets(state) {
            let from = match is_caught {
                true => format!("{} (caught)", state.name),
                false => state.name.to_string(),
            };
            let known = arrivals.entry(next).or_default();
            if !known.contains(&from) {
                known.push(from);
            }
        }
    }
    arrivals
}

/// The states that a token can go to, and whether an error that is caught takes it there.
fn targets(state: &State) -> impl Iterator<Item = (StateIx, bool)> {
    let rules: &[_] = match &state.kind {
        Kind::Choice { rules } => rules,
        _ => &[],
    };
    let next = state.next.and_then(|next| match next {
        Next::State(next) => Some((next, false)),
        Next::End => None,
    });
    let caught = state.catch.iter().map(|catcher| (catcher.next, true));
    rules.iter().map(|rule| (rule.next, false)).chain(next).chain(caught)
}

fn kind(state: &State) -> &'static str {
    match state.kind {
        Kind::Pass { .. } => "Pass",
        Kind::Task(_) => "Task",
        Kind::Choice { .. } => "Choice",
        Kind::Wait(_) => "Wait",
        Kind::Succeed => "Succeed",
        Kind::Fail { .. } => "Fail",
        Kind::Parallel { .. } => "Parallel",
        Kind::Map(_) => "Map",
    }
}

/// Where a state stands, for where its token goes.
struct Place<'a> {
    block: &'a Block,
    end: &'a str,
}

impl Place<'_> {
    fn name(&self, state: StateIx) -> &Arc<str> {
        &self.block.states[state.0 as usize].name
    }

    fn to(&self, state: StateIx) -> String {
        format!("go to {}", self.name(state))
    }

    fn onward(&self, state: &State) -> String {
        match state.next {
            Some(Next::State(next)) => self.to(next),
            Some(Next::End) | None => self.end.to_owned(),
        }
    }

    fn does(&self, state: &State) -> Vec<String> {
        match &state.kind {
            Kind::Choice { rules } => {
                let mut lines: Vec<_> = rules
                    .iter()
                    .map(|rule| format!("if {}: {}", test(&rule.condition), self.to(rule.next)))
                    .collect();
                lines.push(match state.next {
                    Some(Next::State(next)) => format!("otherwise: {}", self.to(next)),
                    _ => "otherwise: fail with States.NoChoiceMatched".to_owned(),
                });
                lines
            }
            Kind::Succeed => vec![self.end.to_owned()],
            Kind::Fail { .. } => vec![what(state)],
            Kind::Parallel { branches } => {
                let starts = branches.iter().map(|branch| &*branch.states[branch.start.0 as usize].name);
                let join = format!(
                    "once every branch has joined: {}, with their outputs as a list",
                    self.onward(state)
                );
                vec![format!("put a token at each of {}", list(starts)), join]
            }
            Kind::Map(map) => {
                let start = &map.processor.states[map.processor.start.0 as usize].name;
                let join = format!(
                    "once every item has joined: {}, with their outputs as a list",
                    self.onward(state)
                );
                vec![format!("put a token at {start} for {}", what(state)), join]
            }
            _ => vec![format!("{}, then {}", what(state), self.onward(state))],
        }
    }

    fn fails(&self, state: &State) -> Vec<String> {
        let errors =
            |errors: &[Arc<str>]| errors.iter().map(|error| &**error).collect::<Vec<_>>().join(" or ");
        let retries =
            state.retry.iter().map(|retry| format!("on {}: {}", errors(&retry.errors), retrier(retry)));
        let catches =
            state.catch.iter().map(|catch| format!("on {}: {}", errors(&catch.errors), self.to(catch.next)));
        retries.chain(catches).collect()
    }
}
