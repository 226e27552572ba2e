//! Map runs: how they stand, and what of them can be changed while they go on.

use super::arn::{self, Resource};
use super::executions::standard;
use super::fault::Fault;
use super::page::{Page, paged};
use super::{Call, seconds};
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_asl::execution::{Counts, Event, MapRun, MapRunStatus, PartName};
use sluice_runtime::api::{ListRequest, RunView, WorkflowView};
use sluice_types::RunKey;

/// A map run and the run whose workflow it is part of.
pub struct Found {
    /// The run.
    pub view: RunView,
    /// Number of the map run in it.
    pub number: u32,
}

impl Found {
    /// The workflow that it is part of.
    pub fn workflow(&self) -> &WorkflowView {
        self.view.workflow.as_ref().expect("a map run is part of a workflow")
    }

    /// The map run.
    pub fn map_run(&self) -> &MapRun {
        &self.workflow().map_runs[self.number as usize]
    }

    /// Its label, as ARNs have it.
    pub fn label(&self) -> &str {
        label(self.map_run())
    }
}

fn label(map_run: &MapRun) -> &str {
    map_run.arn.rsplit_once('/').and_then(|(_, rest)| rest.split(':').next()).unwrap_or_default()
}

/// The map run that a name belongs to: its own, or that of one of its children.
pub async fn part(call: &Call<'_>, machine: &str, name: PartName) -> Result<Option<Found>, Fault> {
    let before = name.key.checked_add(1).map(RunKey);
    let views = call.node.list(ListRequest { limit: 1, before, ..ListRequest::default() }).await?;
    let found = views.into_iter().find(|view| view.key.0 == name.key && *view.app == arn::app_of(machine));
    let has = |view: &RunView| {
        view.workflow.as_ref().is_some_and(|workflow| workflow.map_runs.len() > name.run as usize)
    };
    Ok(found.filter(has).map(|view| Found { view, number: name.run }))
}

/// The map run of an ARN.
pub async fn find(call: &Call<'_>, arn: &str) -> Result<Found, Fault> {
    let Some(Resource::MapRun { machine, label, id }) = Resource::parse(arn) else {
        return Err(Fault::invalid_arn(arn));
    };
    let found = match PartName::parse(&id).filter(|name| name.child.is_none()) {
        Some(name) => part(call, &machine, name).await?,
        None => None,
    };
    let found = found.filter(|found| found.label() == label);
    found.ok_or_else(|| Fault::not_found(arn, format!("Resource not found: '{arn}'")))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    map_run_arn: String,
    max_concurrency: Option<u64>,
    tolerated_failure_count: Option<u64>,
    tolerated_failure_percentage: Option<f64>,
}

/// `DescribeMapRun`.
pub async fn describe(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Request = call.read()?;
    let found = find(call, &request.map_run_arn).await?;
    let map_run = found.map_run();
    let mut answer = json!({
        "mapRunArn": &*map_run.arn,
        "executionArn": &*found.workflow().settings.id,
        "status": map_run.status.name(),
        "startDate": seconds(map_run.start_ms),
        "maxConcurrency": map_run.max_concurrency,
        "toleratedFailurePercentage": map_run.tolerated_failure_percentage.unwrap_or_default(),
        "toleratedFailureCount": map_run.tolerated_failure_count.unwrap_or_default(),
        "itemCounts": counts(&map_run.items),
        "executionCounts": counts(&map_run.executions),
        "redriveCount": map_run.redrives,
    });
    map_run.stop_ms.into_iter().for_each(|at_ms| answer["stopDate"] = json!(seconds(at_ms)));
    map_run.redriven_ms.into_iter().for_each(|at_ms| answer["redriveDate"] = json!(seconds(at_ms)));
    Ok(answer)
}

fn counts(counts: &Counts) -> Value {
    json!({
        "pending": counts.pending,
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        // A child execution that runs out of time has failed.
        "timedOut": 0,
        "aborted": counts.aborted,
        "total": counts.total,
        "resultsWritten": counts.results_written,
        // Whatever has failed can be taken up again.
        "failuresNotRedrivable": 0,
        "pendingRedrive": 0,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    execution_arn: String,
    #[serde(flatten)]
    page: Page,
}

/// `ListMapRuns`, newest first.
pub async fn list(call: &Call<'_>) -> Result<Value, Fault> {
    let request: List = call.read()?;
    let arn = request.execution_arn;
    let (machine, _, view) = standard(call, &arn).await?;
    let line = |map_run: &MapRun| {
        let labelled = format!("{machine}/{}", label(map_run));
        let mut line = json!({
            "executionArn": arn,
            "mapRunArn": &*map_run.arn,
            "stateMachineArn": call.account.machine(&labelled),
            "startDate": seconds(map_run.start_ms),
        });
        map_run.stop_ms.into_iter().for_each(|at_ms| line["stopDate"] = json!(seconds(at_ms)));
        line
    };
    let map_runs = view.workflow.map(|workflow| workflow.map_runs).unwrap_or_default();
    paged("mapRuns", &request.page, map_runs.iter().rev().map(line).collect())
}

/// `UpdateMapRun`, of one that goes on.
pub async fn update(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Request = call.read()?;
    let found = find(call, &request.map_run_arn).await?;
    let Request { max_concurrency, tolerated_failure_count, tolerated_failure_percentage, .. } = request;
    if max_concurrency.is_none()
        && tolerated_failure_count.is_none()
        && tolerated_failure_percentage.is_none()
    {
        let message = "Must specify at least one of maxConcurrency, toleratedFailureCount, or toleratedFailurePercentage";
        return Err(Fault::because("MISSING_REQUIRED_PARAMETER", message));
    }
    if found.map_run().status != MapRunStatus::Running {
        let message = format!("Map Run is not running: '{}'", found.map_run().arn);
        return Err(Fault::because("CANNOT_UPDATE_COMPLETED_MAP_RUN", message));
    }
    let event = Event::UpdateMapRun {
        run: found.number,
        max_concurrency,
        tolerated_failure_count,
        tolerated_failure_percentage,
    };
    call.node.update_map_run(&found.view.run, event).await?;
    Ok(json!({}))
}
