//! The definition of an app, as its user writes it: names instead of indices, defaults left out. `sluice.yaml` is
//! its YAML form; the Python SDK emits its JSON form.

mod condition;
mod dag;
mod quantity;
mod read;
mod workflow;

pub use condition::{Condition, EventPattern, From, Watched};
pub use dag::{Dag, Json, Mapping, Named, Schedule, Task};
pub use quantity::{Bytes, Command, Millis, OneOrMany, Text};
pub use workflow::{Code as WorkflowCode, Recorded, States, Workflow};

use crate::node::Position;
use serde::Deserialize;
use sluice_types::{Durability, Network, Visibility};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An app.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Its name.
    pub app: String,
    /// What survives a crash.
    pub durability: Durability,
    /// Network of every function that does not say so itself.
    pub network: Option<Network>,
    /// The buckets by name, in the order of the source; `input` and `output` are not among them.
    pub buckets: Vec<(String, Bucket)>,
    /// The functions by name, in the order of the source.
    pub functions: Vec<(String, Function)>,
    /// The triggers beyond those that functions carry in `on`.
    pub triggers: Vec<Trigger>,
    /// The workflows by name, in the order of the source.
    pub workflows: Vec<(String, Workflow)>,
    /// Where each part was written.
    pub places: Places,
}

impl Definition {
    /// The files that workflows name and that nobody has read yet, relative to the app's folder.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.workflows.iter().filter_map(|(_, workflow)| match workflow {
            Workflow::States(States { file, asl: None, .. })
            | Workflow::Recorded(Recorded { file, text: None, .. }) => file.as_deref(),
            _ => None,
        })
    }

    /// Fills in the texts of files. See [`crate::with_files`] for the JSON form.
    pub fn attach(&mut self, files: &BTreeMap<String, String>) {
        for (_, workflow) in &mut self.workflows {
            let (file, text) = match workflow {
                Workflow::States(States { file, asl, .. }) => (file, asl),
                Workflow::Recorded(Recorded { file, text, .. }) => (file, text),
                Workflow::Code(_) | Workflow::Dag(_) => continue,
            };
            let read = file.as_ref().and_then(|file| files.get(file));
            if text.is_none() {
                *text = read.map(|text| text.as_str().into());
            }
        }
    }
}

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a bucket such as {keep: true}")]
pub struct Bucket {
    /// Whether intermediates outlive their last use.
    #[serde(default)]
    pub keep: bool,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a function such as {runtime: python, handler: app.py:count, on: {each: texts}}"
)]
pub struct Function {
    /// What executes it.
    pub runtime: RuntimeKind,
    /// `FILE.py:NAME`, for `python`.
    pub handler: Option<String>,
    /// Program and arguments, for `exec` and `process`.
    pub command: Option<Command>,
    /// A `.wasm` or `.wat` file, for `wasm`.
    pub module: Option<String>,
    /// A fresh instance per invocation, for `wasm`.
    pub fresh: Option<bool>,
    /// A workflow of the app, for `workflow`.
    pub workflow: Option<String>,
    /// Condition of a trigger of the same name that invokes the function.
    pub on: Option<Condition>,
    /// Scope of that trigger.
    pub scope: Option<sluice_types::Scope>,
    /// Whether that trigger may stay incomplete.
    pub optional: Option<bool>,
    /// Buckets it puts to, return values going to the first.
    #[serde(default)]
    pub into: OneOrMany,
    /// Longest time of one attempt.
    pub timeout: Option<Millis>,
    /// Time after which an attempt is taken for hanging; lowers `timeout`.
    pub rerun_after: Option<Millis>,
    /// What happens after a failed attempt.
    pub retries: Option<Retries>,
    /// Memory of an attempt.
    pub memory: Option<Bytes>,
    /// cpu of an attempt, in cores.
    pub cpu: Option<f64>,
    /// Whether it may open network connections.
    pub network: Option<Network>,
    /// Extra environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, Text>,
    /// When its puts become visible.
    #[serde(default)]
    pub visibility: Visibility,
    /// Whether it reads objects while they are still being written, for `python`.
    pub streams: Option<bool>,
    /// Most attempts at once.
    pub concurrency: Option<u32>,
    /// Sandboxes kept warm.
    pub warm: Option<u32>,
}

/// What executes a function; the last two are understood and refused by this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// A Python function in a warm worker.
    Python,
    /// A program started per attempt.
    Exec,
    /// A WebAssembly module or component.
    Wasm,
    /// A program that speaks the worker protocol.
    Process,
    /// A workflow of the app.
    Workflow,
    /// An OCI image.
    Container,
    /// An HTTP service.
    Http,
}

/// What happens after a failed attempt: a number of retries, or the details.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "{max, initial, backoff, max_delay, jitter}")]
pub struct RetryDetails {
    /// Retries after the first attempt.
    pub max: Option<u32>,
    /// Delay before the first retry.
    pub initial: Option<Millis>,
    /// Factor from one delay to the next.
    pub backoff: Option<f64>,
    /// Longest delay.
    pub max_delay: Option<Millis>,
    /// Whether delays are drawn from 0 to the computed one.
    pub jitter: Option<bool>,
}

/// [`RetryDetails`], of which a plain number is the `max`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Retries(pub RetryDetails);

/// A trigger.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a trigger such as {on: {each: texts}, invoke: count}")]
pub struct Trigger {
    /// Its name; by default that of the first function it invokes, made unique.
    pub name: Option<String>,
    /// When it fires.
    pub on: Condition,
    /// Functions it calls.
    #[serde(default)]
    pub invoke: OneOrMany,
    /// An event it emits.
    pub emit: Option<Emit>,
    /// Whose objects and events it sees.
    pub scope: Option<sluice_types::Scope>,
    /// Whether an incomplete `set` or `first` is ignored.
    #[serde(default)]
    pub optional: bool,
}

/// An event that a trigger emits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an event such as {type: T, subject: S}")]
pub struct Emit {
    /// CloudEvents `type`.
    pub r#type: String,
    /// CloudEvents `subject`.
    pub subject: Option<String>,
}

/// Where the parts of a definition were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The file of the whole, as the user named it; empty when unknown.
    pub file: Arc<str>,
    positions: BTreeMap<String, (Arc<str>, Position)>,
}

impl Places {
    /// A file of the app's folder, as the user would name it.
    pub fn beside(&self, file: &str) -> Arc<str> {
        match self.file.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{file}").into(),
            None => file.into(),
        }
    }

    /// File and position of the part at a path such as `functions.count.into`, or of the nearest part around it.
    pub fn find(&self, path: &str) -> Option<(Arc<str>, Position)> {
        let mut path = path;
        loop {
            if let Some(place) = self.positions.get(path) {
                return Some(place.clone());
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}
