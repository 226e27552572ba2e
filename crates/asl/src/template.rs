//! Payload templates: values with expressions in them.

use crate::{Expression, Fault, Scope};
use sluice_expression::Value;
use std::fmt;
use std::sync::Arc;

/// A value that is written down, or computed from parts.
#[derive(Clone, Debug)]
pub enum Template {
    /// Nothing in it is computed.
    Fixed(Value),
    /// An expression.
    Computed(Expression),
    /// An array with something computed in it.
    Array(Vec<Template>),
    /// An object with something computed in it; names of payload templates are without their `.$`.
    Object(Vec<(Arc<str>, Template)>),
}

impl Template {
    /// Its value. `field` is the name of the field that holds it, for causes.
    pub fn evaluate(&self, scope: &mut Scope<'_>, field: &str) -> Result<Value, Fault> {
        self.compute(scope, &Place::Field(field))
    }

    fn compute(&self, scope: &mut Scope<'_>, place: &Place<'_>) -> Result<Value, Fault> {
        match self {
            Self::Fixed(value) => Ok(value.clone()),
            Self::Computed(expression) => expression.compute(scope, &|| place.name_for(expression)),
            Self::Array(items) => {
                let items = items.iter().enumerate();
                let items = items.map(|(at, item)| item.compute(scope, &Place::Item(place, at)));
                items.collect::<Result<_, _>>().map(Value::array)
            }
            Self::Object(fields) => {
                let fields = fields.iter().map(|(name, template)| {
                    Ok((name.clone(), template.compute(scope, &Place::Within(place, name))?))
                });
                fields.collect::<Result<_, _>>().map(Value::object)
            }
        }
    }
}

/// Where a template stands in a field.
enum Place<'a> {
    Field(&'a str),
    Within(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    /// In payload templates AWS names the innermost field alone, in JSONata all on the way to it.
    fn name_for(&self, expression: &Expression) -> String {
        match (expression, self) {
            (Expression::Path(_), Self::Within(_, name)) => format!("{name}.$"),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => f.write_str(name),
            Self::Within(outer, name) => write!(f, "{outer}/{name}"),
            Self::Item(outer, index) => write!(f, "{outer}[{index}]"),
        }
    }
}
