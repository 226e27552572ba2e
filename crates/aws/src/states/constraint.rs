//! Whether the parameters of a request are what the service model allows, in the words of AWS.

use super::fault::Fault;
use super::model::{Member, Shape, members};
use serde_json::{Map, Value};

/// Characters of a value that a message repeats.
const ECHO_CHARS_MAX: usize = 4_096;

/// Refuses parameters of the wrong type at once, and names all that break a constraint.
pub fn check(action: &str, parameters: &Map<String, Value>) -> Result<(), Fault> {
    let members = members(action)
        .ok_or_else(|| Fault::new("UnknownOperationException", format!("there is no action {action}")))?;
    let mut broken = Vec::new();
    fields(members, "", parameters, &mut broken)?;
    if broken.is_empty() {
        return Ok(());
    }
    let errors = if broken.len() == 1 { "error" } else { "errors" };
    Err(Fault::validation(format!("{} validation {errors} detected: {}", broken.len(), broken.join("; "))))
}

fn fields(
    members: &[Member],
    at: &str,
    given: &Map<String, Value>,
    broken: &mut Vec<String>,
) -> Result<(), Fault> {
    for member in members {
        let path = if at.is_empty() { member.name.to_owned() } else { format!("{at}.{}", member.name) };
        match given.get(member.name) {
            Some(value) if !value.is_null() => shape(&member.shape, &path, value, broken)?,
            _ if member.required => {
                broken.push(format!(
                    "Value null at '{path}' failed to satisfy constraint: Member must not be null"
                ));
            }
            _ => (),
        }
    }
    Ok(())
}

fn shape(shape: &Shape, path: &str, value: &Value, broken: &mut Vec<String>) -> Result<(), Fault> {
    let constraints = violated(shape, value).ok_or_else(|| mistyped(shape, path, value))?;
    broken.extend(constraints.iter().map(|constraint| {
        let shown = shown(shape, value);
        format!("Value{shown} at '{path}' failed to satisfy constraint: Member must {constraint}")
    }));
    match (shape, value) {
        (Shape::List(_, _, of), Value::Array(items)) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(index, item)| {
                self::shape(of, &format!("{path}.{}.member", index + 1), item, broken)
            })
        }
        (Shape::Fields(members), Value::Object(given)) => fields(members, path, given, broken),
        _ => Ok(()),
    }
}

/// The constraints that a value itself violates, apart from what is in it; `None` if it is of another type.
fn violated(shape: &Shape, value: &Value) -> Option<Vec<String>> {
    let violated = match (shape, value) {
        (Shape::Text(min, max), Value::String(text)) => [length(text.chars().count(), *min, *max), None],
        (Shape::Data(min, max), Value::String(text)) => [length(text.len(), *min, *max), None],
        (Shape::Formed(min, max, form), Value::String(text)) => {
            let pattern = || format!("satisfy regular expression pattern: {}", form.pattern);
            [length(text.chars().count(), *min, *max), (!(form.holds)(text)).then(pattern)]
        }
        (Shape::OneOf(allowed), Value::String(text)) => {
            let set = || format!("satisfy enum value set: [{}]", allowed.join(", "));
            [(!allowed.contains(&&**text)).then(set), None]
        }
        (Shape::Number(min, max), Value::Number(number)) => {
            [size(number.as_f64().unwrap_or_default(), *min, *max), None]
        }
        (Shape::List(min, max, _), Value::Array(items)) => [length(items.len(), *min, *max), None],
        (Shape::Fields(_), Value::Object(_)) | (Shape::Flag, Value::Bool(_)) => [None, None],
        _ => return None,
    };
    Some(violated.into_iter().flatten().collect())
}

fn length(given: usize, min: usize, max: usize) -> Option<String> {
    match given {
        _ if given < min => Some(format!("have length greater than or equal to {min}")),
        _ if given > max => Some(format!("have length less than or equal to {max}")),
        _ => None,
    }
}

fn size(given: f64, min: f64, max: f64) -> Option<String> {
    match given {
        _ if given < min => Some(format!("have value greater than or equal to {min}")),
        _ if given > max => Some(format!("have value less than or equal to {max}")),
        _ => None,
    }
}

/// A value as a message repeats it, if it does: neither data nor an empty text.
fn shown(shape: &Shape, value: &Value) -> String {
    let text = match (shape, value) {
        (Shape::Data(..), _) => String::new(),
        (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    };
    let end = text.char_indices().nth(ECHO_CHARS_MAX).map_or(text.len(), |(end, _)| end);
    if text.is_empty() { text } else { format!(" '{}'", &text[..end]) }
}

fn mistyped(shape: &Shape, path: &str, value: &Value) -> Fault {
    let found = match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(_) => "BOOLEAN_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    };
    let wanted = match shape {
        Shape::Text(..) | Shape::Data(..) | Shape::Formed(..) | Shape::OneOf(_) => "a String",
        Shape::Number(..) => "a Number",
        Shape::Flag => "a Boolean",
        Shape::List(..) => "a List",
        Shape::Fields(_) => "a Structure",
    };
    Fault::new("SerializationException", format!("{found} can not be converted to {wanted} at '{path}'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(action: &str, parameters: &Value) -> (&'static str, String) {
        let parameters = parameters.as_object().expect("an object");
        let fault = check(action, parameters).expect_err("it is not allowed");
        (fault.name, fault.message)
    }

    #[test]
    fn all_that_is_wrong_is_named_in_the_words_of_aws() {
        let (name, message) =
            refused("CreateStateMachine", &json!({"name": "x".repeat(81), "roleArn": null}));
        assert_eq!(name, "ValidationException");
        let long = "x".repeat(81);
        assert_eq!(
            message,
            format!(
                "3 validation errors detected: \
                 Value '{long}' at 'name' failed to satisfy constraint: Member must have length less than or equal to 80; \
                 Value null at 'definition' failed to satisfy constraint: Member must not be null; \
                 Value null at 'roleArn' failed to satisfy constraint: Member must not be null"
            )
        );
        let route = json!({"stateMachineVersionArn": "a", "weight": 101});
        let alias = json!({"name": "123", "routingConfiguration": [route]});
        let (_, message) = refused("CreateStateMachineAlias", &alias);
        assert!(message.contains(r"pattern: ^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$;"), "{message}");
        let weight = "Value '101' at 'routingConfiguration.1.member.weight' failed to satisfy constraint: Member must have value less than or equal to 100";
        assert!(message.ends_with(weight), "{message}");
    }

    #[test]
    fn data_is_counted_in_bytes_and_not_repeated() {
        let (_, message) =
            refused("StartExecution", &json!({"stateMachineArn": "a", "input": "é".repeat(131_073)}));
        let expected = "1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length less than or equal to 262144";
        assert_eq!(message, expected);
    }

    #[test]
    fn types_are_checked_first() {
        let (name, message) = refused("ListStateMachines", &json!({"maxResults": "7"}));
        assert_eq!(
            (name, &*message),
            ("SerializationException", "STRING_VALUE can not be converted to a Number at 'maxResults'")
        );
        assert_eq!(refused("Nonsense", &json!({})).0, "UnknownOperationException");
    }
}
