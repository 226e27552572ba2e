//! The JSON Schema of the manifest, for editors and `sluice schema`.
//!
//! Written by hand: it says in one place, for people, what the types in [`crate::definition`] say in pieces. Tests
//! hold both to the same examples, good and bad. Names, expressions and cycles are beyond it.

/// The schema (JSON Schema, draft 2020-12), as JSON.
pub const MANIFEST_SCHEMA: &str = include_str!("manifest.schema.json");
