//! What a state machine is configured with beside its definition: kept and shown; nothing is logged, traced or
//! encrypted here.

use super::fault::Fault;
use serde_json::{Value, json};

/// `loggingConfiguration`, with the defaults filled in.
pub fn logging(given: Option<Value>) -> Result<Value, Fault> {
    let mut logging = given.unwrap_or_else(|| json!({}));
    let destinations = logging["destinations"].as_array().map_or(0, Vec::len);
    let off = logging["level"].as_str().is_none_or(|level| level == "OFF");
    if destinations > 1 || (destinations == 0 && !off) {
        let message = "Invalid Logging Configuration: Must specify exactly one Log Destination.";
        return Err(Fault::new("InvalidLoggingConfiguration", message));
    }
    for (name, default) in [("level", json!("OFF")), ("includeExecutionData", json!(false))] {
        if logging[name].is_null() {
            logging[name] = default;
        }
    }
    Ok(logging)
}

/// `tracingConfiguration`, with the default filled in.
pub fn tracing(given: Option<Value>) -> Value {
    let enabled = given.is_some_and(|given| given["enabled"] == json!(true));
    json!({"enabled": enabled})
}

/// `encryptionConfiguration`, with the default filled in.
pub fn encryption(given: Option<Value>) -> Result<Value, Fault> {
    let encryption = given.unwrap_or_else(|| json!({"type": "AWS_OWNED_KEY"}));
    let invalid = |why: &str| {
        Err(Fault::new("InvalidEncryptionConfiguration", format!("Invalid Encryption Configuration: {why}")))
    };
    let customer = encryption["type"] == json!("CUSTOMER_MANAGED_KMS_KEY");
    match (customer, encryption["kmsKeyId"].is_string()) {
        (true, false) => invalid("kmsKeyId must be specified for a customer managed key."),
        (false, true) => invalid("kmsKeyId must not be specified for a key that AWS owns."),
        _ => Ok(encryption),
    }
}
