//! The values that an evaluation works on: JSON, and what JSON does not have.

use super::ast::{Call, Lambda, Transform};
use super::budget::{Budget, NESTING_MAX};
use super::error::{Outcome, TEXT_MAX, raise};
use super::frame::FrameId;
use super::function::Builtin;
use super::number;
use super::regex::Pattern;
use crate::{Map, Value};
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use std::rc::Rc;
use std::sync::Arc;

/// The fields of an object that an evaluation has made.
pub type Fields = IndexMap<Arc<str>, Item, FxBuildHasher>;

/// A value, or none.
///
/// What comes from outside stays as it came; what the evaluation makes are lists and objects that know how deep they
/// are, because they may hold functions and because their depth is bounded.
#[derive(Clone, Debug, Default)]
pub enum Item {
    /// Undefined.
    #[default]
    Nothing,
    Value(Value),
    List(Rc<List>),
    Object(Rc<Object>),
    Function(Rc<Function>),
    /// The results of a path that binds variables on its way, each with its variables.
    Tuples(Rc<Vec<Tuple>>),
}

/// An array that an evaluation has made.
#[derive(Clone, Debug, Default)]
pub struct List {
    pub items: Vec<Item>,
    depth: u16,
    /// The result of a selection: one item stands for itself, none for nothing.
    pub sequence: bool,
    /// A sequence that stays an array even with one item.
    pub keep: bool,
    /// Written with brackets at an end of a path: it is not flattened.
    pub constructed: bool,
    /// Holds the input, which is an array, as the one item that the context is.
    pub outer: bool,
}

/// An object that an evaluation has made.
#[derive(Debug)]
pub struct Object {
    pub fields: Fields,
    depth: u16,
}

/// A result with the variables that were bound on the way to it.
#[derive(Clone, Debug)]
pub struct Tuple {
    pub item: Item,
    pub bindings: Vec<(Arc<str>, Item)>,
}

#[derive(Debug)]
pub enum Function {
    Builtin(&'static Builtin),
    Closure {
        lambda: Arc<Lambda>,
        frame: FrameId,
        input: Item,
        depth: u16,
    },
    /// The last call of a function's body, to be made by who called the function.
    TailCall {
        call: Arc<Call>,
        frame: FrameId,
        input: Item,
    },
    Partial {
        function: Item,
        arguments: Vec<Option<Item>>,
        depth: u16,
    },
    /// The second applied to the result of the first.
    Chain {
        first: Item,
        then: Item,
        depth: u16,
    },
    Regex(Arc<Pattern>),
    /// The next match of a pattern in a text, from a byte on.
    NextMatch {
        pattern: Arc<Pattern>,
        text: Arc<str>,
        from: usize,
    },
    Transform {
        transform: Arc<Transform>,
        frame: FrameId,
    },
}

/// One more than the deepest of some items.
pub fn depth_over<'a>(items: impl IntoIterator<Item = &'a Item>) -> u16 {
    1 + items.into_iter().map(Item::depth).max().unwrap_or_default()
}

impl List {
    fn of(items: Vec<Item>) -> Self {
        Self { depth: depth_over(&items), items, ..Self::default() }
    }
}

impl Item {
    pub fn array(items: Vec<Item>) -> Self {
        Self::List(Rc::new(List::of(items)))
    }

    /// An array that is not flattened.
    pub fn constructed(items: Vec<Item>) -> Self {
        Self::List(Rc::new(List { constructed: true, ..List::of(items) }))
    }

    /// The result of a selection.
    pub fn sequence(items: Vec<Item>) -> Self {
        Self::List(Rc::new(List { sequence: true, ..List::of(items) }))
    }

    /// The context of an expression whose input is an array.
    pub fn outer(input: Value) -> Self {
        let list = List { sequence: true, outer: true, ..List::of(vec![Self::Value(input)]) };
        Self::List(Rc::new(list))
    }

    pub fn object(fields: Fields) -> Self {
        Self::Object(Rc::new(Object { depth: depth_over(fields.values()), fields }))
    }

    pub fn function(function: Function) -> Self {
        Self::Function(Rc::new(function))
    }

    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Value(Value::string(text))
    }

    pub fn bool(bool: bool) -> Self {
        Self::Value(Value::Bool(bool))
    }

    /// A number; infinite and undefined ones exist as long as nothing looks at them.
    pub fn number(number: f64) -> Self {
        Self::Value(Value::number(number).unwrap_or(Value::Float(number)))
    }

    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    pub fn is_array(&self) -> bool {
        matches!(self, Self::List(_) | Self::Value(Value::Array(_)))
    }

    pub fn is_sequence(&self) -> bool {
        matches!(self, Self::List(list) if list.sequence)
    }

    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Value(value) => value.as_f64(),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Value(value) => value.as_str(),
            _ => None,
        }
    }

    /// The string, shared.
    pub fn as_text(&self) -> Option<&Arc<str>> {
        match self {
            Self::Value(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub fn as_function(&self) -> Option<&Rc<Function>> {
        match self {
            Self::Function(function) => Some(function),
            _ => None,
        }
    }

    /// How deep what the evaluation has made is.
    pub fn depth(&self) -> u16 {
        match self {
            Self::Nothing | Self::Value(_) => 0,
            Self::List(list) => list.depth,
            Self::Object(object) => object.depth,
            Self::Tuples(tuples) => depth_over(tuples.iter().flat_map(|tuple| {
                std::iter::once(&tuple.item).chain(tuple.bindings.iter().map(|(_, item)| item))
            })),
            Self::Function(function) => match &**function {
                Function::Closure { depth, .. }
                | Function::Partial { depth, .. }
                | Function::Chain { depth, .. } => *depth,
                Function::TailCall { input, .. } => 1 + input.depth(),
                _ => 1,
            },
        }
    }

    /// The item itself, if it is not nested too deeply.
    pub fn bounded(self) -> Outcome {
        match self.depth() > NESTING_MAX {
            true => Err(raise("D1014")),
            false => Ok(self),
        }
    }

    /// `null`, `boolean`, `number`, `string`, `array`, `object`, `function`; none for nothing.
    pub fn type_name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Nothing => return None,
            Self::Value(value) => value.type_name(),
            Self::List(_) | Self::Tuples(_) => "array",
            Self::Object(_) => "object",
            Self::Function(_) => "function",
        })
    }

    /// The items of an array; anything else is its own only item, and nothing has none.
    pub fn items(&self) -> Items<'_> {
        match self {
            Self::Nothing => Items::One(None),
            Self::Value(Value::Array(values)) => Items::Values(values.iter()),
            Self::List(list) => Items::List(list.items.iter()),
            single => Items::One(Some(single)),
        }
    }

    /// Adds [`Item::items`] to others.
    pub fn move_items(self, into: &mut Vec<Item>) {
        match self {
            Self::List(list) => match Rc::try_unwrap(list) {
                Ok(owned) if into.is_empty() => *into = owned.items,
                Ok(owned) => into.extend(owned.items),
                Err(shared) => into.extend(shared.items.iter().cloned()),
            },
            other => into.extend(other.items()),
        }
    }

    /// How many [`Item::items`] there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Value(Value::Array(values)) => values.len(),
            Self::List(list) => list.items.len(),
            _ => 1,
        }
    }

    /// One of [`Item::items`].
    pub fn nth(&self, index: usize) -> Option<Item> {
        match self {
            Self::Value(Value::Array(values)) => values.get(index).cloned().map(Item::Value),
            Self::List(list) => list.items.get(index).cloned(),
            single => (index == 0 && !single.is_nothing()).then(|| single.clone()),
        }
    }

    /// A field of an object.
    pub fn field(&self, name: &str) -> Item {
        match self {
            Self::Value(Value::Object(fields)) => {
                fields.get(name).cloned().map_or(Self::Nothing, Self::Value)
            }
            Self::Object(object) => object.fields.get(name).cloned().unwrap_or_default(),
            _ => Self::Nothing,
        }
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_) | Self::Value(Value::Object(_)))
    }

    /// The fields of an object, in order; none of anything else.
    pub fn fields(&self) -> Box<dyn Iterator<Item = (&Arc<str>, Item)> + '_> {
        match self {
            Self::Value(Value::Object(fields)) => {
                Box::new(fields.iter().map(|(name, value)| (name, Item::Value(value.clone()))))
            }
            Self::Object(object) => Box::new(object.fields.iter().map(|(name, item)| (name, item.clone()))),
            _ => Box::new(std::iter::empty()),
        }
    }

    /// A sequence as one that stays an array even with one item.
    pub fn kept(self) -> Item {
        match self {
            Self::List(list) if list.sequence && !list.keep => {
                let owned = Rc::try_unwrap(list).unwrap_or_else(|shared| (*shared).clone());
                Self::List(Rc::new(List { keep: true, ..owned }))
            }
            other => other,
        }
    }

    /// What stands for a result: a sequence of one is its item, one of none is nothing.
    pub fn settled(self, keep_array: bool) -> Item {
        let list = match if keep_array { self.kept() } else { self } {
            Self::List(list) if list.sequence => list,
            other => return other,
        };
        match list.items.len() {
            0 => Self::Nothing,
            1 if !list.keep => match Rc::try_unwrap(list) {
                Ok(mut owned) => owned.items.pop().unwrap_or_default(),
                Err(shared) => shared.items[0].clone(),
            },
            _ => Self::List(list),
        }
    }

    /// What counts as true.
    pub fn truth(&self) -> bool {
        match self {
            Self::Nothing | Self::Function(_) | Self::Tuples(_) => false,
            Self::Value(value) => truth_of(value),
            Self::List(list) => list.items.iter().any(Item::truth),
            Self::Object(object) => !object.fields.is_empty(),
        }
    }

    /// Whether both are the same value; objects whatever the order of their fields.
    pub fn equals(&self, other: &Item, budget: &mut Budget) -> Outcome<bool> {
        budget.steps(1)?;
        match (self, other) {
            (Self::Nothing, Self::Nothing) => return Ok(true),
            (Self::Value(a), Self::Value(b)) if a.is_same(b) => return Ok(true),
            (Self::Value(Value::String(a)), Self::Value(Value::String(b))) => {
                budget.steps(a.len().min(b.len()) / 64)?;
                return Ok(a == b);
            }
            (Self::Function(a), Self::Function(b)) => return Ok(Rc::ptr_eq(a, b)),
            _ => {}
        }
        if self.is_array() && other.is_array() {
            if self.len() != other.len() {
                return Ok(false);
            }
            for (a, b) in self.items().zip(other.items()) {
                if !a.equals(&b, budget)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        if let (Some(a), Some(b)) = (self.as_f64(), other.as_f64()) {
            return Ok(a == b);
        }
        if !self.is_object() || !other.is_object() || self.fields().count() != other.fields().count() {
            return Ok(false);
        }
        for (name, item) in self.fields() {
            let theirs = other.field(name);
            if theirs.is_nothing() || !item.equals(&theirs, budget)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// As JSON; `None` for nothing and for functions, which JSON does not have.
    pub fn into_value(self, budget: &mut Budget) -> Outcome<Option<Value>> {
        budget.bytes(std::mem::size_of::<Value>())?;
        Ok(Some(match self {
            Self::Nothing | Self::Function(_) | Self::Tuples(_) => return Ok(None),
            Self::Value(Value::Float(number)) if !number.is_finite() => {
                return Err(raise("D1001").value(&Self::Value(Value::Float(number))));
            }
            // What JavaScript does not tell apart: zero and its negative.
            Self::Value(Value::Float(0.0)) => Value::Int(0),
            Self::Value(value) => value,
            Self::List(list) => {
                let mut values = Vec::with_capacity(list.items.len());
                for item in &list.items {
                    values.push(item.clone().into_value(budget)?.unwrap_or(Value::Null));
                }
                Value::array(values)
            }
            Self::Object(object) => {
                let mut fields = Map::with_capacity_and_hasher(object.fields.len(), FxBuildHasher);
                for (name, item) in &object.fields {
                    if let Some(value) = item.clone().into_value(budget)? {
                        fields.insert(name.clone(), value);
                    }
                }
                Value::object(fields)
            }
        }))
    }

    /// A short form for messages.
    pub fn brief(&self) -> String {
        match self {
            Self::Nothing => "undefined".to_owned(),
            Self::Function(_) => "function".to_owned(),
            Self::Value(value) => match value {
                Value::Int(_) | Value::Float(_) => number::to_text(value.as_f64().unwrap_or_default()),
                Value::String(text) => {
                    Value::string(text.chars().take(TEXT_MAX).collect::<String>()).to_json()
                }
                Value::Array(values) if values.len() > TEXT_MAX => "[…]".to_owned(),
                Value::Array(_) | Value::Object(_) if value.measure(TEXT_MAX).is_err() => "…".to_owned(),
                value => value.to_json(),
            },
            Self::List(_) | Self::Tuples(_) => "[…]".to_owned(),
            Self::Object(_) => "{…}".to_owned(),
        }
    }
}

fn truth_of(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(bool) => *bool,
        Value::Int(int) => *int != 0,
        Value::Float(float) => *float != 0.0 && !float.is_nan(),
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => values.iter().any(truth_of),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// The items of an item, one by one.
pub enum Items<'a> {
    Values(std::slice::Iter<'a, Value>),
    List(std::slice::Iter<'a, Item>),
    One(Option<&'a Item>),
}

impl Iterator for Items<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        match self {
            Self::Values(values) => values.next().cloned().map(Item::Value),
            Self::List(items) => items.next().cloned(),
            Self::One(item) => item.take().cloned(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Values(values) => values.size_hint(),
            Self::List(items) => items.size_hint(),
            Self::One(item) => (usize::from(item.is_some()), Some(usize::from(item.is_some()))),
        }
    }
}

impl ExactSizeIterator for Items<'_> {}

impl DoubleEndedIterator for Items<'_> {
    fn next_back(&mut self) -> Option<Item> {
        match self {
            Self::Values(values) => values.next_back().cloned().map(Item::Value),
            Self::List(items) => items.next_back().cloned(),
            Self::One(item) => item.take().cloned(),
        }
    }
}

impl From<Option<Value>> for Item {
    fn from(value: Option<Value>) -> Self {
        value.map_or(Self::Nothing, Self::Value)
    }
}
