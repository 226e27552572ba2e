//! One expression by itself, in any of the languages that apps use: what `sluice eval` asks.

use crate::cel::{self, CelError};
use serde::{Deserialize, Deserializer, Serialize};
use sluice_asl::intrinsic::Intrinsic;
use sluice_asl::{Fault, Scope, Variables};
use sluice_expression::jsonata::{Dialect, Expression, Limits};
use sluice_expression::path::{Path, Root, rfc9535};
use sluice_expression::{Value, World};
use sluice_types::Code;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Bytes that one JSONata expression may make on its way.
const JSONATA_BYTES_MAX: u64 = 512 << 20;
/// Longest message of a failure, in characters; some of them show values.
const MESSAGE_CHARS_MAX: usize = 1_000;
/// Among the bindings, the name of what `$$` means to a path of the States Language.
const CONTEXT: &str = "$";

/// A language of expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// JSONata, as its reference implementation has it.
    Jsonata,
    /// JSONPath of RFC 9535: gives the list of the values found.
    Jsonpath,
    /// A path of the Amazon States Language, or a call of one of its intrinsic functions.
    AslPath,
    /// The Common Expression Language.
    Cel,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Jsonata, Self::Jsonpath, Self::AslPath, Self::Cel];

    /// How it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jsonata => "jsonata",
            Self::Jsonpath => "jsonpath",
            Self::AslPath => "asl-path",
            Self::Cel => "cel",
        }
    }
}

/// An expression, and what it is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What it is written in.
    pub lang: Language,
    /// Its text.
    pub expr: String,
    /// What it is evaluated on. None is not `null`: to JSONata the first is undefined.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Variables, by name without `$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bindings: Option<BTreeMap<String, Value>>,
}

/// `null` is a value here.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Failure {
    /// JSONata's own code (`T2001`), AWS's name of the error (`States.IntrinsicFailure`), or a [`Code`].
    pub code: String,
    /// What is wrong, in a sentence.
    pub message: String,
}

impl Failure {
    /// With a code of any of the three kinds.
    pub fn new(code: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { code: code.to_string(), message: shortened(message.to_string()) }
    }
}

fn shortened(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARS_MAX) {
        message.truncate(end);
        message.push('…');
    }
    message
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::new(&fault.error, &fault.cause)
    }
}

impl Question {
    /// The value of the expression; `None` is undefined.
    ///
    /// JSONata is bounded by its own limits. The other evaluators are not, in time nor in memory: ask in a process
    /// that may be ended.
    ///
    /// # Errors
    /// The expression is wrong, or has no value for this data.
    pub fn answer(&self, world: &mut dyn World) -> Result<Option<Value>, Failure> {
        match self.lang {
            Language::Jsonata => self.jsonata(world),
            Language::Jsonpath => self.jsonpath().map(Some),
            Language::AslPath if self.expr.starts_with("States.") => self.intrinsic(world).map(Some),
            Language::AslPath => self.asl_path(),
            Language::Cel => self.cel().map(Some),
        }
    }

    fn bound(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.bindings.iter().flatten().map(|(name, value)| (name.as_str(), value))
    }

    fn jsonata(&self, world: &mut dyn World) -> Result<Option<Value>, Failure> {
        let limits = Limits { bytes: JSONATA_BYTES_MAX, ..Limits::default() };
        let bindings: Vec<(Arc<str>, Value)> =
            self.bound().map(|(name, value)| (name.into(), value.clone())).collect();
        Expression::parse(&self.expr, Dialect::Reference)
            .and_then(|expression| expression.evaluate(self.data.as_ref(), &bindings, world, &limits))
            .map_err(|error| Failure::new(error.code, error.message))
    }

    /// No data has no nodes.
    fn jsonpath(&self) -> Result<Value, Failure> {
        let query = rfc9535::Query::parse(&self.expr).map_err(invalid)?;
        Ok(Value::array(self.data.as_ref().map(|data| query.select(data)).unwrap_or_default()))
    }

    fn asl_path(&self) -> Result<Option<Value>, Failure> {
        let path = Path::parse(&self.expr).map_err(invalid)?;
        let bound = |name: &str| self.bindings.as_ref()?.get(name);
        let root = match path.root() {
            Root::Data => self.data.as_ref(),
            Root::Context => bound(CONTEXT),
            Root::Variable(name) => bound(name),
        };
        let found = root.map(|root| path.search(root)).transpose();
        Ok(found.map_err(|error| Failure::new(Code::LIMIT_EXCEEDED, error))?.flatten())
    }

    fn intrinsic(&self, world: &mut dyn World) -> Result<Value, Failure> {
        let call = Intrinsic::parse(&self.expr).map_err(invalid)?;
        let mut variables = Variables::default();
        self.bound().for_each(|(name, value)| variables.set(name.into(), value.clone()));
        let context = variables.get(CONTEXT).cloned().unwrap_or_default();
        let input = self.data.clone().unwrap_or_default();
        let mut scope = Scope {
            input: &input,
            context: &context,
            variables: &variables,
            result: None,
            error_output: None,
            aws_limits: false,
            world,
        };
        Ok(call.evaluate(&mut scope)?)
    }

    /// Fields of the data are variables and so is `data`; bindings go before both.
    fn cel(&self) -> Result<Value, Failure> {
        let fields = self.data.iter().filter_map(Value::as_object).flatten();
        let fields = fields.map(|(name, value)| (&**name, value));
        let whole = self.data.iter().map(|data| ("data", data));
        cel::evaluate(&self.expr, fields.chain(whole).chain(self.bound())).map_err(|error| match error {
            CelError::Invalid(why) => invalid(why),
            CelError::Failed(why) => Failure::new(Code::EXPRESSION_FAILED, why),
        })
    }
}

fn invalid(why: impl fmt::Display) -> Failure {
    Failure::new(Code::EXPRESSION_INVALID, why)
}
