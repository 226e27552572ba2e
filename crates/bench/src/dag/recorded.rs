//! A recorded workflow at scale 0: every task is called in a native worker, checks what it reads, writes its file, and
//! nothing else. Runs are durable.

use crate::error::Error;
use crate::figure::{Figure, median};
use crate::floor::SyncedFile;
use crate::guests::{self, Way};
use crate::stage::{Stage, succeeded};
use crate::{Place, Runtime};
use serde_json::json;
use sluice_frontend::{Definition, lower};
use sluice_runtime::api::{DeployRequest, ListRequest, RunView, StartRequest};
use sluice_types::Durability;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Name of the app and of its workflow.
const APP: &str = "recorded";
/// Tasks of a layer.
const WIDTH: u32 = 100;
/// Files of the layer before that a task reads.
const READS: u32 = 2;
/// Runs per figure.
const RUNS: usize = 7;
/// Runs per figure where they are long.
const LONG_RUNS: usize = 3;
/// Hops of the floor.
const HOPS: u32 = 10_000;
/// Syncs of the floor.
const SYNCS: usize = 200;
/// Size of the record of the end of a task, about.
const RECORD_BYTES: usize = 200;
/// Lines of a page of the history.
const PAGE: usize = 1_000;

/// Tasks per second of one workflow, and what the machine takes for as many hops between processes.
pub(super) fn rate(place: &Place, tasks: u32) -> Result<Vec<Figure>, Error> {
    let app = App::of(tasks)?;
    let stage = Stage::open_with(place, app.workers)?;
    stage.deploy(app.request)?;
    let mut floor = SyncedFile::create(stage.dir(), RECORD_BYTES)?;
    let (mut us, mut syncs, mut per_task) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=RUNS {
        let before = stage.stats()?.syncs;
        let (took, _) = run(&stage, tasks)?;
        for _ in 0..SYNCS / RUNS {
            syncs.push(floor.sync_us()?);
        }
        // The first has started the workers.
        if round > 0 {
            us.push(took.as_secs_f64() * 1e6 / f64::from(tasks));
            per_task.push((stage.stats()?.syncs - before) as f64 / f64::from(tasks));
        }
    }
    let hop_us = hop_us(place, &stage)?;
    Ok(vec![
        Figure::one("tasks_per_s", "/s", 1e6 / median(&us)),
        Figure::spread("task", "us", us.clone()),
        Figure::one("native_hop", "us", hop_us),
        Figure::one("task_by_native_hop", "", median(&us) / hop_us),
        Figure::spread("fdatasync", "us", syncs),
        Figure::one("syncs_per_task", "", median(&per_task)),
        Figure::one("workers", "", app.workers as f64),
    ])
}

/// What a task of a workflow takes that has ten times as many, and how long such a one takes to be accepted, listed and
/// shown.
pub(super) fn scaling(place: &Place, tasks: u32) -> Result<Vec<Figure>, Error> {
    let (small, _) = sized(place, tasks)?;
    let (large, mut figures) = sized(place, tasks * 10)?;
    figures.splice(
        0..0,
        [
            Figure::one("task_small", "us", small),
            Figure::one("task_large", "us", large),
            Figure::one("large_by_small", "", large / small),
        ],
    );
    Ok(figures)
}

/// Microseconds per task, and what else one waits for.
fn sized(place: &Place, tasks: u32) -> Result<(f64, Vec<Figure>), Error> {
    let text = definition(tasks);
    let begun = Instant::now();
    let app = App::read(&text)?;
    let stage = Stage::open_with(place, app.workers)?;
    let opened = begun.elapsed();
    let begun = Instant::now();
    stage.deploy(app.request)?;
    let (lowered_ms, deployed_ms) = (millis(opened), millis(begun.elapsed()));
    let mut us = Vec::new();
    let mut last = "".into();
    for round in 0..=LONG_RUNS {
        let (took, view) = run(&stage, tasks)?;
        last = view.run;
        if round > 0 {
            us.push(took.as_secs_f64() * 1e6 / f64::from(tasks));
        }
    }
    let begun = Instant::now();
    stage.wait(stage.handle().list(ListRequest { limit: 100, ..ListRequest::default() }))?;
    let listed_ms = millis(begun.elapsed());
    let begun = Instant::now();
    stage.wait(stage.handle().run(&last))?;
    let shown_ms = millis(begun.elapsed());
    let begun = Instant::now();
    let lines = stage.wait(stage.handle().history(&last, u64::from(tasks), PAGE))?;
    if lines.len() != PAGE {
        return Err(Error::Unexpected(format!("{} lines of history", lines.len())));
    }
    let figures = vec![
        Figure::one("lower", "ms", lowered_ms),
        Figure::one("accept", "ms", deployed_ms),
        Figure::one("list", "ms", listed_ms),
        Figure::one("show", "ms", shown_ms),
        Figure::one("history_page", "ms", millis(begun.elapsed())),
    ];
    Ok((median(&us), figures))
}

/// A run to its report, which tells that everything was checked.
fn run(stage: &Stage, tasks: u32) -> Result<(Duration, RunView), Error> {
    let request = StartRequest { app: APP.into(), seal: true, ..StartRequest::default() };
    let begun = Instant::now();
    let view = stage.wait(succeeded(&stage.handle(), request))?;
    let took = begun.elapsed();
    let unexpected = |what: String| Error::Unexpected(format!("the report of {tasks} tasks: {what}"));
    let [report] = &view.outputs[..] else { return Err(unexpected("there is none".to_owned())) };
    let report: serde_json::Value =
        serde_json::from_slice(&report.bytes).map_err(|error| unexpected(error.to_string()))?;
    match report["tasks"] == tasks && view.functions[0].tally.succeeded == tasks + 1 {
        true => Ok((took, view)),
        false => Err(unexpected(report.to_string())),
    }
}

/// What a hop between native workers takes here, without records.
fn hop_us(place: &Place, stage: &Stage) -> Result<f64, Error> {
    stage.deploy(guests::chain(place, Runtime::Process, Durability::Express)?)?;
    let mut samples = Vec::new();
    for _ in 0..RUNS {
        let (_, view) = stage.run("chain", vec![guests::first_link(Way::Warm, HOPS)])?;
        samples.push(guests::hop_us(&view, HOPS)?);
    }
    Ok(median(&samples))
}

/// A recorded workflow, ready to be deployed.
struct App {
    request: DeployRequest,
    workers: usize,
}

impl App {
    fn of(tasks: u32) -> Result<Self, Error> {
        Self::read(&definition(tasks))
    }

    fn read(definition: &str) -> Result<Self, Error> {
        let program = Definition::from_json(definition).and_then(|definition| lower(&definition));
        let program = program.map_err(|findings| Error::Unexpected(format!("{findings:?}")))?;
        let workers = program.functions[0].concurrency as usize;
        let request = DeployRequest {
            program: program.into(),
            definition: definition.to_owned().into(),
            files: BTreeMap::new(),
            reset_triggers: Vec::new(),
        };
        Ok(Self { request, workers })
    }
}

/// An app with a recording of layers: each task reads files of the layer before and writes one.
fn definition(tasks: u32) -> String {
    let task = |at: u32| {
        let reads = (0..READS).filter(|_| at >= WIDTH).map(|shift| {
            let before = at - at % WIDTH - WIDTH;
            format!("f{}", before + (at + 7 * shift) % WIDTH)
        });
        let reads: Vec<String> = reads.collect();
        json!({"name": "t", "id": format!("t{at}"), "inputFiles": reads, "outputFiles": [format!("f{at}")]})
    };
    let tasks_listed: Vec<_> = (0..tasks).map(task).collect();
    let files: Vec<_> = (0..tasks).map(|at| json!({"id": format!("f{at}"), "sizeInBytes": 1_000})).collect();
    let times: Vec<_> = (0..tasks)
        .map(|at| json!({"id": format!("t{at}"), "runtimeInSeconds": f64::from(at % 10)}))
        .collect();
    let recording = json!({
        "name": APP,
        "schemaVersion": "1.5",
        "workflow": {
            "specification": {"tasks": tasks_listed, "files": files},
            "execution": {"makespanInSeconds": 1, "executedAt": "2026-01-01T00:00:00Z", "tasks": times},
        },
    });
    json!({"app": APP, "workflows": {APP: {"wfformat": recording.to_string(), "scale": 0}}}).to_string()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
