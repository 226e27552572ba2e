//! JSONata expressions of a definition.

use super::query::Sees;
use super::{Parser, Place};
use crate::Expression;
use crate::diagnostic::code;
use crate::jsonata::Jsonata;
use sluice_expression::jsonata::Reference;

impl Parser<'_> {
    /// The expression between `{%` and `%}`.
    pub(super) fn jsonata(
        &mut self,
        source: &str,
        place: &Place,
        at: usize,
        sees: Sees,
    ) -> Option<Expression> {
        let expression = match Jsonata::parse(source) {
            Ok(expression) => expression,
            Err(error) => {
                self.error(code::INVALID_JSONATA_EXPRESSION, Some(place), at, error.message);
                return None;
            }
        };
        for reference in expression.references() {
            if &*reference.name != "states" {
                self.refer_to(reference.name);
            } else if let Some(why) = why_not_there(&reference, sees) {
                self.error(code::UNSUPPORTED_JSONATA_EXPRESSION, Some(place), at, why);
            }
        }
        for name in expression.bare_names() {
            let message = format!("Reference to '{name}' at the top level is not supported.");
            self.error(code::UNSUPPORTED_JSONATA_EXPRESSION, Some(place), at, message);
        }
        Some(Expression::Jsonata(expression))
    }
}

/// Why `$states.…` gives nothing at a place that sees this.
fn why_not_there(reference: &Reference, sees: Sees) -> Option<String> {
    let field = reference.fields.first()?;
    let is_there = match &**field {
        "input" | "context" => true,
        "result" => sees.result,
        "errorOutput" => sees.error_output,
        _ => {
            let known = "[input, context, result, errorOutput]";
            return Some(format!("Reference to '$states.{field}' is not supported, only to {known}"));
        }
    };
    (!is_there).then(|| format!("Reference to '$states.{field}' is not supported in this field"))
}
