//! Functions at the end of a path: `$.items.length()`.

use super::Path;
use super::select::{Search, children, item};
use crate::Value;

/// A function, applied to what the path before it finds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Function {
    Length,
    Keys,
    First,
    Last,
    Index(i64),
    Min,
    Max,
    Sum,
    Average,
    Deviation,
    Concat(Vec<Argument>),
    Append(Vec<Argument>),
}

/// An argument of a function.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Argument {
    Fixed(Value),
    Path(Path),
}

impl Function {
    /// The function of that name, or what is wrong with the call.
    pub(super) fn named(name: &str, arguments: Vec<Argument>) -> Result<Self, String> {
        let plain = |function| match arguments.is_empty() {
            true => Ok(function),
            false => Err(format!("the function {name}() takes no arguments")),
        };
        match name {
            "length" | "size" => plain(Self::Length),
            "keys" => plain(Self::Keys),
            "first" => plain(Self::First),
            "last" => plain(Self::Last),
            "min" => plain(Self::Min),
            "max" => plain(Self::Max),
            "sum" => plain(Self::Sum),
            "avg" => plain(Self::Average),
            "stddev" => plain(Self::Deviation),
            "index" => match arguments.as_slice() {
                [Argument::Fixed(Value::Int(index))] => Ok(Self::Index(*index)),
                _ => Err("the function index() takes one integer".into()),
            },
            "concat" => Ok(Self::Concat(arguments)),
            "append" => Ok(Self::Append(arguments)),
            _ => Err(format!("there is no function `{name}`")),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Keys => "keys",
            Self::First => "first",
            Self::Last => "last",
            Self::Index(_) => "index",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Average => "avg",
            Self::Deviation => "stddev",
            Self::Concat(_) => "concat",
            Self::Append(_) => "append",
        }
    }

    /// `None` when it cannot be applied to this value.
    pub(super) fn call(&self, value: &Value, search: Search<'_>) -> Option<Value> {
        match self {
            Self::Length => length(value),
            Self::Keys => {
                let names = value.as_object()?.keys().map(|name| Value::String(name.clone()));
                Some(Value::array(names.collect()))
            }
            Self::First => value.as_array()?.first().cloned(),
            Self::Last => value.as_array()?.last().cloned(),
            Self::Index(index) => item(value.as_array()?, *index).cloned(),
            Self::Min => numbers(value)?.reduce(f64::min).and_then(Value::number),
            Self::Max => numbers(value)?.reduce(f64::max).and_then(Value::number),
            Self::Sum => numbers(value)?.reduce(|a, b| a + b).and_then(Value::number),
            Self::Average => mean(value).and_then(Value::number),
            Self::Deviation => {
                let mean = mean(value)?;
                let squares = numbers(value)?.map(|number| (number - mean).powi(2));
                Value::number((squares.sum::<f64>() / numbers(value)?.count() as f64).sqrt())
            }
            Self::Concat(arguments) => {
                let given = arguments.iter().filter_map(|argument| argument.value(search));
                let texts = children(value).cloned().chain(given);
                Some(Value::string(
                    texts.filter_map(|text| text.as_str().map(str::to_owned)).collect::<String>(),
                ))
            }
            Self::Append(arguments) => {
                let given = arguments.iter().filter_map(|argument| argument.value(search));
                Some(Value::array(value.as_array()?.iter().cloned().chain(given).collect()))
            }
        }
    }
}

impl Argument {
    fn value(&self, search: Search<'_>) -> Option<Value> {
        match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Path(path) => search.select_from(search.root, &path.parts),
        }
    }
}

/// Items of an array, fields of an object, characters of a string.
fn length(value: &Value) -> Option<Value> {
    let length = match value {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        Value::String(text) => text.encode_utf16().count(),
        _ => return None,
    };
    Some(Value::Int(length as i64))
}

fn numbers(value: &Value) -> Option<impl Iterator<Item = f64> + '_> {
    Some(value.as_array()?.iter().filter_map(Value::as_f64))
}

fn mean(value: &Value) -> Option<f64> {
    let count = numbers(value)?.count();
    (count > 0).then(|| numbers(value).into_iter().flatten().sum::<f64>() / count as f64)
}
