//! State machines: created, changed, described, listed, deleted, validated.

use super::arn::{self, app_of, check_name, machine_named};
use super::fault::Fault;
use super::page::{Page, paged};
use super::record::{self, Publication, Record, Revision};
use super::tags::{Tag, tag_map};
use super::versions;
use super::{Call, configuration, now_ms, resources, seconds};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_asl::{Diagnostic, Machine, Severity};
use sluice_runtime::api::DeployRequest;
use sluice_types::{Bucket, Durability, Program, Steps, Workflow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Name of the workflow in the app of a state machine, and key of its output.
pub const WORKFLOW: &str = "output";
/// Findings in one answer.
const DIAGNOSTICS_DEFAULT: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    name: String,
    definition: String,
    role_arn: String,
    r#type: Option<String>,
    logging_configuration: Option<Value>,
    tracing_configuration: Option<Value>,
    encryption_configuration: Option<Value>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    publish: bool,
    version_description: Option<String>,
}

/// `CreateStateMachine`. The same request again answers as the first did, whatever its role and its tags.
pub async fn create(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Create = call.read()?;
    let name = request.name;
    check_name(&name)?;
    check_role(&request.role_arn)?;
    let kind = kind(request.r#type.as_deref());
    check_publish(request.publish, request.version_description.as_deref())?;
    check(&request.definition, kind)?;
    let now = now_ms();
    let revision = Revision {
        id: Revision::INITIAL.into(),
        updated_ms: now,
        role: request.role_arn,
        logging: configuration::logging(request.logging_configuration)?,
        tracing: configuration::tracing(request.tracing_configuration),
        encryption: configuration::encryption(request.encryption_configuration)?,
    };
    let description = request.version_description;
    let publication = request.publish.then_some(Publication { description });
    let before = record::find(call.node, &name).await?;
    if let Some(live) = before.as_ref().filter(|kept| !kept.record.deleted) {
        let same = live.record.r#type == kind && live.record.publication == publication;
        return again(call, &live.record, &request.definition, &revision, same).await;
    }
    let tags = tag_map(request.tags)?;
    let app_version = deploy(call, &name, &request.definition, kind == "EXPRESS", &revision).await?;
    let record = Record {
        name: name.clone(),
        deleted: false,
        r#type: kind.into(),
        created_ms: now,
        publication: publication.clone(),
        revisions: BTreeMap::from([(app_version, revision)]),
        versions: BTreeMap::new(),
        last_version: 0,
        aliases: BTreeMap::new(),
        tags,
    };
    let mut kept = record::replacing(before, record);
    if let Some(Publication { description }) = publication {
        versions::publish_current(&mut kept.record, description);
    }
    record::write(call.node, &kept).await?;
    Ok(created(call, &kept.record))
}

/// The answer to a request that made a state machine, or would have.
fn created(call: &Call<'_>, record: &Record) -> Value {
    let arn = call.account.machine(&record.name);
    let mut answer = json!({"stateMachineArn": arn, "creationDate": seconds(record.created_ms)});
    if record.publication.is_some() {
        answer["stateMachineVersionArn"] = json!(format!("{arn}:1"));
    }
    answer
}

/// A state machine of that name is there: fine if the request is the very same.
async fn again(
    call: &Call<'_>,
    live: &Record,
    definition: &str,
    wanted: &Revision,
    same: bool,
) -> Result<Value, Fault> {
    let (version, revision) = live.current();
    let same = same
        && wanted.is_configured_as(revision)
        && *definition_of(call, &live.name, version).await? == *definition;
    match same {
        true => Ok(created(call, live)),
        false => {
            let arn = call.account.machine(&live.name);
            Err(Fault::new("StateMachineAlreadyExists", format!("State Machine Already Exists: '{arn}'")))
        }
    }
}

fn check_publish(publish: bool, description: Option<&str>) -> Result<(), Fault> {
    match description.is_some() && !publish {
        true => Err(Fault::validation("Version description can only be set when publish is true")),
        false => Ok(()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    state_machine_arn: String,
    definition: Option<String>,
    role_arn: Option<String>,
    logging_configuration: Option<Value>,
    tracing_configuration: Option<Value>,
    encryption_configuration: Option<Value>,
    #[serde(default)]
    publish: bool,
    version_description: Option<String>,
}

impl Update {
    fn changes_nothing(&self) -> bool {
        self.definition.is_none()
            && self.role_arn.is_none()
            && self.logging_configuration.is_none()
            && self.tracing_configuration.is_none()
            && self.encryption_configuration.is_none()
    }
}

/// `UpdateStateMachine`. What is as it was stays the same revision.
pub async fn update(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Update = call.read()?;
    let arn = &request.state_machine_arn;
    let (name, qualifier) = machine_named(arn)?;
    if qualifier.is_some() {
        return Err(Fault::invalid_arn(arn));
    }
    if request.changes_nothing() && !request.publish {
        return Err(Fault::new(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
        ));
    }
    check_publish(request.publish, request.version_description.as_deref())?;
    let mut kept = record::existing(call.node, call.account, &name).await?;
    let (publish, description) = (request.publish, request.version_description.clone());
    let now = now_ms();
    revise(call, &mut kept.record, request, now).await?;
    let mut answer = json!({"updateDate": seconds(now)});
    kept.record.current().1.shown_id().into_iter().for_each(|id| answer["revisionId"] = json!(id));
    if publish {
        versions::check_room(&kept.record)?;
        let number = versions::publish_current(&mut kept.record, description);
        answer["stateMachineVersionArn"] = json!(format!("{}:{number}", call.account.machine(&name)));
    }
    record::write(call.node, &kept).await?;
    Ok(answer)
}

/// Adds a revision, unless it would be the current one again.
async fn revise(call: &Call<'_>, record: &mut Record, request: Update, now: u64) -> Result<(), Fault> {
    request.role_arn.as_deref().map(check_role).transpose()?;
    let (version, current) = record.current();
    let before = definition_of(call, &record.name, version).await?;
    let definition = request.definition.as_deref().unwrap_or(&before);
    check(definition, &record.r#type)?;
    let mut next = Revision { id: uuid::Uuid::new_v4().to_string(), updated_ms: now, ..current.clone() };
    next.role = request.role_arn.unwrap_or(next.role);
    if request.logging_configuration.is_some() {
        next.logging = configuration::logging(request.logging_configuration)?;
    }
    if request.tracing_configuration.is_some() {
        next.tracing = configuration::tracing(request.tracing_configuration);
    }
    if request.encryption_configuration.is_some() {
        next.encryption = configuration::encryption(request.encryption_configuration)?;
    }
    if *definition != *before || next.role != current.role || !next.is_configured_as(current) {
        let version = deploy(call, &record.name, definition, record.is_express(), &next).await?;
        record.revise(version, next);
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    state_machine_arn: String,
    included_data: Option<String>,
}

/// `DescribeStateMachine`, of the current revision, a version, or an alias's version.
pub async fn describe(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let arn = request.state_machine_arn;
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
    let mut answer = described(call, &name, app_version, revision, request.included_data).await?;
    answer["stateMachineArn"] = json!(arn);
    answer["status"] = json!("ACTIVE");
    answer["type"] = json!(record.r#type);
    answer["creationDate"] = json!(seconds(record.created_ms));
    description.into_iter().for_each(|description| answer["description"] = json!(description));
    Ok(answer)
}

/// What is said of a revision, also as that of an execution.
pub async fn described(
    call: &Call<'_>,
    name: &str,
    app_version: u32,
    revision: &Revision,
    included: Option<String>,
) -> Result<Value, Fault> {
    let mut answer = json!({
        "name": name,
        "definition": "{}",
        "roleArn": revision.role,
        "loggingConfiguration": revision.logging,
        "tracingConfiguration": revision.tracing,
        "encryptionConfiguration": revision.encryption,
    });
    revision.shown_id().into_iter().for_each(|id| answer["revisionId"] = json!(id));
    if included.as_deref() != Some("METADATA_ONLY") {
        let definition = definition_of(call, name, app_version).await?;
        answer["definition"] = json!(&*definition);
        let references = Machine::parse(&definition).map(|(machine, _)| machine.variable_references);
        let references = references.unwrap_or_default();
        if !references.is_empty() {
            let line = |(state, names): (&Arc<str>, &BTreeSet<Arc<str>>)| {
                (state.to_string(), names.iter().map(|name| json!(&**name)).collect())
            };
            answer["variableReferences"] = Value::Object(references.iter().map(line).collect());
        }
    }
    Ok(answer)
}

/// `DeleteStateMachine`. Deleting what is not there is fine. Executions under way go on to their end.
pub async fn delete(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let (name, _) = machine_named(&request.state_machine_arn)?;
    if let Some(mut kept) = record::find(call.node, &name).await?.filter(|kept| !kept.record.deleted) {
        kept.record.deleted = true;
        record::write(call.node, &kept).await?;
    }
    Ok(json!({}))
}

/// `ListStateMachines`, by name.
pub async fn list(call: &Call<'_>) -> Result<Value, Fault> {
    let page: Page = call.read()?;
    let mut records = record::all(call.node).await?;
    records.sort_by(|a, b| a.name.cmp(&b.name));
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
    definition: String,
    r#type: Option<String>,
    severity: Option<String>,
    max_results: Option<usize>,
}

/// `ValidateStateMachineDefinition`.
pub async fn validate(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Validate = call.read()?;
    let kind = kind(request.r#type.as_deref());
    let least = request.severity.as_deref().unwrap_or("ERROR");
    let (valid, findings) = match parse(&request.definition, kind) {
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

/// A definition of a state machine of a type, and what else is said of it.
fn parse(definition: &str, kind: &str) -> Result<(Machine, Vec<Diagnostic>), Vec<Diagnostic>> {
    let parsed = if kind == "EXPRESS" { Machine::parse_express } else { Machine::parse };
    let (machine, findings) = parsed(definition)?;
    let refused = resources::unknown(&machine);
    if refused.is_empty() { Ok((machine, findings)) } else { Err([refused, findings].concat()) }
}

/// Refuses a definition that is not one, in AWS's words.
pub fn check(definition: &str, kind: &str) -> Result<Machine, Fault> {
    let findings = match parse(definition, kind) {
        Ok((machine, _)) => return Ok(machine),
        Err(findings) => findings,
    };
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

fn kind(given: Option<&str>) -> &'static str {
    if given == Some("EXPRESS") { "EXPRESS" } else { "STANDARD" }
}

/// Makes a definition the newest version of the app of a state machine. Each revision is a version of its own.
async fn deploy(
    call: &Call<'_>,
    name: &str,
    definition: &str,
    express: bool,
    revision: &Revision,
) -> Result<u32, Fault> {
    let program = program(name, definition, express);
    let definition = Bytes::from(serde_json::to_vec(&(&program, revision)).expect("it is plain data"));
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
        Some(Steps::Code { .. } | Steps::Dag(_)) | None => Ok("".into()),
    }
}
