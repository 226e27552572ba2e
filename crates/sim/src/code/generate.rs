//! Random plans.

use super::plan::{ERRORS, NOWHERE, Plan, TELLER, TOLD};
use crate::rng::Rng;

/// How deep plans nest.
const DEPTH_MAX: u32 = 3;
/// A signal that nobody may ever send.
const UNSENT: &str = "unheard";

/// Makes a plan, which may run the workflow of that name and plan.
pub fn plan(rng: &mut Rng, inner: Option<(&str, &Plan)>) -> Plan {
    let plan = outermost(rng);
    match inner {
        Some(inner) => with_children(rng, plan, inner),
        None => plan,
    }
}

/// Some of the calls are of the workflow.
fn with_children(rng: &mut Rng, plan: Plan, inner: (&str, &Plan)) -> Plan {
    let mut all = |plans: Vec<Plan>| plans.into_iter().map(|plan| with_children(rng, plan, inner)).collect();
    match plan {
        Plan::Sequence(plans) => Plan::Sequence(all(plans)),
        Plan::Gather(plans) => Plan::Gather(all(plans)),
        Plan::Race(plans) => Plan::Race(all(plans)),
        Plan::Call { error: None, .. } if rng.chance(150) => {
            Plan::Child(inner.0.to_owned(), Box::new(inner.1.clone()))
        }
        plan => plan,
    }
}

fn outermost(rng: &mut Rng) -> Plan {
    let mut steps = Vec::new();
    for _ in 0..rng.between(2, 5) {
        steps.push(step(rng, 0));
        if rng.chance(300) {
            steps.push(Plan::Checkpoint(steps.len()));
        }
    }
    Plan::Sequence(steps)
}

fn step(rng: &mut Rng, depth: u32) -> Plan {
    let nests = depth < DEPTH_MAX;
    match rng.below(26) {
        0 | 1 => Plan::Record,
        2..=4 => Plan::Sleep(*rng.pick(&[0, 5, 50, 400, 2_000])),
        5 => Plan::Signal(TOLD.to_owned()),
        6 | 7 => {
            let name = *rng.pick(&[TOLD, UNSENT]);
            Plan::SignalWithin(name.to_owned(), *rng.pick(&[20, 200, 1_500]))
        }
        8..=10 if nests => Plan::Gather(several(rng, depth)),
        11 | 12 if nests => Plan::Race(several(rng, depth)),
        13 | 14 if nests => {
            let body = Plan::Sequence(vec![step(rng, depth + 1), failing(rng)]);
            Plan::Try(Box::new(body), Box::new(step(rng, depth + 1)))
        }
        15 | 16 if nests => Plan::Finally(Box::new(step(rng, depth + 1)), Box::new(clean_up(rng))),
        17 if nests => Plan::Sequence((0..rng.between(2, 3)).map(|_| step(rng, depth + 1)).collect()),
        18 if rng.chance(300) => failing(rng),
        19 if depth > 0 && rng.chance(300) => Plan::Return,
        23 => Plan::Put(format!("p{:x}", rng.bits())),
        24 if rng.chance(500) => Plan::Emit,
        20 => Plan::Add(rng.between(1, 4) as i64),
        _ => call(rng),
    }
}

fn several(rng: &mut Rng, depth: u32) -> Vec<Plan> {
    (0..rng.between(2, 4)).map(|_| step(rng, depth + 1)).collect()
}

fn call(rng: &mut Rng) -> Plan {
    let function = (*rng.pick(&["task-0", "task-1", "task-1", TELLER])).to_owned();
    Plan::Call { function, adds: rng.below(4) as i64, error: None }
}

fn failing(rng: &mut Rng) -> Plan {
    let error = (*rng.pick::<&str>(&ERRORS)).to_owned();
    match rng.below(5) {
        0 => Plan::Fail(error),
        1 => Plan::Call { function: NOWHERE.to_owned(), adds: 0, error: None },
        2 => call(rng),
        _ => Plan::Call { function: "task-1".to_owned(), adds: 0, error: Some(error) },
    }
}

/// What never fails.
fn clean_up(rng: &mut Rng) -> Plan {
    let steps = (0..rng.between(1, 2)).map(|_| match rng.below(3) {
        0 => Plan::Sleep(*rng.pick(&[5, 100])),
        1 => Plan::Record,
        _ => call(rng),
    });
    Plan::Sequence(steps.collect())
}
