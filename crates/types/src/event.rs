//! Events (CloudEvents 1.0 attributes and data) and the patterns that triggers match them with.

use crate::expr::Expr;
use crate::object::ContentType;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An immutable fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// CloudEvents `id`; with `source` it identifies the event, and is the key of deduplication.
    pub id: Arc<str>,
    /// CloudEvents `source`.
    pub source: Arc<str>,
    /// CloudEvents `type`.
    pub r#type: Arc<str>,
    /// CloudEvents `subject`.
    pub subject: Option<Arc<str>>,
    /// CloudEvents `time`, in milliseconds since the Unix epoch; the time of acceptance when the sender gave none.
    pub time_ms: u64,
    /// How to read `data`.
    pub content_type: ContentType,
    /// The payload; empty when there is none.
    pub data: Bytes,
    /// The run the event is addressed to (extension attribute `sluicerun`); other runs do not see it.
    pub run: Option<Arc<str>>,
}

/// Which events a trigger listens to. An absent attribute matches all; an attribute may hold `*` wildcards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPattern {
    /// Pattern for the type.
    pub r#type: Option<Arc<str>>,
    /// Pattern for the source.
    pub source: Option<Arc<str>>,
    /// Pattern for the subject.
    pub subject: Option<Arc<str>>,
    /// A further test on the whole event, run last.
    pub when: Option<Expr>,
}
