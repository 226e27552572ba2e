//! A naive interpreter: what a workflow may come to, computed from its plan by recursion, without a journal, time or
//! order. Where these decide, all possible ends are listed.

use super::plan::{LATE, NOWHERE, Plan, TOLD, UNKNOWN_FUNCTION, together};
use std::collections::{BTreeMap, BTreeSet};

/// Ends of any part listed at most; of a workflow with more nothing is known.
const ENDS_MAX: usize = 400;

/// How a workflow ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// With this number.
    Returned(i64),
    /// With an error of this name.
    Raised(String),
    /// It was cancelled.
    Stopped,
}

/// What happened to a workflow.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The numbers that came with signals, by name.
    pub signals: BTreeMap<String, BTreeSet<i64>>,
    /// Somebody wanted it to end.
    pub is_cancelled: bool,
}

/// How a part ends: its number, or how it ends the whole.
type Part = Result<i64, End>;

/// All ends that a plan may come to; `None` when they are too many.
pub fn ends(plan: &Plan, n: i64, facts: &Facts) -> Option<BTreeSet<End>> {
    let parts = parts(plan, n, facts)?;
    let mut ends: BTreeSet<End> =
        parts.into_iter().map(|part| part.map_or_else(|end| end, End::Returned)).collect();
    // An interruption is caught by nobody, and what cleans up does not fail.
    ends.extend(facts.is_cancelled.then_some(End::Stopped));
    Some(ends)
}

fn parts(plan: &Plan, n: i64, facts: &Facts) -> Option<BTreeSet<Part>> {
    let one = |part: Part| BTreeSet::from([part]);
    let signals = |name: &str| facts.signals.get(name).into_iter().flatten().map(|more| Ok(n + more));
    let found = match plan {
        Plan::Add(amount) => one(Ok(n + amount)),
        Plan::Sleep(_) | Plan::Checkpoint(_) | Plan::Put(_) | Plan::Emit => one(Ok(n)),
        Plan::Child(_, plan) => of_child(plan, n)?,
        Plan::Record => BTreeSet::from([Ok(n), Ok(n + 1)]),
        Plan::Fail(error) | Plan::Call { error: Some(error), .. } => one(Err(End::Raised(error.clone()))),
        Plan::Call { function, .. } if function == NOWHERE => {
            one(Err(End::Raised(UNKNOWN_FUNCTION.to_owned())))
        }
        Plan::Call { adds, .. } => one(Ok(n + adds)),
        Plan::Return => one(Err(End::Returned(n))),
        Plan::Signal(name) => signals(name).collect(),
        Plan::SignalWithin(name, _) => signals(name).chain([Ok(n + LATE)]).collect(),
        Plan::Sequence(plans) => {
            let first = one(Ok(n));
            plans.iter().try_fold(first, |before, plan| then(before, |n| parts(plan, n, facts)))?
        }
        Plan::Race(plans) => {
            let ends: Option<Vec<_>> = plans.iter().map(|plan| parts(plan, n, facts)).collect();
            ends?.into_iter().flatten().collect()
        }
        Plan::Gather(plans) => gathered(plans, n, facts)?,
        Plan::Try(body, rescue) => {
            let mut found = BTreeSet::new();
            for part in parts(body, n, facts)? {
                match part {
                    Err(End::Raised(_)) => found.extend(parts(rescue, n, facts)?),
                    part => drop(found.insert(part)),
                }
            }
            found
        }
        Plan::Finally(body, _) => parts(body, n, facts)?,
    };
    (found.len() <= ENDS_MAX).then_some(found)
}

/// What a workflow comes to that hears nothing but what it tells itself, and what is told to those that wait in the end.
fn of_child(plan: &Plan, n: i64) -> Option<BTreeSet<Part>> {
    let signals = BTreeMap::from([(TOLD.to_owned(), BTreeSet::from([0]))]);
    let ends = ends(plan, n, &Facts { signals, is_cancelled: false })?;
    let part = |end| match end {
        End::Returned(n) => Ok(n),
        end => Err(end),
    };
    Some(ends.into_iter().map(part).collect())
}

/// What follows each number.
fn then(
    before: BTreeSet<Part>,
    mut next: impl FnMut(i64) -> Option<BTreeSet<Part>>,
) -> Option<BTreeSet<Part>> {
    let mut after = BTreeSet::new();
    for part in before {
        match part {
            Ok(n) => after.extend(next(n)?),
            end => drop(after.insert(end)),
        }
    }
    (after.len() <= ENDS_MAX).then_some(after)
}

/// Every list of the numbers that the plans may come to, and everything else that one of them may come to.
fn gathered(plans: &[Plan], n: i64, facts: &Facts) -> Option<BTreeSet<Part>> {
    let (mut lists, mut found) = (vec![Vec::new()], BTreeSet::new());
    for plan in plans {
        let (numbers, ends): (BTreeSet<Part>, _) =
            parts(plan, n, facts)?.into_iter().partition(Result::is_ok);
        found.extend(ends);
        let numbers: Vec<i64> = numbers.into_iter().flatten().collect();
        let longer = |list: Vec<i64>| {
            numbers.iter().map(move |number| [&list[..], &[*number]].concat()).collect::<Vec<_>>()
        };
        lists = lists.into_iter().flat_map(longer).collect();
        if lists.len() > ENDS_MAX {
            return None;
        }
    }
    found.extend(lists.into_iter().map(|list| Ok(together(list))));
    Some(found)
}
