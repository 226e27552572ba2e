//! `workflow`: workflows written as code, in Python.

mod app;
mod cold;
mod sleeping;
mod steps;
mod waking;

use crate::Place;
use crate::error::Error;
use crate::figure::Figure;
use serde::Serialize;

/// What is measured of workflows written as code.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "workload", rename_all = "lowercase")]
pub enum Code {
    /// Calls of a function that does nothing, one after the other.
    Steps {
        /// Per run.
        steps: u32,
    },
    /// Many runs at once, each of calls one after the other.
    Concurrent {
        /// Runs at once.
        concurrency: u32,
        /// Calls of each.
        steps: u32,
    },
    /// Runs that sleep.
    Sleeping {
        /// How many.
        count: u32,
    },
    /// Runs whose sleep ends at the same time.
    Waking {
        /// How many.
        count: u32,
    },
    /// A run that no worker has, with and without checkpoints.
    Cold {
        /// What has happened since its start: thousands of events.
        thousands: u32,
    },
}

impl Code {
    pub(crate) fn measure(&self, place: &Place) -> Result<Vec<Figure>, Error> {
        match *self {
            Self::Steps { steps } => steps::one_by_one(place, steps),
            Self::Concurrent { concurrency, steps } => steps::at_once(place, concurrency, steps),
            Self::Sleeping { count } => sleeping::measure(place, count),
            Self::Waking { count } => waking::measure(place, count),
            Self::Cold { thousands } => cold::measure(place, thousands),
        }
    }
}
