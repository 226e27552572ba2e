//! Aliases of state machines: names that route executions to one or two versions.

use super::arn::machine_named;
use super::fault::Fault;
use super::page::paged;
use super::record::{self, Alias, Kept, Record};
use super::versions::{self, Listed};
use super::{Call, now_ms, seconds};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Route {
    state_machine_version_arn: String,
    weight: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    name: String,
    description: Option<String>,
    routing_configuration: Vec<Route>,
}

/// `CreateStateMachineAlias`. The same request again answers as the first did.
pub async fn create(call: &Call<'_>) -> Result<Value, Fault> {
    let Create { name: alias, description, routing_configuration } = call.read()?;
    let (name, routes) = routes(&routing_configuration)?;
    let kept = record::find(call.node, &name).await?.filter(|kept| !kept.record.deleted);
    let mut kept = kept.ok_or_else(|| no_such(&routing_configuration[0].state_machine_version_arn))?;
    check_versions(&kept.record, &routing_configuration, &routes)?;
    let arn = format!("{}:{alias}", call.account.machine(&name));
    if let Some(present) = kept.record.aliases.get(&alias) {
        if present.routes == routes && present.description == description {
            return Ok(json!({"stateMachineAliasArn": arn, "creationDate": seconds(present.created_ms)}));
        }
        return Err(Fault::conflict(
            "Failed to create alias because an alias with the same name and a different routing configuration already exists.",
        ));
    }
    if kept.record.aliases.len() >= versions::VERSIONS_MAX {
        return Err(versions::quota("aliases"));
    }
    let now = now_ms();
    let made = Alias { description, routes, created_ms: now, updated_ms: now };
    kept.record.aliases.insert(alias, made);
    record::write(call.node, &kept).await?;
    Ok(json!({"stateMachineAliasArn": arn, "creationDate": seconds(now)}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    state_machine_alias_arn: String,
    description: Option<String>,
    routing_configuration: Option<Vec<Route>>,
}

/// `UpdateStateMachineAlias`.
pub async fn update(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Update = call.read()?;
    if request.description.is_none() && request.routing_configuration.is_none() {
        return Err(Fault::because(
            "MISSING_REQUIRED_PARAMETER",
            "Either the description or the RoutingConfiguration must be specified",
        ));
    }
    let (name, alias, mut kept) = named(call, &request.state_machine_alias_arn).await?;
    let routing = match &request.routing_configuration {
        None => None,
        Some(routing) => {
            let (of, routes) = routes(routing)?;
            if of != name {
                return Err(no_such(&routing[0].state_machine_version_arn));
            }
            check_versions(&kept.record, routing, &routes)?;
            Some(routes)
        }
    };
    let changed = kept.record.aliases.get_mut(&alias);
    let changed = changed.ok_or_else(|| no_such(&request.state_machine_alias_arn))?;
    changed.routes = routing.unwrap_or_else(|| changed.routes.clone());
    changed.description = request.description.or_else(|| changed.description.take());
    changed.updated_ms = now_ms();
    let updated = changed.updated_ms;
    record::write(call.node, &kept).await?;
    Ok(json!({"updateDate": seconds(updated)}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    state_machine_alias_arn: String,
}

/// `DescribeStateMachineAlias`.
pub async fn describe(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let arn = request.state_machine_alias_arn;
    let (name, alias, kept) = named(call, &arn).await?;
    let found = kept.record.aliases.get(&alias).ok_or_else(|| no_such(&arn))?;
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

/// `DeleteStateMachineAlias`. Deleting what is not there is fine.
pub async fn delete(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Named = call.read()?;
    let (_, alias, mut kept) = named(call, &request.state_machine_alias_arn).await?;
    if kept.record.aliases.remove(&alias).is_some() {
        record::write(call.node, &kept).await?;
    }
    Ok(json!({}))
}

/// `ListStateMachineAliases`, of a state machine or of one of its versions, by name.
pub async fn list(call: &Call<'_>) -> Result<Value, Fault> {
    let Listed { name, qualifier, kept, page } = Listed::by(call).await?;
    let version: Option<u64> = qualifier.and_then(|text| text.parse().ok());
    let of = |(_, alias): &(&String, &Alias)| {
        version.is_none_or(|version| alias.routes.iter().any(|(number, _)| *number == version))
    };
    let line = |(alias, kept): (&String, &Alias)| {
        let arn = format!("{}:{alias}", call.account.machine(&name));
        json!({"stateMachineAliasArn": arn, "creationDate": seconds(kept.created_ms)})
    };
    let lines = kept.record.aliases.iter().filter(of).map(line).collect();
    paged("stateMachineAliases", &page, lines)
}

/// Routes as requests name them: versions of the same state machine whose weights add up to 100.
fn routes(routing: &[Route]) -> Result<(String, Vec<(u64, u32)>), Fault> {
    let invalid = |message: String| Fault::because("INVALID_ROUTING_CONFIGURATION", message);
    let arns: Vec<&str> = routing.iter().map(|route| &*route.state_machine_version_arn).collect();
    let mut routes: Vec<(u64, u32)> = Vec::new();
    let mut name = None;
    for route in routing {
        let (of, qualifier) = machine_named(&route.state_machine_version_arn)?;
        let number = qualifier.and_then(|text| text.parse().ok()).ok_or_else(|| {
            let arns = arns.join(", ");
            invalid(format!(
                "Routing configuration must contain state machine version ARNs. Received: [{arns}]"
            ))
        })?;
        if *name.get_or_insert_with(|| of.clone()) != of {
            let arns = arns.join(", ");
            return Err(invalid(format!(
                "Routing configuration must contain versions of the same state machine. Received: [{arns}]"
            )));
        }
        routes.push((number, route.weight));
    }
    if let [one, other] = &*routes
        && one.0 == other.0
    {
        let arns = arns.join(", ");
        return Err(invalid(format!(
            "Routing configuration must contain distinct state machine version ARNs. Received: [{arns}]"
        )));
    }
    let weights: Vec<u32> = routes.iter().map(|(_, weight)| *weight).collect();
    match weights.iter().sum::<u32>() == 100 {
        true => Ok((name.unwrap_or_default(), routes)),
        false => Err(invalid(format!(
            "Sum of routing configuration weights must equal 100. Received: {weights:?}"
        ))),
    }
}

/// Refuses routes to versions that are not there.
fn check_versions(record: &Record, routing: &[Route], routes: &[(u64, u32)]) -> Result<(), Fault> {
    let mut pairs = routing.iter().zip(routes);
    match pairs.find(|(_, (number, _))| !record.versions.contains_key(number)) {
        Some((route, _)) => Err(no_such(&route.state_machine_version_arn)),
        None => Ok(()),
    }
}

/// The state machine and the name of the alias that an ARN names, and what is kept of the state machine.
async fn named(call: &Call<'_>, arn: &str) -> Result<(String, String, Kept), Fault> {
    let (name, alias) = machine_named(arn)?;
    let alias = alias.ok_or_else(|| Fault::invalid_arn(arn))?;
    let kept = record::find(call.node, &name).await?.filter(|kept| !kept.record.deleted);
    Ok((name, alias, kept.ok_or_else(|| no_such(arn))?))
}

fn no_such(arn: &str) -> Fault {
    Fault::not_found(arn, "Request references a resource that does not exist.")
}
