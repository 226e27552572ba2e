//! A DAG, and how the calls of its tasks end.

use super::conduct::{Answer, Conduct};
use sluice_flow::dag::Plan;
use sluice_types::dag::Dag;
use sluice_types::{TaskIx, TaskKind};

/// How the calls of a task end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Well.
    Succeeds,
    /// They are out of attempts.
    Fails,
    /// It returns no list, or names no task.
    Unusable,
    /// Of a sensor: it returns something false, how often is open, and then something true.
    FalseFirst,
}

/// A DAG, how its calls end, and what its branches choose and its lists hold.
#[derive(Clone, Debug)]
pub struct Case {
    /// The DAG. The functions of its tasks follow each other.
    pub dag: Dag,
    /// By task.
    pub fates: Vec<Fate>,
    /// By task. Of a branch, which of those below it: a bit each. Of a list, how many elements.
    pub numbers: Vec<u32>,
}

impl Case {
    /// The tasks that follow a branch.
    pub fn chosen(&self, plan: &Plan, branch: TaskIx) -> Vec<TaskIx> {
        let below = plan.below(branch).iter().enumerate();
        let is_chosen = |at: usize| self.numbers[branch.index()] >> (at % 32) & 1 == 1;
        below.filter(|(at, _)| is_chosen(*at)).map(|(_, task)| *task).collect()
    }

    /// Whether the calls of a task all fail.
    pub fn fails(&self, task: TaskIx) -> bool {
        matches!(self.fates[task.index()], Fate::Fails | Fate::Unusable)
    }

    /// What the function of a task does.
    pub fn conduct(&self, plan: &Plan, task: TaskIx) -> Conduct {
        let declared = plan.task(task);
        let answer = match declared.kind {
            TaskKind::Branch => {
                let names = self.chosen(plan, task).into_iter();
                Answer::Names(names.map(|task| plan.task(task).name.to_string()).collect())
            }
            _ if plan.is_mapped_over(task) && !declared.is_mapped() => {
                Answer::List(self.numbers[task.index()])
            }
            _ => Answer::Value,
        };
        let fate = self.fates[task.index()];
        Conduct {
            task: declared.name.to_string(),
            answer: if fate == Fate::Unusable { Answer::Unusable } else { answer },
            fails: fate == Fate::Fails,
            hesitates: fate == Fate::FalseFirst && matches!(declared.kind, TaskKind::Sensor { .. }),
        }
    }
}
