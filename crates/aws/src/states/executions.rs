//! Executions: started, stopped, taken up again, described, listed.

use super::arn::{self, check_name, execution_named, machine_named, standard_named};
use super::fault::Fault;
use super::page::{Page, token};
use super::record::{self, Record};
use super::{Call, children, machines, now_ms, seconds};
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

/// How long a synchronous execution may take.
const SYNC_MAX: Duration = Duration::from_secs(5 * 60);
/// Runs looked at in one go while a page is filled.
const LISTED_AT_ONCE: usize = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    state_machine_arn: String,
    name: Option<String>,
    input: Option<String>,
    included_data: Option<String>,
}

/// Which execution is to be started, and of what.
pub struct Target {
    /// The state machine.
    pub record: Record,
    /// The version of its app.
    pub app_version: u32,
    /// The version or alias that was asked for, as [`Record::target`] has it.
    pub asked: String,
    /// The execution's name.
    pub name: String,
    /// ARN of the execution.
    pub arn: String,
    /// Id of its run.
    pub run: String,
}

impl Target {
    /// An execution to be. Names of express executions may be used again: `id` tells those of one name apart.
    pub fn new(
        account: &Account,
        record: Record,
        app_version: u32,
        asked: String,
        name: String,
        id: String,
    ) -> Self {
        let machine = &record.name;
        let (arn, run) = match record.is_express() {
            true => (account.express(machine, &name, &id), arn::run_of(machine, &format!("{name}~{id}"))),
            false => (account.execution(machine, &name), arn::run_of(machine, &name)),
        };
        Self { record, app_version, asked, name, arn, run }
    }
}

/// `StartExecution`.
pub async fn start(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Start = call.read()?;
    let input = input(request.input)?;
    let target = target(call, &request.state_machine_arn, request.name).await?;
    let arn = target.arn.clone();
    let (run, existing) = begin(call, target, input).await?;
    let view = call.node.run(&run).await?;
    match existing && view.status != Status::Running {
        true => Err(already_exists(&arn)),
        false => Ok(json!({"executionArn": arn, "startDate": seconds(view.started_ms)})),
    }
}

/// `StartSyncExecution`: an express execution and its outcome.
pub async fn start_sync(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Start = call.read()?;
    let given = input(request.input)?;
    let target = target(call, &request.state_machine_arn, request.name).await?;
    if !target.record.is_express() {
        return Err(Fault::wrong_type());
    }
    let (run, _) = begin(call, target, given).await?;
    let mut view = call.node.wait(&run, SYNC_MAX).await?;
    let over = view.status == Status::Running;
    if over {
        // It is stopped, and the caller hears why; that it has ended by itself in between is as good.
        drop(call.node.stop_workflow(&run, Some("States.Timeout".into()), None).await);
        view = call.node.run(&run).await?;
    }
    let mut answer = describe_run(&view);
    if over && view.status == Status::Cancelled {
        answer["status"] = json!("TIMED_OUT");
    }
    without_data(&mut answer, request.included_data.as_deref());
    // What this answer does not have.
    for name in ["stateMachineAliasArn", "stateMachineVersionArn"] {
        drop(answer.as_object_mut().and_then(|answer| answer.remove(name)));
    }
    let ended_ms = view.ended_ms.unwrap_or_else(now_ms);
    answer["stopDate"] = json!(seconds(ended_ms));
    let billed_ms = ended_ms.saturating_sub(view.started_ms).div_ceil(100).max(1) * 100;
    answer["billingDetails"] = json!({"billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": billed_ms});
    Ok(answer)
}

fn input(given: Option<String>) -> Result<String, Fault> {
    let given = given.unwrap_or_else(|| "{}".to_owned());
    let invalid = |why: &dyn std::fmt::Display| {
        Fault::new("InvalidExecutionInput", format!("Invalid State Machine Execution Input: '{why}'"))
    };
    match sluice_expression::Value::parse(given.as_bytes()) {
        _ if given.is_empty() => Err(invalid(&"Invalid execution input.")),
        Ok(_) => Ok(given),
        Err(error) => Err(invalid(&error)),
    }
}

async fn target(call: &Call<'_>, arn: &str, name: Option<String>) -> Result<Target, Fault> {
    let (machine, qualifier) = machine_named(arn)?;
    let record = record::existing(call.node, call.account, &machine).await?.record;
    let random = uuid::Uuid::new_v4().as_u64_pair().1;
    let target = record.target(qualifier.as_deref(), random);
    let (app_version, asked) = target.ok_or_else(|| record::does_not_exist(arn))?;
    let name = name.unwrap_or_else(new_name);
    check_name(&name)?;
    Ok(Target::new(call.account, record, app_version, asked, name, new_name()))
}

/// A name for an execution that was given none.
fn new_name() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The start of an execution as the node takes it.
pub fn start_request(account: &Account, target: Target, input: String) -> StartRequest {
    let Target { record, app_version, asked, name, arn, run } = target;
    let role = record.revisions.get(&app_version).map(|revision| revision.role.clone());
    let execution = ExecutionFacts {
        id: arn,
        name,
        role: role.unwrap_or_default(),
        machine_id: account.machine(&record.name),
        machine_qualifier: asked,
        machine_name: record.name.clone(),
    };
    StartRequest {
        app: arn::app_of(&record.name),
        id: Some(run),
        workflow: Some(WorkflowRequest {
            name: machines::WORKFLOW.into(),
            input: Some(Bytes::from(input)),
            execution: Some(execution),
        }),
        version: Some(Version(app_version)),
        seal: true,
        ..StartRequest::default()
    }
}

/// Starts an execution. Returns its run, and whether the same request had started it before.
async fn begin(call: &Call<'_>, target: Target, input: String) -> Result<(String, bool), Fault> {
    let (arn, run) = (target.arn.clone(), target.run.clone());
    match call.node.start(start_request(call.account, target, input.clone())).await {
        Ok(started) => Ok((started.run, started.existing)),
        Err(problem) if problem.code == Code::RUN_ID_CONFLICT => {
            // The same request, although the state machine is another by now, or was asked for by another version.
            let view = call.node.run(&run).await?;
            let same = view.workflow.is_some_and(|workflow| *workflow.input == *input.as_bytes());
            if same { Ok((run, true)) } else { Err(already_exists(&arn)) }
        }
        Err(problem) => Err(problem.into()),
    }
}

fn already_exists(arn: &str) -> Fault {
    Fault::new("ExecutionAlreadyExists", format!("Execution Already Exists: '{arn}'"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    execution_arn: String,
    included_data: Option<String>,
    error: Option<String>,
    cause: Option<String>,
}

/// The run of an execution, with the names of its state machine and of itself.
pub async fn known(call: &Call<'_>, arn: &str) -> Result<(String, String, RunView), Fault> {
    run_named(call, arn, execution_named(arn)?).await
}

/// The run of a standard execution, with the names of its state machine and of itself.
pub async fn standard(call: &Call<'_>, arn: &str) -> Result<(String, String, RunView), Fault> {
    run_named(call, arn, standard_named(arn)?).await
}

async fn run_named(
    call: &Call<'_>,
    arn: &str,
    (machine, name): (String, String),
) -> Result<(String, String, RunView), Fault> {
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
    let arn = request.execution_arn;
    let mut answer = match children::find(call, &arn).await? {
        Some(child) => children::describe(call, &child).await?.ok_or_else(|| does_not_exist(&arn))?,
        None => {
            let (_, _, view) = known(call, &arn).await?;
            describe_run(&view)
        }
    };
    without_data(&mut answer, request.included_data.as_deref());
    Ok(answer)
}

/// Leaves the data of an execution out of what is said of it, if that is asked for.
fn without_data(answer: &mut Value, included: Option<&str>) {
    let Some(fields) = answer.as_object_mut().filter(|_| included == Some("METADATA_ONLY")) else { return };
    for data in ["input", "output", "error", "cause", "inputDetails", "outputDetails"] {
        fields.remove(data);
    }
}

/// What is said of an execution.
fn describe_run(view: &RunView) -> Value {
    let mut answer = json!({
        "status": status(view),
        "startDate": seconds(view.started_ms),
        "inputDetails": {"included": true},
    });
    if let Some(workflow) = &view.workflow {
        named(&mut answer, workflow);
        answer["input"] = json!(String::from_utf8_lossy(&workflow.input));
        if workflow.settings.records_history {
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

/// What lists and descriptions say of an execution alike: whose it is, and how often it was taken up again.
fn named(answer: &mut Value, workflow: &WorkflowView) {
    let settings = &workflow.settings;
    answer["executionArn"] = json!(&*settings.id);
    answer["stateMachineArn"] = json!(&*settings.machine_id);
    answer["name"] = json!(&*settings.name);
    let (alias, version) = asked(workflow);
    for (name, qualifier) in [("stateMachineAliasArn", alias), ("stateMachineVersionArn", version)] {
        if let Some(qualifier) = qualifier {
            answer[name] = json!(format!("{}:{qualifier}", settings.machine_id));
        }
    }
    if settings.records_history {
        answer["redriveCount"] = json!(workflow.redrives);
    }
    workflow.redriven_ms.into_iter().for_each(|at_ms| answer["redriveDate"] = json!(seconds(at_ms)));
}

/// The alias and the version that an execution was started by.
fn asked(workflow: &WorkflowView) -> (Option<&str>, Option<&str>) {
    let asked = &*workflow.settings.machine_qualifier;
    match asked.split_once(':') {
        Some((alias, version)) => (Some(alias), Some(version)),
        None => (None, Some(asked).filter(|asked| !asked.is_empty())),
    }
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
    let (machine, name, view) = standard(call, &request.execution_arn).await?;
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
    let arn = request.execution_arn;
    let (machine, name, view) = standard(call, &arn).await?;
    let (redrive, reason) = redrivable(&view);
    if redrive != "REDRIVABLE" {
        let reason = reason.unwrap_or_default();
        return Err(Fault::new(
            "ExecutionNotRedrivable",
            format!("Execution is not redrivable: '{arn}'. {reason}"),
        ));
    }
    let run = arn::run_of(&machine, &name);
    call.node.redrive_workflow(&run).await?;
    let redriven_ms = call.node.run(&run).await?.workflow.and_then(|workflow| workflow.redriven_ms);
    Ok(json!({"redriveDate": seconds(redriven_ms.unwrap_or_else(now_ms))}))
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
    let redriven = request.redrive_filter.as_deref().map(|filter| filter == "REDRIVEN");
    let wanted = request.status_filter.as_deref();
    let shown = |status: &str, redrives: u32| {
        wanted.is_none_or(|wanted| status == wanted)
            && redriven.is_none_or(|redriven| redriven == (redrives > 0))
    };
    match (&request.state_machine_arn, &request.map_run_arn) {
        (Some(_), None) if wanted == Some("PENDING_REDRIVE") => Err(Fault::validation(
            "The status filter PENDING_REDRIVE is only allowed together with a MapRun ARN",
        )),
        (Some(arn), None) => of_machine(call, arn, coarse(wanted), &request.page, shown).await,
        (None, Some(map_run)) => children::list(call, map_run, &request.page, shown).await,
        _ => Err(Fault::validation("Must provide exactly one of a StateMachine ARN or a MapRun ARN")),
    }
}

/// Executions of a state machine, or of those the ones that were started by a version or alias.
async fn of_machine(
    call: &Call<'_>,
    arn: &str,
    coarse: Option<Status>,
    page: &Page,
    shown: impl Fn(&str, u32) -> bool,
) -> Result<Value, Fault> {
    let (machine, qualifier) = machine_named(arn)?;
    let record = record::existing(call.node, call.account, &machine).await?.record;
    if record.is_express() {
        return Err(Fault::wrong_type());
    }
    let by = |workflow: &WorkflowView| {
        let (alias, version) = asked(workflow);
        qualifier.is_none() || [alias, version].contains(&qualifier.as_deref())
    };
    let (limit, mut before) = (page.limit(), page.cursor()?.map(RunKey));
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
                view.started_ms >= record.created_ms
                    && by(workflow)
                    && shown(status(&view), workflow.redrives)
            };
            let Some(workflow) = view.workflow.as_ref().filter(own) else { continue };
            if lines.len() == limit {
                let last = lines.last().map_or(0, |(key, _): &(u64, Value)| *key);
                return Ok(json!({"executions": shown_lines(lines), "nextToken": token(last)}));
            }
            let mut line = json!({"status": status(&view), "startDate": seconds(view.started_ms)});
            named(&mut line, workflow);
            view.ended_ms.into_iter().for_each(|ended_ms| line["stopDate"] = json!(seconds(ended_ms)));
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

/// The status of runs among which those of executions of a status are.
fn coarse(status: Option<&str>) -> Option<Status> {
    Some(match status? {
        "SUCCEEDED" => Status::Succeeded,
        "FAILED" | "TIMED_OUT" => Status::Failed,
        "ABORTED" => Status::Cancelled,
        _ => Status::Running,
    })
}

/// `DescribeStateMachineForExecution`: the definition that an execution runs.
pub async fn describe_machine(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let arn = request.execution_arn;
    let child = children::find(call, &arn).await?;
    let view = match &child {
        Some(child) => child.of.view.clone(),
        None => standard(call, &arn).await?.2,
    };
    let machine = arn::machine_of(&view.app).unwrap_or_default().to_owned();
    let record = record::find(call.node, &machine).await?;
    let record = record.ok_or_else(|| record::does_not_exist(&call.account.machine(&machine)))?.record;
    let revision = record.revisions.get(&view.version).unwrap_or(record.current().1);
    let mut answer =
        machines::described(call, &machine, view.version, revision, request.included_data).await?;
    answer["stateMachineArn"] = json!(call.account.machine(&machine));
    answer["updateDate"] = json!(seconds(revision.updated_ms));
    if let Some(child) = child {
        let label = child.of.label();
        answer["stateMachineArn"] = json!(call.account.machine(&format!("{machine}/{label}")));
        answer["mapRunArn"] = json!(&*child.of.map_run().arn);
        answer["label"] = json!(label);
    }
    Ok(answer)
}
