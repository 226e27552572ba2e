//! DAGs, as they are written.

use super::quantity::Millis;
use super::{OneOrMany, Retries};
use crate::node::Node;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// Tasks and pools: `{tasks: {extract: {call: f}, load: {after: extract}}, pools: {db: 2}}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a DAG such as {tasks: {extract: {}, load: {after: extract}}}")]
pub struct Dag {
    /// The tasks; one without settings is a call of the function of its name.
    pub tasks: Named<Option<Task>>,
    /// Most calls at once, by pool.
    #[serde(default)]
    pub pools: Named<u32>,
    /// When runs start by themselves.
    pub schedule: Option<Schedule>,
}

/// When runs start by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a schedule such as {cron: \"0 3 * * *\", tz: Europe/Berlin}")]
pub struct Schedule {
    /// Five or six fields.
    pub cron: String,
    /// IANA time zone.
    pub tz: Option<String>,
    /// Whether dates that have passed without a run are made up for.
    #[serde(default)]
    pub catchup: bool,
    /// The first date: its midnight in that time zone, or a time in RFC 3339.
    pub start: Option<String>,
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a task such as {call: load, after: [extract]}")]
pub struct Task {
    /// The function that it calls; by default that of its own name.
    pub call: Option<String>,
    /// Its upstream tasks.
    #[serde(default)]
    pub after: OneOrMany,
    /// In which states of those it runs.
    pub rule: Option<String>,
    /// Whether it is called for each element of what its upstream task, or the one named, returns.
    pub map: Option<Mapping>,
    /// Whether its result names the tasks that follow.
    #[serde(default)]
    pub branch: bool,
    /// Whether it is called again until it returns something that is true.
    #[serde(default)]
    pub sensor: bool,
    /// From one call of a sensor to the next.
    pub interval: Option<Millis>,
    /// Whether a sensor that fails counts as skipped.
    pub soft_fail: Option<bool>,
    /// What happens after a failed attempt, if not what the function says.
    pub retries: Option<Retries>,
    /// Longest time from its first call to its end.
    pub timeout: Option<Millis>,
    /// Which of several goes first: the highest.
    #[serde(default)]
    pub priority: i32,
    /// The pool that its calls take slots of.
    pub pool: Option<String>,
    /// What its calls get as their first object.
    pub with: Option<Json>,
}

/// Any value, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Node")]
pub struct Json(pub String);

impl From<Node> for Json {
    fn from(node: Node) -> Self {
        Self(serde_json::to_string(&node).expect("a node has text for keys"))
    }
}

/// What a task is mapped over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "true, or the name of an upstream task")]
pub enum Mapping {
    /// Its only upstream task, if true.
    Only(bool),
    /// This one.
    Over(String),
}

/// Parts by name, in the order of the source.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<T>(pub Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamedVisitor(PhantomData))
    }
}

struct NamedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping from names")
    }

    fn visit_unit<E>(self) -> Result<Named<T>, E> {
        Ok(Named::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = map.next_entry()? {
            parts.push(part);
        }
        Ok(Named(parts))
    }
}
