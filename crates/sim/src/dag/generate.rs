//! Random DAGs.

use super::case::{Case, Fate};
use crate::rng::Rng;
use sluice_types::dag::{Dag, Pool, Rule, Task};
use sluice_types::{FunctionIx, RetryPolicy, TaskIx, TaskKind};
use std::collections::BTreeSet;

/// Most tasks.
const TASKS_MAX: usize = 13;
/// Most tasks that one waits for.
const AFTER_MAX: usize = 4;

/// A random case. With timeouts, how it ends depends on time.
pub fn case(rng: &mut Rng, timeouts: bool) -> Case {
    let mut tasks: Vec<Task> = (0..rng.between(1, TASKS_MAX)).map(|at| task(rng, at, timeouts)).collect();
    let mapped_over: BTreeSet<TaskIx> = tasks.iter().filter_map(over).collect();
    // A branch names tasks: nothing is called for each of them.
    for at in 0..tasks.len() {
        if over(&tasks[at]).is_some_and(|of| tasks[of.index()].kind == TaskKind::Branch) {
            tasks[at].kind = TaskKind::Call;
        }
    }
    let is_list = |at: usize| mapped_over.contains(&TaskIx(at as u32)) && !tasks[at].is_mapped();
    let fates = (0..tasks.len()).map(|at| fate(rng, &tasks[at], is_list(at))).collect();
    let numbers = (0..tasks.len()).map(|at| match tasks[at].kind {
        // An empty list is nothing true.
        TaskKind::Sensor { .. } => rng.between(1, 4) as u32,
        _ => rng.below(5) as u32,
    });
    let numbers = numbers.collect();
    let pools = vec![Pool { name: "a".into(), slots: 1 }, Pool { name: "b".into(), slots: 2 }];
    Case { dag: Dag { tasks, pools, schedule: None }, fates, numbers }
}

fn over(task: &Task) -> Option<TaskIx> {
    match task.kind {
        TaskKind::Map { over } => Some(over),
        _ => None,
    }
}

/// A task that waits for some of those before it.
fn task(rng: &mut Rng, at: usize, timeouts: bool) -> Task {
    let after: BTreeSet<usize> = (0..rng.below(AFTER_MAX + 1)).map(|_| rng.below(at.max(1))).collect();
    let after: Vec<TaskIx> = after.into_iter().filter(|of| *of < at).map(|of| TaskIx(of as u32)).collect();
    let kind = match (rng.below(8), after.last()) {
        (0 | 1, _) => TaskKind::Branch,
        (2 | 3, Some(over)) => TaskKind::Map { over: *over },
        (4, _) => TaskKind::Sensor { interval_ms: 10, soft_fail: rng.chance(500) },
        _ => TaskKind::Call,
    };
    let retry = RetryPolicy {
        attempts: rng.between(3, 4) as u32,
        initial_ms: 5,
        max_ms: 50,
        ..RetryPolicy::default()
    };
    Task {
        after,
        rule: if rng.chance(400) { Rule::AllSuccess } else { *rng.pick(&Rule::ALL) },
        kind,
        retry: rng.chance(300).then(|| Box::new(retry)),
        timeout_ms: (timeouts && rng.chance(150)).then(|| rng.between(20, 400) as u64),
        priority: rng.below(5) as i32 - 2,
        pool: rng.chance(500).then(|| rng.below(2) as u32),
        ..Task::new(&format!("t{at}"), FunctionIx(at as u16))
    }
}

fn fate(rng: &mut Rng, task: &Task, is_list: bool) -> Fate {
    match rng.below(9) {
        0 | 1 => Fate::Fails,
        2 if is_list || task.kind == TaskKind::Branch => Fate::Unusable,
        3 | 4 if matches!(task.kind, TaskKind::Sensor { .. }) => Fate::FalseFirst,
        _ => Fate::Succeeds,
    }
}
