//! Expressions in a trigger program and the door through which the engine has them evaluated.

use crate::event::Event;
use crate::object::Object;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A CEL expression: source text, checked when the program was lowered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Expr(pub Arc<str>);

/// Why an expression gave no answer. Counts as "does not match" and is recorded in the run's history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(pub String);

/// Evaluates expressions. Must be a pure function of its arguments: replay calls it again.
///
/// Implementations compile an expression at its first use and keep it.
pub trait Evaluator: Send {
    /// Whether `expr` holds of an object, seen as `object.{key,size,content_type,group,meta,bucket}` and, when
    /// the bytes are inline JSON or text, `object.value`.
    fn object_matches(&mut self, expr: &Expr, bucket: &str, object: &Object) -> Result<bool, EvalError>;
    /// The text that `expr` makes of an object (a number or a boolean is written as JSON does).
    fn object_text(&mut self, expr: &Expr, bucket: &str, object: &Object) -> Result<String, EvalError>;
    /// Whether `expr` holds of an event, seen as `event.{id,source,type,subject,time,data}`.
    fn event_matches(&mut self, expr: &Expr, event: &Event) -> Result<bool, EvalError>;
    /// The text that `expr` makes of an event, as `object_text`.
    fn event_text(&mut self, expr: &Expr, event: &Event) -> Result<String, EvalError>;
}
