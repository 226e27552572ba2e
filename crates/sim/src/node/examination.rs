//! Looking at the whole state of a shard: what is in memory, and what only the store has.

use super::archive::Archive;
use super::clients::{Client, SOURCE};
use super::scene::Scene;
use super::simulation::{SimPorts, SimShard};
use super::verdict::{Checker, Violation};
use crate::eval::Plain;
use bytes::Bytes;
use sluice_engine::run::lines_of;
use sluice_engine::{Engine, Run, Status};
use sluice_runtime::Shard;
use sluice_storage::store::ListQuery;
use sluice_types::{ObjectId, Payload, RunKey};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// Everything there is in a shard, in one engine.
pub(super) fn whole(shard: &SimShard) -> Result<Engine, Violation> {
    let unreadable =
        |what: String| Violation::new(Checker::Recovery, format!("the state cannot be read: {what}"));
    let mut whole = Engine::durable(Box::new(Plain));
    for app in shard.engine().apps() {
        let blob = shard.engine().save_app(app.key()).expect("it was just listed");
        whole.load_app(&blob).map_err(|error| unreadable(error.to_string()))?;
    }
    let everything = ListQuery { limit: usize::MAX, ..ListQuery::default() };
    let stored = shard.store().list(everything).map_err(|error| unreadable(error.to_string()))?;
    let kept = stored.into_iter().filter(|run| !shard.is_forgotten(*run));
    let keys: BTreeSet<RunKey> = shard.engine().runs().map(Run::key).chain(kept).collect();
    for key in keys {
        if let Some(blob) = blob(shard, key).map_err(|error| unreadable(error.to_string()))? {
            whole.load_run(&blob).map_err(|error| unreadable(error.to_string()))?;
        }
    }
    Ok(whole)
}

fn blob(shard: &Shard<SimPorts>, key: RunKey) -> Result<Option<Vec<u8>>, sluice_storage::Error> {
    match shard.engine().save_run(key) {
        Some(blob) => Ok(Some(blob)),
        None => shard.store().run(key),
    }
}

/// The shard's state is that of an engine that applied the same records and nothing else.
pub(super) fn same_state(whole: &Engine, archive: &Archive, scene: &Scene) -> Result<(), Violation> {
    scene.cover(|coverage| coverage.check("equal states", 1));
    if whole.state_hash() == archive.truth.state_hash() {
        return Ok(());
    }
    let mut keys: Vec<RunKey> = archive.truth.runs().chain(whole.runs()).map(Run::key).collect();
    keys.sort_unstable();
    keys.dedup();
    let differs = |key: &RunKey| whole.save_run(*key) != archive.truth.save_run(*key);
    let differing: Vec<RunKey> = keys.into_iter().filter(differs).collect();
    let applied = |engine: &Engine, key| {
        engine.run(key).map(|run| (run.applied(), run.status(), run.pending().count()))
    };
    let first = differing.first().map(|key| (applied(whole, *key), applied(&archive.truth, *key)));
    let message = format!("runs {differing:?} differ from what the log gives; of the first: {first:?}");
    Err(Violation::new(Checker::SameState, message))
}

/// No line of a run's history is lost or different, wherever it is kept.
pub(super) fn same_histories(shard: &SimShard, archive: &Archive, scene: &Scene) -> Result<(), Violation> {
    for run in archive.truth.runs() {
        let mut expected = run.history();
        let mut next = 1;
        while next <= run.history_len() {
            let kept = shard.engine().run(run.key()).into_iter().flat_map(Run::unsaved_history);
            let (first, bytes) = match kept.rev().find(|piece| piece.first() <= next) {
                Some(piece) => (piece.first(), piece.bytes().to_vec()),
                None => shard.store().history_at(run.key(), next).ok().flatten().unwrap_or_default(),
            };
            let before = next;
            for entry in lines_of(&bytes).skip((next - first) as usize) {
                if expected.next() != Some(entry) {
                    return Err(lost_line(run, next, "another one"));
                }
                next += 1;
            }
            if next == before {
                return Err(lost_line(run, next, "gone"));
            }
        }
        scene.cover(|coverage| coverage.check("lines of histories", run.history_len() as usize));
    }
    Ok(())
}

fn lost_line(run: &Run, line: u64, how: &str) -> Violation {
    Violation::new(Checker::NothingLost, format!("line {line} of the history of {} is {how}", run.id()))
}

fn find<'a>(engine: &'a Engine, id: &str) -> Option<&'a Run> {
    engine.find(Engine::fingerprint("default", id)).and_then(|key| engine.run(key))
}

/// Everything that clients were told is so.
pub(super) fn nothing_lost(
    whole: &Engine,
    archive: &Archive,
    clients: &[Client],
    scene: &Scene,
) -> Result<(), Violation> {
    for client in clients {
        let told = &client.told;
        let facts =
            usize::from(told.started) + told.put.len() + usize::from(told.sealed) + usize::from(told.event);
        scene.cover(|coverage| coverage.check("accepted facts found", facts));
        let lost =
            |what: &str| Err(Violation::new(Checker::NothingLost, format!("{}: {what} is lost", client.id)));
        let own = told.event.then_some(&client.id);
        if !told.signals.iter().chain(own).all(|id| archive.has_event(SOURCE, id)) {
            return lost("the event");
        }
        if !client.is_run() {
            let app = whole.apps().find(|app| **app.name() == *client.app);
            let is_there = |at: &usize| {
                let (bucket, key, text) = &client.inputs[*at];
                app.and_then(|app| app.object(bucket, key))
                    .is_some_and(|object| holds(scene, &object.payload, text))
            };
            if !told.put.iter().all(is_there) {
                return lost("the object of the app");
            }
            continue;
        }
        if !told.started || archive.has_forgotten(&client.id) {
            continue;
        }
        let Some(run) = find(whole, &client.id) else { return lost("the run") };
        if told.unknown && run.status() == Status::Running {
            return lost("that the run was known when it was said not to be");
        }
        let is_there = |at: &usize| {
            let (bucket, key, text) = &client.inputs[*at];
            let bucket = run.program().bucket(bucket).expect("it was put there");
            run.object(bucket, key).is_some_and(|slot| holds(scene, &slot.object.payload, text))
        };
        if let Some(at) = told.put.iter().find(|at| !is_there(at)) {
            return lost(&format!("object {:?}", client.inputs[*at]));
        }
        if told.sealed && !run.is_sealed() {
            return lost("the seal");
        }
        // Code may take its time about it.
        let is_told = || archive.truth.run(run.key()).is_some_and(super::journals::is_cancelled);
        if told.cancelled && run.status() == Status::Running && !is_told() {
            return lost("the cancellation");
        }
        if let Some((status, outputs)) = &told.ended
            && (run.status() != *status || self::outputs(scene, run) != *outputs)
        {
            return lost("the end");
        }
    }
    Ok(())
}

fn holds(scene: &Scene, payload: &Payload, text: &str) -> bool {
    bytes(scene, payload).is_some_and(|bytes| bytes == text.as_bytes())
}

/// The bytes of a payload, if they are there.
pub(super) fn bytes(scene: &Scene, payload: &Payload) -> Option<Bytes> {
    match payload {
        Payload::Inline(bytes) => Some(bytes.clone()),
        Payload::Stored { id, .. } => scene.vault.borrow().bytes(*id).cloned(),
        Payload::Open { .. } => None,
    }
}

/// A run's outputs by key.
pub(super) fn outputs(scene: &Scene, run: &Run) -> BTreeMap<String, Bytes> {
    let output = |object: &sluice_types::Object| {
        (object.key.to_string(), bytes(scene, &object.payload).unwrap_or_default())
    };
    run.outputs().map(output).collect()
}

/// A run's workflow ended in one of the ways in which its model says that it may.
pub(super) fn one_of<End: PartialEq + Debug>(
    run: &Run,
    workflow: &str,
    end: Option<End>,
    ends: impl IntoIterator<Item = End>,
) -> Result<(), Violation> {
    let ends: Vec<End> = ends.into_iter().collect();
    if end.as_ref().is_some_and(|end| ends.contains(end)) {
        return Ok(());
    }
    let reason = run.error().map(|problem| problem.message.clone()).unwrap_or_default();
    let message =
        format!("{} of {workflow} is {:?}, {end:?} ({reason}); it may be {ends:?}", run.id(), run.status());
    Err(Violation::new(Checker::Model, message))
}

/// What only forgotten runs named is gone, but for what a loss of power brought back.
pub(super) fn nothing_is_left(archive: &Archive, scene: &Scene) -> Result<(), Violation> {
    scene.cover(|coverage| coverage.check("objects of forgotten runs", archive.let_go.len()));
    let vault = scene.vault.borrow();
    let is_left = |id: &&ObjectId| vault.bytes(**id).is_some() && !vault.undone.contains(id);
    let left = archive.let_go.iter().find(is_left);
    match left {
        Some(id) => Err(Violation::new(Checker::Objects, format!("{id} of a forgotten run is still there"))),
        None => Ok(()),
    }
}

/// What the state names is on disk.
pub(super) fn nothing_dangles(whole: &Engine, scene: &Scene) -> Result<(), Violation> {
    for run in whole.runs() {
        for slot in run.slots().iter().filter(|slot| !slot.released) {
            let Payload::Stored { id, .. } = slot.object.payload else { continue };
            scene.cover(|coverage| coverage.check("objects on disk", 1));
            if !scene.vault.borrow().is_on_disk(id) {
                let message =
                    format!("{} holds {:?} as {id}, which is not on disk", run.id(), slot.object.key);
                return Err(Violation::new(Checker::Objects, message));
            }
        }
    }
    Ok(())
}
