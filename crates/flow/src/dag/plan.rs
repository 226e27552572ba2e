//! A DAG, prepared for execution: what lies downstream of what.

use sluice_types::dag::{Dag, Task};
use sluice_types::{TaskIx, TaskKind};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A DAG with the tables that make each step a look-up.
#[derive(Debug)]
pub struct Plan {
    dag: Arc<Dag>,
    below: Vec<Vec<TaskIx>>,
    /// Tasks come after all that they wait for.
    rank: Vec<u32>,
    mapped: Vec<bool>,
}

impl Plan {
    /// Builds the tables.
    pub fn of(dag: Arc<Dag>) -> Self {
        let mut below = vec![Vec::new(); dag.tasks.len()];
        let mut mapped = vec![false; dag.tasks.len()];
        for (at, task) in dag.tasks.iter().enumerate() {
            task.after.iter().for_each(|before| below[before.index()].push(TaskIx(at as u32)));
            if let TaskKind::Map { over } = task.kind {
                mapped[over.index()] = true;
            }
        }
        let rank = rank(&dag, &below);
        Self { dag, below, rank, mapped }
    }

    /// The DAG itself.
    pub fn dag(&self) -> &Dag {
        &self.dag
    }

    /// One of its tasks.
    pub fn task(&self, task: TaskIx) -> &Task {
        &self.dag.tasks[task.index()]
    }

    /// All tasks.
    pub fn tasks(&self) -> impl Iterator<Item = TaskIx> + use<> {
        (0..self.dag.tasks.len() as u32).map(TaskIx)
    }

    /// The tasks directly downstream.
    pub fn below(&self, task: TaskIx) -> &[TaskIx] {
        &self.below[task.index()]
    }

    /// Whether nothing waits for it: its result is one of the run.
    pub fn is_leaf(&self, task: TaskIx) -> bool {
        self.below(task).is_empty()
    }

    /// Whether another task is called for each element of its result.
    pub fn is_mapped_over(&self, task: TaskIx) -> bool {
        self.mapped[task.index()]
    }

    /// Whether a task cannot do without the end of one directly upstream, whatever its rule: a branch may leave it out, and
    /// a list says for what it is called.
    pub(super) fn awaits(&self, task: TaskIx, before: TaskIx) -> bool {
        let over = TaskKind::Map { over: before };
        self.task(before).kind == TaskKind::Branch || self.task(task).kind == over
    }

    /// Of these tasks, those that lie downstream of none of the chosen ones.
    pub(super) fn beside(&self, chosen: &[TaskIx], others: Vec<TaskIx>) -> Vec<TaskIx> {
        let joins = others.iter().filter(|task| self.task(**task).after.len() > 1);
        let mut joins: BTreeSet<TaskIx> = joins.copied().collect();
        let last = joins.iter().map(|task| self.rank[task.index()]).max();
        let mut reached = BTreeSet::new();
        let (mut seen, mut stack) = (BTreeSet::new(), chosen.to_vec());
        while let Some(task) = stack.pop().filter(|_| !joins.is_empty()) {
            for &next in self.below(task) {
                if Some(self.rank[next.index()]) <= last && seen.insert(next) {
                    if joins.remove(&next) {
                        reached.insert(next);
                    }
                    stack.push(next);
                }
            }
        }
        others.into_iter().filter(|task| !reached.contains(task)).collect()
    }
}

fn rank(dag: &Dag, below: &[Vec<TaskIx>]) -> Vec<u32> {
    let mut waits: Vec<usize> = dag.tasks.iter().map(|task| task.after.len()).collect();
    let mut order: Vec<usize> = (0..waits.len()).filter(|at| waits[*at] == 0).collect();
    let mut rank = vec![0; waits.len()];
    let mut next = 0;
    while let Some(&at) = order.get(next) {
        rank[at] = next as u32;
        next += 1;
        for below in &below[at] {
            waits[below.index()] -= 1;
            if waits[below.index()] == 0 {
                order.push(below.index());
            }
        }
    }
    assert_eq!(next, dag.tasks.len(), "a program holds no DAG with a cycle");
    rank
}
