//! Items on their way from files to a workflow.

use super::Error;
use sluice_expression::{Map, Value};
use sluice_types::limits::WORKFLOW_VALUE_BYTES_MAX;
use std::sync::Arc;

/// Largest array of items, in bytes of JSON: what a workflow can be told.
pub const ITEMS_BYTES_MAX: usize = WORKFLOW_VALUE_BYTES_MAX as usize;
/// What an array adds to each of its items: a comma.
const PER_ITEM_BYTES: usize = 1;

/// Items that were read so far. It takes no more than are wanted, and no more than a workflow can be told.
#[derive(Debug)]
pub struct Gathering {
    most: usize,
    items: Vec<Value>,
    /// Where what was read is an object: its fields are the items.
    fields: Option<Map>,
    bytes: usize,
}

impl Gathering {
    /// Nothing yet; at most so many items.
    pub fn of(most: usize) -> Self {
        Self { most, items: Vec::new(), fields: None, bytes: 2 }
    }

    /// Whether there are as many as are wanted.
    pub fn is_full(&self) -> bool {
        self.items.len() >= self.most
    }

    /// Adds an item.
    pub fn push(&mut self, item: Value) -> Result<(), Error> {
        if self.is_full() {
            return Ok(());
        }
        self.bytes += item.json_bytes() + PER_ITEM_BYTES;
        if self.bytes > ITEMS_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        self.items.push(item);
        Ok(())
    }

    /// Adds items.
    pub fn extend(&mut self, items: impl IntoIterator<Item = Value>) -> Result<(), Error> {
        items.into_iter().take(self.most - self.items.len()).try_for_each(|item| self.push(item))
    }

    /// Adds an object. Its fields are the items if nothing else is read.
    pub fn object(&mut self, fields: &Arc<Map>) -> Result<(), Error> {
        let items =
            || fields.iter().take(self.most).map(|(name, item)| (name.clone(), item.clone())).collect();
        self.fields = self.items.is_empty().then(items);
        self.push(Value::Object(fields.clone()))
    }

    /// The array, or the object.
    pub fn into_value(self) -> Value {
        match self.fields {
            Some(fields) if self.items.len() == 1 => Value::object(fields),
            _ => Value::array(self.items),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_a_workflow_can_be_told() {
        let mebibyte = Value::string("x".repeat(1024 * 1024));
        let mut items = Gathering::of(usize::MAX);
        for _ in 0..15 {
            items.push(mebibyte.clone()).expect("it has a place");
        }
        assert!(matches!(items.push(mebibyte), Err(Error::TooLarge)));
        assert!(items.into_value().json_bytes() <= ITEMS_BYTES_MAX);
    }

    #[test]
    fn no_more_is_taken_than_is_wanted() {
        let mut items = Gathering::of(2);
        items.extend((0..5).map(Value::Int)).expect("they have a place");
        items.push(Value::Int(9)).expect("it is left out");
        assert_eq!(items.into_value().to_json(), "[0,1]");
    }
}
