//! Workflows that runs host: who may say what of a task.

use sluice_asl::execution::{Event, TaskId};
use sluice_engine::{Effect, InputKind, OutboxId, Reply, Status};
use sluice_expression::Value;
use sluice_sim::{Recipe, World};
use sluice_types::{RunKey, Steps, Workflow};
use std::sync::Arc;

const RUN: RunKey = RunKey(77);
const ASKS: &str = r#"{"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "End": true,
    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "Parameters": {"token.$": "$$.Task.Token"}}}}"#;

/// A run whose workflow waits for a callback: the task, and the outbox entry of its request.
fn asking() -> (World, TaskId, OutboxId) {
    let mut world = World::durable(5);
    let mut program = Recipe::new("app").function("see", &[]).build();
    let steps = Steps::States { definition: ASKS.into(), aws_limits: false };
    Arc::make_mut(&mut program).workflows.push(Workflow { name: "ask".into(), steps });
    world.deploy(&program);
    world.start_workflow(RUN, "asking", "{}", Vec::new());
    let run = world.run(RUN);
    let task = run.execution().and_then(|execution| execution.awaited().next()).expect("it waits");
    let owed = (0..8).map(|seq| OutboxId { run: RUN, seq }).find(|from| run.owes(*from));
    let from = owed.expect("the request is owed");
    (world, task, from)
}

fn succeeded(world: &mut World, task: TaskId, from: Option<OutboxId>, output: i64) -> bool {
    let event = Box::new(Event::Succeeded { task, output: Value::Int(output) });
    world.submit(InputKind::Workflow { run: RUN, event, incarnation: 0, acknowledges: from });
    matches!(world.replies.last(), Some(Reply::Accepted))
}

#[test]
fn a_callback_ends_a_task_and_a_repeated_report_of_its_request_does_not() {
    let (mut world, task, from) = asking();
    assert!(succeeded(&mut world, task, Some(from), 1));
    assert!(!succeeded(&mut world, task, Some(from), 1), "it was reported before");
    world.run(RUN).check();
    assert_eq!(world.status(RUN).0, Status::Running);
    assert!(succeeded(&mut world, task, None, 2));
    assert_eq!(world.outputs(RUN), [("ask".into(), "2".into())]);
    assert_eq!(world.status(RUN).0, Status::Succeeded);
}

#[test]
fn a_callback_may_come_before_the_report_of_its_request() {
    let (mut world, task, from) = asking();
    assert!(succeeded(&mut world, task, None, 2));
    assert!(!world.run(RUN).owes(from), "nobody needs to be asked any more");
    assert!(!succeeded(&mut world, task, Some(from), 1));
    assert_eq!(world.outputs(RUN), [("ask".into(), "2".into())]);
    world.run(RUN).check();
}

#[test]
fn the_run_that_a_workflow_needs_no_more_is_cancelled_even_if_the_process_ends_before() {
    let (mut world, _, from) = asking();
    let child = RunKey(78);
    world.submit(InputKind::Called { from, child });
    assert!(world.run(RUN).is_idle(), "the child will tell");
    world.cancel(RUN);
    world.run(RUN).check();
    assert_eq!(world.status(RUN).0, Status::Cancelled);
    assert!(!world.run(RUN).is_idle(), "recovery brings it into memory");
    let mut effects = Vec::new();
    world.engine.outstanding(&mut effects);
    let [Effect::CancelChild { from, child: RunKey(78) }] = *effects else { panic!("{effects:?}") };
    let acknowledges = Some(from);
    world.submit(InputKind::Cancel { run: child, reason: String::new(), acknowledges });
    assert!(!world.run(RUN).owes(from) && world.run(RUN).is_idle());
}

#[test]
fn a_run_that_was_ended_while_its_workflow_was_under_way_cannot_be_redriven() {
    let (mut world, ..) = asking();
    world.submit(InputKind::Quarantine { lsn: sluice_types::Lsn(2), run: RUN });
    let event = Box::new(Event::Redrive);
    world.submit(InputKind::Workflow { run: RUN, event, incarnation: 0, acknowledges: None });
    assert!(matches!(world.replies.last(), Some(Reply::Rejected(_))));
    assert_eq!(world.status(RUN).0, Status::Failed);
    world.run(RUN).check();
}
