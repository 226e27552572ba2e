//! Published versions of state machines, and aliases that route to them.

use super::arn::{check_name, machine_named};
use super::fault::Fault;
use super::page::{Page, paged};
use super::record::{self, Alias, Kept, Published, Record};
use super::{Call, now_ms, seconds};
use serde::Deserialize;
use serde_json::{Value, json};

/// Most versions, and most aliases, of one state machine.
pub const VERSIONS_MAX: usize = 1_000;

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
    state_machine_arn: Option<String>,
    description: Option<String>,
    revision_id: Option<String>,
}

/// `PublishStateMachineVersion`.
pub async fn publish(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Publish = call.read()?;
    let (name, mut kept) = machine(call, request.state_machine_arn).await?;
    if let Some(expected) = request.revision_id.filter(|expected| *expected != kept.record.current().1.id) {
        let message = format!(
            "Failed to publish the State Machine version for revision {expected}. The current State Machine revision is {}.",
            kept.record.current().1.id
        );
        return Err(Fault::new("ConflictException", message));
    }
    if kept.record.versions.len() >= VERSIONS_MAX {
        return Err(Fault::new(
            "ServiceQuotaExceededException",
            "the state machine has as many versions as it may",
        ));
    }
    let number = publish_current(&mut kept.record, request.description);
    let created = kept.record.versions[&number].created_ms;
    record::write(call.node, &kept).await?;
    let arn = format!("{}:{number}", call.account.machine(&name));
    Ok(json!({"stateMachineVersionArn": arn, "creationDate": seconds(created)}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionNamed {
    state_machine_version_arn: Option<String>,
}

/// `DeleteStateMachineVersion`.
pub async fn delete(call: &Call<'_>) -> Result<Value, Fault> {
    let request: VersionNamed = call.read()?;
    let arn = request.state_machine_version_arn.ok_or_else(|| Fault::missing("stateMachineVersionArn"))?;
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
        return Err(Fault::new("ConflictException", message));
    }
    if kept.record.versions.remove(&number).is_some() {
        record::write(call.node, &kept).await?;
    }
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    state_machine_arn: Option<String>,
    #[serde(flatten)]
    page: Page,
}

/// `ListStateMachineVersions`, newest first.
pub async fn list(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Listed = call.read()?;
    let (name, kept) = machine(call, request.state_machine_arn).await?;
    let line = |(number, published): (&u64, &Published)| {
        let arn = format!("{}:{number}", call.account.machine(&name));
        json!({"stateMachineVersionArn": arn, "creationDate": seconds(published.created_ms)})
    };
    paged("stateMachineVersions", &request.page, kept.record.versions.iter().rev().map(line).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Route {
    state_machine_version_arn: String,
    weight: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AliasRequest {
    name: Option<String>,
    state_machine_alias_arn: Option<String>,
    description: Option<String>,
    routing_configuration: Option<Vec<Route>>,
}

/// `CreateStateMachineAlias`.
pub async fn create_alias(call: &Call<'_>) -> Result<Value, Fault> {
    let request: AliasRequest = call.read()?;
    let alias = request.name.ok_or_else(|| Fault::missing("name"))?;
    check_name(&alias)?;
    if alias.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::new("InvalidName", format!("Invalid Name: '{alias}'")));
    }
    let routing = request.routing_configuration.ok_or_else(|| Fault::missing("routingConfiguration"))?;
    let name = match routing.first() {
        Some(route) => machine_named(&route.state_machine_version_arn)?.0,
        None => return Err(Fault::validation("routingConfiguration must have one or two routes")),
    };
    let mut kept = record::existing(call.node, call.account, &name).await?;
    let routes = routes(&kept.record, &name, &routing)?;
    let arn = format!("{}:{alias}", call.account.machine(&name));
    if let Some(present) = kept.record.aliases.get(&alias) {
        if present.routes == routes && present.description == request.description {
            return Ok(json!({"stateMachineAliasArn": arn, "creationDate": seconds(present.created_ms)}));
        }
        return Err(Fault::new(
            "ConflictException",
            format!(
                "Failed to create alias because an alias with the same name and a different routing configuration already exists: '{arn}'"
            ),
        ));
    }
    let now = now_ms();
    let made = Alias { description: request.description, routes, created_ms: now, updated_ms: now };
    kept.record.aliases.insert(alias, made);
    record::write(call.node, &kept).await?;
    Ok(json!({"stateMachineAliasArn": arn, "creationDate": seconds(now)}))
}

/// `UpdateStateMachineAlias`.
pub async fn update_alias(call: &Call<'_>) -> Result<Value, Fault> {
    let request: AliasRequest = call.read()?;
    let (name, alias, mut kept) = aliased(call, request.state_machine_alias_arn).await?;
    if request.description.is_none() && request.routing_configuration.is_none() {
        return Err(Fault::validation(
            "Either the description or the RoutingConfiguration must be specified",
        ));
    }
    let routing = request.routing_configuration.map(|routing| routes(&kept.record, &name, &routing));
    let routing = routing.transpose()?;
    let changed = kept.record.aliases.get_mut(&alias).expect("it was just found");
    changed.routes = routing.unwrap_or_else(|| changed.routes.clone());
    changed.description = request.description.or_else(|| changed.description.take());
    changed.updated_ms = now_ms();
    let updated = changed.updated_ms;
    record::write(call.node, &kept).await?;
    Ok(json!({"updateDate": seconds(updated)}))
}

/// `DescribeStateMachineAlias`.
pub async fn describe_alias(call: &Call<'_>) -> Result<Value, Fault> {
    let request: AliasRequest = call.read()?;
    let (name, alias, kept) = aliased(call, request.state_machine_alias_arn).await?;
    let found = &kept.record.aliases[&alias];
    let machine = call.account.machine(&name);
    let route = |(number, weight): &(u64, u32)| json!({"stateMachineVersionArn": format!("{machine}:{number}"), "weight": weight});
    let mut answer = json!({
        "stateMachineAliasArn": format!("{machine}:{alias}"),
        "name": alias,
        "routingConfiguration": found.routes.iter().map(route).collect::<Vec<_>>(),
        "creationDate": seconds(found.created_ms),
        "updateDate": seconds(found.updated_ms),
    });
    if let Some(description) = &found.description {
        answer["description"] = json!(description);
    }
    Ok(answer)
}

/// `DeleteStateMachineAlias`.
pub async fn delete_alias(call: &Call<'_>) -> Result<Value, Fault> {
    let request: AliasRequest = call.read()?;
    let (_, alias, mut kept) = aliased(call, request.state_machine_alias_arn).await?;
    kept.record.aliases.remove(&alias);
    record::write(call.node, &kept).await?;
    Ok(json!({}))
}

/// `ListStateMachineAliases`, of a state machine or of one of its versions.
pub async fn list_aliases(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Listed = call.read()?;
    let arn = request.state_machine_arn.ok_or_else(|| Fault::missing("stateMachineArn"))?;
    let (name, version) = machine_named(&arn)?;
    let kept = record::existing(call.node, call.account, &name).await?;
    let version: Option<u64> = version.and_then(|text| text.parse().ok());
    let of = |(_, alias): &(&String, &Alias)| {
        version.is_none_or(|version| alias.routes.iter().any(|(number, _)| *number == version))
    };
    let line = |(alias, kept): (&String, &Alias)| {
        let arn = format!("{}:{alias}", call.account.machine(&name));
        json!({"stateMachineAliasArn": arn, "creationDate": seconds(kept.created_ms)})
    };
    let lines = kept.record.aliases.iter().filter(of).map(line).collect();
    paged("stateMachineAliases", &request.page, lines)
}

/// Routes as requests name them: one or two versions of the same state machine whose weights add up to 100.
fn routes(record: &Record, name: &str, routing: &[Route]) -> Result<Vec<(u64, u32)>, Fault> {
    let mut routes: Vec<(u64, u32)> = Vec::new();
    for route in routing {
        let arn = &route.state_machine_version_arn;
        let (of, qualifier) = machine_named(arn)?;
        let number = qualifier.and_then(|text| text.parse().ok());
        let number = number.filter(|number| of == name && record.versions.contains_key(number));
        let number =
            number.ok_or_else(|| Fault::validation(format!("Invalid State Machine Version Arn: '{arn}'")))?;
        routes.push((number, route.weight));
    }
    let distinct = routes.len() < 2 || routes[0].0 != routes[1].0;
    match (1..=2).contains(&routes.len())
        && distinct
        && routes.iter().map(|(_, weight)| weight).sum::<u32>() == 100
    {
        true => Ok(routes),
        false => Err(Fault::validation(
            "Sum of weights in RoutingConfiguration entries must be equal to 100, over one or two different versions",
        )),
    }
}

async fn machine(call: &Call<'_>, arn: Option<String>) -> Result<(String, Kept), Fault> {
    let arn = arn.ok_or_else(|| Fault::missing("stateMachineArn"))?;
    let (name, _) = machine_named(&arn)?;
    let kept = record::existing(call.node, call.account, &name).await?;
    Ok((name, kept))
}

async fn aliased(call: &Call<'_>, arn: Option<String>) -> Result<(String, String, Kept), Fault> {
    let arn = arn.ok_or_else(|| Fault::missing("stateMachineAliasArn"))?;
    let (name, alias) = machine_named(&arn)?;
    let alias = alias.ok_or_else(|| Fault::invalid_arn(&arn))?;
    let not_there = || {
        Fault::new("ResourceNotFound", format!("Request references a resource that does not exist: '{arn}'"))
    };
    let kept =
        record::find(call.node, &name).await?.filter(|kept| !kept.record.deleted).ok_or_else(not_there)?;
    match kept.record.aliases.contains_key(&alias) {
        true => Ok((name, alias, kept)),
        false => Err(not_there()),
    }
}
