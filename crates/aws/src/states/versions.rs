//! Published versions of state machines.

use super::arn::machine_named;
use super::fault::Fault;
use super::page::{Page, paged};
use super::record::{self, Alias, Kept, Published, Record};
use super::{Call, now_ms, seconds};
use serde::Deserialize;
use serde_json::{Value, json};

/// Most versions, and most aliases, of one state machine.
pub const VERSIONS_MAX: usize = 1_000;

/// Refuses one version more than there may be.
pub fn check_room(record: &Record) -> Result<(), Fault> {
    match record.versions.len() >= VERSIONS_MAX {
        true => Err(quota("versions")),
        false => Ok(()),
    }
}

/// As many of something as a state machine may have.
pub fn quota(what: &str) -> Fault {
    let message = format!("The state machine has as many {what} as it may: {VERSIONS_MAX}");
    Fault { status: 402, ..Fault::new("ServiceQuotaExceededException", message) }
}

/// Publishes the current revision, unless it is the newest version already. Returns its number.
pub fn publish_current(record: &mut Record, description: Option<String>) -> u64 {
    let (app_version, _) = record.current();
    let newest = record.versions.last_key_value();
    if let Some((number, _)) = newest.filter(|(_, published)| published.app_version == app_version) {
        return *number;
    }
    record.last_version += 1;
    let published = Published { app_version, created_ms: now_ms(), description };
    record.versions.insert(record.last_version, published);
    record.last_version
}

/// The version that a number or the name of an alias stands for; of several routes, the first.
pub fn number(record: &Record, qualifier: &str) -> Option<u64> {
    let direct = qualifier.parse().ok().filter(|number| record.versions.contains_key(number));
    direct.or_else(|| record.aliases.get(qualifier)?.routes.first().map(|(number, _)| *number))
}

/// The version that an execution through a number or an alias is of: the routes of an alias share by weight.
pub fn route(record: &Record, qualifier: &str, random: u64) -> Option<u64> {
    let Some(alias) = record.aliases.get(qualifier) else { return number(record, qualifier) };
    let mut drawn = (random % 100) as u32;
    for (number, weight) in &alias.routes {
        if drawn < *weight {
            return Some(*number);
        }
        drawn -= weight;
    }
    alias.routes.last().map(|(number, _)| *number)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Publish {
    state_machine_arn: String,
    description: Option<String>,
    revision_id: Option<String>,
}

/// `PublishStateMachineVersion`.
pub async fn publish(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Publish = call.read()?;
    let (name, _) = machine_named(&request.state_machine_arn)?;
    let mut kept = record::existing(call.node, call.account, &name).await?;
    if let Some(expected) = request.revision_id.filter(|expected| *expected != kept.record.current().1.id) {
        let message = format!(
            "Failed to publish the State Machine version for revision {expected}. The current State Machine revision is {}.",
            kept.record.current().1.id
        );
        return Err(Fault::conflict(message));
    }
    check_room(&kept.record)?;
    let number = publish_current(&mut kept.record, request.description);
    let created = kept.record.versions[&number].created_ms;
    record::write(call.node, &kept).await?;
    let arn = format!("{}:{number}", call.account.machine(&name));
    Ok(json!({"stateMachineVersionArn": arn, "creationDate": seconds(created)}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionNamed {
    state_machine_version_arn: String,
}

/// `DeleteStateMachineVersion`.
pub async fn delete(call: &Call<'_>) -> Result<Value, Fault> {
    let request: VersionNamed = call.read()?;
    let arn = request.state_machine_version_arn;
    let (name, qualifier) = machine_named(&arn)?;
    let number: u64 = qualifier.and_then(|text| text.parse().ok()).ok_or_else(|| Fault::invalid_arn(&arn))?;
    let Some(mut kept) = record::find(call.node, &name).await? else { return Ok(json!({})) };
    let uses = |(_, alias): &(&String, &Alias)| alias.routes.iter().any(|(of, _)| *of == number);
    let users: Vec<&str> = kept.record.aliases.iter().filter(uses).map(|(name, _)| &**name).collect();
    if !users.is_empty() {
        let message = format!(
            "Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [{}]",
            users.join(", ")
        );
        return Err(Fault::conflict(message));
    }
    if kept.record.versions.remove(&number).is_some() {
        record::write(call.node, &kept).await?;
    }
    Ok(json!({}))
}

/// `ListStateMachineVersions`, newest first.
pub async fn list(call: &Call<'_>) -> Result<Value, Fault> {
    let Listed { name, kept, page, .. } = Listed::by(call).await?;
    let line = |(number, published): (&u64, &Published)| {
        let arn = format!("{}:{number}", call.account.machine(&name));
        json!({"stateMachineVersionArn": arn, "creationDate": seconds(published.created_ms)})
    };
    paged("stateMachineVersions", &page, kept.record.versions.iter().rev().map(line).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    state_machine_arn: String,
    #[serde(flatten)]
    page: Page,
}

/// Whose versions or aliases are to be listed.
pub struct Listed {
    /// The name of the state machine.
    pub name: String,
    /// The version of it, if the request names one.
    pub qualifier: Option<String>,
    /// What is kept of it.
    pub kept: Kept,
    /// Which page of the list.
    pub page: Page,
}

impl Listed {
    /// What a request names.
    pub async fn by(call: &Call<'_>) -> Result<Self, Fault> {
        let List { state_machine_arn, page } = call.read()?;
        let (name, qualifier) = machine_named(&state_machine_arn)?;
        let kept = record::existing(call.node, call.account, &name).await?;
        Ok(Self { name, qualifier, kept, page })
    }
}
