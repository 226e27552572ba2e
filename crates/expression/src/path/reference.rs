//! Reference paths: paths that name one place, and the placing of a value there.

use super::{Missing, Path, PathError, Root, Step};
use crate::{Map, VALUE_NESTING_MAX, Value};
use std::fmt;
use std::sync::Arc;

/// Largest index at which a value may be placed in an array.
pub const REFERENCE_INDEX_MAX: i64 = 100_000;

/// A path of fields and indices only, which names one place in a value.
#[derive(Clone, PartialEq)]
pub struct ReferencePath(Path);

/// Why a value cannot be placed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misplaced(pub String);

impl ReferencePath {
    /// Compiles a reference path.
    pub fn parse(source: &str) -> Result<Self, PathError> {
        let path = Path::parse(source)?;
        let single = |step: &Step| matches!(step, Step::Child(_) | Step::Index(0..=REFERENCE_INDEX_MAX));
        if path.parts.function.is_some() || !path.parts.steps.iter().all(single) {
            let message = "a reference path names one place: fields and indices only".to_owned();
            return Err(PathError { message, position: 0 });
        }
        if path.parts.steps.len() > VALUE_NESTING_MAX {
            let message = format!("the place is more than {VALUE_NESTING_MAX} values deep");
            return Err(PathError { message, position: 0 });
        }
        Ok(Self(path))
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        self.0.source()
    }

    /// What it starts from.
    pub fn root(&self) -> &Root {
        self.0.root()
    }

    /// Whether it is its root and nothing more.
    pub fn is_root(&self) -> bool {
        self.0.is_root()
    }

    /// What stands at the place.
    pub fn find(&self, root: &Value) -> Result<Value, Missing> {
        self.0.find(root)
    }

    /// `into` with `value` at the place: objects that are not there are made, what stands there is replaced. An index
    /// must be that of an item or of the end. Shared parts off the path stay shared.
    pub fn place(&self, into: &Value, value: Value) -> Result<Value, Misplaced> {
        let mut placed = into.clone();
        let mut at = &mut placed;
        for step in &self.0.parts.steps {
            at = match step {
                Step::Child(name) => field(at, name).ok_or_else(|| self.misplaced(into))?,
                Step::Index(index) => entry(at, *index as usize).ok_or_else(|| self.misplaced(into))?,
                _ => unreachable!("a reference path holds fields and indices only"),
            };
        }
        *at = value;
        Ok(placed)
    }

    fn misplaced(&self, into: &Value) -> Misplaced {
        Misplaced(format!("Unable to apply ReferencePath {} to input {into}", self.source()))
    }
}

fn field<'a>(value: &'a mut Value, name: &Arc<str>) -> Option<&'a mut Value> {
    if value.is_null() {
        *value = Value::object(Map::default());
    }
    match value {
        Value::Object(fields) => Some(Arc::make_mut(fields).entry(name.clone()).or_default()),
        _ => None,
    }
}

fn entry(value: &mut Value, index: usize) -> Option<&mut Value> {
    match value {
        Value::Array(items) => {
            let items = Arc::make_mut(items);
            if index == items.len() {
                items.push(Value::Null);
            }
            items.get_mut(index)
        }
        _ => None,
    }
}

impl fmt::Debug for ReferencePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReferencePath({})", self.source())
    }
}
