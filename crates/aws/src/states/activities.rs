//! Activities, and what those report who do tasks.

use super::arn::{ACTIVITIES_APP, Resource, check_name};
use super::fault::Fault;
use super::page::{Page, paged};
use super::tags::{Tag, tag_map};
use super::{Call, configuration, now_ms, seconds};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_expression::Value as Json;
use sluice_runtime::TokenEvent;
use sluice_runtime::api::{DeployRequest, DocumentsRequest};
use sluice_types::{Bucket, Code, Durability, Problem, Program};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Before the name of an activity in the name of its document.
const PREFIX: &str = "activity/";
/// How long whoever asks for a task waits for one.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is kept of an activity.
#[derive(Serialize, Deserialize)]
struct Kept {
    created_ms: u64,
    tags: BTreeMap<String, String>,
    /// `encryptionConfiguration`, as given.
    encryption: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    name: String,
    #[serde(default)]
    tags: Vec<Tag>,
    encryption_configuration: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    activity_arn: String,
    worker_name: Option<String>,
}

/// `CreateActivity`. One that is there already is fine.
pub async fn create(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Create = call.read()?;
    let name = request.name;
    check_name(&name)?;
    let arn = call.account.activity(&name);
    let encryption = configuration::encryption(request.encryption_configuration)?;
    if let Some(kept) = find(call, &name).await? {
        if kept.encryption != encryption {
            let message = "Activity already exists. EncryptionConfiguration may not be updated.";
            return Err(Fault::new("ActivityAlreadyExists", message));
        }
        return Ok(json!({"activityArn": arn, "creationDate": seconds(kept.created_ms)}));
    }
    let kept = Kept { created_ms: now_ms(), tags: tag_map(request.tags)?, encryption };
    match write(call, &name, &kept).await {
        // The first activity ever: what they belong to is not there yet.
        Err(problem) if problem.code == Code::UNKNOWN_NAME => {
            call.node.deploy(app()).await?;
            write(call, &name, &kept).await?;
        }
        other => other?,
    }
    Ok(json!({"activityArn": arn, "creationDate": seconds(kept.created_ms)}))
}

async fn write(call: &Call<'_>, name: &str, kept: &Kept) -> Result<(), Problem> {
    let bytes = Bytes::from(serde_json::to_vec(kept).expect("it is plain data"));
    let document = format!("{PREFIX}{name}");
    call.node.set_document(ACTIVITIES_APP, &document, Some(bytes), None).await.map(drop)
}

/// The tags of an activity, if it is there.
pub async fn tags(call: &Call<'_>, name: &str) -> Result<Option<BTreeMap<String, String>>, Fault> {
    Ok(find(call, name).await?.map(|kept| kept.tags))
}

/// Gives an activity that is there these tags.
pub async fn set_tags(call: &Call<'_>, name: &str, tags: BTreeMap<String, String>) -> Result<(), Fault> {
    if let Some(kept) = find(call, name).await? {
        write(call, name, &Kept { tags, ..kept }).await?;
    }
    Ok(())
}

/// The app that has nothing but the documents of activities.
fn app() -> DeployRequest {
    let bucket = |name: &str| Bucket { name: name.into(), keep: true };
    let program = Program {
        app: ACTIVITIES_APP.into(),
        durability: Durability::Durable,
        buckets: vec![bucket("input"), bucket("output")],
        functions: Vec::new(),
        triggers: Vec::new(),
        workflows: Vec::new(),
    };
    let definition = Bytes::from_static(b"{}");
    DeployRequest {
        program: Arc::new(program),
        definition,
        files: BTreeMap::new(),
        reset_triggers: Vec::new(),
    }
}

async fn find(call: &Call<'_>, name: &str) -> Result<Option<Kept>, Fault> {
    let document = format!("{PREFIX}{name}");
    let request = DocumentsRequest { app: Some(ACTIVITIES_APP.into()), prefix: document.clone() };
    let found = call.node.documents(request).await?;
    let found = found.iter().find(|found| *found.name == *document);
    Ok(found.and_then(|found| serde_json::from_slice(&found.bytes).ok()))
}

/// Whether there is an activity of that name.
pub fn exists(directory: &dyn sluice_runtime::callees::Directory, name: &str) -> bool {
    directory.document(ACTIVITIES_APP, &format!("{PREFIX}{name}")).is_some()
}

async fn existing(call: &Call<'_>, arn: String) -> Result<(String, String, Kept), Fault> {
    let Some(Resource::Activity(name)) = Resource::parse(&arn) else { return Err(Fault::invalid_arn(&arn)) };
    match find(call, &name).await? {
        Some(kept) => Ok((arn, name, kept)),
        None => Err(Fault::new("ActivityDoesNotExist", format!("Activity Does Not Exist: '{arn}'"))),
    }
}

/// `DescribeActivity`.
pub async fn describe(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let (arn, name, kept) = existing(call, request.activity_arn).await?;
    Ok(json!({
        "activityArn": arn,
        "name": name,
        "creationDate": seconds(kept.created_ms),
        "encryptionConfiguration": kept.encryption,
    }))
}

/// `DeleteActivity`. One that is not there is fine.
pub async fn delete(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let arn = request.activity_arn;
    let Some(Resource::Activity(name)) = Resource::parse(&arn) else { return Err(Fault::invalid_arn(&arn)) };
    if find(call, &name).await?.is_some() {
        call.node.set_document(ACTIVITIES_APP, &format!("{PREFIX}{name}"), None, None).await?;
    }
    Ok(json!({}))
}

/// `ListActivities`, oldest first.
pub async fn list(call: &Call<'_>) -> Result<Value, Fault> {
    let page: Page = call.read()?;
    let request = DocumentsRequest { app: Some(ACTIVITIES_APP.into()), prefix: PREFIX.into() };
    let mut found: Vec<(u64, String)> = Vec::new();
    for document in call.node.documents(request).await? {
        let kept: Option<Kept> = serde_json::from_slice(&document.bytes).ok();
        let name = document.name.strip_prefix(PREFIX).unwrap_or(&document.name).to_owned();
        found.extend(kept.map(|kept| (kept.created_ms, name)));
    }
    found.sort();
    let line = |(created_ms, name): &(u64, String)| json!({"activityArn": call.account.activity(name), "name": name, "creationDate": seconds(*created_ms)});
    paged("activities", &page, found.iter().map(line).collect())
}

/// `GetActivityTask`: waits up to a minute for a task, and answers with nothing when there was none.
pub async fn task(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let (_, name, _) = existing(call, request.activity_arn).await?;
    let task = call.node.ask_for_task(&name, request.worker_name, PATIENCE).await?;
    Ok(task.map_or_else(|| json!({}), |task| json!({"taskToken": &*task.token, "input": task.input})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    task_token: String,
    #[serde(default)]
    output: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    cause: String,
}

/// `SendTaskSuccess`, `SendTaskFailure` and `SendTaskHeartbeat`.
pub async fn report(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Report = call.read()?;
    let token = request.task_token;
    let event = match call.action {
        "SendTaskSuccess" => {
            let output = Json::parse(request.output.as_bytes())
                .map_err(|error| Fault::new("InvalidOutput", format!("Invalid Output: '{error}'")))?;
            TokenEvent::Succeeded(output)
        }
        "SendTaskFailure" => TokenEvent::Failed { error: request.error.into(), cause: request.cause.into() },
        _ => TokenEvent::Heartbeat,
    };
    match call.node.report_by_token(&token, event).await {
        Ok(()) => Ok(json!({})),
        Err(problem) => Err(unknown(&problem, &token)),
    }
}

/// A token of this server whose task is over has timed out; any other never was one.
fn unknown(problem: &Problem, token: &str) -> Fault {
    let ours = token.split_once('.').is_some_and(|(run, _)| run.parse::<u64>().is_ok());
    match problem.code {
        Code::UNKNOWN_TASK if ours => {
            Fault::new("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        }
        Code::UNKNOWN_TASK => Fault::new("InvalidToken", format!("Invalid Token: '{token}'")),
        _ => problem.clone().into(),
    }
}
