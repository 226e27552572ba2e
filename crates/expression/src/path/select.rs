//! What a path finds.

use super::{Parts, Step, TooManyVisits, VISITS_MAX};
use crate::{Map, Value};
use std::cell::Cell;
use std::sync::Arc;

/// See [`super::Path::search`].
pub(super) fn search(parts: &Parts, root: &Value) -> Result<Option<Value>, TooManyVisits> {
    let visits = Cell::new(VISITS_MAX);
    let found = select(parts, Search { root, visits: &visits });
    if visits.get() > 0 { Ok(found) } else { Err(TooManyVisits) }
}

/// What `$` means, and how many values the whole path may still visit.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    pub root: &'a Value,
    visits: &'a Cell<usize>,
}

impl Search<'_> {
    /// Takes a visit; false when there is none left, and then nothing more is found.
    pub(super) fn visit(self) -> bool {
        self.visits.set(self.visits.get().saturating_sub(1));
        self.visits.get() > 0
    }

    /// What a path within the path finds from another value.
    pub(super) fn select_from(self, root: &Value, parts: &Parts) -> Option<Value> {
        select(parts, Search { root, visits: self.visits })
    }
}

fn select(parts: &Parts, search: Search<'_>) -> Option<Value> {
    let (steps, root) = (&parts.steps, search.root);
    match (&parts.function, parts.definite) {
        (None, true) => one(steps, root),
        (None, false) => Some(Value::array(all(steps, search))),
        (Some(function), true) => function.call(&one(steps, root)?, search),
        (Some(function), false) if steps.contains(&Step::Descent) => {
            function.call(&Value::array(all(steps, search)), search)
        }
        (Some(function), false) => {
            let found = all(steps, search);
            Some(Value::array(found.iter().filter_map(|value| function.call(value, search)).collect()))
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

/// All values at the end of `steps`, in the order of the document.
fn all(steps: &[Step], search: Search<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    walk(steps, search.root, search, &mut found);
    found
}

fn walk(steps: &[Step], at: &Value, search: Search<'_>, found: &mut Vec<Value>) {
    if !search.visit() {
        return;
    }
    let Some((step, rest)) = steps.split_first() else {
        found.push(at.clone());
        return;
    };
    match step {
        Step::Child(name) => walk_each(at.get(name), rest, search, found),
        Step::Children(names) if rest.is_empty() => found.extend(merged(at, names)),
        Step::Children(names) => walk_each(names.iter().filter_map(|name| at.get(name)), rest, search, found),
        Step::Index(index) => {
            walk_each(at.as_array().and_then(|items| item(items, *index)), rest, search, found)
        }
        Step::Indices(indices) => {
            let items = at.as_array().unwrap_or_default();
            walk_each(indices.iter().filter_map(|index| item(items, *index)), rest, search, found);
        }
        Step::Slice(from, to) => walk_each(slice(at, *from, *to), rest, search, found),
        Step::Wildcard => walk_each(children(at), rest, search, found),
        Step::Filter(filter) => match at {
            Value::Array(items) => {
                walk_each(items.iter().filter(|item| filter.accepts(item, search)), rest, search, found);
            }
            Value::Object(_) if filter.accepts(at, search) => walk(rest, at, search, found),
            _ => {}
        },
        Step::Descent => descend(rest, at, search, found),
    }
}

fn walk_each<'a>(
    values: impl IntoIterator<Item = &'a Value>,
    rest: &[Step],
    search: Search<'_>,
    found: &mut Vec<Value>,
) {
    values.into_iter().for_each(|value| walk(rest, value, search, found));
}

/// Applies the steps after `..` to a value and to all within it, outer values first.
fn descend(rest: &[Step], at: &Value, search: Search<'_>, found: &mut Vec<Value>) {
    if !search.visit() {
        return;
    }
    // A filter after `..` tests each object by itself; its items are reached by the descent.
    if !matches!((rest.first(), at), (Some(Step::Filter(_)), Value::Array(_)))
        && children(at).next().is_some()
    {
        walk(rest, at, search, found);
    }
    children(at).for_each(|child| descend(rest, child, search, found));
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
