//! The apps of a simulation: random programs, each of a kind that some checker knows more about.

use crate::generate::{Plan, Taste, plan};
use crate::rng::Rng;
use sluice_types::{Action, Bucket, Condition, Durability, Function, Program, Runtime, Scope, Trigger};
use std::sync::Arc;

/// How long an attempt may take, in milliseconds.
const TIMEOUT_MS: u64 = 400;

/// The bucket that clients put to of the app with app-scoped triggers.
pub(super) const APP_BUCKET: &str = "s0";

/// An app, and which checkers may look at its runs.
pub(super) struct SimApp {
    pub plan: Plan,
    /// The naive model knows how its runs end and what they hold.
    pub modelled: bool,
}

/// Five apps: one for the model; one with conditions that depend on time; one with app-scoped triggers and cron; one
/// express, for the model too; one express with app-scoped triggers.
pub(super) fn apps(seed: u64) -> Vec<SimApp> {
    let rng = &mut Rng::new(seed);
    let plain = Taste { timed: false, keep: true, failing: 150, app_scoped: 0, streaming: 400 };
    let timed = Taste { timed: true, keep: false, failing: 100, app_scoped: 0, streaming: 400 };
    let crossing = Taste { timed: true, keep: false, failing: 0, app_scoped: 500, streaming: 400 };
    let mut apps: Vec<SimApp> =
        [(plain, true), (timed, false), (crossing, false), (plain, true), (crossing, false)]
            .into_iter()
            .enumerate()
            .map(|(number, (taste, modelled))| SimApp { plan: named(plan(rng, taste), number), modelled })
            .collect();
    change(&mut apps[2].plan, |program| {
        add_cron(program, 150 + rng.below(300));
        if program.bucket(APP_BUCKET).is_none() {
            program.buckets.push(Bucket { name: APP_BUCKET.into(), keep: false });
        }
    });
    for express in &mut apps[3..] {
        change(&mut express.plan, |program| program.durability = Durability::Express);
    }
    apps
}

fn change(plan: &mut Plan, change: impl FnOnce(&mut Program)) {
    change(Arc::make_mut(&mut plan.program));
}

fn named(mut plan: Plan, number: usize) -> Plan {
    change(&mut plan, |program| {
        program.app = format!("app-{number}").into();
        program.functions.iter_mut().for_each(|function| function.timeout_ms = TIMEOUT_MS);
    });
    plan
}

/// A function that is called at points in time, every so many milliseconds.
fn add_cron(program: &mut Program, every_ms: usize) {
    let name = "sink-cron";
    program.functions.push(Function::new(name, Runtime::Process { command: vec![name.into()] }));
    let target = program.function(name).expect("it was just added");
    program.triggers.push(Trigger {
        name: name.into(),
        scope: Scope::App,
        condition: Condition::Cron { expr: every_ms.to_string().into(), tz: "UTC".into() },
        actions: vec![Action::Invoke(target)],
        optional: false,
    });
}

/// When such a trigger is due next.
pub(super) fn next_tick(expr: &str, _tz: &str, after_ms: u64) -> Option<u64> {
    let every_ms: u64 = expr.parse().ok()?;
    Some((after_ms / every_ms + 1) * every_ms)
}

/// Cron triggers are due no more: without an end to new runs there is none to the simulation.
pub(super) fn no_tick(_expr: &str, _tz: &str, _after_ms: u64) -> Option<u64> {
    None
}
