//! The apps of a simulation: random programs, each of a kind that some checker knows more about.

use super::scene::Scene;
use crate::code::generate::plan as code;
use crate::code::plan::{Plan as Code, TELLER};
use crate::generate::{Plan, Taste, plan};
use crate::recipe::Recipe;
use crate::rng::Rng;
use crate::states::definition::definition;
use crate::states::generate::machine;
use crate::states::model::Machines;
use sluice_types::{
    Action, Bucket, Condition, Durability, Function, FunctionIx, Program, RetryPolicy, Runtime, Scope, Steps,
    Trigger, Visibility, Workflow,
};
use std::collections::BTreeMap;
use std::rc::Rc;
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
    /// Its workflows and those that they call, if its runs are workflows.
    pub machines: Option<Rc<Machines>>,
    /// Its workflows that are code, by name.
    pub codes: BTreeMap<&'static str, Code>,
}

/// An app of workflows, one that is express, and the names in each of those that clients start.
const DURABLE_APP: &str = "workflows";
const EXPRESS_APP: &str = "express-workflows";
const OUTER: [&str; 3] = ["outer-0", "outer-1", "outer-2"];
/// As `OUTER`, of the apps whose workflows are code.
const CODES: [&str; 3] = ["code-a", "code-b", "code-c"];
/// The workflow that these call.
const INNER: &str = "inner";
/// The activity of their tasks.
pub(super) const ACTIVITY: &str = "work";
/// Where a run is that gives back what it gets, by workflow.
pub(super) const CALLED_APP: &str = DURABLE_APP;
pub(super) const ECHO: &str = "echo";

/// Nine apps: one for the model; one with conditions that depend on time; one with app-scoped triggers and cron; one
/// express, for the model too; one express with app-scoped triggers; two of state machines and two of workflows as code,
/// one of each express.
pub(super) fn apps(seed: u64) -> Vec<SimApp> {
    let rng = &mut Rng::new(seed);
    let plain = Taste { timed: false, keep: true, failing: 150, app_scoped: 0, streaming: 400 };
    let timed = Taste { timed: true, keep: false, failing: 100, app_scoped: 0, streaming: 400 };
    let crossing = Taste { timed: true, keep: false, failing: 0, app_scoped: 500, streaming: 400 };
    let mut apps: Vec<SimApp> =
        [(plain, true), (timed, false), (crossing, false), (plain, true), (crossing, false)]
            .into_iter()
            .enumerate()
            .map(|(number, (taste, modelled))| SimApp {
                plan: named(plan(rng, taste), number),
                modelled,
                machines: None,
                codes: BTreeMap::new(),
            })
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
    apps.extend(workflows(rng));
    apps.extend(
        [("code", Durability::Durable), ("express-code", Durability::Express)].map(|app| code_app(rng, app)),
    );
    apps
}

/// Two apps whose runs are workflows and call each other.
fn workflows(rng: &mut Rng) -> [SimApp; 2] {
    let names = [DURABLE_APP, EXPRESS_APP];
    let inner: Vec<_> = names.iter().map(|app| ((*app).to_owned(), INNER.to_owned())).collect();
    let mut machines: Machines = BTreeMap::new();
    inner.iter().for_each(|name| drop(machines.insert(name.clone(), machine(rng, &[]))));
    for app in names {
        for outer in OUTER {
            machines.insert((app.to_owned(), outer.to_owned()), machine(rng, &inner));
        }
    }
    let machines = Rc::new(machines);
    names.map(|name| {
        let program = Recipe::new(name).function("task-0", &[]).function("task-1", &[]).build();
        let plan = Plan { program, inputs: Vec::new(), timed: true };
        let codes = BTreeMap::new();
        let mut app = SimApp { plan, modelled: false, machines: Some(machines.clone()), codes };
        change(&mut app.plan, |program| {
            program.functions.iter_mut().for_each(|function| function.timeout_ms = TIMEOUT_MS);
            let of_app = machines.iter().filter(|((app, _), _)| *app == name);
            let defined = of_app.map(|((_, workflow), machine)| (workflow.clone(), definition(machine)));
            let echo = (ECHO.to_owned(), ECHO_DEFINITION.to_owned());
            program.workflows = defined.chain([echo]).map(|(name, text)| workflow(&name, &text)).collect();
            if name == EXPRESS_APP {
                program.durability = Durability::Express;
            }
        });
        app
    })
}

/// An app whose workflows are random plans. The module of each is its plan.
fn code_app(rng: &mut Rng, (name, durability): (&str, Durability)) -> SimApp {
    let retry = RetryPolicy { attempts: 3, initial_ms: 20, max_ms: 200, ..RetryPolicy::default() };
    let recipe = Recipe::new(name)
        .function("task-0", &[])
        .retries(retry.clone())
        .function("task-1", &[])
        .retries(retry.clone())
        .function(TELLER, &[])
        .retries(retry.clone());
    let codes: BTreeMap<_, _> = CODES.iter().map(|name| (*name, code(rng))).collect();
    let mut plan = Plan { program: recipe.build(), inputs: Vec::new(), timed: true };
    change(&mut plan, |program| {
        program.durability = durability;
        program.buckets.push(Bucket { name: "spare".into(), keep: false });
        for (name, code) in &codes {
            let module = serde_json::to_string(code).expect("a plan is plain data");
            let runtime = Runtime::Workflow { module, name: (*name).to_owned() };
            let function = Function {
                visibility: Visibility::Commit,
                retry: retry.clone(),
                ..Function::new(name, runtime)
            };
            let steps = Steps::Code { function: FunctionIx(program.functions.len() as u16) };
            program.functions.push(function);
            program.workflows.push(Workflow { name: (*name).into(), steps });
        }
        program.functions.iter_mut().for_each(|function| function.timeout_ms = TIMEOUT_MS);
    });
    SimApp { plan, modelled: false, machines: None, codes }
}

const ECHO_DEFINITION: &str =
    r#"{"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": 1, "End": true}}}"#;

fn workflow(name: &str, definition: &str) -> Workflow {
    let steps = Steps::States { definition: definition.into(), aws_limits: false };
    Workflow { name: name.into(), steps }
}

/// The same with other numbers for all functions and buckets that may have others.
fn renumbered(program: &Program) -> Program {
    let mut program = program.clone();
    program.functions.insert(0, Function::new("first", Runtime::Process { command: vec!["first".into()] }));
    program.buckets.insert(Program::OUTPUT.index() + 1, Bucket { name: "another".into(), keep: false });
    for workflow in &mut program.workflows {
        if let Steps::Code { function } = &mut workflow.steps {
            function.0 += 1;
        }
    }
    program
}

impl SimApp {
    /// The program of another version. If code can go on on it, things may have other numbers.
    pub fn version(&self, scene: &Scene) -> Arc<Program> {
        let program = &self.plan.program;
        match !self.codes.is_empty() && scene.chance(600) {
            true => Arc::new(renumbered(program)),
            false => program.clone(),
        }
    }

    /// The workflows that clients start.
    pub fn startable(&self) -> &'static [&'static str] {
        match (&self.machines, self.codes.is_empty()) {
            (Some(_), _) => &OUTER,
            (None, false) => &CODES,
            (None, true) => &[],
        }
    }
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
