//! One expression of a state, in either query language.

use crate::intrinsic::Intrinsic;
use crate::jsonata::Jsonata;
use crate::{Fault, Scope};
use sluice_expression::Value;
use sluice_expression::path::Path;

/// One compiled expression.
#[derive(Clone, Debug)]
pub enum Expression {
    /// A path: `$.a`, `$$.Execution.Id`, `$name.a`.
    Path(Path),
    /// An intrinsic function: `States.Format('{}', $.a)`.
    Intrinsic(Intrinsic),
    /// JSONata, written between `{%` and `%}`.
    Jsonata(Jsonata),
}

impl Expression {
    /// The text it was compiled from; of JSONata, without `{%` and `%}`.
    pub fn source(&self) -> &str {
        match self {
            Self::Path(path) => path.source(),
            Self::Intrinsic(intrinsic) => intrinsic.source(),
            Self::Jsonata(expression) => expression.source(),
        }
    }

    /// Its value. `field` is where it stands, as causes name it: `Arguments/x`, or `x.$` in a payload template.
    pub fn evaluate(&self, scope: &mut Scope<'_>, field: &str) -> Result<Value, Fault> {
        self.compute(scope, &|| field.to_owned())
    }

    /// As [`Expression::evaluate`]; the field's name is asked for only when a cause needs it.
    pub(crate) fn compute(&self, scope: &mut Scope<'_>, field: &dyn Fn() -> String) -> Result<Value, Fault> {
        match self {
            Self::Path(path) => scope.select(path).ok_or_else(|| {
                Fault::runtime(format!(
                    "The JSONPath '{}' specified for the field '{}' could not be found in the input '{}'",
                    path.source(),
                    field(),
                    scope.root(path.root()).unwrap_or(scope.input),
                ))
            }),
            Self::Intrinsic(intrinsic) => intrinsic.evaluate(scope),
            Self::Jsonata(expression) => expression.evaluate(scope, field),
        }
    }
}
