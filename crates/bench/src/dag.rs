//! `dag`: recorded workflows without their times, at two sizes, and tasks that only sleep.

mod recorded;
mod sleeping;

use crate::Place;
use crate::error::Error;
use crate::figure::Figure;
use serde::Serialize;

/// What is measured of DAGs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "workload", rename_all = "lowercase")]
pub enum Dag {
    /// A recorded workflow at scale 0: hand-overs and checks only.
    Recorded {
        /// Its tasks.
        tasks: u32,
    },
    /// The same at this size, and at ten times this size.
    Scaling {
        /// Its tasks.
        tasks: u32,
    },
    /// Tasks that sleep, one after the other.
    Sequence {
        /// How many.
        tasks: u32,
        /// How long each sleeps.
        seconds: u32,
    },
    /// A task that is called for each element of a list, all at once, and sleeps.
    Map {
        /// How many elements.
        tasks: u32,
        /// How long each call sleeps.
        seconds: u32,
    },
}

impl Dag {
    pub(crate) fn measure(&self, place: &Place) -> Result<Vec<Figure>, Error> {
        match *self {
            Self::Recorded { tasks } => recorded::rate(place, tasks),
            Self::Scaling { tasks } => recorded::scaling(place, tasks),
            Self::Sequence { tasks, seconds } => sleeping::sequence(place, tasks, seconds),
            Self::Map { tasks, seconds } => sleeping::map(place, tasks, seconds),
        }
    }
}
