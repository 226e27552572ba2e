//! Executions: started, stopped, taken up again, described, listed.

use super::arn::{self, Resource, check_name, execution_named, machine_named};
use super::fault::Fault;
use super::page::{Page, token};
use super::record::{self, Record};
use super::{Call, children, machines, now_ms, seconds, versions};
use crate::account::Account;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_engine::Status;
use sluice_runtime::api::{
    ExecutionFacts, ListRequest, RunView, StartRequest, WorkflowRequest, WorkflowView,
};
use sluice_types::{Code, Problem, RunKey, Version};
use std::time::Duration;

/// Largest input of an execution, in bytes.
pub const INPUT_BYTES_MAX: usize = 262_144;
/// How long a synchronous execution may take.
const SYNC_MAX: Duration = Duration::from_secs(5 * 60);
/// Runs looked at in one go while a page is filled.
const LISTED_AT_ONCE: usize = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    state_machine_arn: Option<String>,
    name: Option<String>,
    input: Option<String>,
}

/// Which execution is to be started, and of what.
pub struct Target {
    /// The state machine.
    pub record: Record,
    /// The version of its app.
    pub app_version: u32,
    /// The execution's name.
    pub name: String,
    /// ARN of the execution.
    pub arn: String,
}

/// `StartExecution`.
pub async fn start(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Start = call.read()?;
    let input = input(request.input)?;
    let target = target(call, request.state_machine_arn, request.name).await?;
    let run = begin(call, &target, input).await?;
    let view = call.node.run(&run.0).await?;
    if run.1 && view.status != Status::Running {
        return Err(already_exists(&target.arn));
    }
    Ok(json!({"executionArn": target.arn, "startDate": seconds(view.started_ms)}))
}

/// `StartSyncExecution`: an express execution and its outcome.
pub async fn start_sync(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Start = call.read()?;
    let given = input(request.input)?;
    let target = target(call, request.state_machine_arn, request.name).await?;
    if !target.record.is_express() {
        let message = "This operation is not supported by this type of state machine";
        return Err(Fault::new("StateMachineTypeNotSupported", message));
    }
    let (run, _) = begin(call, &target, given).await?;
    let view = call.node.wait(&run, SYNC_MAX).await?;
    let mut answer = describe_run(call, &target.record, &view, &target.name);
    let ended_ms = view.ended_ms.unwrap_or_else(now_ms);
    answer["stopDate"] = json!(seconds(ended_ms));
    let billed_ms = ended_ms.saturating_sub(view.started_ms).div_ceil(100).max(1) * 100;
    answer["billingDetails"] = json!({"billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": billed_ms});
    Ok(answer)
}

fn input(given: Option<String>) -> Result<String, Fault> {
    let given = given.unwrap_or_else(|| "{}".to_owned());
    if given.len() > INPUT_BYTES_MAX {
        return Err(Fault::validation(format!(
            "1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length less than or equal to {INPUT_BYTES_MAX}"
        )));
    }
    match sluice_expression::Value::parse(given.as_bytes()) {
        Ok(_) => Ok(given),
        Err(error) => Err(Fault::new(
            "InvalidExecutionInput",
            format!("Invalid State Machine Execution Input: '{error}'"),
        )),
    }
}

async fn target(call: &Call<'_>, arn: Option<String>, name: Option<String>) -> Result<Target, Fault> {
    let arn = arn.ok_or_else(|| Fault::missing("stateMachineArn"))?;
    let (machine, qualifier) = machine_named(&arn)?;
    let record = record::existing(call.node, call.account, &machine).await?.record;
    let app_version = match &qualifier {
        None => record.current().0,
        Some(qualifier) => {
            let random = uuid::Uuid::new_v4().as_u64_pair().1;
            let number = versions::route(&record, qualifier, random);
            record.versions[&number.ok_or_else(|| record::does_not_exist(&arn))?].app_version
        }
    };
    let name = name.unwrap_or_else(new_name);
    check_name(&name)?;
    let arn = call.account.execution(&machine, &name, record.is_express());
    Ok(Target { record, app_version, name, arn })
}

/// A name for an execution that was given none.
fn new_name() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The start of an execution as the node takes it.
pub fn start_request(account: &Account, target: &Target, input: String) -> StartRequest {
    let (_, revision) = target.record.current();
    let execution = ExecutionFacts {
        id: target.arn.clone(),
        name: target.name.clone(),
        role: revision.role.clone(),
        machine_id: account.machine(&target.record.name),
        machine_name: target.record.name.clone(),
    };
    StartRequest {
        app: arn::app_of(&target.record.name),
        id: Some(arn::run_of(&target.record.name, &target.name)),
        workflow: Some(WorkflowRequest {
            name: machines::WORKFLOW.into(),
            input: Some(Bytes::from(input)),
            execution: Some(execution),
        }),
        version: Some(Version(target.app_version)),
        seal: true,
        ..StartRequest::default()
    }
}

/// Starts an execution. Returns its run, and whether the same request had started it before.
async fn begin(call: &Call<'_>, target: &Target, input: String) -> Result<(String, bool), Fault> {
    match call.node.start(start_request(call.account, target, input)).await {
        Ok(started) => Ok((started.run, started.existing)),
        Err(problem) if problem.code == Code::RUN_ID_CONFLICT => Err(already_exists(&target.arn)),
        Err(problem) => Err(problem.into()),
    }
}

fn already_exists(arn: &str) -> Fault {
    Fault::new("ExecutionAlreadyExists", format!("Execution Already Exists: '{arn}'"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    execution_arn: Option<String>,
    included_data: Option<String>,
    error: Option<String>,
    cause: Option<String>,
}

/// The run of an execution.
pub async fn known(call: &Call<'_>, arn: &str) -> Result<(String, String, RunView), Fault> {
    let (machine, name) = execution_named(arn)?;
    match call.node.run(&arn::run_of(&machine, &name)).await {
        Ok(view) => Ok((machine, name, view)),
        Err(problem) if problem.code == Code::UNKNOWN_RUN => Err(does_not_exist(arn)),
        Err(problem) => Err(problem.into()),
    }
}

/// No execution of that ARN.
pub fn does_not_exist(arn: &str) -> Fault {
    Fault::new("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'"))
}

/// `DescribeExecution`.
pub async fn describe(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let arn = request.execution_arn.ok_or_else(|| Fault::missing("executionArn"))?;
    let mut answer = match children::find(call, &arn).await? {
        Some(child) => children::describe(call, &child).await?.ok_or_else(|| does_not_exist(&arn))?,
        None => {
            let (machine, name, view) = known(call, &arn).await?;
            let record = kept(call, &machine).await?;
            describe_run(call, &record, &view, &name)
        }
    };
    if request.included_data.as_deref() == Some("METADATA_ONLY") {
        for data in ["input", "output", "error", "cause", "inputDetails", "outputDetails"] {
            answer.as_object_mut().expect("it is an object").remove(data);
        }
    }
    Ok(answer)
}

async fn kept(call: &Call<'_>, machine: &str) -> Result<Record, Fault> {
    let found = record::find(call.node, machine).await?;
    Ok(found.ok_or_else(|| record::does_not_exist(&call.account.machine(machine)))?.record)
}

/// What is said of an execution.
fn describe_run(call: &Call<'_>, record: &Record, view: &RunView, name: &str) -> Value {
    let mut answer = json!({
        "executionArn": call.account.execution(&record.name, name, record.is_express()),
        "stateMachineArn": call.account.machine(&record.name),
        "name": name,
        "status": status(view),
        "startDate": seconds(view.started_ms),
        "inputDetails": {"included": true},
    });
    if let Some(workflow) = &view.workflow {
        answer["input"] = json!(String::from_utf8_lossy(&workflow.input));
        if !record.is_express() {
            answer["redriveCount"] = json!(workflow.redrives);
            let redriven_ms = workflow.redriven_ms.into_iter();
            redriven_ms.for_each(|at_ms| answer["redriveDate"] = json!(seconds(at_ms)));
            let (status, reason) = redrivable(view);
            answer["redriveStatus"] = json!(status);
            if let Some(reason) = reason {
                answer["redriveStatusReason"] = json!(reason);
            }
        }
    }
    if let Some(ended_ms) = view.ended_ms {
        answer["stopDate"] = json!(seconds(ended_ms));
    }
    if let Some(output) = output(view) {
        answer["output"] = json!(output);
        answer["outputDetails"] = json!({"included": true});
    }
    let (error, cause) = error_of(view);
    error.into_iter().for_each(|error| answer["error"] = json!(error));
    cause.into_iter().for_each(|cause| answer["cause"] = json!(cause));
    answer
}

/// The output of an execution that succeeded, as JSON.
pub fn output(view: &RunView) -> Option<String> {
    let found = view.outputs.iter().find(|object| *object.key == *machines::WORKFLOW);
    found.map(|object| String::from_utf8_lossy(&object.bytes).into_owned())
}

/// Error and cause of an execution that failed.
pub fn error_of(view: &RunView) -> (Option<String>, Option<String>) {
    match &view.error {
        None => (None, None),
        Some(Problem { cause: Some(cause), .. }) => {
            let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            (text(&cause.r#type), text(&cause.message))
        }
        Some(problem) if matches!(problem.code, Code::RUN_CANCELLED | Code::WORKFLOW_FAILED) => (None, None),
        Some(problem) if problem.code == Code::WORKFLOW_TIMED_OUT => {
            (Some("States.Timeout".to_owned()), None)
        }
        Some(problem) => (Some("States.Runtime".to_owned()), Some(problem.message.clone())),
    }
}

/// The status of an execution.
pub fn status(view: &RunView) -> &'static str {
    match (view.status, &view.error) {
        (Status::Running, _) => "RUNNING",
        (Status::Succeeded, _) => "SUCCEEDED",
        (Status::Failed, Some(problem)) if problem.code == Code::WORKFLOW_TIMED_OUT => "TIMED_OUT",
        (Status::Failed, _) => "FAILED",
        (Status::Cancelled, _) => "ABORTED",
    }
}

fn redrivable(view: &RunView) -> (&'static str, Option<&'static str>) {
    match view.status {
        Status::Running => ("NOT_REDRIVABLE", Some("Execution is RUNNING and cannot be redriven")),
        Status::Succeeded => ("NOT_REDRIVABLE", Some("Execution is SUCCEEDED and cannot be redriven")),
        Status::Failed | Status::Cancelled => ("REDRIVABLE", None),
    }
}

/// `StopExecution`.
pub async fn stop(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let arn = request.execution_arn.ok_or_else(|| Fault::missing("executionArn"))?;
    if let Some(Resource::Execution { express: true, .. }) = Resource::parse(&arn) {
        return Err(Fault::new(
            "StateMachineTypeNotSupported",
            "This operation is not supported by this type of state machine",
        ));
    }
    let (machine, name, view) = known(call, &arn).await?;
    let run = arn::run_of(&machine, &name);
    let ended_ms = match view.ended_ms {
        Some(ended_ms) => ended_ms,
        None => {
            let stopped =
                call.node.stop_workflow(&run, request.error.map(Into::into), request.cause.map(Into::into));
            match stopped.await {
                // It has ended by itself in between.
                Err(problem) if problem.code != Code::UNKNOWN_TASK => return Err(problem.into()),
                _ => call.node.run(&run).await?.ended_ms.unwrap_or_else(now_ms),
            }
        }
    };
    Ok(json!({"stopDate": seconds(ended_ms)}))
}

/// `RedriveExecution`.
pub async fn redrive(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let arn = request.execution_arn.ok_or_else(|| Fault::missing("executionArn"))?;
    let (machine, name, view) = known(call, &arn).await?;
    let (redrive, reason) = redrivable(&view);
    if redrive != "REDRIVABLE" {
        let reason = reason.unwrap_or_default();
        return Err(Fault::new(
            "ExecutionNotRedrivable",
            format!("Execution is not redrivable: '{arn}'. {reason}"),
        ));
    }
    call.node.redrive_workflow(&arn::run_of(&machine, &name)).await?;
    Ok(json!({"redriveDate": seconds(now_ms())}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    state_machine_arn: Option<String>,
    map_run_arn: Option<String>,
    status_filter: Option<String>,
    redrive_filter: Option<String>,
    #[serde(flatten)]
    page: Page,
}

/// `ListExecutions`, newest first.
pub async fn list(call: &Call<'_>) -> Result<Value, Fault> {
    let request: List = call.read()?;
    let (coarse, wanted) = filter(request.status_filter.as_deref())?;
    let redriven = redrive_filter(request.redrive_filter.as_deref())?;
    let shown = |status: &str, redrives: u32| {
        wanted.is_none_or(|wanted| status == wanted)
            && redriven.is_none_or(|redriven| redriven == (redrives > 0))
    };
    let arn = match (request.state_machine_arn, request.map_run_arn) {
        (Some(arn), None) => arn,
        (None, Some(map_run)) => return children::list(call, &map_run, &request.page, shown).await,
        _ => {
            return Err(Fault::validation("Must provide exactly one of a StateMachine ARN or a MapRun ARN"));
        }
    };
    let (machine, _) = machine_named(&arn)?;
    let record = record::existing(call.node, call.account, &machine).await?.record;
    if record.is_express() {
        return Err(Fault::new(
            "StateMachineTypeNotSupported",
            "This operation is not supported by this type of state machine",
        ));
    }
    let (limit, mut before) = (request.page.limit()?, request.page.cursor()?.map(RunKey));
    let mut lines = Vec::new();
    loop {
        let query =
            ListRequest { app: Some(arn::app_of(&machine)), status: coarse, limit: LISTED_AT_ONCE, before };
        let views = call.node.list(query).await?;
        let more = views.len() == LISTED_AT_ONCE;
        for view in views {
            before = Some(view.key);
            // Executions of an earlier state machine of this name are not its own.
            let own = |workflow: &&WorkflowView| {
                view.started_ms >= record.created_ms && shown(status(&view), workflow.redrives)
            };
            let Some(workflow) = view.workflow.as_ref().filter(own) else { continue };
            if lines.len() == limit {
                let last = lines.last().map_or(0, |(key, _): &(u64, Value)| *key);
                return Ok(json!({"executions": shown_lines(lines), "nextToken": token(last)}));
            }
            let mut line = json!({
                "executionArn": &*workflow.settings.id,
                "stateMachineArn": call.account.machine(&machine),
                "name": &*workflow.settings.name,
                "status": status(&view),
                "startDate": seconds(view.started_ms),
                "redriveCount": workflow.redrives,
            });
            view.ended_ms.into_iter().for_each(|ended_ms| line["stopDate"] = json!(seconds(ended_ms)));
            let redriven_ms = workflow.redriven_ms.into_iter();
            redriven_ms.for_each(|at_ms| line["redriveDate"] = json!(seconds(at_ms)));
            lines.push((view.key.0, line));
        }
        if !more {
            return Ok(json!({"executions": shown_lines(lines)}));
        }
    }
}

fn shown_lines(lines: Vec<(u64, Value)>) -> Vec<Value> {
    lines.into_iter().map(|(_, line)| line).collect()
}

fn filter(status: Option<&str>) -> Result<(Option<Status>, Option<&'static str>), Fault> {
    Ok(match status {
        None => (None, None),
        Some("RUNNING") => (Some(Status::Running), Some("RUNNING")),
        Some("SUCCEEDED") => (Some(Status::Succeeded), Some("SUCCEEDED")),
        Some("FAILED") => (Some(Status::Failed), Some("FAILED")),
        Some("TIMED_OUT") => (Some(Status::Failed), Some("TIMED_OUT")),
        Some("ABORTED") => (Some(Status::Cancelled), Some("ABORTED")),
        Some("PENDING_REDRIVE") => (Some(Status::Running), Some("PENDING_REDRIVE")),
        Some(other) => {
            return Err(Fault::validation(format!(
                "1 validation error detected: Value '{other}' at 'statusFilter' failed to satisfy constraint: Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]"
            )));
        }
    })
}

/// Whether only executions that were, or were not, taken up again are wanted.
fn redrive_filter(given: Option<&str>) -> Result<Option<bool>, Fault> {
    match given {
        None => Ok(None),
        Some("REDRIVEN") => Ok(Some(true)),
        Some("NOT_REDRIVEN") => Ok(Some(false)),
        Some(other) => Err(Fault::validation(format!(
            "1 validation error detected: Value '{other}' at 'redriveFilter' failed to satisfy constraint: Member must satisfy enum value set: [REDRIVEN, NOT_REDRIVEN]"
        ))),
    }
}

/// `DescribeStateMachineForExecution`: the definition that an execution runs.
pub async fn describe_machine(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let arn = request.execution_arn.ok_or_else(|| Fault::missing("executionArn"))?;
    let (machine, _, view) = known(call, &arn).await?;
    let record = kept(call, &machine).await?;
    let revision = record.revisions.get(&view.version).unwrap_or(record.current().1);
    let mut answer = json!({
        "stateMachineArn": call.account.machine(&machine),
        "name": machine,
        "definition": &*machines::definition_of(call, &machine, view.version).await?,
        "roleArn": revision.role,
        "updateDate": seconds(revision.updated_ms),
        "loggingConfiguration": revision.logging,
        "tracingConfiguration": revision.tracing,
        "encryptionConfiguration": revision.encryption,
    });
    if revision.id != "INITIAL" {
        answer["revisionId"] = json!(revision.id);
    }
    Ok(answer)
}
