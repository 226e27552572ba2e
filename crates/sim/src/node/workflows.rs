//! What workflows came to, against the naive interpreter, and what they recorded.

use super::clients::Client;
use super::examination::{one_of, outputs};
use super::scene::Scene;
use super::verdict::{Checker, Violation};
use crate::states::model::{End, Machines, ends};
use sluice_engine::{HistoryKind, Run, Status};
use sluice_types::Code;
use std::collections::BTreeSet;

/// A workflow ended as it may.
pub(super) fn as_thought(
    run: &Run,
    client: &Client,
    machines: &Machines,
    scene: &Scene,
) -> Result<(), Violation> {
    let Some((workflow, input)) = &client.workflow else { return Ok(()) };
    if client.asked_to_cancel() && run.status() == Status::Cancelled {
        return Ok(());
    }
    let machine = &machines[&(client.app.clone(), (*workflow).to_owned())];
    let Some(ends) = ends(machines, machine, input, client.asked_to_redrive()) else {
        scene.cover(|coverage| coverage.check("workflows with too many ends", 1));
        return Ok(());
    };
    scene.cover(|coverage| {
        coverage
            .check(if ends.len() == 1 { "workflows with one end" } else { "workflows with several ends" }, 1)
    });
    one_of(run, workflow, end(run, scene), ends)
}

fn end(run: &Run, scene: &Scene) -> Option<End> {
    match run.status() {
        Status::Succeeded => {
            let (_, bytes) = outputs(scene, run).pop_first()?;
            Some(End::Output(serde_json::from_slice(&bytes).ok()?))
        }
        Status::Failed => {
            let problem = run.error()?;
            match problem.code {
                Code::WORKFLOW_TIMED_OUT => Some(End::OutOfTime),
                Code::WORKFLOW_FAILED => Some(End::Error(problem.cause.as_ref()?.r#type.clone())),
                _ => None,
            }
        }
        Status::Running | Status::Cancelled => None,
    }
}

/// The history of a workflow is numbered without a gap, and no attempt at a task ends twice in it.
pub(super) fn as_recorded(run: &Run, scene: &Scene) -> Result<(), Violation> {
    let wrong =
        |message: String| Err(Violation::new(Checker::NothingTwice, format!("{}: {message}", run.id())));
    let (mut last, mut ended) = (0, BTreeSet::new());
    for entry in run.history() {
        let HistoryKind::Workflow(event) = entry.kind else { continue };
        if event.id != last + 1 || event.previous >= event.id {
            return wrong(format!("event {} of {} follows event {last}", event.id, event.previous));
        }
        last = event.id;
        let event = event.to_aws();
        let r#type = event.get("type").and_then(|name| name.as_str()).unwrap_or_default().to_owned();
        let of_task = ["Task", "LambdaFunction", "Activity"].iter().any(|kind| r#type.starts_with(kind));
        let ends = ["Succeeded", "Failed", "TimedOut"].iter().any(|end| r#type.ends_with(end));
        let previous = event.get("previousEventId").and_then(|id| id.as_i64());
        if of_task && ends && !ended.insert(previous) {
            return wrong(format!("event {last}, {type}, ends what has ended"));
        }
    }
    scene.cover(|coverage| coverage.check("events of workflows", last as usize));
    Ok(())
}
