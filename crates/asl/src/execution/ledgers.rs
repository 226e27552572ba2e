//! Ledgers: the executions whose histories are written, this one and the child executions of its distributed Maps.

use super::history::ChildId;
use serde::{Deserialize, Serialize};
use sluice_expression::Value;
use std::sync::Arc;

/// The ledger of the execution itself.
pub(super) const OWN: u32 = 0;

/// What is counted for one execution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// Number of its events so far.
    pub events: u64,
    /// Whether its events are kept.
    pub recorded: bool,
    /// Of a child execution.
    pub child: Option<Box<Child>>,
}

/// A child execution of a distributed Map.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Child {
    pub id: ChildId,
    pub arn: Arc<str>,
    pub name: Arc<str>,
    pub input: Value,
    pub start_ms: u64,
    /// Number of the items it works on: more than one with batches.
    pub items: u32,
}

/// All ledgers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ledgers {
    slots: Vec<Option<Ledger>>,
    free: Vec<u32>,
}

impl Ledgers {
    /// The ledger of the execution alone.
    pub fn new() -> Self {
        Self { slots: vec![Some(Ledger { events: 0, recorded: true, child: None })], free: Vec::new() }
    }

    /// Opens the ledger of a child execution.
    pub fn open(&mut self, child: Child, recorded: bool) -> u32 {
        let ledger = Some(Ledger { events: 0, recorded, child: Some(Box::new(child)) });
        match self.free.pop() {
            Some(number) => {
                self.slots[number as usize] = ledger;
                number
            }
            None => {
                self.slots.push(ledger);
                self.slots.len() as u32 - 1
            }
        }
    }

    /// Closes the ledger of a child execution that has ended for good.
    pub fn close(&mut self, number: u32) {
        debug_assert!(number != OWN);
        self.slots[number as usize] = None;
        self.free.push(number);
    }

    pub fn get(&self, number: u32) -> &Ledger {
        self.slots[number as usize].as_ref().expect("a frame's ledger is open")
    }

    pub fn get_mut(&mut self, number: u32) -> &mut Ledger {
        self.slots[number as usize].as_mut().expect("a frame's ledger is open")
    }
}
