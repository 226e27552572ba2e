//! JSONPath as RFC 9535 has it; the States Language has a dialect of its own, [`super::Path`].

use super::{PATH_BYTES_MAX, PathError};
use crate::Value;
use serde_json_path::JsonPath;

/// A compiled query.
#[derive(Clone, Debug)]
pub struct Query(JsonPath);

impl Query {
    /// Compiles a query.
    pub fn parse(source: &str) -> Result<Self, PathError> {
        if source.len() > PATH_BYTES_MAX {
            let message = format!("the query is longer than {PATH_BYTES_MAX} bytes");
            return Err(PathError { message, position: PATH_BYTES_MAX });
        }
        let query = JsonPath::parse(source).map(Self);
        query.map_err(|error| PathError { message: error.message().to_owned(), position: error.position() })
    }

    /// All values that it finds: items in their order, fields in that of their names.
    pub fn select(&self, root: &Value) -> Vec<Value> {
        let root = serde_json::to_value(root).expect("a value is always JSON");
        let found = self.0.query(&root).all();
        found
            .into_iter()
            .map(|value| serde_json::from_value(value.clone()).expect("JSON is a value"))
            .collect()
    }
}
