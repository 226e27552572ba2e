//! Random DAGs without a node: whatever ends first, tasks end as a model says that knows nothing of events.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use bytes::Bytes;
use sluice_flow::dag::{Answer, Event, Execution, Happened, Line, Output, Plan, Request, State, Status};
use sluice_sim::Rng;
use sluice_sim::dag::case::{Case, Fate};
use sluice_sim::dag::conduct;
use sluice_sim::dag::generate::case;
use sluice_sim::dag::model::predict;
use sluice_types::{TaskIx, TaskKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// DAGs that are played.
const CASES: u64 = 1_500;
/// Most times that a sensor is not there yet.
const HESITATIONS: u32 = 2;

/// How a call of a task ends that was called so often.
fn end(case: &Case, plan: &Plan, task: TaskIx, made: u32) -> Event {
    let answer = match case.conduct(plan, task).answer {
        _ if case.fates[task.index()] == Fate::Fails => return Event::Failed { task },
        _ if case.fates[task.index()] == Fate::FalseFirst && made <= HESITATIONS => Answer::Again,
        conduct::Answer::Value => Answer::Value,
        conduct::Answer::List(count) => Answer::Elements(count),
        conduct::Answer::Names(names) => {
            Answer::Follow(names.iter().map(|name| name.as_str().into()).collect())
        }
        conduct::Answer::Unusable if plan.task(task).kind == TaskKind::Branch => {
            Answer::Follow(vec!["nothing".into()])
        }
        conduct::Answer::Unusable => Answer::Unusable("a number".into()),
    };
    Event::Done { task, answer }
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
    fn play(case: &Case, rng: &mut Rng) -> Self {
        let plan = Plan::of(Arc::new(case.dag.clone()));
        let mut out = Output::default();
        let execution = Execution::start(&plan, 0, &mut out);
        let (under_way, made, lines) = (Vec::new(), BTreeMap::new(), Vec::new());
        let (elements, released) = (BTreeSet::new(), BTreeSet::new());
        let mut player = Self { plan, execution, under_way, made, elements, released, lines, now_ms: 0 };
        player.take(out);
        loop {
            let is_slow = rng.chance(100) && player.execution.next_deadline().is_some();
            match (player.under_way.is_empty() || is_slow, player.execution.next_deadline()) {
                (false, _) => {
                    let task = player.under_way.swap_remove(rng.below(player.under_way.len()));
                    player.apply(end(case, &player.plan, task, player.made[&task]));
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

/// Tasks that took too long.
fn late(lines: &[Line]) -> BTreeSet<TaskIx> {
    let why = |line: &Line| match &line.happened {
        Happened::Failed(Some(why)) | Happened::Skipped(Some(why)) => Some(why.clone()),
        _ => None,
    };
    let is_late = |line: &&Line| why(line).is_some_and(|why| why.starts_with("not done within"));
    lines.iter().filter(is_late).map(|line| line.task).collect()
}

#[test]
fn tasks_end_as_their_rules_say() {
    let mut timeouts = 0;
    for seed in 0..CASES {
        let rng = &mut Rng::new(seed);
        let case = case(rng, true);
        let player = Player::play(&case, rng);
        let late = late(&player.lines);
        timeouts += late.len();
        let states: Vec<State> = player.plan.tasks().map(|task| player.execution.state(task)).collect();
        let predicted = predict(&case, &player.plan, &late, &Bytes::new()).states;
        assert_eq!(states, predicted, "{seed}: {case:?}, late: {late:?}");
        let failed_leaf = player.plan.tasks().any(|task| {
            player.plan.is_leaf(task) && matches!(states[task.index()], State::Failed | State::UpstreamFailed)
        });
        let first = player.lines.iter().find(|line| matches!(line.happened, Happened::Failed(_)));
        let status = match first.filter(|_| failed_leaf) {
            Some(line) => Status::Failed { first: line.task },
            None => Status::Succeeded,
        };
        assert_eq!(player.execution.status(), status, "{seed}: {case:?}");
        let held = |task: &TaskIx| matches!(states[task.index()], State::Success | State::Failed);
        assert_eq!(player.released, player.plan.tasks().filter(held).collect::<BTreeSet<_>>(), "{seed}");
    }
    assert!(timeouts > 50, "{timeouts}");
}
