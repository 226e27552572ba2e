//! Objects that an app retains for its triggers, and who still needs them.

use crate::effect::Effect;
use serde::{Deserialize, Serialize};
use sluice_types::Object;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Item {
    object: Object,
    /// Name of its bucket, which means the same in every version.
    bucket: Arc<str>,
    uses: u32,
}

/// Retained objects by number. A number is used again only when nothing has it any more.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ItemTable {
    items: BTreeMap<u32, Item>,
    next: u32,
}

impl ItemTable {
    /// Adds an object, held once.
    pub fn insert(&mut self, object: Object, bucket: Arc<str>) -> u32 {
        while self.items.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let item = self.next;
        self.next = item.wrapping_add(1);
        self.items.insert(item, Item { object, bucket, uses: 1 });
        item
    }

    pub fn object(&self, item: u32) -> &Object {
        &self.items[&item].object
    }

    pub fn bucket(&self, item: u32) -> &Arc<str> {
        &self.items[&item].bucket
    }

    pub fn hold(&mut self, item: u32, holders: u32) {
        self.items.get_mut(&item).expect("what arrives is held").uses += holders;
    }

    /// One holder less; the last one releases the payload.
    pub fn let_go(&mut self, item: u32, effects: &mut Vec<Effect>) {
        let held = self.items.get_mut(&item).expect("what holds an item keeps it");
        held.uses -= 1;
        if held.uses == 0 {
            crate::run::discard(&held.object.payload, effects);
            self.items.remove(&item);
        }
    }

    /// Holders by item.
    pub fn uses(&self) -> BTreeMap<u32, u32> {
        self.items.iter().map(|(item, held)| (*item, held.uses)).collect()
    }
}
