//! Random workflows as code: their plans, a worker's side of the workflow protocol that executes them, and a naive
//! interpreter that knows no journal.

pub mod context;
pub mod generate;
pub mod instance;
pub mod interpret;
pub mod model;
pub mod plan;
