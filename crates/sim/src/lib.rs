//! Simulation: random programs, a synchronous world for the engine to live in, a whole node over fake ports, and judges
//! that know nothing of how the engine works inside.
//!
//! Everything is a function of a seed. The crate deliberately does no IO and knows no clock; it holds no product code
//! and nothing of the product depends on it.

pub mod behaviour;
pub mod code;
pub mod dag;
pub mod eval;
pub mod generate;
pub mod ledger;
pub mod model;
pub mod node;
pub mod oracle;
pub mod recipe;
pub mod rng;
pub mod states;
pub mod store;
pub mod world;

pub use behaviour::{Call, Reaction};
pub use node::{Mutant, Options, Summary, hunt, run};
pub use recipe::Recipe;
pub use rng::Rng;
pub use world::{Faults, World};
