//! Whether an object or an event is one that a condition looks at.

use super::Arrival;
use sluice_types::{Evaluator, Event, EventPattern, Object, Payload, Program, Source, pattern};
use std::sync::Arc;

/// Whether an object lies in the watched bucket and its `when` holds.
pub(super) fn sees(source: &Source, arrival: &Arrival<'_>, eval: &mut dyn Evaluator) -> bool {
    source.bucket == arrival.object.bucket
        && match &source.when {
            None => true,
            Some(when) => eval.object_matches(when, arrival.bucket_name, arrival.object).unwrap_or(false),
        }
}

/// An event as it takes part in a list: an object that holds its data, under its id.
pub fn event_object(event: &Event) -> Object {
    Object {
        bucket: Program::INPUT,
        key: event.id.clone(),
        content_type: event.content_type.clone(),
        payload: Payload::Inline(event.data.clone()),
        group: None,
        meta: None,
    }
}

/// Whether an event has the attributes that a pattern asks for.
pub fn event_matches(pattern: &EventPattern, event: &Event, eval: &mut dyn Evaluator) -> bool {
    fn attribute(pattern: &Option<Arc<str>>, value: Option<&str>) -> bool {
        match (pattern, value) {
            (None, _) => true,
            (Some(pattern), Some(value)) => pattern::wildcard_matches(pattern, value),
            (Some(_), None) => false,
        }
    }
    attribute(&pattern.r#type, Some(&event.r#type))
        && attribute(&pattern.source, Some(&event.source))
        && attribute(&pattern.subject, event.subject.as_deref())
        && pattern.when.as_ref().is_none_or(|when| eval.event_matches(when, event).unwrap_or(false))
}
