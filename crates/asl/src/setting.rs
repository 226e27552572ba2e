//! Fields that are written down or computed: numbers and texts of states.

use crate::machine::{Setting, Wait};
use crate::timestamp::Timestamp;
use crate::{Expression, Fault, Scope};
use sluice_expression::Value;
use std::sync::Arc;

/// Longest wait, in seconds (68 years): AWS counts them in 31 bits.
pub const WAIT_SECONDS_MAX: u64 = i32::MAX as u64;

impl<T: Copy> Setting<T> {
    /// What is written down.
    pub fn fixed(&self) -> Option<T> {
        match self {
            Self::Fixed(value) => Some(*value),
            Self::Computed(_) => None,
        }
    }
}

/// What a field may be set to.
pub trait Settable: Clone {
    /// Its type, as messages name it.
    const TYPE: &'static str;

    /// The value as this type, if it is of it.
    fn of(value: &Value) -> Option<Self>;
}

/// Numbers that are at least 0.
impl Settable for u64 {
    const TYPE: &'static str = "integer";

    fn of(value: &Value) -> Option<Self> {
        value.as_i64().and_then(|number| Self::try_from(number).ok())
    }
}

impl Settable for f64 {
    const TYPE: &'static str = "number";

    fn of(value: &Value) -> Option<Self> {
        value.as_f64()
    }
}

impl Settable for Arc<str> {
    const TYPE: &'static str = "string";

    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl<T: Settable> Setting<T> {
    /// The value. `field` is its name without `Path`.
    pub fn value(&self, scope: &mut Scope<'_>, field: &str) -> Result<T, Fault> {
        match self {
            Self::Fixed(value) => Ok(value.clone()),
            Self::Computed(expression) => {
                let value = found(expression, scope, field)?;
                T::of(&value).ok_or_else(|| unexpected(expression, field, T::TYPE, &value))
            }
        }
    }

    /// The value of a field that may be absent.
    pub fn optional(setting: &Option<Self>, scope: &mut Scope<'_>, field: &str) -> Result<Option<T>, Fault> {
        setting.as_ref().map(|setting| setting.value(scope, field)).transpose()
    }
}

impl Wait {
    /// When the wait ends, in milliseconds since 1970-01-01T00:00:00Z; maybe in the past.
    pub fn until_ms(&self, scope: &mut Scope<'_>, now_ms: u64) -> Result<u64, Fault> {
        let until_ms = match self {
            Self::Seconds(seconds) => {
                now_ms.saturating_add(seconds.value(scope, "Seconds")?.saturating_mul(1000))
            }
            Self::Timestamp(Setting::Fixed(text)) => point(text)?.ms(),
            Self::Timestamp(Setting::Computed(expression @ Expression::Path(path))) => {
                let value = found(expression, scope, "Timestamp")?;
                let point = value.as_str().and_then(Timestamp::parse);
                let shown = || value.as_str().map_or_else(|| value.to_json(), str::to_owned);
                let point = point.ok_or_else(|| {
                    Fault::runtime(format!(
                        "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time \
                         format string: {} == {}",
                        path.source(),
                        shown()
                    ))
                });
                point?.ms()
            }
            Self::Timestamp(computed) => point(&computed.value(scope, "Timestamp")?)?.ms(),
        };
        match until_ms.saturating_sub(now_ms) > WAIT_SECONDS_MAX * 1000 {
            true => Err(Fault::runtime("Wait state delay is too long.")),
            false => Ok(until_ms),
        }
    }
}

fn point(text: &str) -> Result<Timestamp, Fault> {
    Timestamp::parse(text).ok_or_else(|| {
        Fault::query(format!(
            "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {text}"
        ))
    })
}

/// A path of such a field that finds nothing is an invalid path, unlike one in a payload template.
fn found(expression: &Expression, scope: &mut Scope<'_>, field: &str) -> Result<Value, Fault> {
    match expression {
        Expression::Path(path) => scope.find(path),
        _ => expression.evaluate(scope, field),
    }
}

/// The value is of another type than the field takes.
pub(crate) fn unexpected(expression: &Expression, field: &str, expected: &str, value: &Value) -> Fault {
    match expression {
        Expression::Jsonata(_) => Fault::query(format!(
            "The JSONata expression '{}' specified for the field '{field}' returned an unexpected result type. \
             Expected '{expected}', but was '{}' for value: {value}",
            expression.source(),
            value.type_name(),
        )),
        _ => Fault::runtime(format!(
            "The {field}Path parameter does not reference {} {expected} value: {} == {value}",
            if expected == "integer" { "an" } else { "a" },
            expression.source(),
        )),
    }
}
