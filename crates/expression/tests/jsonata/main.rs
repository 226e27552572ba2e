//! JSONata as its users see it: expressions in, values or errors out.

mod conformance;
mod language;
mod library;
mod limits;
mod patterns;
mod pictures;
mod states;
mod syntax;
mod variables;

use sluice_expression::jsonata::{Dialect, Error, Expression, Limits};
use sluice_expression::{Value, World};
use std::sync::Arc;

/// A world in which nothing moves.
struct Still;

impl World for Still {
    fn now_ms(&mut self) -> u64 {
        1_700_000_000_000
    }

    fn random_u64(&mut self) -> u64 {
        0x9E37_79B9_7F4A_7C15
    }
}

fn json(text: &str) -> Value {
    Value::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn evaluate_in(dialect: Dialect, source: &str, data: Option<&Value>) -> Result<Option<Value>, Error> {
    Expression::parse(source, dialect)?.evaluate(data, &[], &mut Still, &Limits::default())
}

fn evaluate(source: &str, data: Option<&Value>) -> Result<Option<Value>, Error> {
    evaluate_in(Dialect::Reference, source, data)
}

/// The result as JSON, `undefined`, or the code of the error.
fn outcome(result: Result<Option<Value>, Error>) -> String {
    match result {
        Ok(Some(value)) => value.to_json(),
        Ok(None) => "undefined".to_owned(),
        Err(error) => error.code.to_owned(),
    }
}

/// Expressions with their outcomes, over one input.
fn table(data: &str, rows: &[(&str, &str)]) {
    let data = json(data);
    let mut wrong = Vec::new();
    for (source, wanted) in rows {
        let got = outcome(evaluate(source, Some(&data)));
        if got != *wanted {
            wrong.push(format!("{source}\n    wanted {wanted}\n    got    {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn bindings(pairs: &[(&str, &str)]) -> Vec<(Arc<str>, Value)> {
    pairs.iter().map(|(name, value)| (Arc::from(*name), json(value))).collect()
}
