//! The results of a distributed `Map`: what is kept of each child execution, and what the state makes of all.

use super::data::View;
use super::failure::Failure;
use super::frames::{Doing, Frame, FrameIx};
use super::history::{HistoryKind, MapRunStep};
use super::iterations::Iterations;
use super::join::{Join, Slot};
use super::ledgers::Child;
use super::map_run::{MapRunStatus, over_threshold};
use super::task::Purpose;
use super::turn::{Flow, Turn};
use super::{Execution, MapResults, Work, clock};
use crate::machine::{Map, MapMode, State};
use sluice_expression::Value;
use std::sync::Arc;

/// How a child execution ended.
pub(super) enum Outcome {
    Succeeded(Value),
    Failed {
        error: Option<Arc<str>>,
        cause: Option<Arc<str>>,
    },
    /// The map run failed before it had ended.
    Aborted,
}

/// `WriterConfig.Transformation`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transformation {
    /// Records of the executions.
    None,
    /// Outputs of the executions.
    Compact,
    /// Outputs, with those that are arrays laid out.
    Flatten,
}

fn transformation(map: &Map) -> Transformation {
    let Some(writer) = &map.writer else { return Transformation::Compact };
    match writer.config.get("Transformation").and_then(Value::as_str) {
        Some("COMPACT") => Transformation::Compact,
        Some("FLATTEN") => Transformation::Flatten,
        Some(_) => Transformation::None,
        None if writer.resource.is_some() => Transformation::None,
        None => Transformation::Compact,
    }
}

impl Execution {
    /// What is kept of a child execution: its output or, where that is asked for or it failed, the record of it.
    pub(super) fn result_of(&self, map: &Map, child: &Child, outcome: Outcome, now_ms: u64) -> Value {
        match outcome {
            Outcome::Succeeded(output) if transformation(map) != Transformation::None => output,
            outcome => self.record(child, outcome, now_ms),
        }
    }

    fn record(&self, child: &Child, outcome: Outcome, now_ms: u64) -> Value {
        let text = |text: &Arc<str>| Value::String(text.clone());
        let included = || Value::fields([("Included", Value::Bool(true))]);
        let mut record = sluice_expression::Map::default();
        record.insert("ExecutionArn".into(), text(&child.arn));
        record.insert("Input".into(), Value::string(child.input.to_json()));
        record.insert("InputDetails".into(), included());
        record.insert("Name".into(), text(&child.name));
        let status = match outcome {
            Outcome::Succeeded(output) => {
                record.insert("Output".into(), Value::string(output.to_json()));
                record.insert("OutputDetails".into(), included());
                "SUCCEEDED"
            }
            Outcome::Failed { error, cause } => {
                let fields = [("Error", error), ("Cause", cause)];
                let given =
                    fields.into_iter().filter_map(|(name, value)| Some((name.into(), Value::String(value?))));
                record.extend(given);
                "FAILED"
            }
            Outcome::Aborted => "ABORTED",
        };
        record.insert("StartDate".into(), Value::string(clock::rfc3339(child.start_ms)));
        record.insert("StateMachineArn".into(), text(&self.settings.machine_id));
        record.insert("Status".into(), Value::string(status));
        record.insert("StopDate".into(), Value::string(clock::rfc3339(now_ms)));
        Value::object(record)
    }

    /// Has the results written, where a `ResultWriter` says where; whether it does. Of a map run that has failed, they
    /// tell of those child executions, too, that were cut short or never started.
    pub(super) fn write_results(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        state: &State,
        map: &Map,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Failure> {
        let Some(writer) = &map.writer else { return Ok(false) };
        let Some(resource) = &writer.resource else { return Ok(false) };
        let effective = self.effective_input(frame, state, turn)?;
        let view = View::of(&effective);
        let arguments = self.map_arguments(frame, state, writer.arguments.as_ref(), view, turn)?;
        let pending = pending_records(frame);
        let Doing::Joining(join) = std::mem::replace(&mut frame.doing, Doing::Ready) else {
            return Ok(false);
        };
        let run = join.run().expect("results are written of a distributed Map");
        let work = Work::WriteResults {
            resource: resource.clone(),
            config: writer.config.clone(),
            arguments,
            map_run: self.map_runs[run as usize].arn.clone(),
            results: MapResults { pending, ..self.results_by_status(map, &join, turn.now_ms) },
        };
        self.request_work(frame, ix, work, Purpose::Results { run }, turn);
        if let Doing::Working(working) = &mut frame.doing {
            working.join = Some(join);
        }
        Ok(true)
    }

    fn results_by_status(&self, map: &Map, join: &Join, now_ms: u64) -> MapResults {
        let (mut succeeded, mut failed) = (Vec::new(), Vec::new());
        for slot in &join.slots {
            match slot {
                Slot::Done(result) => succeeded.push(result.clone()),
                Slot::Failed(_, record) => failed.push(record.clone()),
                Slot::Open(ix) => {
                    let ledger = self.frames.get(*ix).map(|frame| self.ledgers.get(frame.ledger));
                    let child = ledger.and_then(|ledger| ledger.child.as_deref());
                    failed.extend(child.map(|child| self.record(child, Outcome::Aborted, now_ms)));
                }
            }
        }
        let pending = Value::array(Vec::new());
        MapResults { succeeded: lay_out(map, succeeded), failed: Value::array(failed), pending }
    }

    /// The results have been written there.
    pub(super) fn results_written(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        (run, details): (u32, Value),
        turn: &mut Turn<'_>,
    ) -> Flow {
        let state = self.state_of(frame, turn.machine);
        let map_run = &mut self.map_runs[run as usize];
        map_run.items.results_written = map_run.items.succeeded + map_run.items.failed;
        map_run.executions.results_written = map_run.executions.succeeded + map_run.executions.failed;
        if map_run.status == MapRunStatus::Failed {
            return self.fail_state(frame, ix, state, over_threshold().of_child(), turn);
        }
        let arn = Value::String(map_run.arn.clone());
        let result = Value::fields([("MapRunArn", arn), ("ResultWriterDetails", details)]);
        self.map_run_succeeded(frame, run, turn);
        let flow = self.finish_join(frame, state, result, turn);
        flow.unwrap_or_else(|failure| self.fail_state(frame, ix, state, failure, turn))
    }

    /// The result of a `Map` whose iterations have ended.
    pub(super) fn map_result(&mut self, frame: &mut Frame, map: &Map, turn: &mut Turn<'_>) -> Value {
        if let Some(run) = frame.map_run() {
            self.map_run_succeeded(frame, run, turn);
        }
        let results = frame.join().map(|join| join.results()).unwrap_or_default();
        if map.mode == MapMode::Inline { Value::array(results) } else { lay_out(map, results) }
    }

    fn map_run_succeeded(&mut self, frame: &mut Frame, run: u32, turn: &mut Turn<'_>) {
        self.end_map_run(run, MapRunStatus::Succeeded, turn.now_ms);
        self.follow(frame, turn, || HistoryKind::MapRun(MapRunStep::Succeeded));
    }
}

/// Records of the items for which no child execution was started. They are told as they are: what `ItemSelector` would
/// have made of them is not computed for a map run that is over.
fn pending_records(frame: &mut Frame) -> Value {
    let iterations = frame.join().and_then(|join| join.iterations.as_deref());
    let records = iterations.into_iter().flat_map(Iterations::pending).map(|item| {
        Value::fields([
            ("Input", Value::string(item.to_json())),
            ("InputDetails", Value::fields([("Included", Value::Bool(true))])),
            ("Status", Value::string("PENDING")),
        ])
    });
    Value::array(records.collect())
}

fn lay_out(map: &Map, results: Vec<Value>) -> Value {
    if transformation(map) != Transformation::Flatten {
        return Value::array(results);
    }
    let mut flat = Vec::with_capacity(results.len());
    for result in results {
        match result {
            Value::Array(items) => flat.extend(items.iter().cloned()),
            other => flat.push(other),
        }
    }
    Value::array(flat)
}
