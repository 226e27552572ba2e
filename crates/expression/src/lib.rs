//! JSON values that are cheap to pass on, and the languages that compute on them.
//!
//! It knows no clock, no randomness and no IO: what an expression may ask of the world is handed in.

pub mod digest;
pub mod jsonata;
mod measure;
pub mod path;
mod value;
mod world;

pub use measure::{Excess, VALUE_NESTING_MAX};
pub use value::{Map, ParseError, Value};
pub use world::{World, uuid};
