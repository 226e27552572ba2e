//! Tasks that only sleep: what their DAG takes beyond that. The workloads of Triggerflow (Sánchez-Artigas et al., DEBS 2020):
//! a sequence, and a map.

use crate::Place;
use crate::error::Error;
use crate::figure::Figure;
use crate::stage::{Stage, succeeded};
use bytes::Bytes;
use sluice_runtime::api::{DeployRequest, StartRequest};
use sluice_types::dag::{Dag, Task};
use sluice_types::{
    Bucket, Durability, Function, FunctionIx, Program, Runtime, Steps, TaskIx, TaskKind, Workflow,
};
use std::sync::Arc;
use std::time::Instant;

/// Name of the app and of its workflow.
const APP: &str = "sleeping";

const SLEEP: FunctionIx = FunctionIx(0);
const NUMBERS: FunctionIx = FunctionIx(1);
const COUNT: FunctionIx = FunctionIx(2);

/// One task after the other.
pub(super) fn sequence(place: &Place, tasks: u32, seconds: u32) -> Result<Vec<Figure>, Error> {
    let after = |at: u32| at.checked_sub(1).map(TaskIx).into_iter().collect();
    let task = |at: u32| Task { after: after(at), ..Task::new(&format!("sleep{at}"), SLEEP) };
    let ideal_s = f64::from(tasks) * f64::from(seconds);
    measure(place, tasks, seconds, (0..tasks).map(task).collect(), ideal_s)
}

/// A call per element of a list, and one task that gets all results.
pub(super) fn map(place: &Place, tasks: u32, seconds: u32) -> Result<Vec<Figure>, Error> {
    let over = TaskIx(0);
    let dag = vec![
        Task::new("numbers", NUMBERS),
        Task { after: vec![over], kind: TaskKind::Map { over }, ..Task::new("sleep", SLEEP) },
        Task { after: vec![TaskIx(1)], ..Task::new("count", COUNT) },
    ];
    measure(place, tasks, seconds, dag, f64::from(seconds))
}

fn measure(
    place: &Place,
    tasks: u32,
    seconds: u32,
    dag: Vec<Task>,
    ideal_s: f64,
) -> Result<Vec<Figure>, Error> {
    let stage = Stage::open(place)?;
    stage.deploy(app(tasks, seconds, dag))?;
    let request = StartRequest { app: APP.into(), seal: true, ..StartRequest::default() };
    let begun = Instant::now();
    let view = stage.wait(succeeded(&stage.handle(), request))?;
    let wall_s = begun.elapsed().as_secs_f64();
    let slept = view.functions[SLEEP.index()].tally.succeeded;
    if slept != tasks {
        return Err(Error::Unexpected(format!("{slept} of {tasks} tasks have slept")));
    }
    let overhead_s = wall_s - ideal_s;
    Ok(vec![
        Figure::one("wall", "s", wall_s),
        Figure::one("ideal", "s", ideal_s),
        Figure::one("overhead", "ms", overhead_s * 1e3),
        Figure::one("overhead_percent", "", overhead_s / ideal_s * 100.0),
    ])
}

fn app(tasks: u32, seconds: u32, dag: Vec<Task>) -> DeployRequest {
    let ms = seconds * 1_000;
    let sleep = format!(
        r#"(module
  (import "sluice" "sleep_ms" (func $sleep (param i32)))
  (memory (export "memory") 1)
  (func (export "run") (call $sleep (i32.const {ms}))))"#
    );
    let list = format!("[{}]", vec!["0"; tasks as usize].join(","));
    let bytes = list.len();
    let numbers = format!(
        r#"(module
  (import "sluice" "ret" (func $ret (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{list}")
  (func (export "run") (call $ret (i32.const 0) (i32.const {bytes}) (i32.const 1))))"#
    );
    let count = r#"(module (memory (export "memory") 1) (func (export "run")))"#.to_owned();
    let guests = [("sleep", sleep), ("numbers", numbers), ("count", count)];
    let module = |name: &str| format!("{name}.wat");
    let function = |(name, _): &(&str, String)| {
        Function::new(name, Runtime::Wasm { module: module(name), fresh: false })
    };
    let dag = Dag { tasks: dag, ..Dag::default() };
    let program = Program {
        app: APP.into(),
        durability: Durability::Durable,
        buckets: ["input", "output"].map(|name| Bucket { name: name.into(), keep: false }).into(),
        functions: guests.iter().map(function).collect(),
        triggers: Vec::new(),
        workflows: vec![Workflow { name: APP.into(), steps: Steps::Dag(Arc::new(dag)) }],
    };
    let files = guests.into_iter().map(|(name, text)| (module(name), Bytes::from(text)));
    DeployRequest {
        program: Arc::new(program),
        definition: Bytes::new(),
        files: files.collect(),
        reset_triggers: Vec::new(),
    }
}
