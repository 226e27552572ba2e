//! JSONata 2.x: the query and transformation language of docs.jsonata.org.
//!
//! An expression is compiled once ([`Expression::parse`]) and evaluated often. The compiled form is shared and
//! immutable; an evaluation touches nothing but its arguments and is bounded by [`Limits`], so that no expression
//! can hang, exhaust the memory or overflow the stack.
//!
//! The way of an expression: `token` (characters to words), `syntax` (words to a tree, by operator precedence),
//! `lower` (the tree to an [`ast`] with flat paths and resolved parents), `evaluate`. `function` holds the library.

mod ast;
mod budget;
mod calendar;
mod error;
mod evaluate;
mod frame;
mod function;
mod item;
mod lower;
mod number;
mod picture;
mod references;
mod regex;
mod signature;
mod syntax;
mod text;
mod token;

use crate::{Value, World};
use std::fmt;
use std::sync::Arc;

pub use error::Error;
pub use references::Reference;

/// Which language an expression is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// JSONata as its reference implementation has it.
    Reference,
    /// JSONata as AWS Step Functions has it: without `$eval`, with `$partition`, `$range`, `$hash`, `$uuid`, `$parse`
    /// and `$random` with a seed.
    States,
}

/// What an evaluation may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Evaluated nodes, and what functions do in loops of their own. Beyond it: error `D1012`.
    pub steps: u64,
    /// Evaluations inside one another. Beyond it: error `U1001`. The default fits 2 MiB of stack, with the stack of
    /// whoever evaluates.
    pub depth: u32,
    /// Bytes of all strings, arrays and objects that are made on the way, kept or not. Beyond it: error `D1013`.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 20_000_000, depth: 800, bytes: 1 << 30 }
    }
}

/// A compiled expression.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    source: String,
    dialect: Dialect,
    root: ast::Node,
}

impl Expression {
    /// Compiles `source`.
    ///
    /// # Errors
    /// The codes that begin with `S`: it is no expression.
    pub fn parse(source: &str, dialect: Dialect) -> Result<Self, Error> {
        let root = compile(source, dialect, syntax::HEIGHT_MAX).map_err(|raised| raised.explain(source))?;
        Ok(Self(Arc::new(Compiled { source: source.to_owned(), dialect, root })))
    }

    /// What it was compiled from.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Its value for `input` as the context, and `bindings` as variables (named without `$`). `None` is JSONata's
    /// undefined.
    ///
    /// # Errors
    /// The codes that begin with `T` (types), `D` (values, limits) and `U1001` (depth).
    pub fn evaluate(
        &self,
        input: Option<&Value>,
        bindings: &[(Arc<str>, Value)],
        world: &mut dyn World,
        limits: &Limits,
    ) -> Result<Option<Value>, Error> {
        let dialect = self.0.dialect;
        evaluate::Evaluator::new(dialect, input, bindings, world, limits)
            .run(&self.0.root)
            .map_err(|raised| raised.explain(&self.0.source))
    }

    /// The variables that it does not define itself: what the caller has to bind.
    pub fn variables(&self) -> Vec<Reference> {
        references::free(&self.0.root)
    }

    /// The fields of its input that it names outright, each once: `a` in `a.b + $c[d = 1]`.
    pub fn input_names(&self) -> Vec<Arc<str>> {
        references::input_names(&self.0.root)
    }
}

fn compile(source: &str, dialect: Dialect, height_max: usize) -> error::Outcome<ast::Node> {
    lower::lower(syntax::parse(source, height_max)?, dialect)
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.0.source).finish()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.source)
    }
}
