//! Whether an object or an event is one that a condition looks at.

use super::Arrival;
use bytes::Bytes;
use sluice_types::{
    Evaluator, EventHead, EventPattern, EventView, Object, Payload, Program, Source, pattern,
};
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
pub fn event_object(event: &EventView<'_>) -> Object {
    Object {
        bucket: Program::INPUT,
        key: event.id.into(),
        content_type: event.head.content_type.clone(),
        payload: Payload::Inline(Bytes::copy_from_slice(event.data)),
        group: None,
        meta: None,
    }
}

/// Whether an event is one that a pattern asks for; `attributes_match` when that much is known.
pub(crate) fn pattern_matches(
    pattern: &EventPattern,
    event: &EventView<'_>,
    attributes_match: bool,
    eval: &mut dyn Evaluator,
) -> bool {
    (attributes_match || self::attributes_match(pattern, event.head))
        && match &pattern.when {
            None => true,
            Some(when) => eval.event_matches(when, &event.to_event()).unwrap_or(false),
        }
}

/// Whether an event has the attributes that a pattern asks for.
pub fn attributes_match(pattern: &EventPattern, head: &EventHead) -> bool {
    fn attribute(pattern: &Option<Arc<str>>, value: Option<&str>) -> bool {
        match (pattern, value) {
            (None, _) => true,
            (Some(pattern), Some(value)) => pattern::wildcard_matches(pattern, value),
            (Some(_), None) => false,
        }
    }
    attribute(&pattern.r#type, Some(&head.r#type))
        && attribute(&pattern.source, Some(&head.source))
        && attribute(&pattern.subject, head.subject.as_deref())
}
