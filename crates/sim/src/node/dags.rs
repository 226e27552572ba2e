//! What DAGs came to, against the naive model: the states of their tasks, what they returned, and how full their pools were.

use super::clients::Client;
use super::examination::outputs;
use super::scene::Scene;
use super::verdict::{Checker, Violation};
use crate::dag::case::Case;
use crate::dag::model::{Prediction, predict};
use bytes::Bytes;
use sluice_engine::{HistoryKind, Run, Status};
use sluice_flow::dag::{Happened, Line, Plan, State};
use sluice_types::{Code, FunctionIx, TaskIx, TaskKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a task's history says that took too long.
const LATE: &str = "not done within";

/// A DAG ended as it may.
pub(super) fn as_thought(
    run: &Run,
    client: &Client,
    dags: &BTreeMap<&'static str, Case>,
    scene: &Scene,
) -> Result<(), Violation> {
    let Some((workflow, input)) = &client.workflow else { return Ok(()) };
    let case = &dags[workflow];
    let plan = Plan::of(Arc::new(case.dag.clone()));
    let wrong = |message: String| {
        Violation::new(Checker::Model, format!("{} of {workflow}: {message}; {case:?}", run.id()))
    };
    let mut reader = Reader::new(&plan);
    for entry in run.history() {
        reader.line(entry.kind, entry.at_ms).map_err(wrong)?;
    }
    if client.asked_to_cancel() && run.status() == Status::Cancelled {
        return Ok(());
    }
    let input = Bytes::from(input.to_string());
    let predicted = predict(case, &plan, &reader.late, &input);
    scene.cover(|coverage| {
        coverage.check(if run.is_delegated() { "express DAGs" } else { "DAGs" }, 1);
        coverage.check("tasks of DAGs that took too long", reader.late.len());
        predicted.states.iter().for_each(|state| coverage.check(name(*state), 1));
    });
    states(run, &predicted).map_err(wrong)?;
    end(run, &plan, &predicted, scene).map_err(wrong)
}

fn name(state: State) -> &'static str {
    match state {
        State::Success => "task succeeded",
        State::Failed => "task failed",
        State::UpstreamFailed => "task upstream failed",
        State::Skipped => "task skipped",
        State::Waiting | State::Ready | State::Running => "task under way",
    }
}

/// Of an express run no states are left.
fn states(run: &Run, predicted: &Prediction) -> Result<(), String> {
    let Some(execution) = run.dag_execution() else { return Ok(()) };
    let states = (0..predicted.states.len()).map(|at| execution.state(TaskIx(at as u32)));
    let states: Vec<State> = states.collect();
    match states == predicted.states {
        true => Ok(()),
        false => Err(format!("its tasks are {states:?}, predicted {:?}", predicted.states)),
    }
}

fn end(run: &Run, plan: &Plan, predicted: &Prediction, scene: &Scene) -> Result<(), String> {
    let has_failed = |task: &TaskIx| {
        let state = predicted.states[task.index()];
        plan.is_leaf(*task) && matches!(state, State::Failed | State::UpstreamFailed)
    };
    let fails = plan.tasks().any(|task| has_failed(&task));
    match (run.status(), run.error().map(|problem| problem.code)) {
        (Status::Failed, Some(Code::WORKFLOW_FAILED)) if fails => return Ok(()),
        (Status::Succeeded, None) if !fails => {}
        (status, error) => return Err(format!("it is {status:?}, {error:?}; predicted failure: {fails}")),
    }
    let outputs = outputs(scene, run);
    let is_as = |(key, bytes): (&String, &Option<Bytes>)| {
        outputs.get(key).is_some_and(|found| bytes.as_ref().is_none_or(|bytes| found == bytes))
    };
    match outputs.len() == predicted.outputs.len() && predicted.outputs.iter().all(is_as) {
        true => Ok(()),
        false => Err(format!("its outputs are {outputs:?}, predicted {:?}", predicted.outputs)),
    }
}

/// A reader of the history of a DAG.
struct Reader<'a> {
    plan: &'a Plan,
    first: FunctionIx,
    /// The tasks of calls that are under way.
    calls: BTreeMap<u32, TaskIx>,
    started_ms: BTreeMap<TaskIx, u64>,
    late: BTreeSet<TaskIx>,
}

impl<'a> Reader<'a> {
    fn new(plan: &'a Plan) -> Self {
        let first = plan.task(TaskIx(0)).function;
        let (calls, started_ms, late) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { plan, first, calls, started_ms, late }
    }

    fn line(&mut self, kind: HistoryKind, at_ms: u64) -> Result<(), String> {
        match kind {
            HistoryKind::Dag(line) => self.happened(&line, at_ms),
            HistoryKind::InvocationCreated { invocation, function } => {
                let task = TaskIx(u32::from(function.0 - self.first.0));
                self.calls.insert(invocation, task);
                self.pool_of(task)
            }
            HistoryKind::InvocationSucceeded { invocation, .. }
            | HistoryKind::InvocationCancelled { invocation } => {
                self.calls.remove(&invocation);
                Ok(())
            }
            HistoryKind::AttemptFailed { invocation, attempt, retry_ms: None, .. } => {
                let Some(task) = self.calls.remove(&invocation) else { return Ok(()) };
                let attempts = self.plan.task(task).retry.as_ref().map(|retry| retry.attempts);
                match attempts.is_none_or(|attempts| attempts == attempt.0) {
                    true => Ok(()),
                    false => Err(format!("{task} fails for good with {attempt}, of {attempts:?}")),
                }
            }
            _ => Ok(()),
        }
    }

    fn happened(&mut self, line: &Line, at_ms: u64) -> Result<(), String> {
        let task = line.task;
        match &line.happened {
            Happened::Started(_) => {
                self.started_ms.insert(task, at_ms);
            }
            Happened::Failed(Some(why)) | Happened::Skipped(Some(why)) if why.starts_with(LATE) => {
                let allowed_ms = self.plan.task(task).timeout_ms.unwrap_or(u64::MAX);
                let took_ms = self.started_ms.get(&task).map(|started_ms| at_ms - started_ms);
                if took_ms.is_none_or(|took_ms| took_ms < allowed_ms) {
                    return Err(format!("{task} is late after {took_ms:?} ms, of {allowed_ms}"));
                }
                self.late.insert(task);
            }
            _ => {}
        }
        let is_over = !matches!(line.happened, Happened::Ready | Happened::Started(_));
        let is_sensor = matches!(self.plan.task(task).kind, TaskKind::Sensor { .. });
        match is_over && !is_sensor && self.calls.values().any(|of| *of == task) && !self.late.contains(&task)
        {
            true => Err(format!("{task} ends, and calls of it are under way")),
            false => Ok(()),
        }
    }

    /// No more calls are under way in the pool of a task than it has slots.
    fn pool_of(&self, task: TaskIx) -> Result<(), String> {
        let Some(pool) = self.plan.task(task).pool else { return Ok(()) };
        let slots = self.plan.dag().pools[pool as usize].slots as usize;
        let under_way = self.calls.values().filter(|of| self.plan.task(**of).pool == Some(pool)).count();
        match under_way <= slots {
            true => Ok(()),
            false => Err(format!("{under_way} calls are under way in a pool of {slots}, with {task}")),
        }
    }
}
