//! Apps: deploying and looking at them.

use crate::value::Value;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Body of `POST /v1/apps/{app}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// The definition of the app, in its JSON form.
    pub definition: Box<RawValue>,
    /// Its files by path: relative, with `/` between the parts.
    #[serde(default)]
    pub files: BTreeMap<String, Value>,
    /// App-scoped triggers whose collected objects may be dropped.
    #[serde(default)]
    pub reset_triggers: Vec<String>,
    /// Whether to deploy only if the code of its workflows can go on with the runs that are under way.
    #[serde(default)]
    pub check: bool,
    /// Whether runs that are under way go on on this version, where the code of their workflows can.
    #[serde(default, rename = "move")]
    pub moves: bool,
}

/// Answer to a deploy, and an entry of the list of apps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// The app.
    pub app: String,
    /// Its newest version, from 1.
    pub version: u32,
    /// Whether this deploy made that version; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// When that version was deployed: RFC 3339, UTC.
    #[serde(default)]
    pub deployed_at: String,
    /// What became of the runs that were under way, if they were to go on on this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<crate::Moved>,
}

/// Answer of `GET /v1/apps`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppList {
    /// The newest version of every app.
    pub apps: Vec<Deployed>,
}

/// Answer of `GET /v1/apps/{app}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct App {
    /// The app.
    pub app: String,
    /// Its newest version.
    pub version: u32,
    /// When that version was deployed: RFC 3339, UTC.
    #[serde(default)]
    pub deployed_at: String,
    /// The definition as it was deployed.
    pub definition: Box<RawValue>,
    /// The lowered program in words.
    #[serde(default)]
    pub explain: String,
    /// The lowered program as JSON, with the graph of its data.
    #[serde(default)]
    pub program: serde_json::Value,
}
