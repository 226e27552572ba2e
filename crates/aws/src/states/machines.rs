//! State machines: created, changed, described, listed, deleted, validated.

use super::arn::{self, app_of, check_name, machine_named};
use super::fault::Fault;
use super::page::{Page, paged};
use super::record::{self, Kept, Record, Revision};
use super::tags::{Tag, tag_map};
use super::versions;
use super::{Call, now_ms, seconds};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_asl::{Diagnostic, Machine, Severity};
use sluice_runtime::api::DeployRequest;
use sluice_types::{Bucket, Durability, Program, Steps, Workflow};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest definition, in bytes of UTF-8.
pub const DEFINITION_BYTES_MAX: usize = 1024 * 1024;
/// Name of the workflow in the app of a state machine, and key of its output.
pub const WORKFLOW: &str = "output";
/// Findings in one answer.
const DIAGNOSTICS_DEFAULT: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    name: Option<String>,
    definition: Option<String>,
    role_arn: Option<String>,
    r#type: Option<String>,
    #[serde(default)]
    logging_configuration: Value,
    #[serde(default)]
    tracing_configuration: Value,
    #[serde(default)]
    encryption_configuration: Value,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    publish: bool,
    version_description: Option<String>,
}

/// `CreateStateMachine`. The same request again answers as the first did.
pub async fn create(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Create = call.read()?;
    let name = request.name.ok_or_else(|| Fault::missing("name"))?;
    let definition = request.definition.ok_or_else(|| Fault::missing("definition"))?;
    let role = request.role_arn.ok_or_else(|| Fault::missing("roleArn"))?;
    check_name(&name)?;
    check_role(&role)?;
    let kind = kind(request.r#type.as_deref())?;
    if request.version_description.is_some() && !request.publish {
        return Err(Fault::validation("Version description can only be set when publish is true"));
    }
    check(&definition)?;
    let before = record::find(call.node, &name).await?;
    if let Some(live) = before.as_ref().filter(|kept| !kept.record.deleted) {
        return again(call, live, &definition, &role, kind).await;
    }
    let app_version = deploy(call, &name, &definition, kind == "EXPRESS").await?;
    let (now, tags) = (now_ms(), tag_map(request.tags)?);
    let revision = Revision {
        id: "INITIAL".into(),
        updated_ms: now,
        role,
        logging: logging(request.logging_configuration),
        tracing: or(request.tracing_configuration, json!({"enabled": false})),
        encryption: or(request.encryption_configuration, json!({"type": "AWS_OWNED_KEY"})),
    };
    let mut kept = record::replacing(
        before,
        Record {
            name: name.clone(),
            deleted: false,
            r#type: kind.into(),
            created_ms: now,
            revisions: BTreeMap::from([(app_version, revision)]),
            versions: BTreeMap::new(),
            last_version: 0,
            aliases: BTreeMap::new(),
            tags,
        },
    );
    let mut answer = json!({"stateMachineArn": call.account.machine(&name), "creationDate": seconds(now)});
    if request.publish {
        let number = versions::publish_current(&mut kept.record, request.version_description);
        answer["stateMachineVersionArn"] = json!(format!("{}:{number}", call.account.machine(&name)));
    }
    record::write(call.node, &kept).await?;
    Ok(answer)
}

/// A state machine of that name is there: fine if it is the very same.
async fn again(
    call: &Call<'_>,
    live: &Kept,
    definition: &str,
    role: &str,
    kind: &str,
) -> Result<Value, Fault> {
    let record = &live.record;
    let (version, revision) = record.current();
    let same = record.r#type == kind
        && revision.role == role
        && *definition_of(call, &record.name, version).await? == *definition;
    let arn = call.account.machine(&record.name);
    match same {
        true => Ok(json!({"stateMachineArn": arn, "creationDate": seconds(record.created_ms)})),
        false => {
            Err(Fault::new("StateMachineAlreadyExists", format!("State Machine Already Exists: '{arn}'")))
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    state_machine_arn: Option<String>,
    definition: Option<String>,
    role_arn: Option<String>,
    logging_configuration: Option<Value>,
    tracing_configuration: Option<Value>,
    encryption_configuration: Option<Value>,
    #[serde(default)]
    publish: bool,
    version_description: Option<String>,
}

/// `UpdateStateMachine`.
pub async fn update(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Update = call.read()?;
    let arn = request.state_machine_arn.ok_or_else(|| Fault::missing("stateMachineArn"))?;
    let (name, qualifier) = machine_named(&arn)?;
    if qualifier.is_some() {
        return Err(Fault::invalid_arn(&arn));
    }
    let nothing = request.definition.is_none()
        && request.role_arn.is_none()
        && request.logging_configuration.is_none()
        && request.tracing_configuration.is_none()
        && request.encryption_configuration.is_none();
    if nothing && !request.publish {
        return Err(Fault::new(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
        ));
    }
    if request.version_description.is_some() && !request.publish {
        return Err(Fault::validation("Version description can only be set when publish is true"));
    }
    let mut kept = record::existing(call.node, call.account, &name).await?;
    request.definition.as_deref().map(check).transpose()?;
    request.role_arn.as_deref().map(check_role).transpose()?;
    let now = now_ms();
    if !nothing {
        let record = &mut kept.record;
        let (version, revision) = record.current();
        let mut revision = revision.clone();
        let app_version = match &request.definition {
            Some(definition) => deploy(call, &name, definition, record.is_express()).await?,
            None => version,
        };
        let fill = |to: &mut Value, from: Option<Value>| from.into_iter().for_each(|from| *to = from);
        revision.role = request.role_arn.unwrap_or(revision.role);
        fill(&mut revision.logging, request.logging_configuration);
        fill(&mut revision.tracing, request.tracing_configuration);
        fill(&mut revision.encryption, request.encryption_configuration);
        (revision.id, revision.updated_ms) = (uuid::Uuid::new_v4().to_string(), now);
        record.revisions.insert(app_version, revision);
    }
    let mut answer = json!({"updateDate": seconds(now), "revisionId": kept.record.current().1.id});
    if request.publish {
        let number = versions::publish_current(&mut kept.record, request.version_description);
        answer["stateMachineVersionArn"] = json!(format!("{}:{number}", call.account.machine(&name)));
    }
    record::write(call.node, &kept).await?;
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    state_machine_arn: Option<String>,
    included_data: Option<String>,
}

/// `DescribeStateMachine`, of the current revision, a version, or an alias's version.
pub async fn describe(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let arn = request.state_machine_arn.ok_or_else(|| Fault::missing("stateMachineArn"))?;
    let (name, qualifier) = machine_named(&arn)?;
    let record = record::existing(call.node, call.account, &name).await?.record;
    let (app_version, revision, description) = match &qualifier {
        None => {
            let (version, revision) = record.current();
            (version, revision, None)
        }
        Some(qualifier) => {
            let number = versions::number(&record, qualifier).ok_or_else(|| record::does_not_exist(&arn))?;
            let published = &record.versions[&number];
            (published.app_version, &record.revisions[&published.app_version], published.description.clone())
        }
    };
    let mut answer = json!({
        "stateMachineArn": arn,
        "name": name,
        "status": "ACTIVE",
        "roleArn": revision.role,
        "type": record.r#type,
        "creationDate": seconds(record.created_ms),
        "loggingConfiguration": revision.logging,
        "tracingConfiguration": revision.tracing,
        "encryptionConfiguration": revision.encryption,
    });
    if request.included_data.as_deref() != Some("METADATA_ONLY") {
        answer["definition"] = json!(&*definition_of(call, &name, app_version).await?);
    }
    if revision.id != "INITIAL" {
        answer["revisionId"] = json!(revision.id);
    }
    if let Some(description) = description {
        answer["description"] = json!(description);
    }
    Ok(answer)
}

/// `DeleteStateMachine`. Deleting what is not there is fine. Executions under way go on to their end.
pub async fn delete(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let arn = request.state_machine_arn.ok_or_else(|| Fault::missing("stateMachineArn"))?;
    let (name, _) = machine_named(&arn)?;
    if let Some(mut kept) = record::find(call.node, &name).await?.filter(|kept| !kept.record.deleted) {
        kept.record.deleted = true;
        record::write(call.node, &kept).await?;
    }
    Ok(json!({}))
}

/// `ListStateMachines`, oldest first.
pub async fn list(call: &Call<'_>) -> Result<Value, Fault> {
    let page: Page = call.read()?;
    let mut records = record::all(call.node).await?;
    records.sort_by(|a, b| (a.created_ms, &a.name).cmp(&(b.created_ms, &b.name)));
    let line = |record: &Record| {
        json!({
            "stateMachineArn": call.account.machine(&record.name),
            "name": record.name,
            "type": record.r#type,
            "creationDate": seconds(record.created_ms),
        })
    };
    paged("stateMachines", &page, records.iter().map(line).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Validate {
    definition: Option<String>,
    r#type: Option<String>,
    severity: Option<String>,
    max_results: Option<usize>,
}

/// `ValidateStateMachineDefinition`.
pub async fn validate(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Validate = call.read()?;
    let definition = request.definition.ok_or_else(|| Fault::missing("definition"))?;
    kind(request.r#type.as_deref())?;
    let least = request.severity.as_deref().unwrap_or("ERROR");
    if !["ERROR", "WARNING"].contains(&least) {
        return Err(Fault::validation(format!(
            "1 validation error detected: Value '{least}' at 'severity' failed to satisfy constraint: Member must satisfy enum value set: [ERROR, WARNING]"
        )));
    }
    let (valid, findings) = match Machine::parse(&definition) {
        Ok((_, findings)) => (true, findings),
        Err(findings) => (false, findings),
    };
    let shown = |finding: &&Diagnostic| least == "WARNING" || finding.severity == Severity::Error;
    let most = request.max_results.filter(|most| *most > 0).unwrap_or(DIAGNOSTICS_DEFAULT);
    let all: Vec<Value> = findings.iter().filter(shown).map(diagnostic).collect();
    Ok(json!({
        "result": if valid { "OK" } else { "FAIL" },
        "diagnostics": all.iter().take(most).collect::<Vec<_>>(),
        "truncated": all.len() > most,
    }))
}

fn diagnostic(finding: &Diagnostic) -> Value {
    let severity = if finding.severity == Severity::Error { "ERROR" } else { "WARNING" };
    let mut shown = json!({"severity": severity, "code": finding.code, "message": finding.message});
    if let Some(location) = &finding.location {
        shown["location"] = json!(location);
    }
    shown
}

/// Refuses a definition that is not one, in AWS's words.
pub fn check(definition: &str) -> Result<(), Fault> {
    if definition.len() > DEFINITION_BYTES_MAX {
        return Err(Fault::validation(format!(
            "1 validation error detected: Value at 'definition' failed to satisfy constraint: Member must have length less than or equal to {DEFINITION_BYTES_MAX}"
        )));
    }
    let Err(findings) = Machine::parse(definition) else { return Ok(()) };
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let texts: Vec<String> = errors.map(Diagnostic::to_string).collect();
    Err(Fault::new("InvalidDefinition", format!("Invalid State Machine Definition: '{}'", texts.join(", "))))
}

fn check_role(role: &str) -> Result<(), Fault> {
    match role.starts_with("arn:") {
        true => Ok(()),
        false => Err(Fault::invalid_arn(role)),
    }
}

fn kind(given: Option<&str>) -> Result<&'static str, Fault> {
    match given {
        None | Some("STANDARD") => Ok("STANDARD"),
        Some("EXPRESS") => Ok("EXPRESS"),
        Some(other) => Err(Fault::validation(format!(
            "1 validation error detected: Value '{other}' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [STANDARD, EXPRESS]"
        ))),
    }
}

fn logging(given: Value) -> Value {
    or(given, json!({"level": "OFF", "includeExecutionData": false}))
}

fn or(given: Value, default: Value) -> Value {
    if given.is_null() { default } else { given }
}

/// Makes a definition the newest version of the app of a state machine.
async fn deploy(call: &Call<'_>, name: &str, definition: &str, express: bool) -> Result<u32, Fault> {
    let program = program(name, definition, express);
    let definition = Bytes::from(serde_json::to_vec(&program).expect("programs are plain data"));
    let request = DeployRequest {
        program: Arc::new(program),
        definition,
        files: BTreeMap::new(),
        reset_triggers: Vec::new(),
    };
    Ok(call.node.deploy(request).await?.version)
}

/// The program of a state machine: one workflow, in an app that holds nothing else.
fn program(name: &str, definition: &str, express: bool) -> Program {
    let bucket = |name: &str| Bucket { name: name.into(), keep: true };
    Program {
        app: app_of(name).into(),
        durability: if express { Durability::Express } else { Durability::Durable },
        buckets: vec![bucket("input"), bucket("output")],
        functions: Vec::new(),
        triggers: Vec::new(),
        workflows: vec![Workflow {
            name: WORKFLOW.into(),
            steps: Steps::States { definition: definition.into(), aws_limits: true },
        }],
    }
}

/// The definition that is a version of the app of a state machine.
pub async fn definition_of(call: &Call<'_>, name: &str, version: u32) -> Result<Arc<str>, Fault> {
    let program = call.node.program(&arn::app_of(name), Some(version)).await?;
    match program.workflows.first().map(|workflow| &workflow.steps) {
        Some(Steps::States { definition, .. }) => Ok(definition.clone()),
        None => Ok("".into()),
    }
}
