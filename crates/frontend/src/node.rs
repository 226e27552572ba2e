//! The tree that YAML and JSON both parse to: values with the place they came from.

use serde::de::{self, Deserialize, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Line and column in a source file, both counted from 1. Column 0: only the line is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1; 0 when unknown.
    pub column: usize,
}

/// A value and where it starts; `None` where the notation gives no positions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub at: Option<Position>,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the source; keys are unique.
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub key: String,
    pub key_at: Option<Position>,
    pub value: Node,
}

impl Node {
    /// Number of nodes, itself included.
    pub fn size(&self) -> usize {
        1 + match &self.value {
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|e| e.value.size()).sum(),
            _ => 0,
        }
    }

    /// The members of a map, by name.
    pub fn members(&mut self) -> impl Iterator<Item = (&str, &mut Node)> {
        let entries = match &mut self.value {
            Value::Map(entries) => entries.as_mut_slice(),
            _ => &mut [],
        };
        entries.iter_mut().map(|entry| (entry.key.as_str(), &mut entry.value))
    }

    /// The member of a map with that name.
    pub fn member(&mut self, name: &str) -> Option<&mut Node> {
        self.members().find_map(|(key, node)| (key == name).then_some(node))
    }

    /// Calls `visit` with the path (`functions.count.into`) and the position of every value: its own for a
    /// scalar, that of its key for a list or a map.
    pub fn positions(&self, visit: &mut dyn FnMut(&str, Position)) {
        self.positions_below("", visit);
    }

    fn positions_below(&self, path: &str, visit: &mut dyn FnMut(&str, Position)) {
        let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let mut child = |name: &str, node: &Node, key_at: Option<Position>| {
            let path = join(name);
            let is_scalar = !matches!(node.value, Value::List(_) | Value::Map(_));
            if let Some(at) = if is_scalar { node.at } else { key_at.or(node.at) } {
                visit(&path, at);
            }
            node.positions_below(&path, visit);
        };
        match &self.value {
            Value::List(items) => {
                items.iter().enumerate().for_each(|(i, node)| child(&i.to_string(), node, None));
            }
            Value::Map(entries) => entries.iter().for_each(|e| child(&e.key, &e.value, e.key_at)),
            _ => {}
        }
    }
}

/// From JSON: without positions, refusing a key that occurs twice.
impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(ValueVisitor)?;
        Ok(Self { at: None, value })
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        while let Some((key, value)) = map.next_entry::<String, Node>()? {
            if !seen.insert(key.clone()) {
                return Err(de::Error::custom(format_args!("the key `{key}` occurs twice")));
            }
            entries.push(Entry { key, key_at: None, value });
        }
        Ok(Value::Map(entries))
    }
}
