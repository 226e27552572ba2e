//! Workflows: how they are started, what is reported of them, and what can be seen of them.

use super::Shard;
use super::answers::Submitter;
use super::views::lost;
use crate::api::{HISTORY_LINES_MAX, HistoryPage, HistoryRequest, NewObject, WorkflowRequest};
use crate::callees::TaskRef;
use crate::handle::{Answer, TokenEvent};
use crate::ports::Ports;
use bytes::Bytes;
use sluice_asl::execution::{Event, Settings, TaskId};
use sluice_engine::run::lines_of;
use sluice_engine::{HistoryKind, WorkflowStart};
use sluice_expression::Value;
use sluice_types::{Code, Problem, Program, RunKey, Steps, Workflow};
use std::sync::Arc;

impl<P: Ports> Shard<P> {
    /// What a start says of its workflow. A run of an app that is nothing but one workflow starts that.
    pub(super) fn workflow_of(
        &self,
        program: &Program,
        named: Option<WorkflowRequest>,
        objects: &[NewObject],
    ) -> Result<Option<WorkflowRequest>, Problem> {
        let given = objects.iter().find(|object| object.bucket == "input" && object.key == "input");
        if let Some(named) = named {
            let input = named.input.or_else(|| given.map(as_json));
            return Ok(Some(WorkflowRequest { input, ..named }));
        }
        let of = |only: &Workflow| WorkflowRequest {
            name: only.name.to_string(),
            input: given.map(as_json),
            execution: None,
        };
        Ok(program.sole_workflow()?.map(of))
    }

    /// The record of a workflow's start.
    pub(super) fn workflow_start(
        &mut self,
        program: &Program,
        run: RunKey,
        id: &Arc<str>,
        request: WorkflowRequest,
    ) -> Result<Box<WorkflowStart>, Problem> {
        let workflow =
            program.workflow(&request.name).ok_or_else(|| unknown_workflow(program, &request.name))?;
        let (aws_limits, nothing) = match &program.workflows[workflow.index()].steps {
            Steps::States { aws_limits, .. } => (*aws_limits, "{}"),
            Steps::Code { .. } | Steps::Dag(_) => (false, "null"),
        };
        let input = request.input.unwrap_or_else(|| Bytes::from_static(nothing.as_bytes()));
        Value::parse(&input).map_err(|error| {
            Problem::new(Code::BAD_REQUEST, format!("the input is not JSON: {error}"), "give one JSON value")
        })?;
        let facts = request.execution.unwrap_or_default();
        let or = |text: String, other: &str| if text.is_empty() { Arc::from(other) } else { Arc::from(text) };
        let machine: Arc<str> = or(facts.machine_name, &request.name);
        let settings = Settings {
            id: or(facts.id, id),
            name: or(facts.name, id),
            role: facts.role.into(),
            machine_id: or(facts.machine_id, &format!("{}/{}", program.app, request.name)),
            machine_qualifier: facts.machine_qualifier.into(),
            machine_name: machine,
            start_ms: self.now(),
            seed: crate::ports::World::random(&mut self.world),
            key: run.0,
            aws_limits,
            records_history: program.durability == sluice_types::Durability::Durable,
            token_prefix: format!("{}.", run.0).into(),
        };
        Ok(Box::new(WorkflowStart { workflow, input, settings }))
    }

    /// A report on a task, or on a whole workflow.
    pub(super) fn report_from_outside(&mut self, task: TaskRef, event: Event, answer: Answer<()>) {
        let submitted = self.load(task.run).and_then(|_| self.report_task(task, event));
        match submitted {
            Ok(lsn) => self.answers.expect(lsn, Submitter::Done(answer)),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    /// A report by the holder of a token.
    pub(super) fn report_by_token(&mut self, token: &str, event: TokenEvent, answer: Answer<()>) {
        match self.holder(token) {
            Ok(at) => {
                let task = at.task;
                let event = match event {
                    TokenEvent::Succeeded(output) => Event::Succeeded { task, output },
                    TokenEvent::Failed { error, cause } => {
                        Event::Failed { task, error, cause, timed_out: false }
                    }
                    TokenEvent::Heartbeat => Event::Heartbeat { task },
                };
                self.report_from_outside(at, event, answer);
            }
            Err(problem) => self.refuse(answer, problem),
        }
    }

    fn holder(&mut self, token: &str) -> Result<TaskRef, Problem> {
        let key = token.split_once('.').and_then(|(run, _)| run.parse().ok()).map(RunKey);
        let unknown =
            || Problem::new(Code::UNKNOWN_TASK, "no task has this token", "it has ended, or timed out");
        let run = key.ok_or_else(unknown)?;
        self.load(run)?;
        let found = self.executed(run).ok_or_else(unknown)?;
        let task =
            found.execution().and_then(|execution| execution.task_of_token(token)).ok_or_else(unknown)?;
        Ok(TaskRef { run, incarnation: found.incarnation(), task, from: None })
    }

    /// A change of a workflow as a whole.
    pub(super) fn change_workflow(&mut self, run: &str, event: Event, answer: Answer<()>) {
        match self.known(run) {
            Ok(run) => {
                let incarnation = self.durable.run(run).map_or(0, sluice_engine::Run::incarnation);
                self.report_from_outside(
                    TaskRef { run, incarnation, task: TaskId(0), from: None },
                    event,
                    answer,
                );
            }
            Err(problem) => self.refuse(answer, problem),
        }
    }

    /// A page of what a workflow did. The cursor is a line of the run's history: the next to be read.
    pub(super) fn workflow_history(&mut self, request: &HistoryRequest) -> Result<HistoryPage, Problem> {
        let key = self.known(&request.run)?;
        let run = self.durable.run(key).expect("a known run is loaded");
        let last = run.history_len();
        let (mut page, mut lines_left) = (HistoryPage::default(), HISTORY_LINES_MAX);
        let mut next = request.cursor.unwrap_or(if request.newest_first { last } else { 1 });
        while (1..=last).contains(&next) {
            let (first, bytes) = self.chunk_at(key, next)?;
            let mut lines: Vec<_> =
                lines_of(&bytes).zip(first..).take_while(|(_, seq)| *seq <= last).collect();
            if request.newest_first {
                lines.retain(|(_, seq)| *seq <= next);
                lines.reverse();
            } else {
                lines.retain(|(_, seq)| *seq >= next);
            }
            if lines.is_empty() {
                return Err(lost(run, next));
            }
            for (entry, seq) in lines {
                let event = match entry.kind {
                    HistoryKind::Workflow(event) if request.scope.has(&event) => Some(event),
                    _ => None,
                };
                if lines_left == 0 {
                    page.next = Some(seq);
                    return Ok(page);
                }
                lines_left -= 1;
                if let Some(event) = event {
                    if page.events.len() == request.limit {
                        page.next = Some(seq);
                        return Ok(page);
                    }
                    page.events.push(*event);
                }
                next = if request.newest_first { seq - 1 } else { seq + 1 };
            }
        }
        Ok(page)
    }
}

/// A client's object as the input of a workflow: JSON as it is, anything else as a string.
fn as_json(object: &NewObject) -> Bytes {
    match object.content_type {
        sluice_types::ContentType::Json => object.bytes.clone(),
        _ => Bytes::from(Value::from(String::from_utf8_lossy(&object.bytes).into_owned()).to_json()),
    }
}

fn unknown_workflow(program: &Program, name: &str) -> Problem {
    let names: Vec<&str> = program.workflows.iter().map(|workflow| &*workflow.name).collect();
    let fix = match names.is_empty() {
        true => "leave the workflow out to start the app itself".to_owned(),
        false => format!("its workflows are: {}", names.join(", ")),
    };
    Problem::new(Code::UNKNOWN_NAME, format!("app {:?} has no workflow {name:?}", &*program.app), fix)
}
