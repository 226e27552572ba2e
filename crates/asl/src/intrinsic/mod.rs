//! Intrinsic functions of payload templates: `States.Format('{} of {}', $.a, $.b)`.

mod array;
mod json;
mod limit;
mod number;
mod parse;
mod text;

use crate::{Fault, Scope};
use sluice_expression::path::Path;
use sluice_expression::{Value, World, uuid};
use sluice_types::limits::WORKFLOW_VALUE_BYTES_MAX;
use std::sync::Arc;

/// Longest intrinsic call, in bytes.
pub const INTRINSIC_BYTES_MAX: usize = 10_000;
/// Deepest nesting of calls; 10 under AWS's limits.
pub const INTRINSIC_NESTING_MAX: usize = 32;

/// A compiled call; a clone costs one count.
#[derive(Clone, Debug)]
pub struct Intrinsic {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    source: Box<str>,
    call: Call,
}

#[derive(Debug)]
struct Call {
    function: Function,
    /// Of this call, those in its arguments, and those in theirs.
    nesting: usize,
    arguments: Vec<Argument>,
}

#[derive(Debug)]
enum Argument {
    /// A number, `true`, `false` or `null`.
    Fixed(Value),
    /// A text in single quotes, with its escapes.
    Text(Box<str>),
    Path(Path),
    Call(Call),
}

/// Why a text is not an intrinsic call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IntrinsicError(pub String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Array,
    ArrayContains,
    ArrayGetItem,
    ArrayLength,
    ArrayPartition,
    ArrayRange,
    ArrayUnique,
    Base64Decode,
    Base64Encode,
    Format,
    Hash,
    JsonMerge,
    JsonToString,
    MathAdd,
    MathRandom,
    StringSplit,
    StringToJson,
    Uuid,
}

impl Function {
    /// Every function with its name and the least and most arguments that it takes.
    const ALL: [(&'static str, Self, usize, usize); 18] = [
        ("States.Array", Self::Array, 0, usize::MAX),
        ("States.ArrayContains", Self::ArrayContains, 2, 2),
        ("States.ArrayGetItem", Self::ArrayGetItem, 2, 2),
        ("States.ArrayLength", Self::ArrayLength, 1, 1),
        ("States.ArrayPartition", Self::ArrayPartition, 2, 2),
        ("States.ArrayRange", Self::ArrayRange, 3, 3),
        ("States.ArrayUnique", Self::ArrayUnique, 1, 1),
        ("States.Base64Decode", Self::Base64Decode, 1, 1),
        ("States.Base64Encode", Self::Base64Encode, 1, 1),
        ("States.Format", Self::Format, 1, usize::MAX),
        ("States.Hash", Self::Hash, 2, 2),
        ("States.JsonMerge", Self::JsonMerge, 3, 3),
        ("States.JsonToString", Self::JsonToString, 1, 1),
        ("States.MathAdd", Self::MathAdd, 2, 2),
        ("States.MathRandom", Self::MathRandom, 2, 3),
        ("States.StringSplit", Self::StringSplit, 2, 2),
        ("States.StringToJson", Self::StringToJson, 1, 1),
        ("States.UUID", Self::Uuid, 0, 0),
    ];

    /// Whether it writes its arguments down, which may share parts without end.
    fn writes_arguments(self) -> bool {
        matches!(self, Self::ArrayUnique | Self::Format | Self::Hash | Self::JsonToString)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|row| row.1 == self).expect("every function is in the table").0
    }
}

impl Intrinsic {
    /// Compiles a call.
    pub fn parse(source: &str) -> Result<Self, IntrinsicError> {
        Ok(Self { parts: Arc::new(Parts { source: source.into(), call: parse::call(source)? }) })
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.parts.source
    }

    /// All paths among its arguments, nested ones included.
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        self.parts.call.collect_paths(&mut paths);
        paths
    }

    /// Its value.
    pub fn evaluate(&self, scope: &mut Scope<'_>) -> Result<Value, Fault> {
        self.parts.call.evaluate(scope).map_err(|failure| {
            let describe =
                |why: &str| format!("The function '{}' had the following error: {why}", self.source());
            match failure {
                Failure::Missing(why) => Fault::runtime(describe(&why)),
                Failure::TooLarge(function) => Fault::new(
                    "States.DataLimitExceeded",
                    describe(&format!("{} makes more than a value may hold", function.name())),
                ),
                Failure::Function(function, why) => {
                    Fault::intrinsic(describe(&format!("Invalid arguments in {}: {why}", function.name())))
                }
            }
        })
    }
}

enum Failure {
    /// A path among the arguments finds nothing.
    Missing(String),
    /// What a function makes, or would have to write down for it, is more than a value may be.
    TooLarge(Function),
    /// A function does not take its arguments.
    Function(Function, String),
}

impl Call {
    fn collect_paths<'a>(&'a self, paths: &mut Vec<&'a Path>) {
        for argument in &self.arguments {
            match argument {
                Argument::Path(path) => paths.push(path),
                Argument::Call(call) => call.collect_paths(paths),
                Argument::Fixed(_) | Argument::Text(_) => {}
            }
        }
    }

    fn evaluate(&self, scope: &mut Scope<'_>) -> Result<Value, Failure> {
        let arguments = self.arguments.iter().enumerate().map(|(position, argument)| match argument {
            Argument::Fixed(value) => Ok(value.clone()),
            // The format itself keeps its escapes: they tell a brace from a place.
            Argument::Text(text) if position == 0 && self.function == Function::Format => {
                Ok(Value::string(&**text))
            }
            Argument::Text(text) => Ok(Value::string(text::unescape(text))),
            Argument::Path(path) => scope.select(path).ok_or_else(|| missing(path, scope)),
            Argument::Call(call) => call.evaluate(scope),
        });
        let arguments: Vec<Value> = arguments.collect::<Result<_, _>>()?;
        if self.function.writes_arguments() {
            self.bound(&arguments)?;
        }
        let taken = if scope.aws_limits { self.check_as_aws(&arguments) } else { Ok(()) };
        let result = taken.and_then(|()| apply(self.function, &arguments, scope));
        let result = [result.map_err(|why| Failure::Function(self.function, why))?];
        self.bound(&result)?;
        let [result] = result;
        Ok(result)
    }

    fn check_as_aws(&self, arguments: &[Value]) -> Result<(), String> {
        match self.nesting > limit::NESTING_MAX {
            true => Err(format!("calls nest deeper than {}", limit::NESTING_MAX)),
            false => limit::check(self.function, arguments),
        }
    }

    /// Whether values together are not more than one may be.
    fn bound(&self, values: &[Value]) -> Result<(), Failure> {
        let mut left = WORKFLOW_VALUE_BYTES_MAX as usize;
        for value in values {
            left -= value.measure(left).map_err(|_| Failure::TooLarge(self.function))?;
        }
        Ok(())
    }
}

fn missing(path: &Path, scope: &Scope<'_>) -> Failure {
    let input = scope.root(path.root()).unwrap_or(scope.input);
    Failure::Missing(format!(
        "The JsonPath argument for the field '{}' could not be found in the input '{input}'",
        path.source()
    ))
}

/// Calls a function; the number of its arguments was checked when it was compiled.
fn apply(function: Function, arguments: &[Value], scope: &mut Scope<'_>) -> Result<Value, String> {
    let world: &mut dyn World = scope.world;
    match (function, arguments) {
        (Function::Array, items) => Ok(Value::array(items.to_vec())),
        (Function::ArrayContains, [array, item]) => array::contains(array, item),
        (Function::ArrayGetItem, [array, index]) => array::item(array, index),
        (Function::ArrayLength, [array]) => array::length(array),
        (Function::ArrayPartition, [array, size]) => array::partition(array, size),
        (Function::ArrayRange, [first, last, step]) => {
            let most = if scope.aws_limits { limit::RANGE_ITEMS_MAX } else { array::RANGE_ITEMS_MAX };
            array::range(first, last, step, most)
        }
        (Function::ArrayUnique, [array]) => array::unique(array),
        (Function::Base64Decode, [text]) => text::decode(text),
        (Function::Base64Encode, [text]) => text::encode(text),
        (Function::Format, [format, arguments @ ..]) => text::format(format, arguments),
        (Function::Hash, [data, algorithm]) => text::hash(data, algorithm),
        (Function::JsonMerge, [first, second, deep]) => json::merge(first, second, deep),
        (Function::JsonToString, [value]) => Ok(Value::string(value.to_json())),
        (Function::MathAdd, [first, second]) => number::add(first, second),
        (Function::MathRandom, [start, end, seed @ ..]) => number::random(start, end, seed.first(), world),
        (Function::StringSplit, [text, separators]) => text::split(text, separators),
        (Function::StringToJson, [text]) => json::parse(text),
        (Function::Uuid, []) => Ok(Value::string(uuid(world))),
        _ => Err(format!("{} arguments are not what it takes", arguments.len())),
    }
}
