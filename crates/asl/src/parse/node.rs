//! JSON that knows where it stands in its text.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sluice_expression::{VALUE_NESTING_MAX, Value};
use std::fmt;
use std::sync::Arc;

/// One value of the definition.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it starts, in bytes.
    pub(super) at: usize,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Scalar(Value),
    Array(Vec<Node>),
    /// In the order of the text, duplicates included.
    Object(Vec<Field>),
}

/// One field of an object.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Arc<str>,
    /// Where its name starts, in bytes.
    pub(super) at: usize,
    pub(super) value: Node,
}

/// Why a text has no nodes.
pub(super) enum NotJson {
    Syntax(serde_json::Error),
    /// The value at this place nests deeper than [`VALUE_NESTING_MAX`].
    TooDeep(usize),
}

impl Node {
    /// Reads one JSON text. Each level is read again for the level within it, so the work is bounded by the length of
    /// the text times [`VALUE_NESTING_MAX`].
    pub(super) fn parse(text: &str) -> Result<Self, NotJson> {
        let raw: &RawValue = serde_json::from_str(text).map_err(NotJson::Syntax)?;
        Self::read(raw, text.as_ptr() as usize, VALUE_NESTING_MAX)
    }

    fn read(raw: &RawValue, start: usize, levels: usize) -> Result<Self, NotJson> {
        let text = raw.get();
        let at = text.as_ptr() as usize - start;
        let deeper = levels.checked_sub(1).ok_or(NotJson::TooDeep(at));
        let content = match text.as_bytes().first() {
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(NotJson::Syntax)?;
                let levels = deeper?;
                let items = items.into_iter().map(|item| Self::read(item, start, levels));
                Content::Array(items.collect::<Result<_, _>>()?)
            }
            Some(b'{') => {
                let fields: Fields<'_> = serde_json::from_str(text).map_err(NotJson::Syntax)?;
                let levels = deeper?;
                let fields = fields.0.into_iter().map(|(name, value)| {
                    Ok(Field {
                        name: serde_json::from_str::<String>(name.get()).map_err(NotJson::Syntax)?.into(),
                        at: name.get().as_ptr() as usize - start,
                        value: Self::read(value, start, levels)?,
                    })
                });
                Content::Object(fields.collect::<Result<_, _>>()?)
            }
            _ => Content::Scalar(serde_json::from_str(text).map_err(NotJson::Syntax)?),
        };
        Ok(Self { at, content })
    }

    /// Without places; of duplicate fields the last.
    pub(super) fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::Array(items) => Value::array(items.iter().map(Self::value).collect()),
            Content::Object(fields) => {
                Value::fields(fields.iter().map(|field| (field.name.clone(), field.value.value())))
            }
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(value) => value.as_str(),
            _ => None,
        }
    }

    pub(super) fn as_array(&self) -> Option<&[Node]> {
        match &self.content {
            Content::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn as_object(&self) -> Option<&[Field]> {
        match &self.content {
            Content::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The field of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.as_object()?.iter().find(|field| &*field.name == name).map(|field| &field.value)
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.content, Content::Scalar(Value::Null))
    }
}

/// Fields of an object, unread.
struct Fields<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
