//! Typed values from a [`Node`]: a serde deserializer whose errors know the place and what was meant.

use crate::node::{Entry, Node, Position, Value};
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use sluice_types::did_you_mean;
use std::fmt;

/// A value that is not what its place takes.
#[derive(Debug)]
pub(crate) struct Mismatch {
    /// Steps from the decoded node to the place.
    pub path: Vec<String>,
    pub at: Option<Position>,
    pub message: String,
    pub fix: String,
}

/// Decodes a node into a type.
pub(crate) fn decode<'de, T: de::Deserialize<'de>>(node: &'de Node) -> Result<T, Mismatch> {
    T::deserialize(node).map_err(|e| e.positioned(node.at))
}

impl Mismatch {
    fn new(message: String, fix: String) -> Self {
        Self { path: Vec::new(), at: None, message, fix }
    }

    fn positioned(mut self, at: Option<Position>) -> Self {
        self.at = self.at.or(at);
        self
    }

    fn within(mut self, step: &str, at: Option<Position>) -> Self {
        self.path.insert(0, step.to_owned());
        self.positioned(at)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    /// `message; fix` may be given in one text.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        match text.split_once("; ") {
            Some((message, fix)) => Self::new(message.to_owned(), fix.to_owned()),
            None => Self::new(text, String::new()),
        }
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let (found, wanted) = (found(unexpected), wanted(expected));
        Self::new(format!("{found} stands where {wanted} belongs"), format!("give {wanted}"))
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let (found, wanted) = (found(unexpected), wanted(expected));
        Self::new(format!("{found} is not {wanted}"), format!("give {wanted}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let fix = did_you_mean(field, expected.iter().copied());
        let known = expected.join(", ");
        Self::new(format!("`{field}` is not known here"), fix.unwrap_or(format!("known are: {known}")))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let fix = did_you_mean(variant, expected.iter().copied());
        let known = expected.join(", ");
        Self::new(
            format!("`{variant}` is not one of: {known}"),
            fix.unwrap_or(format!("give one of: {known}")),
        )
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing"), format!("add `{field}`"))
    }
}

/// What stands there, in words of the notation instead of serde's.
fn found(unexpected: de::Unexpected<'_>) -> String {
    match unexpected {
        de::Unexpected::Unit | de::Unexpected::Option => "nothing".to_owned(),
        de::Unexpected::Bool(value) => format!("`{value}`"),
        de::Unexpected::Signed(value) => format!("`{value}`"),
        de::Unexpected::Float(value) => format!("`{value}`"),
        de::Unexpected::Str(value) => format!("the text `{value}`"),
        de::Unexpected::Seq => "a list".to_owned(),
        de::Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// What belongs there; serde calls primitive types by their Rust names.
fn wanted(expected: &dyn de::Expected) -> String {
    match expected.to_string().as_str() {
        "i64" | "i32" | "u32" | "usize" => "a whole number".to_owned(),
        "f64" => "a number".to_owned(),
        "a string" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        words => words.to_owned(),
    }
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_borrowed_str(value),
            Value::List(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Map(entries) => visitor.visit_map(Entries { rest: entries.iter(), now: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match &self.value {
            Value::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => self.deserialize_any(OneOf(variants)).map(|never| match never {}),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Accepts nothing: words the error for something that is not text where one of a few words belongs.
struct OneOf(&'static [&'static str]);

enum Never {}

impl Visitor<'_> for OneOf {
    type Value = Never;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of: {}", self.0.join(", "))
    }
}

struct Items<'de>(std::iter::Enumerate<std::slice::Iter<'de, Node>>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mismatch> {
        let Some((i, node)) = self.0.next() else { return Ok(None) };
        seed.deserialize(node).map(Some).map_err(|e| e.within(&i.to_string(), node.at))
    }
}

struct Entries<'de> {
    rest: std::slice::Iter<'de, Entry>,
    now: Option<&'de Entry>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        self.now = self.rest.next();
        let Some(entry) = self.now else { return Ok(None) };
        let key = de::value::BorrowedStrDeserializer::new(&entry.key);
        seed.deserialize(key).map(Some).map_err(|e: Mismatch| e.positioned(entry.key_at))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Mismatch> {
        let entry = self.now.take().expect("serde asks for a value after its key");
        seed.deserialize(&entry.value).map_err(|e| e.within(&entry.key, entry.value.at))
    }
}
