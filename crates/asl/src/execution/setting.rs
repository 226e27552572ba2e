//! Fields that are numbers or texts, written down or computed.

use super::Execution;
use super::data::View;
use super::failure::Failure;
use super::frames::Frame;
use super::turn::Turn;
use crate::Expression;
use crate::machine::{QueryLanguage, Setting, State};
use sluice_expression::Value;
use std::sync::Arc;

impl Execution {
    /// A whole number of at least `least`. `field` is its name without `Path`.
    pub(super) fn whole(
        &mut self,
        frame: &Frame,
        state: &State,
        setting: &Setting<u64>,
        (field, least): (&str, u64),
        view: View<'_>,
        turn: &Turn<'_>,
    ) -> Result<u64, Failure> {
        let expression = match setting {
            Setting::Fixed(number) => return Ok(*number),
            Setting::Computed(expression) => expression,
        };
        let value = self.computed(frame, state, expression, field, view, turn)?;
        let number = value.as_i64().and_then(|number| u64::try_from(number).ok());
        number.filter(|number| *number >= least).ok_or_else(|| match (state.query, &value) {
            (QueryLanguage::Jsonata, Value::Int(_) | Value::Float(_)) => {
                let why = format!("The {field} parameter must be a whole number of at least {least}: {value}");
                Failure::query(field, why)
            }
            _ => mistyped(state, expression, field, "number", &value),
        })
    }

    /// A number from 0 to 100.
    pub(super) fn percentage(
        &mut self,
        frame: &Frame,
        state: &State,
        setting: &Setting<f64>,
        field: &str,
        view: View<'_>,
        turn: &Turn<'_>,
    ) -> Result<f64, Failure> {
        let expression = match setting {
            Setting::Fixed(number) => return Ok(*number),
            Setting::Computed(expression) => expression,
        };
        let value = self.computed(frame, state, expression, field, view, turn)?;
        let number = value.as_f64().filter(|number| (0.0..=100.0).contains(number));
        number.ok_or_else(|| mistyped(state, expression, field, "number", &value))
    }

    /// A text.
    pub(super) fn text(
        &mut self,
        frame: &Frame,
        state: &State,
        setting: &Setting<Arc<str>>,
        field: &str,
        view: View<'_>,
        turn: &Turn<'_>,
    ) -> Result<Arc<str>, Failure> {
        let expression = match setting {
            Setting::Fixed(text) => return Ok(text.clone()),
            Setting::Computed(expression) => expression,
        };
        match self.computed(frame, state, expression, field, view, turn)? {
            Value::String(text) => Ok(text),
            value => Err(mistyped(state, expression, field, "string", &value)),
        }
    }

    fn computed(
        &mut self,
        frame: &Frame,
        state: &State,
        expression: &Expression,
        field: &str,
        view: View<'_>,
        turn: &Turn<'_>,
    ) -> Result<Value, Failure> {
        self.see(frame, state, view, turn, |scope| match state.query {
            QueryLanguage::Jsonata => expression.evaluate(scope, field),
            QueryLanguage::JsonPath => expression.evaluate(scope, &format!("{field}Path")),
        })
    }
}

/// A computed field has a value of another type than it must have.
fn mistyped(state: &State, expression: &Expression, field: &str, expected: &str, value: &Value) -> Failure {
    let source = expression.source();
    match state.query {
        QueryLanguage::Jsonata => Failure::query(
            field,
            format!(
                "The JSONata expression '{source}' specified for the field '{field}' returned an unexpected result type. \
                 Expected '{expected}', but was '{}' for value: {value}",
                value.type_name(),
            ),
        ),
        QueryLanguage::JsonPath => {
            let expected = if expected == "number" { "an integer" } else { "a string" };
            Failure::runtime(format!(
                "The {field}Path parameter does not reference {expected} value: {source} == {value}"
            ))
        }
    }
}
