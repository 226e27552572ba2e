//! `asl`: state machines in the Amazon States Language, beside the bare interpreter where that is the floor.

mod history;
mod interpreter;
mod machines;
mod map;
mod passes;
mod requests;
mod waiting;

use crate::error::Error;
use crate::figure::Figure;
use crate::{Place, Runtime};
use serde::Serialize;
use sluice_types::Durability;

/// What is measured of state machines.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "workload", rename_all = "lowercase")]
pub enum Workflow {
    /// Executions of a chain of Pass states.
    Passes {
        /// Of the app.
        durability: Durability,
        /// Executions at once.
        concurrency: u32,
    },
    /// Executions that are started and described over HTTP, as AWS's SDKs do it.
    Requests {
        /// How many.
        count: u32,
    },
    /// A Map whose items go through a function that does nothing.
    Map {
        /// What executes the function.
        runtime: Runtime,
        /// Of the app.
        durability: Durability,
        /// How many.
        items: u32,
    },
    /// Executions in a Wait.
    Waiting {
        /// How many.
        count: u32,
    },
    /// One execution with a long history.
    History {
        /// Events, in thousands.
        thousands: u32,
    },
}

impl Workflow {
    pub(crate) fn measure(&self, place: &Place) -> Result<Vec<Figure>, Error> {
        match *self {
            Self::Passes { durability, concurrency } => passes::measure(place, durability, concurrency),
            Self::Requests { count } => requests::measure(place, count),
            Self::Map { runtime, durability, items } => map::measure(place, runtime, durability, items),
            Self::Waiting { count } => waiting::measure(place, count),
            Self::History { thousands } => history::measure(place, thousands),
        }
    }
}
