//! JSONata expressions of a state: `{% $states.input.a %}`.

use crate::{Fault, Scope};
use sluice_expression::Value;
use std::sync::Arc;

/// One compiled expression.
#[derive(Clone, Debug)]
pub struct Jsonata {
    source: Arc<str>,
}

impl Jsonata {
    pub(crate) fn new(source: &str) -> Self {
        Self { source: source.into() }
    }

    /// The text between `{%` and `%}`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its value; `field` is where it stands.
    pub(crate) fn evaluate(
        &self,
        _scope: &mut Scope<'_>,
        _field: &dyn Fn() -> String,
    ) -> Result<Value, Fault> {
        Err(Fault::query("JSONata is not there yet"))
    }
}
