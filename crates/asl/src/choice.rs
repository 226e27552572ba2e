//! Conditions of choice rules.

use crate::machine::{Operator, Setting, Test};
use crate::setting::unexpected;
use crate::timestamp::Timestamp;
use crate::{Expression, Fault, Scope, wildcard};
use sluice_expression::Value;
use sluice_expression::path::Path;
use std::cmp::Ordering;

impl Test {
    /// Whether it holds. A value of another type than the operator compares does not hold; a path that finds nothing
    /// is an error, except for `IsPresent`.
    pub fn holds(&self, scope: &mut Scope<'_>) -> Result<bool, Fault> {
        match self {
            Self::Jsonata(expression) => {
                let value = expression.evaluate(scope, "Condition")?;
                value.as_bool().ok_or_else(|| unexpected(expression, "Condition", "boolean", &value))
            }
            Self::All(tests) => {
                for test in tests {
                    if !test.holds(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(tests) => {
                for test in tests {
                    if test.holds(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(test) => Ok(!test.holds(scope)?),
            Self::Compare { variable, operator, operand } => compare(variable, *operator, operand, scope),
        }
    }
}

fn compare(
    variable: &Path,
    operator: Operator,
    operand: &Setting<Value>,
    scope: &mut Scope<'_>,
) -> Result<bool, Fault> {
    let value = scope.select(variable);
    let operand = match operand {
        Setting::Fixed(operand) => operand.clone(),
        Setting::Computed(Expression::Path(path)) => scope.select(path).ok_or_else(|| invalid(path))?,
        Setting::Computed(expression) => expression.evaluate(scope, "Condition")?,
    };
    match (operator, value) {
        (Operator::IsPresent, value) => Ok(Some(value.is_some()) == operand.as_bool()),
        (_, Some(value)) => Ok(operator.holds(&value, &operand)),
        (_, None) => Err(invalid(variable)),
    }
}

fn invalid(path: &Path) -> Fault {
    Fault::runtime(format!(
        "Invalid path '{}': The choice state's condition path references an invalid value.",
        path.source()
    ))
}

impl Operator {
    /// Whether a value that is there compares so with the operand.
    fn holds(self, value: &Value, operand: &Value) -> bool {
        let is = |holds: bool| Some(holds) == operand.as_bool();
        match self {
            Self::IsPresent => is(true),
            Self::IsNull => is(value.is_null()),
            Self::IsBoolean => is(value.as_bool().is_some()),
            Self::IsNumeric => is(value.as_f64().is_some()),
            Self::IsString => is(value.as_str().is_some()),
            Self::IsTimestamp => is(value.as_str().and_then(Timestamp::parse).is_some()),
            Self::BooleanEquals => {
                value.as_bool().zip(operand.as_bool()).is_some_and(|(value, operand)| value == operand)
            }
            Self::StringMatches => value
                .as_str()
                .zip(operand.as_str())
                .is_some_and(|(text, pattern)| wildcard::matches(pattern, text)),
            _ => self.order_of(value, operand).is_some_and(|order| self.accepts(order)),
        }
    }

    /// How value and operand are ordered; `None` if either is of another type than the operator compares.
    fn order_of(self, value: &Value, operand: &Value) -> Option<Ordering> {
        match self {
            Self::NumericEquals
            | Self::NumericGreaterThan
            | Self::NumericGreaterThanEquals
            | Self::NumericLessThan
            | Self::NumericLessThanEquals => match (value, operand) {
                (Value::Int(value), Value::Int(operand)) => Some(value.cmp(operand)),
                _ => value.as_f64()?.partial_cmp(&operand.as_f64()?),
            },
            Self::StringEquals
            | Self::StringGreaterThan
            | Self::StringGreaterThanEquals
            | Self::StringLessThan
            | Self::StringLessThanEquals => {
                Some(value.as_str()?.encode_utf16().cmp(operand.as_str()?.encode_utf16()))
            }
            _ => Some(Timestamp::parse(value.as_str()?)?.cmp(&Timestamp::parse(operand.as_str()?)?)),
        }
    }

    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::NumericGreaterThan | Self::StringGreaterThan | Self::TimestampGreaterThan => order.is_gt(),
            Self::NumericGreaterThanEquals
            | Self::StringGreaterThanEquals
            | Self::TimestampGreaterThanEquals => order.is_ge(),
            Self::NumericLessThan | Self::StringLessThan | Self::TimestampLessThan => order.is_lt(),
            Self::NumericLessThanEquals | Self::StringLessThanEquals | Self::TimestampLessThanEquals => {
                order.is_le()
            }
            _ => order.is_eq(),
        }
    }
}
