//! Variables of a running state machine.

use sluice_expression::{Excess, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Variables of one scope, and those of the scopes around it, which it reads and never writes.
///
/// A machine has one scope; every branch of `Parallel` and every iteration of `Map` has one of its own within it.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Variables {
    own: Arc<BTreeMap<Arc<str>, Value>>,
    outer: Option<Arc<Variables>>,
}

impl Variables {
    /// A new scope within this one.
    pub fn inner(&self) -> Self {
        Self { own: Arc::default(), outer: Some(Arc::new(self.clone())) }
    }

    /// The variable of that name, in the nearest scope that has it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.own.get(name).or_else(|| self.outer.as_deref()?.get(name))
    }

    /// Sets a variable of this scope.
    pub fn set(&mut self, name: Arc<str>, value: Value) {
        Arc::make_mut(&mut self.own).insert(name, value);
    }

    /// The variables of this scope alone, by name.
    pub fn own(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.own.iter()
    }

    /// Bytes of JSON of all variables in scope, if they are at most `bytes_max` and none nests too deep.
    pub fn measure(&self, bytes_max: usize) -> Result<usize, Excess> {
        let mut bytes = self.outer.as_deref().map_or(Ok(0), |outer| outer.measure(bytes_max))?;
        for value in self.own.values() {
            bytes += value.measure(bytes_max - bytes)?;
        }
        Ok(bytes)
    }

    /// Whether no scope has a variable.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.outer.as_deref().is_none_or(Self::is_empty)
    }
}
