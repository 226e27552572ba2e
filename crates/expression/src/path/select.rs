//! What a path finds.

use super::{Parts, Step};
use crate::{Map, Value};
use std::sync::Arc;

/// See [`super::Path::select`].
pub(super) fn select(parts: &Parts, root: &Value) -> Option<Value> {
    match (&parts.function, parts.definite) {
        (None, true) => one(&parts.steps, root),
        (None, false) => Some(Value::array(all(&parts.steps, root, root))),
        (Some(function), true) => function.call(&one(&parts.steps, root)?, root),
        (Some(function), false) if parts.steps.contains(&Step::Descent) => {
            function.call(&Value::array(all(&parts.steps, root, root)), root)
        }
        (Some(function), false) => {
            let found = all(&parts.steps, root, root);
            Some(Value::array(found.iter().filter_map(|value| function.call(value, root)).collect()))
        }
    }
}

/// The value at the end of definite steps.
fn one(steps: &[Step], root: &Value) -> Option<Value> {
    let mut at = root;
    for step in steps {
        at = match step {
            Step::Child(name) => at.get(name)?,
            Step::Index(index) => item(at.as_array()?, *index)?,
            Step::Children(names) => return merged(at, names),
            _ => return None,
        };
    }
    Some(at.clone())
}

/// All values at the end of `steps`, in the order of the document. `root` is what `$` in a filter means.
pub(super) fn all(steps: &[Step], from: &Value, root: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    walk(steps, from, root, &mut found);
    found
}

fn walk(steps: &[Step], at: &Value, root: &Value, found: &mut Vec<Value>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(at.clone());
        return;
    };
    match step {
        Step::Child(name) => walk_each(at.get(name), rest, root, found),
        Step::Children(names) if rest.is_empty() => found.extend(merged(at, names)),
        Step::Children(names) => walk_each(names.iter().filter_map(|name| at.get(name)), rest, root, found),
        Step::Index(index) => {
            walk_each(at.as_array().and_then(|items| item(items, *index)), rest, root, found)
        }
        Step::Indices(indices) => {
            let items = at.as_array().unwrap_or_default();
            walk_each(indices.iter().filter_map(|index| item(items, *index)), rest, root, found);
        }
        Step::Slice(from, to) => walk_each(slice(at, *from, *to), rest, root, found),
        Step::Wildcard => walk_each(children(at), rest, root, found),
        Step::Filter(filter) => match at {
            Value::Array(items) => {
                walk_each(items.iter().filter(|item| filter.accepts(item, root)), rest, root, found);
            }
            Value::Object(_) if filter.accepts(at, root) => walk(rest, at, root, found),
            _ => {}
        },
        Step::Descent => descend(rest, at, root, found),
    }
}

fn walk_each<'a>(
    values: impl IntoIterator<Item = &'a Value>,
    rest: &[Step],
    root: &Value,
    found: &mut Vec<Value>,
) {
    values.into_iter().for_each(|value| walk(rest, value, root, found));
}

/// Applies the steps after `..` to a value and to all within it, outer values first.
fn descend(rest: &[Step], at: &Value, root: &Value, found: &mut Vec<Value>) {
    // A filter after `..` tests each object by itself; its items are reached by the descent.
    if !matches!((rest.first(), at), (Some(Step::Filter(_)), Value::Array(_)))
        && children(at).next().is_some()
    {
        walk(rest, at, root, found);
    }
    children(at).for_each(|child| descend(rest, child, root, found));
}

/// Items of an array, values of an object's fields; of anything else, nothing.
pub(super) fn children(value: &Value) -> impl Iterator<Item = &Value> {
    let items = value.as_array().unwrap_or_default();
    items.iter().chain(value.as_object().into_iter().flat_map(Map::values))
}

/// The item at an index, counted from the end when negative.
pub(super) fn item(items: &[Value], index: i64) -> Option<&Value> {
    let index = if index < 0 { index.checked_add_unsigned(items.len() as u64)? } else { index };
    items.get(usize::try_from(index).ok()?)
}

/// An object of those fields that are there.
fn merged(value: &Value, names: &[Arc<str>]) -> Option<Value> {
    let fields = value.as_object()?;
    let present = names.iter().filter_map(|name| Some((name.clone(), fields.get(name)?.clone())));
    Some(Value::object(present.collect()))
}

fn slice(value: &Value, from: Option<i64>, to: Option<i64>) -> &[Value] {
    let items = value.as_array().unwrap_or_default();
    let len = items.len() as i64;
    let bound = |index: i64| if index < 0 { index.saturating_add(len).max(0) } else { index.min(len) };
    let (from, to) = (bound(from.unwrap_or(0)), bound(to.unwrap_or(len)));
    if from < to { &items[from as usize..to as usize] } else { &[] }
}
