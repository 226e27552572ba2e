//! What `batch`, `window` and `first` collect: objects by their numbers, or events by themselves.

use super::Items;
use serde::{Deserialize, Serialize};
use sluice_types::{EventList, EventView, Scope};
use std::fmt::Debug;
use std::sync::Arc;

/// A list that grows by what arrives and is passed on as a whole.
pub trait Buffer: Clone + Debug + PartialEq + Eq + Serialize + for<'de> Deserialize<'de> {
    /// What arrives.
    type Item<'a>: Copy;
    /// References that a buffered item takes.
    const HELD: u32;

    /// An empty one for a condition of this scope.
    fn empty(scope: Scope) -> Self;
    /// Adds one.
    fn push(&mut self, item: Self::Item<'_>);
    /// How many there are.
    fn count(&self) -> usize;
    /// Passes on what there is, and begins again.
    fn take(&mut self) -> Items;
}

impl Buffer for Vec<u32> {
    type Item<'a> = u32;
    const HELD: u32 = 1;

    fn empty(_: Scope) -> Self {
        Self::new()
    }

    fn push(&mut self, item: u32) {
        self.push(item);
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn take(&mut self) -> Items {
        Items::List(std::mem::take(self))
    }
}

impl Buffer for EventList {
    type Item<'a> = EventView<'a>;
    const HELD: u32 = 0;

    fn empty(scope: Scope) -> Self {
        Self::new(scope == Scope::App)
    }

    fn push(&mut self, event: EventView<'_>) {
        self.push(&event);
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn take(&mut self) -> Items {
        Items::Events { list: Arc::new(self.take()) }
    }
}
