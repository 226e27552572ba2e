//! Tasks that could start, in the order in which they do, and the slots of their pools.

use serde::{Deserialize, Serialize};
use sluice_types::TaskIx;
use sluice_types::dag::{Dag, Task};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Ready tasks: the highest priority first, then in the order of the definition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Queue {
    /// By pool; the last is of tasks that are in none.
    lines: Vec<Line>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    /// Slots that are free; `None` without a limit.
    free: Option<u32>,
    ready: BTreeSet<(Reverse<i32>, TaskIx)>,
}

impl Queue {
    pub fn new(dag: &Dag) -> Self {
        let pools = dag.pools.iter().map(|pool| Some(pool.slots));
        let lines = pools.chain([None]).map(|free| Line { free, ready: BTreeSet::new() });
        Self { lines: lines.collect() }
    }

    fn line(&mut self, task: &Task) -> &mut Line {
        let last = self.lines.len() - 1;
        &mut self.lines[task.pool.map_or(last, |pool| pool as usize)]
    }

    pub fn push(&mut self, at: TaskIx, task: &Task) {
        self.line(task).ready.insert((Reverse(task.priority), at));
    }

    pub fn remove(&mut self, at: TaskIx, task: &Task) {
        self.line(task).ready.remove(&(Reverse(task.priority), at));
    }

    /// The task that starts a call next; it stays in the queue.
    pub fn first(&self) -> Option<TaskIx> {
        let open = self.lines.iter().filter(|line| line.free != Some(0));
        open.filter_map(|line| line.ready.first()).min().map(|(_, at)| *at)
    }

    /// A call of this task starts.
    pub fn take_slot(&mut self, task: &Task) {
        let free = &mut self.line(task).free;
        *free = free.map(|free| free - 1);
    }

    /// Calls of this task have ended.
    pub fn free_slots(&mut self, task: &Task, calls: u32) {
        let free = &mut self.line(task).free;
        *free = free.map(|free| free + calls);
    }
}
