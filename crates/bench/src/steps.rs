//! `steps`: steps of durable runs. One after the other, each pays for its own `fdatasync`; many at once share one.
//!
//! A step is counted when the run that it belongs to is known to have ended, which is when its record is durable.

use crate::error::Error;
use crate::figure::{Figure, median};
use crate::floor::{self, SyncedFile};
use crate::guests::{self, Way};
use crate::stage::{self, Stage};
use crate::{Place, Runtime};
use sluice_runtime::api::RunView;
use sluice_types::Durability;
use std::time::Instant;

/// Size of the record of a step's completion, about.
const RECORD_BYTES: usize = 160;
/// Steps of one run, one after the other.
const SEQUENCE: u32 = 100;
/// Such runs that are measured.
const SEQUENCES: usize = 40;
/// Steps of each of many runs at once.
const STEPS: u32 = 1_000;
/// How often all of them run.
const ROUNDS: usize = 7;
/// Syncs of the floor between two runs.
const SYNCS: usize = 50;

pub fn measure(
    place: &Place,
    runtime: Runtime,
    durability: Durability,
    concurrency: u32,
) -> Result<Vec<Figure>, Error> {
    floor::stay_on_last(&floor::cores()?)?;
    let stage = Stage::open(place)?;
    stage.deploy(guests::chain(place, runtime, durability)?)?;
    let mut floor = SyncedFile::create(stage.dir(), RECORD_BYTES)?;
    match concurrency {
        0 | 1 => one_by_one(&stage, &mut floor),
        _ => at_once(&stage, &mut floor, concurrency),
    }
}

fn one_by_one(stage: &Stage, floor: &mut SyncedFile) -> Result<Vec<Figure>, Error> {
    let (mut steps, mut syncs, mut per_step) = (Vec::new(), Vec::new(), Vec::new());
    let sequence = |steps| -> Result<(RunView, f64), Error> {
        let before = stage.stats()?.syncs;
        let (_, view) = stage.run("chain", vec![guests::first_link(Way::Warm, steps)])?;
        Ok((view, (stage.stats()?.syncs - before) as f64))
    };
    sequence(SEQUENCE)?;
    for _ in 0..SEQUENCES {
        // Start and end of a run take syncs too, those of a short one as many.
        let (_, at_the_ends) = sequence(2)?;
        let (view, in_all) = sequence(SEQUENCE)?;
        steps.push(guests::hop_us(&view, SEQUENCE)?);
        per_step.push((in_all - at_the_ends) / f64::from(SEQUENCE - 2));
        for _ in 0..SYNCS {
            syncs.push(floor.sync_us()?);
        }
    }
    let mean = per_step.iter().sum::<f64>() / per_step.len() as f64;
    Ok(vec![
        Figure::spread("step", "us", steps),
        Figure::spread("fdatasync", "us", syncs),
        Figure::one("syncs_per_step", "", mean),
    ])
}

fn at_once(stage: &Stage, floor: &mut SyncedFile, concurrency: u32) -> Result<Vec<Figure>, Error> {
    let (mut rates, mut syncs) = (Vec::new(), Vec::new());
    let before = stage.stats()?;
    for _ in 0..=ROUNDS {
        let begun = Instant::now();
        stage.wait(async {
            let runs: Vec<_> = (0..concurrency)
                .map(|_| {
                    let node = stage.handle();
                    tokio::spawn(async move {
                        stage::run(&node, "chain", vec![guests::first_link(Way::Warm, STEPS)]).await.map(drop)
                    })
                })
                .collect();
            for run in runs {
                run.await.map_err(|error| Error::Unexpected(error.to_string()))??;
            }
            Ok::<_, Error>(())
        })?;
        rates.push(f64::from(concurrency * STEPS) / begun.elapsed().as_secs_f64());
        for _ in 0..SYNCS {
            syncs.push(floor.sync_us()?);
        }
    }
    let after = stage.stats()?;
    // The first round warmed up.
    rates.remove(0);
    Ok(vec![
        Figure::one("steps_per_s", "/s", median(&rates)),
        Figure::spread("fdatasync", "us", syncs),
        Figure::one(
            "records_per_sync",
            "",
            (after.records - before.records) as f64 / (after.syncs - before.syncs) as f64,
        ),
    ])
}
