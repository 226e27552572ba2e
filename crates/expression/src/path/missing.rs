//! Why a path finds nothing, in the words of Jayway, which AWS shows to its users.

use super::select::item;
use super::{Parts, Step};
use crate::Value;
use std::fmt::Write;

/// Why a path finds nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub String);

/// Walks a path that finds nothing up to the step that fails.
pub(super) fn explain(parts: &Parts, root: &Value) -> Missing {
    let mut at = root;
    let mut walked = "$".to_owned();
    for (position, step) in parts.steps.iter().enumerate() {
        let is_last = position + 1 == parts.steps.len();
        let next = match (step, at) {
            (Step::Child(name), Value::Object(fields)) => fields.get(name),
            (Step::Child(_) | Step::Children(_), _) => {
                return Missing(format!("Property {} not found in path {walked}", fragment(step)));
            }
            (Step::Index(index), Value::Array(items)) => item(items, *index),
            (Step::Index(_), Value::Null) => return Missing(format!("The path {walked} is null")),
            (Step::Index(_), _) => {
                let shown = fragment(step);
                return Missing(format!(
                    "Filter: {shown} can only be applied to arrays. Current context is: {at}"
                ));
            }
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None if !is_last && matches!(step, Step::Child(_)) => {
                return Missing(format!("Missing property in path {walked}{}", fragment(step)));
            }
            None => break,
        }
        walked.push_str(&fragment(step));
    }
    Missing(format!("No results for path: {}", canonical(parts)))
}

fn canonical(parts: &Parts) -> String {
    let mut text = "$".to_owned();
    parts.steps.iter().for_each(|step| text.push_str(&fragment(step)));
    if let Some(function) = &parts.function {
        let _ = write!(text, ".{}()", function.name());
    }
    text
}

fn fragment(step: &Step) -> String {
    let list = |names: &[std::sync::Arc<str>]| {
        names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(",")
    };
    match step {
        Step::Child(name) => format!("['{name}']"),
        Step::Children(names) => format!("[{}]", list(names)),
        Step::Index(index) => format!("[{index}]"),
        Step::Indices(indices) => {
            format!("[{}]", indices.iter().map(i64::to_string).collect::<Vec<_>>().join(","))
        }
        Step::Slice(from, to) => {
            let bound = |bound: &Option<i64>| bound.map_or(String::new(), |bound| bound.to_string());
            format!("[{}:{}]", bound(from), bound(to))
        }
        Step::Wildcard => "[*]".into(),
        Step::Filter(_) => "[?]".into(),
        Step::Descent => "..".into(),
    }
}
