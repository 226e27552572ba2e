//! The tasks of a DAG as triggers: the condition of each is its rule over its upstream tasks, its action are its calls.

use super::words::amount_ms;
use super::workflow::Step;
use sluice_types::dag::{Dag, Rule, Task};
use sluice_types::{Program, TaskIx, TaskKind, limits};
use std::sync::Arc;

/// Characters shown of what a task gives to its calls.
const GIVEN_CHARS_MAX: usize = 80;

/// The tasks of a DAG.
pub(super) fn tasks(program: &Program, dag: &Dag) -> Vec<Step> {
    let mut next: Vec<Vec<Arc<str>>> = vec![Vec::new(); dag.tasks.len()];
    for task in &dag.tasks {
        task.after.iter().for_each(|before| next[before.index()].push(task.name.clone()));
    }
    let tasks = dag.tasks.iter().zip(next);
    tasks
        .map(|(task, next)| Step {
            state: task.name.clone(),
            kind: kind(task),
            inside: None,
            depth: 0,
            when: when(dag, task),
            does: vec![does(program, dag, task, &next)],
            fails: fails(task),
            calls: Some(program.functions[task.function.index()].name.clone()),
            next,
        })
        .collect()
}

fn kind(task: &Task) -> &'static str {
    match task.kind {
        TaskKind::Call => "Call",
        TaskKind::Branch => "Branch",
        TaskKind::Map { .. } => "Map",
        TaskKind::Sensor { .. } => "Sensor",
    }
}

fn names(dag: &Dag, tasks: &[TaskIx]) -> String {
    let shown = &tasks[..tasks.len().min(limits::KEYS_NAMED_MAX)];
    let names: Vec<&str> = shown.iter().map(|task| &*dag.tasks[task.index()].name).collect();
    match tasks.len() - shown.len() {
        0 => names.join(", "),
        rest => format!("{} and {rest} more", names.join(", ")),
    }
}

fn when(dag: &Dag, task: &Task) -> String {
    let of = match &task.after[..] {
        [] => return "the start".to_owned(),
        [one] => dag.tasks[one.index()].name.to_string(),
        several => format!("of {}", names(dag, several)),
    };
    let several = task.after.len() > 1;
    let all = |what: &str| if several { format!("all {of} have {what}") } else { format!("{of} has {what}") };
    let one = |what: &str| if several { format!("one {of} has {what}") } else { format!("{of} has {what}") };
    let condition = match task.rule {
        Rule::AllSuccess => all("succeeded"),
        Rule::AllDone => all("ended"),
        Rule::AllFailed => all("failed"),
        Rule::OneFailed => one("failed"),
        Rule::OneSuccess => one("succeeded"),
        Rule::NoneFailed => format!("{}, none failed", all("ended")),
        Rule::NoneFailedMinOneSuccess => format!("{}, none failed, one succeeded", all("ended")),
        Rule::Always => "the start".to_owned(),
    };
    format!("{condition} ({})", task.rule)
}

fn does(program: &Program, dag: &Dag, task: &Task, next: &[Arc<str>]) -> String {
    let call = format!("call {}", program.functions[task.function.index()].name);
    let with = match &task.after[..] {
        [] => "the input".to_owned(),
        results => format!("the result of {}", names(dag, results)),
    };
    let with = match &task.with {
        Some(json) => format!("{} and {with}", shortened(json)),
        None => with,
    };
    let does = match task.kind {
        TaskKind::Call => format!("{call} with {with}"),
        TaskKind::Branch => {
            format!(
                "{call} with {with}, which goes on to those of {} that it names; the others are skipped",
                next.join(", ")
            )
        }
        TaskKind::Map { over } => {
            format!("{call} with each element of the result of {}", dag.tasks[over.index()].name)
        }
        TaskKind::Sensor { interval_ms, .. } => {
            format!("{call} with {with}, every {} until it returns something true", amount_ms(interval_ms))
        }
    };
    let pool = task.pool.map(|pool| &dag.pools[pool as usize]);
    let pool = pool.map(|pool| format!("; at most {} at once in pool {}", pool.slots, pool.name));
    let priority = if task.priority == 0 { String::new() } else { format!("; priority {}", task.priority) };
    format!("{does}{}{priority}", pool.unwrap_or_default())
}

/// As much of a JSON text as fits into a line.
fn shortened(json: &[u8]) -> String {
    let text = String::from_utf8_lossy(json);
    match text.char_indices().nth(GIVEN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

fn fails(task: &Task) -> Vec<String> {
    let retries = task.retry.as_ref().map(|retry| format!("up to {} attempts of each call", retry.attempts));
    let soft_fail = matches!(task.kind, TaskKind::Sensor { soft_fail: true, .. });
    let ends = if soft_fail { "skipped" } else { "failed" };
    let timeout = task.timeout_ms.map(|ms| format!("{ends} when not done within {}", amount_ms(ms)));
    retries.into_iter().chain(timeout).collect()
}
