//! Clients that fork runs of workflows that are code, or have them go on on another version; what forks begin with, and workers
//! that are asked whether they could go on.

use super::clients::{Client, Deed};
use super::examination::bytes;
use super::sandboxes::ON_PURPOSE;
use super::scene::Scene;
use super::verdict::{Checker, Violation};
use crate::behaviour::Reaction;
use crate::code::instance::Instance;
use crate::code::plan::Plan;
use bytes::Bytes;
use sluice_engine::Run;
use sluice_flow::Line;
use sluice_runtime::api::{CheckReport, Movable};
use sluice_types::{FailureKind, Lsn};

impl Client {
    /// Goes on with the workflow of another client's run, from a record on or wherever that is: sends it signals, and waits.
    pub fn of_fork(scene: &Scene, number: u64, parent: &Self, at: Option<Lsn>) -> Self {
        let mut deeds = vec![Deed::Fork(parent.id.clone(), at)];
        deeds.extend((0..scene.below(4)).map(|at| Deed::Signal("told", at)));
        deeds.push(Deed::Wait);
        let mut client = Self::new(format!("run-{number}-of-clients"), &parent.app, Vec::new(), deeds);
        client.workflow.clone_from(&parent.workflow);
        client.ancestors = parent.ancestors.iter().chain([&parent.id]).cloned().collect();
        client
    }

    /// Has a run, or all of its app, go on on the newest version.
    pub fn of_move(scene: &Scene, number: u64, other: &Self) -> Self {
        let runs = match scene.chance(700) {
            true => Movable::One(other.id.clone()),
            false => Movable::All(other.app.clone()),
        };
        Self::new(format!("move-{number}"), &other.app, Vec::new(), vec![Deed::Move(runs)])
    }
}

/// What runs came to that were to move. None has code that could not go on.
pub(super) fn as_moved(report: &CheckReport, scene: &Scene) -> Result<(), Violation> {
    scene.cover(|coverage| coverage.check("runs moved", report.moved));
    match report.found.iter().find(|found| found.why.message == ON_PURPOSE) {
        None => Ok(()),
        Some(found) => {
            let message = format!("{} could not go on on their own code", found.runs.join(", "));
            Err(Violation::new(Checker::SameState, message))
        }
    }
}

/// Whether the code wants what a journal holds.
pub(super) fn checked(plan: Plan, lines: &[(String, Bytes)], scene: &Scene) -> Reaction {
    scene.cover(|coverage| coverage.check("journals checked", 1));
    match Instance::new(plan).go_on(lines, scene.random()) {
        Ok(_) => Reaction::nothing(),
        Err(_) => Reaction::fail(FailureKind::Diverged),
    }
}

/// The lines that a run has of another one: their records, and when they came to be. `None` if the bytes are gone, as they are
/// once the run is forgotten; that they are not before is for another checker.
pub(super) fn inherited(run: &Run, scene: &Scene) -> Option<Vec<(Lsn, u64, Line)>> {
    let Some(inherited) = run.inherited() else { return Some(Vec::new()) };
    scene.cover(|coverage| coverage.check("forks", 1));
    let bytes = bytes(scene, &inherited.journal)?;
    Some(postcard::from_bytes(&bytes).expect("it was written so"))
}
