//! Filters of a path: `[?(@.price < 10 && @.kind == 'book')]`.

use super::Path;
use super::select::Search;
use crate::Value;
use std::cmp::Ordering;

/// A condition on a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    /// `@.a`: there is such a value, `null` included.
    Exists(Operand),
    Compare(Operand, Comparison, Operand),
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Fixed(Value),
    /// `@…`, from the value tested.
    Current(Path),
    /// `$…`, from where the whole path starts.
    Root(Path),
    /// `/…/i`
    Pattern(Pattern),
}

/// A regular expression; equal when written alike.
#[derive(Clone, Debug)]
pub(super) struct Pattern(pub regex::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// How two operands are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    SameTypeEqual,
    SameTypeNotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    In,
    NotIn,
    SubsetOf,
    AnyOf,
    NoneOf,
    Contains,
    All,
    Size,
    Empty,
}

impl Comparison {
    /// Operators by their text; one that begins another stands after it.
    pub(super) const ALL: [(&'static str, Self); 20] = [
        ("===", Self::SameTypeEqual),
        ("==", Self::Equal),
        ("!==", Self::SameTypeNotEqual),
        ("!=", Self::NotEqual),
        ("=~", Self::Matches),
        ("<>", Self::NotEqual),
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("<", Self::Less),
        (">", Self::Greater),
        ("in", Self::In),
        ("nin", Self::NotIn),
        ("subsetof", Self::SubsetOf),
        ("anyof", Self::AnyOf),
        ("noneof", Self::NoneOf),
        ("contains", Self::Contains),
        ("all", Self::All),
        ("sizeof", Self::Size),
        ("size", Self::Size),
        ("empty", Self::Empty),
    ];
}

impl Filter {
    /// Whether it holds of `current`.
    pub(super) fn accepts(&self, current: &Value, search: Search<'_>) -> bool {
        search.visit() && self.holds(current, search)
    }

    fn holds(&self, current: &Value, search: Search<'_>) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.accepts(current, search)),
            Self::Any(filters) => filters.iter().any(|filter| filter.accepts(current, search)),
            Self::Not(filter) => !filter.accepts(current, search),
            Self::Exists(operand) => operand.exists(current, search),
            Self::Compare(left, comparison, Operand::Pattern(pattern)) => {
                let text = left.value(current, search);
                let text = text.as_ref().and_then(Value::as_str);
                *comparison == Comparison::Matches && text.is_some_and(|text| pattern.0.is_match(text))
            }
            Self::Compare(left, comparison, right) => {
                let (left, right) = (left.value(current, search), right.value(current, search));
                compare(*comparison, left.as_ref(), right.as_ref())
            }
        }
    }
}

impl Operand {
    fn value(&self, current: &Value, search: Search<'_>) -> Option<Value> {
        match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Current(path) => search.select_from(current, &path.parts),
            Self::Root(path) => search.select_from(search.root, &path.parts),
            Self::Pattern(_) => None,
        }
    }

    fn exists(&self, current: &Value, search: Search<'_>) -> bool {
        let found = self.value(current, search);
        match self {
            Self::Current(path) | Self::Root(path) if !path.is_definite() => {
                found.is_some_and(|found| found.as_array().is_none_or(|found| !found.is_empty()))
            }
            _ => found.is_some(),
        }
    }
}

/// A side that is not there equals only another such side.
fn compare(comparison: Comparison, left: Option<&Value>, right: Option<&Value>) -> bool {
    match comparison {
        Comparison::Equal => equal(left, right),
        Comparison::NotEqual => !equal(left, right),
        Comparison::SameTypeEqual => left == right,
        Comparison::SameTypeNotEqual => left != right,
        _ => left.zip(right).is_some_and(|(left, right)| compare_present(comparison, left, right)),
    }
}

fn compare_present(comparison: Comparison, left: &Value, right: &Value) -> bool {
    let within = |value: &Value, list: &Value| {
        list.as_array().is_some_and(|list| list.iter().any(|item| equal(Some(value), Some(item))))
    };
    match comparison {
        Comparison::Less => order(left, right) == Some(Ordering::Less),
        Comparison::LessOrEqual => order(left, right).is_some_and(Ordering::is_le),
        Comparison::Greater => order(left, right) == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order(left, right).is_some_and(Ordering::is_ge),
        Comparison::In => within(left, right),
        Comparison::NotIn => !within(left, right),
        Comparison::SubsetOf => {
            left.as_array().is_some_and(|items| items.iter().all(|item| within(item, right)))
        }
        Comparison::AnyOf => {
            left.as_array().is_some_and(|items| items.iter().any(|item| within(item, right)))
        }
        Comparison::NoneOf => {
            left.as_array().is_some_and(|items| !items.iter().any(|item| within(item, right)))
        }
        Comparison::All => right.as_array().is_some_and(|items| items.iter().all(|item| within(item, left))),
        Comparison::Contains => match (left, right) {
            (Value::String(text), Value::String(part)) => text.contains(&**part),
            _ => within(right, left),
        },
        Comparison::Size => size(left).is_some_and(|size| right.as_i64() == Some(size as i64)),
        Comparison::Empty => size(left).is_some_and(|size| right.as_bool() == Some(size == 0)),
        Comparison::Equal
        | Comparison::NotEqual
        | Comparison::SameTypeEqual
        | Comparison::SameTypeNotEqual
        | Comparison::Matches => false,
    }
}

/// Equality; a number and a string are equal when one is written as the other.
fn equal(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (Some(Value::String(text)), Some(number @ (Value::Int(_) | Value::Float(_)))) => {
            **text == number.to_json()
        }
        (Some(number @ (Value::Int(_) | Value::Float(_))), Some(Value::String(text))) => {
            text.parse().ok() == number.as_f64()
        }
        _ => left == right,
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn size(value: &Value) -> Option<usize> {
    match value {
        Value::Array(items) => Some(items.len()),
        Value::String(text) => Some(text.chars().count()),
        _ => None,
    }
}
