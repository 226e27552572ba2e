//! Front ends: from what users write to the trigger program that the engine executes.
//!
//! A [`Definition`] is read from YAML or JSON, [`lower`]ed to a [`sluice_types::Program`] with every problem
//! named at once, and explained in words. Also the home of the expression evaluator and of cron. Pure: no IO, no
//! clock, no randomness; whether a named file exists is for the caller to check. Knows nothing of the engine.

pub mod cel;
pub mod cron;
pub mod definition;
pub mod diagnostic;
pub mod evaluate;
pub mod explain;
pub mod graph;
pub mod lower;
pub mod manifest;
pub mod schema;

mod decode;
mod node;
mod states;
mod yaml;

pub use cel::CelEvaluator;
pub use definition::Definition;
pub use diagnostic::{Diagnostic, Severity};
pub use explain::{explain, explain_json};
pub use graph::Graph;
pub use lower::{lower, warnings};
pub use manifest::{manifest_json, with_files};
pub use node::Position;
pub use schema::MANIFEST_SCHEMA;
pub use sluice_types::did_you_mean;
