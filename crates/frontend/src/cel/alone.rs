//! An expression outside an app: any variables, any result.

use super::{compile, value};
use cel::{Context, Env, ExecutionError};
use sluice_expression::Value;
use std::sync::{Arc, LazyLock};

/// The standard functions, whose tables take longer to build than an expression to evaluate.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CelError {
    /// It is no expression, or names what is not there.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be evaluated with these variables.
    #[error("{0}")]
    Failed(String),
}

/// The value of an expression, in which a later variable hides an earlier one of its name.
///
/// What JSON does not have is written as Protocol Buffers do it: bytes in base64, durations like `"1.5s"`, timestamps by
/// RFC 3339, `"NaN"` and `"Infinity"`. Fields are in the order of their names.
///
/// Neither time nor memory of the evaluation are bounded.
///
/// # Errors
/// See [`CelError`].
pub fn evaluate<'a>(
    text: &str,
    variables: impl IntoIterator<Item = (&'a str, &'a Value)>,
) -> Result<Value, CelError> {
    let program = compile(text).map_err(CelError::Invalid)?;
    let mut context = Context::with_env(Arc::clone(&STANDARD));
    for (name, variable) in variables {
        let variable = serde_json::to_value(variable).expect("a value is always JSON");
        context.add_variable_from_value(name, value::json(variable));
    }
    let result = program.execute(&context).map_err(|error| match error {
        ExecutionError::UndeclaredReference(name) => CelError::Invalid(format!("`{name}` is not known")),
        error => CelError::Failed(error.to_string()),
    })?;
    value::to_json(&result).map_err(|error| CelError::Failed(error.0))
}
