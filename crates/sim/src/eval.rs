//! Expressions simple enough for a test to be sure of: `key^TEXT` (the key starts with it), `key*TEXT` (it contains it),
//! `prefix` (the key up to the first `/`), `size`, `type=TEXT`, `data*TEXT`; anything else is an error.

use sluice_types::{EvalError, Evaluator, Event, Expr, Object};

/// The evaluator of simulated programs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

fn unknown<T>(expr: &Expr) -> Result<T, EvalError> {
    Err(EvalError(format!("no such expression: {}", expr.0)))
}

impl Evaluator for Plain {
    fn object_matches(&mut self, expr: &Expr, _bucket: &str, object: &Object) -> Result<bool, EvalError> {
        if let Some(text) = expr.0.strip_prefix("key^") {
            return Ok(object.key.starts_with(text));
        }
        match expr.0.strip_prefix("key*") {
            Some(text) => Ok(object.key.contains(text)),
            None => unknown(expr),
        }
    }

    fn object_text(&mut self, expr: &Expr, _bucket: &str, object: &Object) -> Result<String, EvalError> {
        match &*expr.0 {
            "prefix" => Ok(object.key.split('/').next().unwrap_or_default().to_owned()),
            "size" => Ok(object.payload.len().to_string()),
            _ => unknown(expr),
        }
    }

    fn event_matches(&mut self, expr: &Expr, event: &Event) -> Result<bool, EvalError> {
        if let Some(text) = expr.0.strip_prefix("type=") {
            return Ok(&*event.r#type == text);
        }
        match expr.0.strip_prefix("data*") {
            Some(text) => Ok(String::from_utf8_lossy(&event.data).contains(text)),
            None => unknown(expr),
        }
    }

    fn event_text(&mut self, expr: &Expr, event: &Event) -> Result<String, EvalError> {
        match &*expr.0 {
            "type" => Ok(event.r#type.to_string()),
            _ => unknown(expr),
        }
    }
}
