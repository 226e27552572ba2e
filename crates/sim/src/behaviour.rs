//! What simulated functions do: pure functions of what they are called with.

use bytes::Bytes;
use sluice_types::{Attempt, ContentType, Event, FailureKind, Payload};
use std::sync::Arc;

/// One call as a function sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The run's id.
    pub run: String,
    /// The function's name.
    pub function: String,
    /// Which try this is.
    pub attempt: Attempt,
    /// Keys and bytes, in the order of the list.
    pub objects: Vec<(String, Bytes)>,
    /// Whether it was called with one object rather than with a list.
    pub single: bool,
    /// The event, when it was called with one.
    pub event: Option<Arc<Event>>,
    /// The group.
    pub group: Option<String>,
}

impl Call {
    /// The keys of its objects, separated by spaces.
    pub fn keys(&self) -> String {
        self.objects.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The first object's key.
    pub fn key(&self) -> &str {
        self.objects.first().map_or("", |(key, _)| key)
    }

    /// The objects' bytes as text, separated by spaces.
    pub fn text(&self) -> String {
        self.objects
            .iter()
            .map(|(_, b)| String::from_utf8_lossy(b).into_owned())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// What a call does, in this order: early puts one by one, then its end.
#[derive(Clone, Debug, Default)]
pub struct Reaction {
    /// Bucket, key, bytes, group: reported while it runs.
    pub early: Vec<(String, String, Bytes, Option<String>)>,
    /// Reported with its end.
    pub late: Vec<(String, String, Bytes, Option<String>)>,
    /// The return value.
    pub value: Option<Bytes>,
    /// How to read it.
    pub content_type: ContentType,
    /// Events, by type.
    pub emits: Vec<String>,
    /// How it fails, if it does.
    pub fails: Option<FailureKind>,
    /// The name of the error; that of the kind of failure when `None`.
    pub error: Option<String>,
}

impl Reaction {
    /// Returns nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Returns a value.
    pub fn value(value: impl Into<Bytes>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    /// Fails.
    pub fn fail(kind: FailureKind) -> Self {
        Self { fails: Some(kind), ..Self::default() }
    }

    /// Puts while it runs.
    pub fn put(mut self, bucket: &str, key: &str, value: impl Into<Bytes>) -> Self {
        self.early.push((bucket.into(), key.into(), value.into(), None));
        self
    }

    /// Puts with a group while it runs.
    pub fn put_in(mut self, bucket: &str, key: &str, value: impl Into<Bytes>, group: &str) -> Self {
        self.early.push((bucket.into(), key.into(), value.into(), Some(group.into())));
        self
    }

    /// Puts at its end.
    pub fn put_late(mut self, bucket: &str, key: &str, value: impl Into<Bytes>) -> Self {
        self.late.push((bucket.into(), key.into(), value.into(), None));
        self
    }

    /// Emits an event when it succeeds.
    pub fn emit(mut self, r#type: &str) -> Self {
        self.emits.push(r#type.into());
        self
    }

    /// After all its puts, fails.
    pub fn then_fail(mut self, kind: FailureKind) -> Self {
        self.fails = Some(kind);
        self
    }
}

/// The bytes of a payload that rides in the record.
pub(crate) fn inline(payload: &Payload) -> Option<&Bytes> {
    match payload {
        Payload::Inline(bytes) => Some(bytes),
        Payload::Stored { .. } | Payload::Open { .. } => None,
    }
}

/// An event of a list as an object: its data under its id.
pub(crate) fn event(event: sluice_types::EventView<'_>) -> (String, bytes::Bytes) {
    (event.id.to_owned(), bytes::Bytes::copy_from_slice(event.data))
}
