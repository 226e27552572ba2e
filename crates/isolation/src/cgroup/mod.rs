//! Groups of processes with limits, in whatever cgroup hierarchies the host has.

mod group;
mod hierarchy;

pub use group::Group;
pub(crate) use hierarchy::{CgroupVersion, Controllers, Hierarchy};

use crate::error::Error;
use crate::spec::Limits;
use std::sync::atomic::{AtomicU64, Ordering};

/// What this server may use of the host's cgroups.
#[derive(Debug)]
pub(crate) struct Cgroups {
    pub hierarchies: Vec<Hierarchy>,
    made: AtomicU64,
}

impl Cgroups {
    /// Finds the hierarchies and removes what dead servers left.
    pub fn discover() -> Self {
        Self { hierarchies: hierarchy::discover(), made: AtomicU64::new(0) }
    }

    /// The version that enforces a limit, if one does.
    pub fn version(&self, has: impl Fn(Controllers) -> bool) -> Option<CgroupVersion> {
        self.hierarchies.iter().find(|h| has(h.controllers)).map(|h| h.version)
    }

    /// A new group for a box.
    pub fn group(&self, limits: &Limits) -> Result<Group, Error> {
        let name = self.made.fetch_add(1, Ordering::Relaxed).to_string();
        let places = self.hierarchies.iter().map(|h| (h.base.as_path(), h.version, h.controllers));
        Group::create(places, &name, limits)
    }
}
