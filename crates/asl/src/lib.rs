//! The Amazon States Language: definitions, what is wrong with them, and the machine that executes them.
//!
//! Pure and deterministic: time and randomness come in, what is asked of the world goes out as data.
//! Source of the semantics: <https://states-language.net/spec.html> and the AWS Step Functions developer guide.

mod choice;
pub mod diagnostic;
pub mod execution;
mod expression;
mod fault;
pub mod intrinsic;
pub mod jsonata;
pub mod machine;
pub mod parse;
mod scope;
pub mod setting;
mod template;
pub mod timestamp;
mod variables;
mod wildcard;

pub use diagnostic::{Diagnostic, Severity};
pub use expression::Expression;
pub use fault::Fault;
pub use machine::Machine;
pub use scope::{Context, Scope};
pub use template::Template;
pub use variables::Variables;
