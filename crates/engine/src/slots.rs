//! A list of slots that grows without moving those it holds: a long run adds to it with every step.

use crate::objects::Slot;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::{Index, IndexMut};

/// Slots in one block.
const BLOCK: usize = 32;

/// Slots by position, in blocks. All of them are full but the last.
#[derive(Clone, Debug, Default)]
pub struct Slots(Vec<Vec<Slot>>);

impl Slots {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * BLOCK + last.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.0.iter_mut().flatten()
    }

    pub(crate) fn push(&mut self, slot: Slot) {
        match self.0.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(slot),
            before => {
                // Most runs are short and need no whole block.
                let mut block = Vec::with_capacity(if before.is_some() { BLOCK } else { 1 });
                block.push(slot);
                self.0.push(block);
            }
        }
    }
}

impl Index<usize> for Slots {
    type Output = Slot;

    fn index(&self, at: usize) -> &Slot {
        &self.0[at / BLOCK][at % BLOCK]
    }
}

impl IndexMut<usize> for Slots {
    fn index_mut(&mut self, at: usize) -> &mut Slot {
        &mut self.0[at / BLOCK][at % BLOCK]
    }
}

impl Serialize for Slots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        self.iter().try_for_each(|slot| list.serialize_element(slot))?;
        list.end()
    }
}

impl<'de> Deserialize<'de> for Slots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut slots = Self::default();
        Vec::deserialize(deserializer)?.into_iter().for_each(|slot| slots.push(slot));
        Ok(slots)
    }
}
