//! Clients that fork runs of workflows that are code, and what such runs begin with.

use super::clients::{Client, Deed};
use super::examination::bytes;
use super::scene::Scene;
use sluice_engine::Run;
use sluice_flow::Line;
use sluice_types::Lsn;

impl Client {
    /// Goes on with the workflow of another client's run, wherever that is: sends it signals, and waits.
    pub fn of_fork(scene: &Scene, number: u64, parent: &Self) -> Self {
        let mut deeds = vec![Deed::Fork(parent.id.clone())];
        deeds.extend((0..scene.below(4)).map(|at| Deed::Signal("told", at)));
        deeds.push(Deed::Wait);
        let mut client = Self::new(format!("run-{number}-of-clients"), &parent.app, Vec::new(), deeds);
        client.workflow.clone_from(&parent.workflow);
        client.ancestors = parent.ancestors.iter().chain([&parent.id]).cloned().collect();
        client
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
