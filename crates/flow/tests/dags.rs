//! DAGs against a model that knows nothing of events: it computes the states of all tasks from how their calls end.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use proptest::prelude::*;
use proptest::sample::select;
use sluice_flow::dag::{Answer, Event, Execution, Happened, Line, Output, Plan, Request, State, Status};
use sluice_types::dag::{Dag, Pool, Rule, Task};
use sluice_types::{FunctionIx, TaskIx, TaskKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How the calls of a task end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Succeeds,
    Fails,
    /// It returns no list, or names no task.
    Unusable,
    /// Of a sensor: it returns something false as often, then something true.
    FalseFirst(u32),
}

/// A DAG, how its calls end, and what its branches choose and its lists hold.
#[derive(Clone, Debug)]
struct Case {
    dag: Dag,
    fates: Vec<Fate>,
    /// Of a branch, which of those below it: a bit each. Of a list, how many elements.
    numbers: Vec<u32>,
    /// Picks the call that ends next.
    order: Vec<usize>,
}

impl Case {
    fn chosen(&self, plan: &Plan, branch: TaskIx) -> Vec<TaskIx> {
        let below = plan.below(branch).iter().enumerate();
        below
            .filter(|(at, _)| self.numbers[branch.index()] >> (at % 32) & 1 == 1)
            .map(|(_, task)| *task)
            .collect()
    }

    fn answer(&self, plan: &Plan, task: TaskIx, made: u32) -> Event {
        let kind = plan.task(task).kind;
        let answer = match self.fates[task.index()] {
            Fate::Fails => return Event::Failed { task },
            Fate::FalseFirst(times) if made <= times && matches!(kind, TaskKind::Sensor { .. }) => {
                Answer::Again
            }
            Fate::Unusable if kind == TaskKind::Branch => Answer::Follow(vec!["nothing".into()]),
            Fate::Unusable => Answer::Unusable("a number".into()),
            _ if kind == TaskKind::Branch => {
                let names = self.chosen(plan, task);
                Answer::Follow(names.into_iter().map(|task| plan.task(task).name.clone()).collect())
            }
            _ if plan.is_mapped_over(task) && !plan.task(task).is_mapped() => {
                Answer::Elements(self.numbers[task.index()])
            }
            _ => Answer::Value,
        };
        Event::Done { task, answer }
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    prop_oneof![2 => Just(Rule::AllSuccess), 3 => select(Rule::ALL.to_vec())]
}

/// A task that waits for some of those before it.
fn task(at: usize) -> impl Strategy<Value = Task> {
    let after = proptest::collection::btree_set(0..at.max(1), 0..=at.min(4));
    let kind = 0..8;
    (after, rule(), kind, -2..3, proptest::option::of(0..2_u32), proptest::bool::ANY).prop_map(
        move |(after, rule, kind, priority, pool, soft_fail)| {
            let after: Vec<TaskIx> =
                after.into_iter().filter(|of| *of < at).map(|of| TaskIx(of as u32)).collect();
            let kind = match (kind, after.last()) {
                (0 | 1, _) => TaskKind::Branch,
                (2 | 3, Some(over)) => TaskKind::Map { over: *over },
                (4, _) => TaskKind::Sensor { interval_ms: 10, soft_fail },
                _ => TaskKind::Call,
            };
            Task { after, rule, kind, priority, pool, ..Task::new(&format!("t{at}"), FunctionIx(0)) }
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let fate = prop_oneof![
        5 => Just(Fate::Succeeds), 2 => Just(Fate::Fails), 1 => Just(Fate::Unusable), 1 => (1..3_u32).prop_map(Fate::FalseFirst)
    ];
    let tasks = (1..14_usize).prop_flat_map(|count| (0..count).map(task).collect::<Vec<_>>());
    tasks.prop_flat_map(move |mut tasks| {
        // A branch names tasks: nothing is called for each of them.
        for at in 0..tasks.len() {
            if let TaskKind::Map { over } = tasks[at].kind
                && tasks[over.index()].kind == TaskKind::Branch
            {
                tasks[at].kind = TaskKind::Call;
            }
        }
        let count = tasks.len();
        let pools = vec![Pool { name: "a".into(), slots: 1 }, Pool { name: "b".into(), slots: 2 }];
        let dag = Dag { tasks, pools, schedule: None };
        (
            Just(dag),
            proptest::collection::vec(fate.clone(), count),
            proptest::collection::vec(0..5_u32, count),
            proptest::collection::vec(0..1000_usize, 1..40),
        )
            .prop_map(|(dag, fates, numbers, order)| Case { dag, fates, numbers, order })
    })
}

/// The states that tasks end in, from upstream to downstream.
fn model(case: &Case, plan: &Plan) -> Vec<State> {
    let mut states: Vec<State> = Vec::new();
    let mut lists: BTreeMap<TaskIx, u32> = BTreeMap::new();
    for task in plan.tasks() {
        let declared = plan.task(task);
        let left_out = declared.after.iter().any(|before| {
            let chosen = case.chosen(plan, *before);
            plan.task(*before).kind == TaskKind::Branch
                && states[before.index()] == State::Success
                && !chosen.iter().any(|chosen| leads_to(plan, *chosen, task))
        });
        let upstream: Vec<State> = declared.after.iter().map(|before| states[before.index()]).collect();
        let state = match left_out {
            true => State::Skipped,
            false => {
                by_rule(declared.rule, &upstream).unwrap_or_else(|| of_calls(case, plan, task, &mut lists))
            }
        };
        states.push(state);
    }
    states
}

fn leads_to(plan: &Plan, from: TaskIx, to: TaskIx) -> bool {
    from == to || plan.below(from).iter().any(|below| leads_to(plan, *below, to))
}

/// What a task ends in without running.
fn by_rule(rule: Rule, upstream: &[State]) -> Option<State> {
    let is = |state: State| upstream.iter().filter(move |of| **of == state).count();
    let failed = is(State::Failed) + is(State::UpstreamFailed);
    let succeeded = is(State::Success);
    let runs = match rule {
        Rule::AllSuccess => succeeded == upstream.len(),
        Rule::AllDone | Rule::Always => true,
        Rule::AllFailed => failed == upstream.len(),
        Rule::OneFailed => failed > 0,
        Rule::OneSuccess => succeeded > 0,
        Rule::NoneFailed => failed == 0,
        Rule::NoneFailedMinOneSuccess => failed == 0 && succeeded > 0,
    };
    if runs || upstream.is_empty() {
        return None;
    }
    let needs_success = matches!(
        rule,
        Rule::AllSuccess | Rule::OneSuccess | Rule::NoneFailed | Rule::NoneFailedMinOneSuccess
    );
    Some(if needs_success && failed > 0 { State::UpstreamFailed } else { State::Skipped })
}

fn of_calls(case: &Case, plan: &Plan, task: TaskIx, lists: &mut BTreeMap<TaskIx, u32>) -> State {
    let kind = plan.task(task).kind;
    let fate = case.fates[task.index()];
    let fails = fate == Fate::Fails || fate == Fate::Unusable;
    let calls = match kind {
        TaskKind::Map { over } => lists.get(&over).copied().unwrap_or(0),
        _ => 1,
    };
    if calls == 0 {
        return State::Skipped;
    }
    if plan.is_mapped_over(task) && !fails {
        lists.insert(task, if plan.task(task).is_mapped() { calls } else { case.numbers[task.index()] });
    }
    match kind {
        TaskKind::Sensor { soft_fail: true, .. } if fails => State::Skipped,
        _ if fails => State::Failed,
        _ => State::Success,
    }
}

/// Plays a DAG to its end, calls ending in some order.
struct Player {
    plan: Plan,
    execution: Execution,
    under_way: Vec<TaskIx>,
    made: BTreeMap<TaskIx, u32>,
    elements: BTreeSet<(TaskIx, u32)>,
    released: BTreeSet<TaskIx>,
    lines: Vec<Line>,
    now_ms: u64,
}

impl Player {
    fn play(case: &Case) -> Self {
        let plan = Plan::of(Arc::new(case.dag.clone()));
        let mut out = Output::default();
        let execution = Execution::start(&plan, 0, &mut out);
        let (under_way, made, lines) = (Vec::new(), BTreeMap::new(), Vec::new());
        let (elements, released) = (BTreeSet::new(), BTreeSet::new());
        let mut player = Self { plan, execution, under_way, made, elements, released, lines, now_ms: 0 };
        player.take(out);
        for step in 0.. {
            let pick = case.order[step % case.order.len()];
            match (player.under_way.is_empty(), player.execution.next_deadline()) {
                (false, _) => {
                    let task = player.under_way.swap_remove(pick % player.under_way.len());
                    player.apply(case.answer(&player.plan, task, player.made[&task]));
                }
                (true, Some(due_ms)) => {
                    player.now_ms = player.now_ms.max(due_ms);
                    player.apply(Event::Timer);
                }
                (true, None) => break,
            }
            player.check();
        }
        player
    }

    fn apply(&mut self, event: Event) {
        let mut out = Output::default();
        // What is written and read again goes on as if nothing had happened.
        let bytes = postcard::to_stdvec(&self.execution).unwrap();
        self.execution = postcard::from_bytes(&bytes).unwrap();
        self.execution.apply(&self.plan, event, self.now_ms, &mut out);
        self.take(out);
    }

    fn take(&mut self, out: Output) {
        for request in out.requests {
            match request {
                Request::Call { task, element } => {
                    let is_sensor = matches!(self.plan.task(task).kind, TaskKind::Sensor { .. });
                    assert!(
                        self.elements.insert((task, element)) || is_sensor,
                        "{task} {element} is called twice"
                    );
                    *self.made.entry(task).or_default() += 1;
                    self.under_way.push(task);
                }
                Request::Cancel(task) => self.under_way.retain(|of| *of != task),
                Request::Release(task) => {
                    assert!(self.released.insert(task), "{task} is released twice");
                    for below in self.plan.below(task) {
                        assert!(!self.under_way.contains(below), "{task} is released, and {below} needs it");
                    }
                }
            }
        }
        self.lines.extend(out.lines);
    }

    fn check(&self) {
        let mut counts: BTreeMap<TaskIx, u32> = BTreeMap::new();
        self.under_way.iter().for_each(|task| *counts.entry(*task).or_default() += 1);
        assert!(self.execution.awaited().eq(counts), "it waits for what was asked for");
        for (pool, declared) in self.plan.dag().pools.iter().enumerate() {
            let in_pool = |task: &&TaskIx| self.plan.task(**task).pool == Some(pool as u32);
            assert!(self.under_way.iter().filter(in_pool).count() <= declared.slots as usize, "a full pool");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn tasks_end_as_their_rules_say(case in case()) {
        let player = Player::play(&case);
        let expected = model(&case, &player.plan);
        let states: Vec<State> = player.plan.tasks().map(|task| player.execution.state(task)).collect();
        prop_assert_eq!(&states, &expected);
        let failed_leaf = player.plan.tasks().any(|task| {
            player.plan.is_leaf(task) && matches!(states[task.index()], State::Failed | State::UpstreamFailed)
        });
        let first = player.lines.iter().find(|line| matches!(line.happened, Happened::Failed(_)));
        let status = match first.filter(|_| failed_leaf) {
            Some(line) => Status::Failed { first: line.task },
            None => Status::Succeeded,
        };
        prop_assert_eq!(player.execution.status(), status);
        let held = |task: &TaskIx| matches!(states[task.index()], State::Success | State::Failed);
        prop_assert_eq!(player.released, player.plan.tasks().filter(held).collect::<BTreeSet<_>>());
    }
}

fn played(tasks: Vec<Task>, pools: Vec<Pool>) -> (Plan, Execution, Output) {
    let plan = Plan::of(Arc::new(Dag { tasks, pools, schedule: None }));
    let mut out = Output::default();
    let execution = Execution::start(&plan, 0, &mut out);
    (plan, execution, out)
}

fn calls(out: &Output) -> Vec<u32> {
    let called = out.requests.iter().filter_map(|request| match request {
        Request::Call { task, .. } => Some(task.0),
        _ => None,
    });
    called.collect()
}

#[test]
fn priorities_say_who_goes_first_into_a_pool() {
    let of = |priority| Task { priority, pool: Some(0), ..Task::new(&format!("p{priority}"), FunctionIx(0)) };
    let tasks = [1, 5, 3, 5].map(of).to_vec();
    let (plan, mut execution, mut out) = played(tasks, vec![Pool { name: "p".into(), slots: 1 }]);
    let mut order = Vec::new();
    while let [task] = calls(&out)[..] {
        order.push(task);
        out = Output::default();
        let done = Event::Done { task: TaskIx(task), answer: Answer::Value };
        execution.apply(&plan, done, 0, &mut out);
    }
    assert_eq!(order, [1, 3, 2, 0]);
    assert_eq!(execution.status(), Status::Succeeded);
}

#[test]
fn a_task_that_takes_too_long_is_stopped() {
    let slow = Task { timeout_ms: Some(50), ..Task::new("slow", FunctionIx(0)) };
    let after = Task { after: vec![TaskIx(0)], ..Task::new("after", FunctionIx(0)) };
    let (plan, mut execution, _) = played(vec![slow, after], Vec::new());
    assert_eq!(execution.next_deadline(), Some(50));
    let mut out = Output::default();
    execution.apply(&plan, Event::Timer, 50, &mut out);
    assert_eq!(out.requests, [Request::Cancel(TaskIx(0)), Request::Release(TaskIx(0))]);
    assert_eq!(out.lines[0].happened, Happened::Failed(Some("not done within its timeout of 50 ms".into())));
    assert_eq!(execution.status(), Status::Failed { first: TaskIx(0) });
    assert_eq!(execution.next_deadline(), None);
}

#[test]
fn no_event_starts_more_than_a_step_takes() {
    let tasks = (0..2_500).map(|at| Task::new(&format!("t{at}"), FunctionIx(0))).collect();
    let (plan, mut execution, mut out) = played(tasks, Vec::new());
    let mut started = vec![calls(&out).len()];
    while execution.next_deadline() == Some(0) {
        out = Output::default();
        execution.apply(&plan, Event::Timer, 0, &mut out);
        started.push(calls(&out).len());
    }
    assert_eq!(started, [1_000, 1_000, 500]);
}
