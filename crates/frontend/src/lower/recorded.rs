//! Recorded workflows in WfFormat: a DAG whose tasks do what was recorded, all by one function.

use super::Lowering;
use crate::definition::{Definition, Recorded, Workflow};
use crate::diagnostic::Diagnostic;
use crate::node::Position;
use sluice_types::dag::{Dag, Task};
use sluice_types::{Code, Function, FunctionIx, Resources, Runtime, TaskIx, limits};
use sluice_wfformat::{Fault, Kind, Recording, Replay, WORKER_ARGUMENT};
use std::sync::Arc;

/// How much longer than recorded a task may take, in milliseconds.
const SLACK_MS: u64 = limits::TIMEOUT_MS_DEFAULT;

impl Lowering<'_> {
    /// The function that does the tasks of a recording, which gets this index, and the tasks.
    pub(super) fn recorded(
        &mut self,
        path: &str,
        name: &str,
        recorded: &Recorded,
        function: FunctionIx,
    ) -> Option<(Function, Dag)> {
        self.check_file(path, recorded.file.as_deref());
        let message = || format!("there is a function `{name}`, too");
        self.require(self.functions.find(name).is_none(), path, message, "give one of them another name");
        let file = recorded.file.as_ref().map(|file| self.definition.places.beside(file));
        let Some(text) = &recorded.text else {
            let message = || "the definition came without the text of this file".to_owned();
            self.require(false, &format!("{path}.file"), message, "send it in `wfformat`, beside `file`");
            return None;
        };
        let recording = match Recording::parse(text) {
            Ok(recording) => recording,
            Err(faults) => {
                self.findings.extend(faults.into_iter().map(|fault| finding(path, file.as_ref(), fault)));
                return None;
            }
        };
        let replay = match Replay::of(&recording, recorded.scale) {
            Ok(replay) => replay,
            Err(oversize) => {
                let message = format!("this recording cannot be run at scale {}: {oversize}", recorded.scale);
                let finding = Diagnostic::error(Code::LIMIT_EXCEEDED, format!("{path}.scale"), message);
                self.report(finding.fix("choose a smaller scale, for example 0.001"));
                return None;
            }
        };
        self.check_replay(path, &replay);
        let tasks = replay.tasks.iter().map(|task| Task {
            after: task.after.iter().map(|before| TaskIx(*before as u32)).collect(),
            with: Some(task.assignment.clone().into()),
            ..Task::new(&task.name, function)
        });
        let dag = Dag { tasks: tasks.collect(), pools: Vec::new(), schedule: None };
        Some((worker(name, &replay), dag))
    }

    fn check_replay(&mut self, path: &str, replay: &Replay) {
        let mut limit = |what: &str, count: usize, most: usize| {
            if count > most {
                let message = format!("{count} {what}; at most {most} can be run");
                let finding = Diagnostic::error(Code::LIMIT_EXCEEDED, path, message);
                self.report(finding.fix("take a smaller instance of this workflow"));
            }
        };
        limit("tasks", replay.tasks.len(), limits::DAG_TASKS_MAX);
        let longest = replay.tasks.iter().map(|task| task.assignment.len()).max().unwrap_or(0);
        limit("bytes for what one task is told", longest, limits::WORKFLOW_VALUE_BYTES_MAX as usize);
    }
}

/// The function that does all tasks of a replay. What its workers write counts as their memory for as long as somebody
/// may read it.
fn worker(name: &str, replay: &Replay) -> Function {
    let command = vec![Runtime::OWN_PROGRAM.to_owned(), WORKER_ARGUMENT.to_owned()];
    let memory_bytes = (limits::MEMORY_BYTES_DEFAULT + 2 * replay.bytes).min(limits::MEMORY_BYTES_MAX);
    Function {
        timeout_ms: SLACK_MS + replay.longest_ns / 1_000_000,
        concurrency: replay.workers,
        resources: Resources { memory_bytes, ..Resources::default() },
        ..Function::new(name, Runtime::Process { command })
    }
}

/// What is doubtful about the recordings of a definition.
pub(super) fn doubts(definition: &Definition) -> Vec<Diagnostic> {
    let recorded = definition.workflows.iter().filter_map(|(name, workflow)| match workflow {
        Workflow::Recorded(recorded) => Some((name, recorded)),
        _ => None,
    });
    let untimed = recorded.filter_map(|(name, recorded)| {
        let recording = Recording::parse(recorded.text.as_ref()?).ok()?;
        let count = recording.untimed;
        let tasks = if count == 1 { "task has" } else { "tasks have" };
        let message = format!("{count} {tasks} no recorded time: here they take none");
        let finding = Diagnostic::warning(Code::APP_INVALID, format!("workflows.{name}"), message);
        (count > 0).then(|| finding.fix("add `runtimeInSeconds` to `workflow.execution.tasks`"))
    });
    untimed.collect()
}

fn finding(path: &str, file: Option<&Arc<str>>, fault: Fault) -> Diagnostic {
    let code = match fault.kind {
        Kind::Notation => Code::APP_SYNTAX,
        Kind::Meaning => Code::APP_INVALID,
        Kind::Unknown => Code::UNKNOWN_NAME,
        Kind::Limit => Code::LIMIT_EXCEEDED,
    };
    let place = format!("{path} {}", fault.path);
    let finding = Diagnostic::error(code, place.trim_end(), fault.message).fix(fault.fix);
    let at = Some(Position { line: fault.line, column: fault.column });
    match file {
        Some(file) => Diagnostic { file: file.clone(), at, ..finding },
        None => finding,
    }
}
