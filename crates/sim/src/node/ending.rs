//! What all runs came to, against the naive model and the oracle.

use super::apps::SimApp;
use super::archive::Archive;
use super::clients::Client;
use super::dags;
use super::examination::{bytes, outputs};
use super::journals;
use super::scene::Scene;
use super::verdict::{Checker, Violation};
use super::workflows::{as_recorded, as_thought};
use crate::generate::react_with_outputs;
use crate::model::{self, Objects};
use crate::oracle::{Expected, expected_calls};
use sluice_engine::objects::Owner;
use sluice_engine::{Engine, HistoryKind, Run, Status};
use sluice_types::{Condition, InvocationId, Program};
use std::collections::{BTreeMap, BTreeSet};

/// Judges every run.
pub(super) fn judge(
    archive: &Archive,
    apps: &[SimApp],
    clients: &[Client],
    scene: &Scene,
) -> Result<(), Violation> {
    let truth = &archive.truth;
    for run in truth.runs() {
        run.check();
        counts(run, scene)?;
        as_recorded(run, scene)?;
        journals::as_journalled(run, scene)?;
    }
    let is_kept = |client: &&Client| client.is_run() && !archive.has_forgotten(&client.id);
    for client in clients.iter().filter(is_kept) {
        let key = truth.find(Engine::fingerprint("default", &client.id));
        let run = key.and_then(|key| truth.run(key)).expect("every run was started, and is there");
        let app =
            apps.iter().find(|app| app.plan.program.app == run.program().app).expect("it is one of these");
        if let Some(machines) = &app.machines {
            as_thought(run, client, machines, scene)?;
        }
        if !app.codes.is_empty() {
            journals::as_thought(run, client, clients, &app.codes, scene)?;
        }
        if !app.dags.is_empty() {
            dags::as_thought(run, client, &app.dags, scene)?;
        }
        if app.modelled && !client.asked_to_cancel() {
            as_predicted(run, client, scene)?;
        }
        if run.status() == Status::Succeeded && !run.is_delegated() {
            as_called(run, scene)?;
        }
    }
    Ok(())
}

/// No invocation comes into being or succeeds twice. Notes which conditions fired.
fn counts(run: &Run, scene: &Scene) -> Result<(), Violation> {
    let (mut created, mut succeeded) = (BTreeSet::new(), BTreeSet::new());
    for entry in run.history() {
        let first = match &entry.kind {
            HistoryKind::InvocationCreated { invocation, .. } => created.insert(*invocation),
            HistoryKind::InvocationSucceeded { invocation, .. } => succeeded.insert(*invocation),
            HistoryKind::TriggerFired { trigger, .. } => {
                let condition = name(&run.program().triggers[trigger.index()].condition);
                scene.cover(|coverage| *coverage.conditions.entry(condition).or_default() += 1);
                true
            }
            _ => true,
        };
        if !first {
            let message = format!("{} has twice in its history: {:?}", run.id(), entry.kind);
            return Err(Violation::new(Checker::NothingTwice, message));
        }
    }
    Ok(())
}

fn name(condition: &Condition) -> &'static str {
    match condition {
        Condition::Each(_) => "each",
        Condition::Name { .. } => "name",
        Condition::Set { .. } => "set",
        Condition::Batch { within_ms: None, .. } => "batch",
        Condition::Batch { .. } => "batch within",
        Condition::Window { .. } => "window",
        Condition::First { .. } => "first",
        Condition::Join { .. } => "join",
        Condition::Group { .. } => "group",
        Condition::Event(_) => "event",
        Condition::Events { .. } => "events",
        Condition::Cron { .. } => "cron",
        Condition::All(_) => "all",
        Condition::Any(_) => "any",
    }
}

fn as_predicted(run: &Run, client: &Client, scene: &Scene) -> Result<(), Violation> {
    scene.cover(|coverage| coverage.check("runs as the model predicts", 1));
    let prediction = model::predict(run.program(), &client.inputs, &react_with_outputs);
    let wrong = |what: String| Err(Violation::new(Checker::Model, format!("{}: {what}", run.id())));
    if prediction.succeeds != (run.status() == Status::Succeeded) {
        let reason = run.error().map(|problem| problem.message.clone()).unwrap_or_default();
        return wrong(format!(
            "it is {:?}, predicted success: {} ({reason})",
            run.status(),
            prediction.succeeds
        ));
    }
    if !prediction.succeeds {
        return Ok(());
    }
    let predicted: BTreeMap<_, _> = prediction
        .objects
        .iter()
        .filter(|((bucket, _), _)| bucket == "output")
        .map(|((_, key), (bytes, _))| (key.clone(), bytes.clone()))
        .collect();
    if outputs(scene, run) != predicted {
        return wrong(format!("its outputs are {:?}, predicted {predicted:?}", outputs(scene, run)));
    }
    if !run.is_delegated() && objects(run, scene) != prediction.objects {
        return wrong(difference(&objects(run, scene), &prediction.objects));
    }
    Ok(())
}

/// What one holds and the other does not.
fn difference(held: &Objects, predicted: &Objects) -> String {
    let only = |these: &Objects, those: &Objects| {
        let only = these.iter().filter(|(name, object)| those.get(*name) != Some(*object));
        format!("{:?}", only.collect::<Vec<_>>())
    };
    format!("it alone holds {}; it lacks {}", only(held, predicted), only(predicted, held))
}

fn objects(run: &Run, scene: &Scene) -> Objects {
    let program = run.program();
    let entry = |slot: &sluice_engine::objects::Slot| {
        let bucket = program.buckets[slot.object.bucket.index()].name.to_string();
        let from = slot.function.map(|function| program.functions[function.index()].name.to_string());
        let bytes = bytes(scene, &slot.object.payload).unwrap_or_default();
        ((bucket, slot.object.key.to_string()), (bytes, from))
    };
    run.slots().iter().filter(|slot| slot.owner != Owner::Firing).map(entry).collect()
}

/// Every call that the arrivals ask for came into being, and none besides.
fn as_called(run: &Run, scene: &Scene) -> Result<(), Violation> {
    let created = created(run);
    for (function, mut expected) in expected_calls(run) {
        scene.cover(|coverage| coverage.check("functions called as the oracle says", 1));
        let made = made(run, &function, scene);
        let count = created.get(&function).copied().unwrap_or(0);
        let known = made.iter().all(|call| {
            let at = expected.iter().position(|wanted| wanted == call);
            at.map(|at| expected.swap_remove(at)).is_some()
        });
        if !known || count != made.len() + expected.len() {
            let message = format!(
                "{}: {function} was called {count} times, with {made:?}; left over: {expected:?}",
                run.id()
            );
            return Err(Violation::new(Checker::Model, message));
        }
    }
    Ok(())
}

fn created(run: &Run) -> BTreeMap<String, usize> {
    let program: &Program = run.program();
    let mut created = BTreeMap::new();
    for entry in run.history() {
        if let HistoryKind::InvocationCreated { function, .. } = entry.kind {
            *created.entry(program.functions[function.index()].name.to_string()).or_default() += 1;
        }
    }
    created
}

/// The calls that reached a sandbox; those stopped at once may not have.
fn made(run: &Run, function: &str, scene: &Scene) -> Vec<Expected> {
    let workers = scene.workers.borrow();
    let of_run = InvocationId { run: run.key(), seq: 0 }..=InvocationId { run: run.key(), seq: u32::MAX };
    let is_real = |seq: u32| {
        run.history()
            .any(|entry| matches!(entry.kind, HistoryKind::InvocationCreated { invocation, .. } if invocation == seq))
    };
    let calls = workers.calls.range(of_run).filter(|(id, call)| call.function == function && is_real(id.seq));
    calls
        .map(|(_, call)| (call.objects.iter().map(|(key, _)| key.clone()).collect(), call.group.clone()))
        .collect()
}
