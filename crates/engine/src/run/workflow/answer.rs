//! What the results of branches, sensors and tasks that return lists say of how a DAG goes on.

use sluice_expression::Value;
use sluice_flow::dag::{Answer, Plan};
use sluice_types::{Payload, ReturnValue, TaskIx, TaskKind};
use std::sync::Arc;

/// What a call of a task says of how the DAG goes on, and the elements that others are called for.
pub(super) fn answer(plan: &Plan, task: TaskIx, value: Option<&ReturnValue>) -> (Answer, Vec<Value>) {
    let kind = plan.task(task).kind;
    let is_sensor = matches!(kind, TaskKind::Sensor { .. });
    if !is_sensor && kind != TaskKind::Branch && (!plan.is_mapped_over(task) || plan.task(task).is_mapped()) {
        return (Answer::Value, Vec::new());
    }
    let value = match value.map(parsed).transpose() {
        Ok(value) => value.unwrap_or_default(),
        Err(_) if is_sensor && !plan.is_mapped_over(task) => return (Answer::Value, Vec::new()),
        Err(why) => return (Answer::Unusable(why.into()), Vec::new()),
    };
    if is_sensor && !is_true(&value) {
        return (Answer::Again, Vec::new());
    }
    if kind == TaskKind::Branch {
        return (followed(&value), Vec::new());
    }
    if !plan.is_mapped_over(task) {
        return (Answer::Value, Vec::new());
    }
    match value.as_array() {
        Some(elements) => (Answer::Elements(elements.len() as u32), elements.to_vec()),
        None => {
            (Answer::Unusable("another task maps over what it returned, which is no list".into()), Vec::new())
        }
    }
}

fn parsed(value: &ReturnValue) -> Result<Value, String> {
    let Payload::Inline(bytes) = &value.payload else {
        return Err("what it returned is larger than what a workflow looks into".to_owned());
    };
    match (value.content_type.is_json(), std::str::from_utf8(bytes)) {
        (true, _) => Value::parse(bytes).map_err(|error| format!("what it returned is not JSON: {error}")),
        (false, Ok(text)) => Ok(Value::from(text)),
        (false, Err(_)) => Err("what it returned is neither JSON nor text".to_owned()),
    }
}

/// Whether Python takes it for true.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Int(number) => *number != 0,
        Value::Float(number) => *number != 0.0,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// The tasks that a branch names: one, a list, or none.
fn followed(value: &Value) -> Answer {
    let one = |value: &Value| value.as_str().map(Arc::from);
    let names = match value.as_array() {
        Some(names) => names.iter().map(one).collect(),
        None if value.is_null() => Some(Vec::new()),
        None => one(value).map(|name| vec![name]),
    };
    let unusable = "a branch returns the name of a task, a list of names, or nothing";
    names.map_or_else(|| Answer::Unusable(unusable.into()), Answer::Follow)
}
