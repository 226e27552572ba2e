//! What happened to the tasks of a DAG, as outsiders see it.

use serde_json::{Value, json};
use sluice_engine::Run;
use sluice_flow::dag::{Happened, Line};
use sluice_types::{Steps, TaskIx};
use std::sync::Arc;

/// What happened, in a word.
pub(super) fn task_event(line: &Line) -> &'static str {
    match line.happened {
        Happened::Ready => "TaskReady",
        Happened::Started(_) => "TaskStarted",
        Happened::Succeeded => "TaskSucceeded",
        Happened::Failed(_) => "TaskFailed",
        Happened::UpstreamFailed => "TaskUpstreamFailed",
        Happened::Skipped(_) => "TaskSkipped",
    }
}

/// The name of a task.
pub(super) fn task_name(run: &Run, task: TaskIx) -> Arc<str> {
    let steps = run.workflow().map(|start| &run.program().workflows[start.workflow.index()].steps);
    match steps {
        Some(Steps::Dag(dag)) => dag.tasks[task.index()].name.clone(),
        _ => "".into(),
    }
}

/// The task and the rest.
pub(super) fn task_details(run: &Run, line: &Line) -> Value {
    let program = run.program();
    let steps = run.workflow().map(|start| &program.workflows[start.workflow.index()].steps);
    let Some(Steps::Dag(dag)) = steps else { return json!({}) };
    let task = &dag.tasks[line.task.index()];
    let name = &*task.name;
    match &line.happened {
        Happened::Ready => {
            json!({"task": name, "pool": task.pool.map(|pool| &*dag.pools[pool as usize].name)})
        }
        Happened::Started(calls) => {
            json!({"task": name, "function": &*program.functions[task.function.index()].name, "calls": calls})
        }
        Happened::Failed(Some(why)) | Happened::Skipped(Some(why)) => {
            json!({"task": name, "message": &**why})
        }
        _ => json!({"task": name}),
    }
}
