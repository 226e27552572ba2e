//! Functions on arrays.

use super::number::integer;
use sluice_expression::Value;
use std::collections::HashSet;

/// Most items of an `ArrayRange`; 1,000 under AWS's limits.
pub const RANGE_ITEMS_MAX: u64 = 100_000;

fn items(value: &Value) -> Result<&[Value], String> {
    value.as_array().ok_or_else(|| format!("expected an array, found {}", value.type_name()))
}

pub(super) fn contains(array: &Value, item: &Value) -> Result<Value, String> {
    Ok(Value::Bool(items(array)?.contains(item)))
}

pub(super) fn item(array: &Value, index: &Value) -> Result<Value, String> {
    let (items, index) = (items(array)?, integer(index)?);
    let item = usize::try_from(index).ok().and_then(|index| items.get(index));
    item.cloned().ok_or_else(|| format!("index {index} is not within an array of {} items", items.len()))
}

pub(super) fn length(array: &Value) -> Result<Value, String> {
    Ok(Value::Int(items(array)?.len() as i64))
}

pub(super) fn partition(array: &Value, size: &Value) -> Result<Value, String> {
    let (items, size) = (items(array)?, integer(size)?);
    match usize::try_from(size) {
        Ok(size) if size > 0 => {
            Ok(Value::array(items.chunks(size).map(|chunk| Value::array(chunk.to_vec())).collect()))
        }
        _ => Err(format!("the size of a chunk must be at least 1, not {size}")),
    }
}

/// From the first to the last, both included, in steps; at most so many.
pub(super) fn range(first: &Value, last: &Value, step: &Value, items_max: u64) -> Result<Value, String> {
    let (first, last, step) = (integer(first)?, integer(last)?, integer(step)?);
    if step == 0 {
        return Err("the step must not be 0".into());
    }
    let distance = i128::from(last) - i128::from(first);
    if distance.signum() * i128::from(step.signum()) < 0 {
        return Ok(Value::array(Vec::new()));
    }
    let steps = distance / i128::from(step);
    if steps >= i128::from(items_max) {
        return Err(format!("the range has more than {items_max} items"));
    }
    Ok(Value::array((0..=steps as i64).map(|count| Value::Int(first + count * step)).collect()))
}

/// The first of equal items, in order.
pub(super) fn unique(array: &Value) -> Result<Value, String> {
    let mut seen = HashSet::new();
    let unique = items(array)?.iter().filter(|item| {
        let mut text = String::new();
        write_canonical(item, &mut text);
        seen.insert(text)
    });
    Ok(Value::array(unique.cloned().collect()))
}

/// Text that is the same for equal values: fields sorted, numbers written alike.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Float(float) => text.push_str(&Value::number(*float).unwrap_or_default().to_json()),
        Value::Array(items) => {
            text.push('[');
            for item in items.iter() {
                write_canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (name, value) in fields {
                text.push_str(&Value::String(name.clone()).to_json());
                text.push(':');
                write_canonical(value, text);
                text.push(',');
            }
            text.push('}');
        }
        scalar => text.push_str(&scalar.to_json()),
    }
}
