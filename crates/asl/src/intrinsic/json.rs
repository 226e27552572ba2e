//! Functions on JSON.

use sluice_expression::Value;

/// The value that a text is the JSON of; of a blank text, `null`.
pub(super) fn parse(text: &Value) -> Result<Value, String> {
    let Some(text) = text.as_str() else {
        return Err(format!("expected a string, found {}", text.type_name()));
    };
    match text.trim() {
        "" => Ok(Value::Null),
        text => Value::parse(text.as_bytes()).map_err(|error| error.to_string()),
    }
}

/// The fields of both objects; those of the second win.
pub(super) fn merge(first: &Value, second: &Value, deep: &Value) -> Result<Value, String> {
    if deep.as_bool() != Some(false) {
        return Err("the third argument must be false: objects are merged at their first level only".into());
    }
    let (Some(first), Some(second)) = (first.as_object(), second.as_object()) else {
        return Err(format!("expected two objects, found {} and {}", first.type_name(), second.type_name()));
    };
    let mut merged = first.clone();
    merged.extend(second.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(Value::object(merged))
}
