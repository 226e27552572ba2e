//! CEL, the language of `when` and `by`: checked when an app is lowered, evaluated for the engine.

mod alone;
mod value;

pub use alone::{CelError, evaluate};

use cel::common::ast::{EntryExpr, Expr as Ast, IdedExpr};
use cel::{Context, Env, Program, Value};
use sluice_types::{EvalError, Evaluator, Event, Expr, Object, limits};
use std::collections::HashMap;
use std::sync::Arc;

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

/// Stack of the thread that parses; address space, of which a parse touches what it needs.
const PARSER_STACK_BYTES: usize = 256 << 20;

/// Whether a text is a CEL expression about the subject; if not, why.
pub fn check(text: &str, subject: Subject) -> Result<(), String> {
    let program = compile(text)?;
    match unbound(program.expression(), &[subject.variable()]) {
        Some(name) => Err(format!("`{name}` is not known; the only variable is `{}`", subject.variable())),
        None => Ok(()),
    }
}

/// Compiles on a thread of its own: the parser descends recursively, so a hostile text could exhaust the stack of the
/// caller, and a bug in it must not take the caller along.
fn compile(text: &str) -> Result<Program, String> {
    if text.len() > limits::EXPRESSION_BYTES_MAX {
        return Err(format!("it is longer than {} bytes", limits::EXPRESSION_BYTES_MAX));
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(PARSER_STACK_BYTES);
        let parser = thread.spawn_scoped(scope, || parse(text)).map_err(|e| e.to_string())?;
        parser.join().unwrap_or_else(|_| Err("the parser failed on it".to_owned()))
    })
}

fn parse(text: &str) -> Result<Program, String> {
    let program = Program::compile(text).map_err(|errors| match errors.errors.first() {
        // What the parser would have accepted instead is a page of token names.
        Some(error) => {
            format!("{} (column {})", error.msg.split(" expecting ").next().unwrap_or(""), error.pos.1)
        }
        None => errors.to_string(),
    })?;
    if depth(program.expression()) > limits::EXPRESSION_DEPTH_MAX {
        return Err(format!("it nests deeper than {}", limits::EXPRESSION_DEPTH_MAX));
    }
    Ok(program)
}

/// Levels of the syntax tree.
fn depth(expr: &IdedExpr) -> usize {
    1 + parts(expr).into_iter().map(depth).max().unwrap_or(0)
}

/// The expressions directly inside one.
fn parts(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Ast::Select(select) => vec![&*select.operand],
        Ast::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Ast::List(list) => list.elements.iter().collect(),
        Ast::Map(map) => map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Ast::Struct(object) => object.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Ast::Comprehension(c) => vec![&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result],
        Ast::Ident(_) | Ast::Literal(_) | Ast::Unspecified => Vec::new(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// The first name that neither `bound` nor a macro such as `exists` introduces.
fn unbound(expr: &IdedExpr, bound: &[&str]) -> Option<String> {
    match &expr.expr {
        Ast::Ident(name) => (!name.starts_with('@') && !bound.contains(&name.as_str())).then(|| name.clone()),
        Ast::Comprehension(c) => unbound(&c.iter_range, bound).or_else(|| {
            let own = [Some(&c.iter_var), c.iter_var2.as_ref(), Some(&c.accu_var)];
            let inner: Vec<&str> =
                bound.iter().copied().chain(own.into_iter().flatten().map(String::as_str)).collect();
            parts(expr).into_iter().skip(1).find_map(|part| unbound(part, &inner))
        }),
        _ => parts(expr).into_iter().find_map(|part| unbound(part, bound)),
    }
}

/// Evaluates CEL; each expression is compiled once.
pub struct CelEvaluator {
    /// The standard functions, whose tables take longer to build than an expression to evaluate.
    env: Arc<Env>,
    compiled: HashMap<Expr, Result<Program, String>>,
}

impl Default for CelEvaluator {
    fn default() -> Self {
        Self::new()
    }
}

impl CelEvaluator {
    /// An evaluator that has compiled nothing yet.
    pub fn new() -> Self {
        Self { env: Arc::new(Env::stdlib()), compiled: HashMap::new() }
    }

    fn evaluate(&mut self, expr: &Expr, name: &str, subject: Value) -> Result<Value, EvalError> {
        if self.compiled.len() >= limits::EXPRESSIONS_COMPILED_MAX && !self.compiled.contains_key(expr) {
            self.compiled.clear();
        }
        let program = self.compiled.entry(expr.clone()).or_insert_with_key(|expr| compile(&expr.0));
        let program = program.as_ref().map_err(|reason| EvalError(reason.clone()))?;
        let mut context = Context::with_env(Arc::clone(&self.env));
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

    fn event_text(&mut self, expr: &Expr, event: &Event) -> Result<String, EvalError> {
        value::text(self.evaluate(expr, "event", value::event(event))?)
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
