//! Random state machines: generated as a plan, written down as Amazon States Language for the node, and interpreted
//! naively from the plan to say what an execution may come to.
//!
//! The data of every state is one object: `n`, a number; `items`, a list that never changes; `seen`, the last result
//! that was kept; `outer`, how often the nearest enclosing Parallel or Map was retried.

pub mod definition;
pub mod generate;
pub mod model;
pub mod plan;
pub mod tasks;
