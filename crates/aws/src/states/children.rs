//! Child executions of map runs, as their histories tell of them.

use super::arn::Resource;
use super::fault::Fault;
use super::map_runs::{self, Found};
use super::page::{Page, paged};
use super::{Call, seconds};
use serde_json::{Value, json};
use sluice_asl::execution::{ChildId, ExecutionStep, HistoryEvent, HistoryKind, PartName};
use sluice_expression::Value as Json;
use sluice_runtime::api::{HistoryRequest, HistoryScope};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A child execution and the map run that it is part of.
pub struct Child {
    /// Its map run.
    pub of: Found,
    /// Which.
    pub id: ChildId,
    name: String,
}

/// Events that are read in one go.
const EVENTS_AT_ONCE: usize = 1_000;

/// The child execution of an ARN; `None` if the ARN is not that of one.
pub async fn find(call: &Call<'_>, arn: &str) -> Result<Option<Child>, Fault> {
    let Some(Resource::Execution { machine, name, .. }) = Resource::parse(arn) else { return Ok(None) };
    let Some((machine, label)) = machine.split_once('/') else { return Ok(None) };
    let part = PartName::parse(&name);
    let Some((part, index)) = part.and_then(|part| Some((part, part.child?))) else { return Ok(None) };
    let found = map_runs::part(call, machine, part).await?.filter(|found| found.label() == label);
    Ok(found.map(|of| Child { id: ChildId { run: of.number, index }, of, name }))
}

/// How a child execution stands.
struct Standing {
    status: &'static str,
    started_ms: u64,
    ended_ms: Option<u64>,
    /// How many items its `ItemBatcher` would have given it.
    batched: Option<usize>,
    error: Option<Arc<str>>,
    cause: Option<Arc<str>>,
    redrives: u32,
    redriven_ms: Option<u64>,
}

impl Standing {
    fn started(input: &Json, at_ms: u64) -> Self {
        Self {
            status: "RUNNING",
            started_ms: at_ms,
            ended_ms: None,
            batched: input.get("Items").and_then(Json::as_array).map(|items| items.len()),
            error: None,
            cause: None,
            redrives: 0,
            redriven_ms: None,
        }
    }

    fn go_on(&mut self, step: ExecutionStep, at_ms: u64) {
        let (status, error, cause) = match step {
            ExecutionStep::Started { .. } => return,
            ExecutionStep::Redriven { .. } => {
                (self.redrives, self.redriven_ms) = (self.redrives + 1, Some(at_ms));
                (self.status, self.ended_ms, self.error, self.cause) = ("RUNNING", None, None, None);
                return;
            }
            ExecutionStep::Succeeded { .. } => ("SUCCEEDED", None, None),
            ExecutionStep::Failed { error, cause } => ("FAILED", error, cause),
            ExecutionStep::TimedOut { error, cause } => ("TIMED_OUT", error, cause),
            ExecutionStep::Aborted { error, cause } => ("ABORTED", error, cause),
        };
        (self.status, self.error, self.cause, self.ended_ms) = (status, error, cause, Some(at_ms));
    }
}

/// The children that the events of a scope tell of, by their numbers. `also` sees each step of theirs.
async fn standings(
    call: &Call<'_>,
    run: &str,
    scope: HistoryScope,
    mut also: impl FnMut(&ExecutionStep),
) -> Result<BTreeMap<u32, Standing>, Fault> {
    let mut found = BTreeMap::new();
    let mut cursor = None;
    loop {
        let request =
            HistoryRequest { run: run.to_owned(), cursor, limit: EVENTS_AT_ONCE, newest_first: false, scope };
        let page = call.node.workflow_history(request).await?;
        for event in page.events {
            let HistoryKind::Execution(step) = &event.kind else { continue };
            also(step);
            fold(&mut found, event);
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

/// Adds an event to how the children stand. What they were given and gave is not kept.
fn fold(found: &mut BTreeMap<u32, Standing>, event: HistoryEvent) {
    let (Some(child), HistoryKind::Execution(step)) = (event.child, event.kind) else { return };
    match step {
        ExecutionStep::Started { input, .. } => {
            found.insert(child.index, Standing::started(&input, event.at_ms));
        }
        step => {
            if let Some(standing) = found.get_mut(&child.index) {
                standing.go_on(step, event.at_ms);
            }
        }
    }
}

/// `DescribeExecution` of a child execution; `None` if it has not begun.
pub async fn describe(call: &Call<'_>, child: &Child) -> Result<Option<Value>, Fault> {
    let (mut input, mut output) = (None, None);
    let scope = HistoryScope::Child(child.id);
    let mut found = standings(call, &child.of.view.run, scope, |step| match step {
        ExecutionStep::Started { input: given, .. } => input = Some(given.clone()),
        ExecutionStep::Succeeded { output: given } => output = Some(given.clone()),
        _ => (),
    })
    .await?;
    let Some(standing) = found.remove(&child.id.index) else { return Ok(None) };
    let mut answer = line(&child.of, &child.name, &standing);
    for (name, data) in [("input", input), ("output", output)] {
        if let Some(data) = data {
            answer[name] = json!(data.to_json());
            answer[format!("{name}Details")] = json!({"included": true});
        }
    }
    standing.error.iter().for_each(|error| answer["error"] = json!(&**error));
    standing.cause.iter().for_each(|cause| answer["cause"] = json!(&**cause));
    let (redrive, reason) = match standing.status {
        "RUNNING" => ("NOT_REDRIVABLE", Some("Execution is RUNNING and cannot be redriven")),
        "SUCCEEDED" => ("NOT_REDRIVABLE", Some("Execution is SUCCEEDED and cannot be redriven")),
        _ => ("REDRIVABLE_BY_MAP_RUN", None),
    };
    answer["redriveStatus"] = json!(redrive);
    reason.into_iter().for_each(|reason| answer["redriveStatusReason"] = json!(reason));
    Ok(Some(answer))
}

/// What lists and descriptions say of a child execution alike.
fn line(of: &Found, name: &str, standing: &Standing) -> Value {
    let machine = format!("{}/{}", of.workflow().settings.machine_id, of.label());
    let mut line = json!({
        "executionArn": format!("{}:{name}", machine.replacen(":stateMachine:", ":execution:", 1)),
        "stateMachineArn": machine,
        "mapRunArn": &*of.map_run().arn,
        "name": name,
        "status": standing.status,
        "startDate": seconds(standing.started_ms),
        "redriveCount": standing.redrives,
    });
    standing.ended_ms.into_iter().for_each(|at_ms| line["stopDate"] = json!(seconds(at_ms)));
    standing.redriven_ms.into_iter().for_each(|at_ms| line["redriveDate"] = json!(seconds(at_ms)));
    line
}

/// `ListExecutions` of a map run, newest first.
pub async fn list(
    call: &Call<'_>,
    map_run: &str,
    page: &Page,
    wanted: impl Fn(&str, u32) -> bool,
) -> Result<Value, Fault> {
    let found = map_runs::find(call, map_run).await?;
    let scope = HistoryScope::Children(found.number);
    let standings = standings(call, &found.view.run, scope, |_| ()).await?;
    let mut lines = Vec::new();
    for (index, standing) in standings.into_iter().rev() {
        if wanted(standing.status, standing.redrives) {
            let name = PartName { key: found.view.key.0, run: found.number, child: Some(index) }.to_string();
            let mut line = line(&found, &name, &standing);
            line["itemCount"] = json!(items(&found, &standing));
            lines.push(line);
        }
    }
    paged("executions", page, lines)
}

/// How many items a child execution works on: with an `ItemBatcher` there are fewer children than items.
fn items(of: &Found, standing: &Standing) -> usize {
    let (items, executions) = (&of.map_run().items, &of.map_run().executions);
    let batched = items.total - items.pending != executions.total;
    standing.batched.filter(|_| batched).unwrap_or(1)
}
