//! An object of the definition, and the typed reading of its fields.

use super::node::{Field, Node};
use super::{Parser, Place};
use crate::diagnostic::code;
use crate::machine::QueryLanguage;
use sluice_expression::Value;
use sluice_types::did_you_mean;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// In which query language a field exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum In {
    Both,
    JsonPath,
    Jsonata,
}

/// A field that an object may have.
pub(super) type Allowed = (&'static str, In);

/// An object whose fields are known to be allowed.
pub(super) struct Fields<'n> {
    pub(super) place: Place,
    pub(super) at: usize,
    fields: Vec<&'n Field>,
}

impl<'n> Fields<'n> {
    pub(super) fn get(&self, name: &str) -> Option<&'n Node> {
        self.fields.iter().find(|field| &*field.name == name).map(|field| &field.value)
    }

    /// Where the value of a field starts; without the field, where the object does.
    pub(super) fn at(&self, name: &str) -> usize {
        self.get(name).map_or(self.at, |node| node.at)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'n Field> + '_ {
        self.fields.iter().copied()
    }
}

impl Parser<'_> {
    /// The fields of an object; reports those that are not allowed, that belong to the other query language or that are
    /// there twice, and leaves them out.
    pub(super) fn fields<'n>(
        &mut self,
        node: &'n Node,
        place: Place,
        allowed: &[&[Allowed]],
        language: QueryLanguage,
    ) -> Option<Fields<'n>> {
        let Some(written) = node.as_object() else {
            self.schema(&place, node.at, format!("Expected an object, found {}", node.value().type_name()));
            return None;
        };
        let mut fields: Vec<&Field> = Vec::with_capacity(written.len());
        for field in written {
            let rule = allowed.iter().copied().flatten().find(|(name, _)| *name == &*field.name);
            if self.is_allowed(field, rule, &place, allowed, language)
                && self.is_new(field, &mut fields, &place)
            {
                fields.push(field);
            }
        }
        Some(Fields { place, at: node.at, fields })
    }

    fn is_allowed(
        &mut self,
        field: &Field,
        rule: Option<&Allowed>,
        place: &Place,
        allowed: &[&[Allowed]],
        language: QueryLanguage,
    ) -> bool {
        let (set, supported) = match (rule, language) {
            (Some((_, In::JsonPath)), QueryLanguage::Jsonata) => ("JSONata", "JSONPath"),
            (Some((_, In::Jsonata)), QueryLanguage::JsonPath) => ("JSONPath", "JSONata"),
            (Some(_), _) => return true,
            (None, _) => {
                let known = allowed.iter().copied().flatten().map(|(name, _)| *name);
                let hint = did_you_mean(&field.name, known).map(|hint| format!("; {hint}"));
                let hint = hint.unwrap_or_default();
                self.schema(place, field.at, format!("Field '{}' is not supported{hint}", field.name));
                return false;
            }
        };
        self.schema(
            place,
            field.at,
            format!(
                "The QueryLanguage is set to '{set}', but field '{}' is only supported for the '{supported}' \
                 QueryLanguage",
                field.name
            ),
        );
        false
    }

    fn is_new(&mut self, field: &Field, fields: &mut [&Field], place: &Place) -> bool {
        let duplicate = fields.iter().any(|other| other.name == field.name);
        if duplicate {
            let message = format!("Duplicate field '{}'", field.name);
            self.error(code::INVALID_JSON_DESCRIPTION, Some(place), field.at, message);
        }
        !duplicate
    }

    /// Reports the fields among `names` that are missing, all at once.
    pub(super) fn require(&mut self, fields: &Fields<'_>, names: &[&str]) {
        let missing: Vec<&str> = names.iter().copied().filter(|name| !fields.has(name)).collect();
        if !missing.is_empty() {
            let message = format!("These fields are required: [{}]", missing.join(", "));
            self.schema(&fields.place, fields.at, message);
        }
    }

    /// Reports more than one of `names`; tells whether there is at most one.
    pub(super) fn exclusive(&mut self, fields: &Fields<'_>, names: &[&str]) -> bool {
        let found: Vec<&str> = names.iter().copied().filter(|name| fields.has(name)).collect();
        if found.len() > 1 {
            let message = format!("Only one of these fields is allowed: [{}]", found.join(", "));
            self.schema(&fields.place, fields.at, message);
        }
        found.len() <= 1
    }

    /// A field's value is of another shape than it takes.
    pub(super) fn mistyped(&mut self, fields: &Fields<'_>, name: &str, node: &Node, expected: &str) {
        let found = match node.value() {
            Value::Array(items) if items.is_empty() => "an empty array".to_owned(),
            Value::Object(fields) if fields.is_empty() => "an empty object".to_owned(),
            long @ (Value::Array(_) | Value::Object(_)) => format!("an {}", long.type_name()),
            scalar => scalar.to_json(),
        };
        let message = format!("The value for the field '{name}' must be {expected}, not {found}");
        self.schema(&fields.place.field(name), node.at, message);
    }

    pub(super) fn text(&mut self, fields: &Fields<'_>, name: &str) -> Option<Arc<str>> {
        let node = fields.get(name)?;
        if node.as_str().is_none() {
            self.mistyped(fields, name, node, "a string");
        }
        node.as_str().map(Arc::from)
    }

    /// One of some words.
    pub(super) fn word<'w>(&mut self, fields: &Fields<'_>, name: &str, words: &[&'w str]) -> Option<&'w str> {
        let node = fields.get(name)?;
        let word = words.iter().copied().find(|word| node.as_str() == Some(word));
        if word.is_none() {
            let expected = format!("one of [{}]", words.join(", "));
            self.mistyped(fields, name, node, &expected);
        }
        word
    }

    pub(super) fn flag(&mut self, fields: &Fields<'_>, name: &str) -> Option<bool> {
        let node = fields.get(name)?;
        let flag = node.value().as_bool();
        if flag.is_none() {
            self.mistyped(fields, name, node, "true or false");
        }
        flag
    }

    pub(super) fn integer(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let node = fields.get(name)?;
        let number = match node.value() {
            Value::Int(int) => u64::try_from(int).ok().filter(|number| range.contains(number)),
            _ => None,
        };
        if number.is_none() {
            let expected = format!("an integer from {} to {}", range.start(), range.end());
            self.mistyped(fields, name, node, &expected);
        }
        number
    }

    pub(super) fn number(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        range: RangeInclusive<f64>,
    ) -> Option<f64> {
        let node = fields.get(name)?;
        let number = node.value().as_f64().filter(|number| range.contains(number));
        if number.is_none() {
            let expected = match *range.end() {
                f64::MAX => format!("a number of at least {}", range.start()),
                end => format!("a number from {} to {end}", range.start()),
            };
            self.mistyped(fields, name, node, &expected);
        }
        number
    }

    /// The objects in an array that is not empty.
    pub(super) fn list<'n>(&mut self, fields: &Fields<'n>, name: &str) -> &'n [Node] {
        let Some(node) = fields.get(name) else { return &[] };
        match node.as_array() {
            Some(items) if !items.is_empty() => items,
            _ => {
                self.mistyped(fields, name, node, "an array that is not empty");
                &[]
            }
        }
    }
}
