//! Condition state: one small evaluator per kind, all serialisable.
//!
//! Conditions see objects as *items*, numbers that their entity gives out, and report every reference they take: an
//! item that moves from a buffer to a firing keeps its reference, one that nothing will pass on is dropped. What a
//! firing does is the entity's business.

mod all;
mod batch;
mod buffer;
mod closing;
mod events;
mod first;
mod gather;
mod matching;
mod set;
mod state;
mod window;

pub use buffer::Buffer;
pub use closing::Incomplete;
pub use events::Happening;
pub(crate) use matching::pattern_matches;
pub use matching::{attributes_match, event_object};
pub use state::State;

use serde::{Deserialize, Serialize};
use sluice_types::{Event, EventList, FunctionIx, Object, Scope};
use smallvec::SmallVec;
use std::sync::Arc;

/// What a condition collected when it fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Items {
    /// One object.
    One(u32),
    /// A list, in the order that semantics gives the kind.
    List(Vec<u32>),
    /// An event.
    Event(Arc<Event>),
    /// What each part of an `all` collected, in the order of the parts.
    Parts(Vec<Items>),
    /// A list of events.
    Events {
        /// The events.
        list: Arc<EventList>,
    },
    /// A list of events that the app retains for the run that its firing started.
    Retained {
        /// The firing.
        number: u64,
        /// How many events there are.
        count: u32,
        /// The events, as the app has them.
        #[serde(skip)]
        list: Arc<EventList>,
    },
    /// An object that is in no table, with its bytes in it.
    Value(Box<Object>),
    /// A list of objects that are in no table. What is not in them the run keeps.
    Values(Vec<Object>),
}

impl Items {
    /// Visits every item, in order.
    pub fn each(&self, visit: &mut dyn FnMut(u32)) {
        match self {
            Self::One(item) => visit(*item),
            Self::List(items) => items.iter().for_each(|item| visit(*item)),
            Self::Event(_)
            | Self::Events { .. }
            | Self::Retained { .. }
            | Self::Value(_)
            | Self::Values(_) => {}
            Self::Parts(parts) => parts.iter().for_each(|part| part.each(visit)),
        }
    }
}

impl Items {
    /// How many events it lists; one that comes by itself is none.
    pub(crate) fn events(&self) -> u32 {
        match self {
            Self::Events { list } => list.len() as u32,
            Self::Retained { count, .. } => *count,
            _ => 0,
        }
    }

    /// Visits every list of events.
    pub(crate) fn each_list(&self, visit: &mut dyn FnMut(&EventList)) {
        match self {
            Self::Events { list } => visit(list),
            Self::Parts(parts) => parts.iter().for_each(|part| part.each_list(visit)),
            _ => {}
        }
    }
}

/// One firing of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// What it collected.
    pub items: Items,
    /// The group, or the key of a keyed window.
    pub group: Option<Arc<str>>,
    /// Whether return values are numbered (`batch`, `window`).
    pub numbered: bool,
}

impl Firing {
    pub(crate) fn of(items: Items) -> Self {
        Self { items, group: None, numbered: false }
    }

    fn list(items: Vec<u32>) -> Self {
        Self::of(Items::List(items))
    }

    fn numbered(items: Items, group: Option<Arc<str>>) -> Self {
        Self { items, group, numbered: true }
    }
}

/// What one step of a condition yields.
#[derive(Debug, Default)]
pub struct Collected {
    /// The firings; nearly always none or one.
    pub firings: SmallVec<[Firing; 1]>,
    /// References taken to the item that arrives, those in `firings` and `dropped` included.
    pub held: u32,
    /// References given up, one entry each.
    pub dropped: Vec<u32>,
}

impl Collected {
    fn take(&mut self, firing: Firing) {
        self.held += 1;
        self.firings.push(firing);
    }
}

/// An object that arrives at a condition.
pub struct Arrival<'a> {
    /// Its number in the entity.
    pub item: u32,
    /// The object.
    pub object: &'a Object,
    /// Name of its bucket, for expressions.
    pub bucket_name: &'a str,
    /// The function that put it, if one did.
    pub from: Option<FunctionIx>,
    /// Time of arrival.
    pub now_ms: u64,
    /// The trigger's scope.
    pub scope: Scope,
}
