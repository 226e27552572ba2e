//! One DAG under way.
//!
//! Invariants:
//! * a task is told of the end of each of its upstream tasks once, and ends once;
//! * `calls` has an entry for the tasks that are ready or running, and the queue those of them that have a call to start;
//! * `open` counts the tasks that have not ended; the DAG ends when it reaches 0.

use super::alphabet::{Answer, Event, Happened, Line, Output, Request, State, Status};
use super::plan::Plan;
use super::queue::Queue;
use super::verdict::{Tally, Verdict, verdict};
use serde::{Deserialize, Serialize};
use sluice_types::{TaskIx, TaskKind, limits};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Most calls that one event starts and most ends that it passes on. What is left is done when a timer is due at once, so
/// that no step of a run takes long.
pub const STEPS_MAX: usize = 1_000;

/// A DAG under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Execution {
    tasks: Vec<Standing>,
    calls: BTreeMap<TaskIx, Calls>,
    /// Elements of results that other tasks are called for, one by one.
    elements: BTreeMap<TaskIx, u32>,
    queue: Queue,
    /// Tasks that have ended, and of which those downstream have not been told.
    ended: VecDeque<TaskIx>,
    alarms: BTreeSet<(u64, TaskIx, Alarm)>,
    /// When this was left unfinished, in milliseconds since the Unix epoch.
    behind_ms: Option<u64>,
    open: u32,
    first_failed: Option<TaskIx>,
    has_failed_leaf: bool,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Standing {
    state: State,
    tally: Tally,
    /// Tasks directly upstream without whose ends there is no verdict (see [`Plan::awaits`]).
    awaits: u32,
    /// Tasks directly downstream that have not ended: they may need its result.
    users: u32,
}

/// The calls of a task that is ready or running.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Calls {
    of: u32,
    started: u32,
    under_way: u32,
    succeeded: u32,
    has_failed: bool,
    timeout_ms: Option<u64>,
    again_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Alarm {
    Again,
    Timeout,
}

impl Execution {
    /// A DAG that starts.
    pub fn start(plan: &Plan, now_ms: u64, out: &mut Output) -> Self {
        let standing = |task| Standing {
            state: State::Waiting,
            tally: Tally::default(),
            awaits: plan.task(task).after.iter().filter(|before| plan.awaits(task, **before)).count() as u32,
            users: plan.below(task).len() as u32,
        };
        let mut execution = Self {
            tasks: plan.tasks().map(standing).collect(),
            calls: BTreeMap::new(),
            elements: BTreeMap::new(),
            queue: Queue::new(plan.dag()),
            ended: VecDeque::new(),
            alarms: BTreeSet::new(),
            behind_ms: None,
            open: plan.dag().tasks.len() as u32,
            first_failed: None,
            has_failed_leaf: false,
        };
        plan.tasks().for_each(|task| execution.judge(plan, task, out));
        execution.go_on(plan, now_ms, out);
        execution
    }

    /// Lets something happen.
    pub fn apply(&mut self, plan: &Plan, event: Event, now_ms: u64, out: &mut Output) {
        match event {
            Event::Done { task, answer } => self.done(plan, task, answer, now_ms, out),
            Event::Failed { task } => self.failed(plan, task, out),
            Event::Timer => self.fire(plan, now_ms, out),
        }
        self.go_on(plan, now_ms, out);
    }

    /// When it next wants to be told that time has passed, in milliseconds since the Unix epoch.
    pub fn next_deadline(&self) -> Option<u64> {
        let alarm = self.alarms.first().map(|(due_ms, ..)| *due_ms);
        [alarm, self.behind_ms].into_iter().flatten().min()
    }

    /// Where it is in its life.
    pub fn status(&self) -> Status {
        match self.first_failed.filter(|_| self.has_failed_leaf) {
            _ if self.open > 0 => Status::Running,
            Some(first) => Status::Failed { first },
            None => Status::Succeeded,
        }
    }

    /// The state of a task.
    pub fn state(&self, task: TaskIx) -> State {
        self.tasks[task.index()].state
    }

    /// Tasks with calls under way, and how many.
    pub fn awaited(&self) -> impl Iterator<Item = (TaskIx, u32)> + '_ {
        let calls = self.calls.iter().map(|(task, calls)| (*task, calls.under_way));
        calls.filter(|(_, under_way)| *under_way > 0)
    }

    /// Passes on ends, then starts calls.
    fn go_on(&mut self, plan: &Plan, now_ms: u64, out: &mut Output) {
        self.behind_ms = None;
        for _ in 0..STEPS_MAX {
            if let Some(task) = self.ended.pop_front() {
                self.pass_on(plan, task, out);
            } else if let Some(task) = self.queue.first() {
                self.call(plan, task, now_ms, out);
            } else {
                return;
            }
        }
        self.behind_ms = (!self.ended.is_empty() || self.queue.first().is_some()).then_some(now_ms);
    }

    /// The tasks downstream see the end of one.
    fn pass_on(&mut self, plan: &Plan, task: TaskIx, out: &mut Output) {
        let state = self.state(task);
        for &below in plan.below(task) {
            let standing = &mut self.tasks[below.index()];
            standing.awaits -= u32::from(plan.awaits(below, task));
            let tally = &mut standing.tally;
            let count = match state {
                State::Success => &mut tally.succeeded,
                State::Skipped => &mut tally.skipped,
                _ => &mut tally.failed,
            };
            *count += 1;
            self.judge(plan, below, out);
        }
    }

    fn judge(&mut self, plan: &Plan, task: TaskIx, out: &mut Output) {
        let Standing { state, tally, awaits, .. } = self.tasks[task.index()];
        if state != State::Waiting || awaits > 0 {
            return;
        }
        let declared = plan.task(task);
        match verdict(declared.rule, tally, declared.after.len() as u32) {
            Verdict::Wait => {}
            Verdict::Run => self.make_ready(plan, task, out),
            Verdict::Skip => self.end(plan, task, State::Skipped, None, out),
            Verdict::Fail => self.end(plan, task, State::UpstreamFailed, None, out),
        }
    }

    fn make_ready(&mut self, plan: &Plan, task: TaskIx, out: &mut Output) {
        let declared = plan.task(task);
        let of = match declared.kind {
            TaskKind::Map { over } => self.elements.get(&over).copied().unwrap_or(0),
            _ => 1,
        };
        if of == 0 {
            return self.end(plan, task, State::Skipped, None, out);
        }
        self.tasks[task.index()].state = State::Ready;
        self.calls.insert(task, Calls { of, ..Calls::default() });
        self.queue.push(task, declared);
        if declared.pool.is_some() {
            out.lines.push(Line { task, happened: Happened::Ready });
        }
    }

    /// Starts the next call of a task.
    fn call(&mut self, plan: &Plan, task: TaskIx, now_ms: u64, out: &mut Output) {
        let declared = plan.task(task);
        let calls = self.calls.get_mut(&task).expect("what is queued is ready or running");
        let element = calls.started;
        calls.started += 1;
        calls.under_way += 1;
        self.queue.take_slot(declared);
        if calls.started == calls.of {
            self.queue.remove(task, declared);
        }
        if std::mem::replace(&mut self.tasks[task.index()].state, State::Running) == State::Ready {
            out.lines.push(Line { task, happened: Happened::Started(calls.of) });
            calls.timeout_ms = declared.timeout_ms.map(|ms| now_ms.saturating_add(ms));
            self.alarms.extend(calls.timeout_ms.map(|due_ms| (due_ms, task, Alarm::Timeout)));
        }
        out.requests.push(Request::Call { task, element });
    }

    fn done(&mut self, plan: &Plan, task: TaskIx, answer: Answer, now_ms: u64, out: &mut Output) {
        if !self.has_returned(plan, task) {
            return;
        }
        let unusable = match answer {
            Answer::Again => return self.call_again(plan, task, now_ms),
            Answer::Value => None,
            Answer::Elements(count) if count as usize > limits::DAG_MAPPED_MAX => Some(
                format!("a list of {count}; at most {} can be mapped over", limits::DAG_MAPPED_MAX).into(),
            ),
            Answer::Elements(count) => {
                self.elements.insert(task, count);
                None
            }
            Answer::Follow(names) => self.follow(plan, task, &names, out).err(),
            Answer::Unusable(why) => Some(why),
        };
        let calls = self.calls.get_mut(&task).expect("it has just returned");
        match unusable {
            Some(why) => self.give_up(plan, task, Some(why), out),
            None => {
                calls.succeeded += 1;
                self.conclude(plan, task, out);
            }
        }
    }

    fn failed(&mut self, plan: &Plan, task: TaskIx, out: &mut Output) {
        if self.has_returned(plan, task) {
            self.calls.get_mut(&task).expect("it has just returned").has_failed = true;
            self.conclude(plan, task, out);
        }
    }

    /// A call has ended. False when nobody waits for it.
    fn has_returned(&mut self, plan: &Plan, task: TaskIx) -> bool {
        let Some(calls) = self.calls.get_mut(&task).filter(|calls| calls.under_way > 0) else { return false };
        calls.under_way -= 1;
        self.queue.free_slots(plan.task(task), 1);
        true
    }

    /// Ends a task whose calls have all ended.
    fn conclude(&mut self, plan: &Plan, task: TaskIx, out: &mut Output) {
        let calls = self.calls[&task];
        if calls.started < calls.of || calls.under_way > 0 {
            return;
        }
        if plan.is_mapped_over(task) && plan.task(task).is_mapped() {
            self.elements.insert(task, calls.succeeded);
        }
        match calls.has_failed {
            true => self.give_up(plan, task, None, out),
            false => self.end(plan, task, State::Success, None, out),
        }
    }

    fn give_up(&mut self, plan: &Plan, task: TaskIx, why: Option<Arc<str>>, out: &mut Output) {
        let state = match plan.task(task).kind {
            TaskKind::Sensor { soft_fail: true, .. } => State::Skipped,
            _ => State::Failed,
        };
        self.end(plan, task, state, why, out);
    }

    /// What a branch does not name is skipped, but for what lies downstream of what it names.
    fn follow(
        &mut self,
        plan: &Plan,
        branch: TaskIx,
        names: &[Arc<str>],
        out: &mut Output,
    ) -> Result<(), Arc<str>> {
        let below = plan.below(branch);
        let is_named = |task: &TaskIx| names.contains(&plan.task(*task).name);
        if let Some(name) =
            names.iter().find(|name| !below.iter().any(|task| plan.task(*task).name == **name))
        {
            return Err(format!("a branch to {name:?}, which is not directly downstream of it").into());
        }
        let (chosen, others): (Vec<TaskIx>, Vec<TaskIx>) = below.iter().copied().partition(is_named);
        for task in plan.beside(&chosen, others) {
            if self.state(task) == State::Waiting {
                self.end(plan, task, State::Skipped, None, out);
            }
        }
        Ok(())
    }

    fn call_again(&mut self, plan: &Plan, task: TaskIx, now_ms: u64) {
        let TaskKind::Sensor { interval_ms, .. } = plan.task(task).kind else { return };
        let calls = self.calls.get_mut(&task).expect("it has just returned");
        let due_ms = now_ms.saturating_add(interval_ms);
        (calls.started, calls.again_ms) = (0, Some(due_ms));
        self.alarms.insert((due_ms, task, Alarm::Again));
    }

    fn fire(&mut self, plan: &Plan, now_ms: u64, out: &mut Output) {
        while let Some((_, task, alarm)) =
            self.alarms.first().copied().filter(|(due_ms, ..)| *due_ms <= now_ms)
        {
            self.alarms.pop_first();
            let calls = self.calls.get_mut(&task).expect("only what is running has alarms");
            match alarm {
                Alarm::Again => {
                    calls.again_ms = None;
                    self.queue.push(task, plan.task(task));
                }
                Alarm::Timeout => {
                    calls.timeout_ms = None;
                    let ms = plan.task(task).timeout_ms.unwrap_or_default();
                    self.give_up(
                        plan,
                        task,
                        Some(format!("not done within its timeout of {ms} ms").into()),
                        out,
                    );
                }
            }
        }
    }

    fn end(&mut self, plan: &Plan, task: TaskIx, state: State, why: Option<Arc<str>>, out: &mut Output) {
        let declared = plan.task(task);
        self.stop_calls(plan, task, out);
        self.tasks[task.index()].state = state;
        self.open -= 1;
        self.ended.push_back(task);
        let happened = match state {
            State::Success => Happened::Succeeded,
            State::Skipped => Happened::Skipped(why),
            State::UpstreamFailed => Happened::UpstreamFailed,
            _ => Happened::Failed(why),
        };
        out.lines.push(Line { task, happened });
        if state == State::Failed {
            self.first_failed.get_or_insert(task);
        }
        self.has_failed_leaf |= plan.is_leaf(task) && matches!(state, State::Failed | State::UpstreamFailed);
        for &before in &declared.after {
            self.tasks[before.index()].users -= 1;
            self.release(before, out);
        }
        self.release(task, out);
    }

    /// Whatever a task has under way is stopped.
    fn stop_calls(&mut self, plan: &Plan, task: TaskIx, out: &mut Output) {
        let Some(calls) = self.calls.remove(&task) else { return };
        let declared = plan.task(task);
        self.queue.remove(task, declared);
        for (due_ms, alarm) in [(calls.timeout_ms, Alarm::Timeout), (calls.again_ms, Alarm::Again)] {
            self.alarms.remove(&(due_ms.unwrap_or_default(), task, alarm));
        }
        if calls.under_way > 0 {
            self.queue.free_slots(declared, calls.under_way);
            out.requests.push(Request::Cancel(task));
        }
    }

    /// Lets go of the result of a task that has ended, once nobody needs it.
    fn release(&mut self, task: TaskIx, out: &mut Output) {
        let Standing { state, users, .. } = self.tasks[task.index()];
        if users == 0 && matches!(state, State::Success | State::Failed) {
            self.elements.remove(&task);
            out.requests.push(Request::Release(task));
        }
    }
}
