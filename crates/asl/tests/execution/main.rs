//! Executions: against what AWS recorded, and scene by scene.

mod comparison;
#[path = "../language/corpus.rs"]
mod corpus;
mod recorded;
mod stage;
