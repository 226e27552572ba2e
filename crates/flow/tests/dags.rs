//! DAGs, step by step. Random ones are played in the simulator's tests, where their model is.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use sluice_flow::dag::{Answer, Event, Execution, Happened, Output, Plan, Request, Status};
use sluice_types::dag::{Dag, Pool, Task};
use sluice_types::{FunctionIx, TaskIx};
use std::sync::Arc;

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
