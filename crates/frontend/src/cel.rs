//! CEL, the language of `when` and `by`: checked when an app is lowered, evaluated for the engine.

mod value;

use cel::common::ast::{EntryExpr, Expr as Ast, IdedExpr};
use cel::{Context, Program, Value};
use sluice_types::{EvalError, Evaluator, Event, Expr, Object, limits};
use std::collections::HashMap;

/// What an expression is about, and so the one variable it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An object, as `object`.
    Object,
    /// An event, as `event`.
    Event,
}

impl Subject {
    fn variable(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Event => "event",
        }
    }

    /// An expression that is right, for messages.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::Object => "for example `object.size > 1000` or `object.value.kind == 'order'`",
            Self::Event => "for example `event.data.amount > 100`",
        }
    }
}

/// Whether a text is a CEL expression about the subject; if not, why.
pub fn check(text: &str, subject: Subject) -> Result<(), String> {
    let program = compile(text)?;
    match unbound(program.expression(), &[subject.variable()]) {
        Some(name) => Err(format!("`{name}` is not known; the only variable is `{}`", subject.variable())),
        None => Ok(()),
    }
}

fn compile(text: &str) -> Result<Program, String> {
    if text.len() > limits::EXPRESSION_BYTES_MAX {
        return Err(format!("it is longer than {} bytes", limits::EXPRESSION_BYTES_MAX));
    }
    Program::compile(text).map_err(|errors| match errors.errors.first() {
        Some(error) => format!("{} (column {})", error.msg, error.pos.1),
        None => errors.to_string(),
    })
}

/// The first name that neither `bound` nor a macro such as `exists` introduces.
fn unbound(expr: &IdedExpr, bound: &[&str]) -> Option<String> {
    match &expr.expr {
        Ast::Ident(name) => (!name.starts_with('@') && !bound.contains(&name.as_str())).then(|| name.clone()),
        Ast::Select(select) => unbound(&select.operand, bound),
        Ast::Call(call) => {
            call.target.as_deref().into_iter().chain(&call.args).find_map(|part| unbound(part, bound))
        }
        Ast::List(list) => list.elements.iter().find_map(|part| unbound(part, bound)),
        Ast::Map(map) => map.entries.iter().find_map(|entry| entry_unbound(&entry.expr, bound)),
        Ast::Struct(object) => object.entries.iter().find_map(|entry| entry_unbound(&entry.expr, bound)),
        Ast::Comprehension(c) => unbound(&c.iter_range, bound).or_else(|| {
            let own = [Some(c.iter_var.clone()), c.iter_var2.clone(), Some(c.accu_var.clone())];
            let own: Vec<String> = own.into_iter().flatten().collect();
            let inner: Vec<&str> = bound.iter().copied().chain(own.iter().map(String::as_str)).collect();
            let parts = [&c.accu_init, &c.loop_cond, &c.loop_step, &c.result];
            parts.into_iter().find_map(|part| unbound(part, &inner))
        }),
        Ast::Literal(_) | Ast::Unspecified => None,
    }
}

fn entry_unbound(entry: &EntryExpr, bound: &[&str]) -> Option<String> {
    match entry {
        EntryExpr::StructField(field) => unbound(&field.value, bound),
        EntryExpr::MapEntry(entry) => unbound(&entry.key, bound).or_else(|| unbound(&entry.value, bound)),
    }
}

/// Evaluates CEL; each expression is compiled once.
#[derive(Default)]
pub struct CelEvaluator {
    compiled: HashMap<Expr, Result<Program, String>>,
}

impl CelEvaluator {
    /// An evaluator that has compiled nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn evaluate(&mut self, expr: &Expr, name: &str, subject: Value) -> Result<Value, EvalError> {
        if self.compiled.len() >= limits::EXPRESSIONS_COMPILED_MAX && !self.compiled.contains_key(expr) {
            self.compiled.clear();
        }
        let program = self.compiled.entry(expr.clone()).or_insert_with_key(|expr| compile(&expr.0));
        let program = program.as_ref().map_err(|reason| EvalError(reason.clone()))?;
        let mut context = Context::default();
        context.add_variable_from_value(name, subject);
        program.execute(&context).map_err(|error| EvalError(error.to_string()))
    }
}

impl Evaluator for CelEvaluator {
    fn object_matches(&mut self, expr: &Expr, bucket: &str, object: &Object) -> Result<bool, EvalError> {
        truth(self.evaluate(expr, "object", value::object(bucket, object, mentions_content(expr)))?)
    }

    fn object_text(&mut self, expr: &Expr, bucket: &str, object: &Object) -> Result<String, EvalError> {
        value::text(self.evaluate(expr, "object", value::object(bucket, object, mentions_content(expr)))?)
    }

    fn event_matches(&mut self, expr: &Expr, event: &Event) -> Result<bool, EvalError> {
        truth(self.evaluate(expr, "event", value::event(event))?)
    }
}

/// Whether the bytes of the object have to be decoded: only `object.value` and `object["…"]` reach them.
fn mentions_content(expr: &Expr) -> bool {
    expr.0.contains("value") || expr.0.contains('[')
}

fn truth(value: Value) -> Result<bool, EvalError> {
    match value {
        Value::Bool(truth) => Ok(truth),
        other => Err(EvalError(format!("the expression gives a {}, not true or false", other.type_of()))),
    }
}
