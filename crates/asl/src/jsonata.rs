//! JSONata expressions of a state: `{% $states.input.a %}`.

use crate::{Fault, Scope};
use sluice_expression::Value;
use sluice_expression::jsonata::{Dialect, Error, Expression, Limits, Reference};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What one evaluation may use up; past it the state fails with `States.QueryEvaluationError`.
pub const EVALUATION_LIMITS: Limits = Limits { steps: 5_000_000, depth: 500, bytes: 256 << 20 };

/// One compiled expression; a clone costs two counts.
#[derive(Clone, Debug)]
pub struct Jsonata {
    expression: Expression,
    /// Names of the variables that it needs, each once.
    needs: Arc<BTreeSet<Arc<str>>>,
    /// Whether it may look at `$states.context`, which costs something to build.
    sees_context: bool,
}

impl Jsonata {
    /// Compiles the text between `{%` and `%}`.
    pub fn parse(source: &str) -> Result<Self, Error> {
        let expression = Expression::parse(source, Dialect::States)?;
        let references = expression.variables();
        let sees_context = references.iter().any(|reference| {
            &*reference.name == "states" && reference.fields.first().is_none_or(|field| &**field == "context")
        });
        let needs = references.into_iter().map(|reference| reference.name).collect();
        Ok(Self { expression, needs: Arc::new(needs), sees_context })
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        self.expression.source()
    }

    /// The variables that it refers to, `$states` among them, each with the fields named right after it.
    pub fn references(&self) -> Vec<Reference> {
        self.expression.variables()
    }

    /// Fields that it names without a variable before them; there is nothing that they could be fields of.
    pub fn bare_names(&self) -> Vec<Arc<str>> {
        self.expression.input_names()
    }

    /// Its value; `field` is where it stands.
    pub(crate) fn evaluate(&self, scope: &mut Scope<'_>, field: &dyn Fn() -> String) -> Result<Value, Fault> {
        let bindings = self.needs.iter().filter_map(|name| {
            let value = match &**name {
                "states" => self.states(scope),
                name => scope.variables.get(name)?.clone(),
            };
            Some((name.clone(), value))
        });
        let bindings: Vec<(Arc<str>, Value)> = bindings.collect();
        let describe =
            || format!("The JSONata expression '{}' specified for the field '{}'", self.source(), field());
        match self.expression.evaluate(None, &bindings, scope.world, &EVALUATION_LIMITS) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(Fault::query(format!("{} returned nothing (undefined).", describe()))),
            Err(error) => {
                Err(Fault::query(format!("{} threw an error during evaluation. {error}", describe())))
            }
        }
    }

    /// `$states`.
    fn states(&self, scope: &Scope<'_>) -> Value {
        let given = [
            ("input", Some(scope.input)),
            ("context", self.sees_context.then(|| scope.context.value())),
            ("result", scope.result),
            ("errorOutput", scope.error_output),
        ];
        Value::fields(given.into_iter().filter_map(|(name, value)| Some((name, value?.clone()))))
    }
}
