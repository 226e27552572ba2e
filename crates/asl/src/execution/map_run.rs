//! Map runs: what becomes of the items of a distributed `Map`.

use super::Execution;
use super::data::View;
use super::failure::Failure;
use super::frames::{Frame, FrameIx};
use super::history::{ChildId, ExecutionStep, HistoryKind, JoinStep, MapRunStep};
use super::join::{Join, Slot};
use super::ledgers::Child;
use super::names::PartName;
use super::results::Outcome;
use super::turn::{Flow, Turn};
use crate::machine::{Map, MapMode, Setting, State};
use serde::{Deserialize, Serialize};
use sluice_expression::Value;
use std::sync::Arc;

/// A map run, as `DescribeMapRun` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapRun {
    /// Its ARN.
    pub arn: Arc<str>,
    /// How it stands.
    pub status: MapRunStatus,
    /// When it began, in milliseconds since 1970.
    pub start_ms: u64,
    /// When it ended.
    pub stop_ms: Option<u64>,
    /// 0 is no limit of its own.
    pub max_concurrency: u64,
    /// `ToleratedFailureCount`.
    pub tolerated_failure_count: Option<u64>,
    /// `ToleratedFailurePercentage`.
    pub tolerated_failure_percentage: Option<f64>,
    /// Items by what became of them.
    pub items: Counts,
    /// Child executions by what became of them.
    pub executions: Counts,
    /// How often it was redriven.
    pub redrives: u32,
    /// When it was redriven last.
    pub redriven_ms: Option<u64>,
}

// No map run has a percentage that is not a number.
impl Eq for MapRun {}

/// How a map run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum MapRunStatus {
    Running,
    Succeeded,
    Failed,
    Aborted,
}

impl MapRunStatus {
    /// What AWS calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Aborted => "ABORTED",
        }
    }
}

/// How many by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Counts {
    pub total: u64,
    pub pending: u64,
    pub running: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub aborted: u64,
    pub results_written: u64,
}

/// How many failures are tolerated.
pub(super) struct Tolerance {
    count: Option<u64>,
    percentage: Option<f64>,
}

/// More items failed than is tolerated.
pub(super) fn over_threshold() -> Failure {
    let error = "States.ExceedToleratedFailureThreshold".into();
    let cause = "The specified tolerated failure threshold was exceeded".into();
    Failure::work(Some(error), Some(cause))
}

impl MapRun {
    /// Whether more items failed than is tolerated.
    fn is_over_threshold(&self) -> bool {
        let failed = self.items.failed;
        match (self.tolerated_failure_count, self.tolerated_failure_percentage) {
            (None, None) => failed > 0,
            (count, percentage) => {
                let most = percentage.map(|percentage| percentage * self.items.total as f64);
                count.is_some_and(|count| failed > count)
                    || most.is_some_and(|most| failed as f64 * 100.0 > most)
            }
        }
    }

    fn started(&mut self, items: u64) {
        self.items.pending -= items;
        self.items.running += items;
        self.executions.total += 1;
        self.executions.running += 1;
    }

    fn ended(&mut self, items: u64, count: impl Fn(&mut Counts) -> &mut u64) {
        self.items.running -= items;
        *count(&mut self.items) += items;
        self.executions.running -= 1;
        *count(&mut self.executions) += 1;
    }
}

impl Execution {
    /// How many failures a distributed `Map` tolerates.
    pub(super) fn tolerance(
        &mut self,
        frame: &Frame,
        state: &State,
        map: &Map,
        view: View<'_>,
        turn: &Turn<'_>,
    ) -> Result<Tolerance, Failure> {
        self.see(frame, state, view, turn, |scope| {
            let (count, percentage) = (&map.tolerated_failure_count, &map.tolerated_failure_percentage);
            Ok(Tolerance {
                count: Setting::optional(count, scope, "ToleratedFailureCount")?,
                percentage: Setting::optional(percentage, scope, "ToleratedFailurePercentage")?,
            })
        })
    }

    /// Opens the map run of a distributed `Map`; gives its number.
    pub(super) fn start_map_run(
        &mut self,
        frame: &mut Frame,
        map: &Map,
        tolerance: Tolerance,
        turn: &mut Turn<'_>,
    ) -> u32 {
        let arn = self.map_run_arn(map);
        self.map_runs.push(MapRun {
            arn: arn.clone(),
            status: MapRunStatus::Running,
            start_ms: turn.now_ms,
            stop_ms: None,
            max_concurrency: 0,
            tolerated_failure_count: tolerance.count,
            tolerated_failure_percentage: tolerance.percentage,
            items: Counts::default(),
            executions: Counts::default(),
            redrives: 0,
            redriven_ms: None,
        });
        self.follow(frame, turn, || HistoryKind::MapRun(MapRunStep::Started { arn }));
        self.map_runs.len() as u32 - 1
    }

    fn map_run_arn(&mut self, map: &Map) -> Arc<str> {
        let id = PartName { key: self.settings.key, run: self.map_runs.len() as u32, child: None };
        let label = map.label.as_deref().map_or_else(|| self.chance.uuid(), str::to_owned);
        let own = self.arn_of("mapRun");
        format!("{own}/{label}:{id}").into()
    }

    /// The execution's ARN up to the name of the machine, as that of another kind of resource.
    fn arn_of(&self, kind: &str) -> String {
        let mut parts: Vec<&str> = self.settings.id.split(':').collect();
        match parts.get_mut(5) {
            Some(part) => {
                *part = kind;
                parts[..parts.len().min(7)].join(":")
            }
            None => format!("arn:aws:states:us-east-1:000000000000:{kind}:{}", self.settings.machine_name),
        }
    }

    pub(super) fn count_items(&mut self, run: u32, items: u32) {
        let run = &mut self.map_runs[run as usize];
        run.items = Counts { total: items.into(), pending: items.into(), ..Counts::default() };
    }

    /// Opens the ledger of a child execution.
    pub(super) fn open_child(
        &mut self,
        run: u32,
        index: u32,
        items: u32,
        input: &Value,
        turn: &Turn<'_>,
    ) -> u32 {
        let name = PartName { key: self.settings.key, run, child: Some(index) };
        let name: Arc<str> = name.to_string().into();
        let own = self.arn_of("execution");
        let map_run = &mut self.map_runs[run as usize];
        map_run.started(items.into());
        let label = map_run.arn.rsplit('/').next().and_then(|rest| rest.split(':').next());
        let arn = format!("{own}/{}:{name}", label.unwrap_or_default()).into();
        let id = ChildId { run, index };
        self.ledgers.open(Child { id, arn, name, input: input.clone(), start_ms: turn.now_ms, items }, true)
    }

    /// An iteration has succeeded; gives what becomes of its output.
    pub(super) fn iteration_succeeded(
        &mut self,
        frame: &mut Frame,
        state: &State,
        map: &Map,
        child: &Frame,
        output: Value,
        turn: &mut Turn<'_>,
    ) -> Value {
        if map.mode == MapMode::Inline {
            let step = HistoryKind::Iteration {
                step: JoinStep::Succeeded,
                name: state.name.clone(),
                index: child.index.into(),
            };
            let succeeded = self.note(frame, child.trail.last, turn, || step);
            frame.trail.last = succeeded;
            frame.join().expect("a Map at work joins its iterations").follows = child.trail.last;
            return output;
        }
        let step = ExecutionStep::Succeeded { output: output.clone() };
        self.note_end(child, child.trail.last, turn, || HistoryKind::Execution(step));
        let ledger =
            self.ledgers.get(child.ledger).child.as_deref().expect("a child has a ledger of its own");
        let outcome = Outcome::Succeeded(output);
        let result = self.result_of(map, ledger, outcome, turn.now_ms);
        let (run, items) = (ledger.id.run, ledger.items);
        self.map_runs[run as usize].ended(items.into(), |counts| &mut counts.succeeded);
        self.ledgers.close(child.ledger);
        result
    }

    /// An iteration has failed; gives the failure of its `Map`, if that does not go on.
    pub(super) fn iteration_failed(
        &mut self,
        frame: &mut Frame,
        state: &State,
        map: &Map,
        (child, child_ix): (&Frame, FrameIx),
        failure: Failure,
        turn: &mut Turn<'_>,
    ) -> Option<Failure> {
        let previous = child.trail.of_error();
        if map.mode == MapMode::Inline {
            let (name, index) = (state.name.clone(), child.index.into());
            self.note(frame, previous, turn, || HistoryKind::Iteration {
                step: JoinStep::Failed,
                name,
                index,
            });
            frame.trail.last = previous;
            return Some(failure);
        }
        let Failure { error, cause, .. } = failure;
        let step = ExecutionStep::Failed { error: error.clone(), cause: cause.clone() };
        self.note_end(child, previous, turn, || HistoryKind::Execution(step));
        let ledger =
            self.ledgers.get(child.ledger).child.as_deref().expect("a child has a ledger of its own");
        let record = self.result_of(map, ledger, Outcome::Failed { error, cause }, turn.now_ms);
        let (run, items) = (ledger.id.run, ledger.items);
        self.map_runs[run as usize].ended(items.into(), |counts| &mut counts.failed);
        let join: &mut Join = frame.join().expect("a Map at work joins its iterations");
        join.slots[child.index as usize] = Slot::Failed(child_ix, record);
        if !self.map_runs[run as usize].is_over_threshold() {
            return None;
        }
        Some(self.fail_map_run(frame, run, over_threshold(), turn))
    }

    /// A child execution was cut short.
    pub(super) fn child_aborted(&mut self, child: &Frame, turn: &mut Turn<'_>) {
        let ledger =
            self.ledgers.get(child.ledger).child.as_deref().expect("a child has a ledger of its own");
        let (run, items) = (ledger.id.run, ledger.items);
        self.map_runs[run as usize].ended(items.into(), |counts| &mut counts.aborted);
        let step = ExecutionStep::Aborted { error: None, cause: None };
        self.note_end(child, 0, turn, || HistoryKind::Execution(step));
    }

    /// A map run that did not succeed goes on.
    pub(super) fn redrive_map_run(&mut self, frame: &mut Frame, run: u32, turn: &mut Turn<'_>) {
        let map_run = &mut self.map_runs[run as usize];
        map_run.redrives += 1;
        (map_run.redriven_ms, map_run.stop_ms) = (Some(turn.now_ms), None);
        map_run.status = MapRunStatus::Running;
        for counts in [&mut map_run.items, &mut map_run.executions] {
            counts.running += counts.failed + counts.aborted;
            (counts.failed, counts.aborted) = (0, 0);
        }
        let (arn, count) = (map_run.arn.clone(), map_run.redrives);
        self.follow(frame, turn, || HistoryKind::MapRun(MapRunStep::Redriven { arn, count }));
    }

    /// A child execution that did not succeed goes on; gives the event that says so.
    pub(super) fn redrive_child(&mut self, ix: FrameIx, turn: &mut Turn<'_>) -> u64 {
        let child = self.frames.take(ix).expect("what has not succeeded was kept");
        let step = ExecutionStep::Redriven { count: self.redrives };
        let previous = self.ledgers.get(child.ledger).events;
        let event = self.note(&child, previous, turn, || HistoryKind::Execution(step));
        self.frames.put(ix, child);
        event
    }

    pub(super) fn end_map_run(&mut self, run: u32, status: MapRunStatus, now_ms: u64) {
        let run = &mut self.map_runs[run as usize];
        (run.status, run.stop_ms) = (status, Some(now_ms));
    }

    /// Ends a map run that has failed, and gives the failure of its `Map`.
    pub(super) fn fail_map_run(
        &mut self,
        frame: &mut Frame,
        run: u32,
        failure: Failure,
        turn: &mut Turn<'_>,
    ) -> Failure {
        self.end_map_run(run, MapRunStatus::Failed, turn.now_ms);
        let step = MapRunStep::Failed { error: failure.error.clone(), cause: failure.cause.clone() };
        self.follow(frame, turn, || HistoryKind::MapRun(step));
        failure
    }

    /// Items could not be read, or results not be written. If the map run has failed already, its results are what could
    /// not be written, and why it failed matters more.
    pub(super) fn items_failed(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        (run, failure): (u32, Failure),
        turn: &mut Turn<'_>,
    ) -> Flow {
        let state = self.state_of(frame, turn.machine);
        let failure = match self.map_runs[run as usize].status {
            MapRunStatus::Failed => over_threshold(),
            _ => self.fail_map_run(frame, run, failure, turn),
        };
        self.fail_state(frame, ix, state, failure.of_child(), turn)
    }

    /// A `Map` at work cannot go on: its items, or what it makes of them, are in error.
    pub(super) fn fail_map(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        state: &State,
        failure: Failure,
        turn: &mut Turn<'_>,
    ) -> Flow {
        let mut failure = self.explain(frame, state, failure, turn);
        if let Some(run) = frame.map_run() {
            failure = self.fail_map_run(frame, run, failure, turn);
        }
        self.fail_state(frame, ix, state, failure.of_child(), turn)
    }

    /// `UpdateMapRun`.
    pub(super) fn update_map_run(
        &mut self,
        run: u32,
        max_concurrency: Option<u64>,
        tolerated_failure_count: Option<u64>,
        tolerated_failure_percentage: Option<f64>,
    ) {
        let Some(map_run) = self.map_runs.get_mut(run as usize) else { return };
        map_run.max_concurrency = max_concurrency.unwrap_or(map_run.max_concurrency);
        map_run.tolerated_failure_count = tolerated_failure_count.or(map_run.tolerated_failure_count);
        map_run.tolerated_failure_percentage =
            tolerated_failure_percentage.or(map_run.tolerated_failure_percentage);
        let limit = map_run.max_concurrency;
        if let Some((ix, join)) = self.frames.joins().find(|(_, join)| join.run() == Some(run)) {
            if let Some(iterations) = &mut join.iterations {
                iterations.max_concurrency = limit;
            }
            self.ready.push_back(ix);
        }
    }

    /// Its map runs, in the order in which they began.
    pub fn map_runs(&self) -> &[MapRun] {
        &self.map_runs
    }
}
