//! Functions, versions and aliases as AWS's API shows them.

use super::app::log_group;
use super::record::{Alias, Configuration, Function, Qualified};
use super::reference::{LATEST, arn};
use crate::account::Account;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sluice_types::calendar::rfc3339;

/// A version of a function. The ARN of `$LATEST` is qualified only where it was asked for so.
pub fn configuration(account: &Account, name: &str, of: &Configuration, qualified: bool) -> Value {
    let arn = match of.version.as_str() {
        LATEST if !qualified => arn(account, name),
        version => format!("{}:{version}", arn(account, name)),
    };
    let mut view = json!({
        "FunctionName": name,
        "FunctionArn": arn,
        "Runtime": of.runtime,
        "Role": of.role,
        "Handler": of.handler,
        "CodeSize": of.code_bytes,
        "Description": of.description,
        "Timeout": of.timeout_s,
        "MemorySize": of.memory_mib,
        "LastModified": rfc3339(of.modified_ms).replace('Z', "+0000"),
        "CodeSha256": sha256(&of.code_sha256),
        "Version": of.version,
        "RevisionId": of.revision,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": log_group(name)},
    });
    if !of.environment.is_empty() {
        view["Environment"] = json!({ "Variables": of.environment });
    }
    for (field, value) in &of.shown {
        match (&mut view[field], value) {
            (Value::Object(shown), Value::Object(given)) => shown.extend(given.clone()),
            (shown, value) => *shown = value.clone(),
        }
    }
    view
}

/// A function with where its code is.
pub fn function(
    account: &Account,
    function: &Function,
    of: &Configuration,
    qualified: bool,
    location: &str,
) -> Value {
    let mut view = json!({
        "Configuration": configuration(account, &function.name, of, qualified),
        "Code": {"RepositoryType": "S3", "Location": location},
    });
    if !function.tags.is_empty() {
        view["Tags"] = json!(function.tags);
    }
    if let Some(most) = function.reserved_concurrency {
        view["Concurrency"] = json!({ "ReservedConcurrentExecutions": most });
    }
    view
}

/// An alias.
pub fn alias(account: &Account, function: &str, name: &str, alias: &Alias) -> Value {
    let mut view = json!({
        "AliasArn": format!("{}:{name}", arn(account, function)),
        "Name": name,
        "FunctionVersion": Qualified::text(alias.version),
        "Description": alias.description,
        "RevisionId": alias.revision,
    });
    if let Some((version, share)) = alias.shifted {
        view["RoutingConfig"] = json!({ "AdditionalVersionWeights": { version.to_string(): share } });
    }
    view
}

/// A digest as AWS writes it, from hexadecimal.
fn sha256(hex: &str) -> String {
    BASE64_STANDARD.encode(crate::signature::unhex(hex).unwrap_or_default())
}
