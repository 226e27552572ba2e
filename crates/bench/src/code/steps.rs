//! Durable steps: a call of a function, from where the code asks for it to where it has the result.

use super::app;
use crate::Place;
use crate::error::Error;
use crate::figure::{Figure, median};
use crate::floor::SyncedFile;
use crate::stage::{Stage, succeeded};
use std::time::Instant;

/// Size of the records of a step, about: the end of a call, and the turn that follows.
const RECORD_BYTES: usize = 400;
/// Runs that are measured.
const SEQUENCES: usize = 20;
/// Syncs of the floor between two runs.
const SYNCS: usize = 50;
/// How often all runs of many at once run.
const ROUNDS: usize = 7;

pub(super) fn one_by_one(place: &Place, steps: u32) -> Result<Vec<Figure>, Error> {
    let stage = Stage::as_server(place)?;
    stage.deploy(app::app())?;
    let mut floor = SyncedFile::create(stage.dir(), RECORD_BYTES)?;
    let (mut took, mut syncs, mut per_step) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=SEQUENCES {
        let before = stage.stats()?.syncs;
        let view = stage.wait(succeeded(&stage.handle(), app::start(app::STEPS, f64::from(steps))))?;
        if round == 0 {
            // It has warmed up.
            continue;
        }
        per_step.push((stage.stats()?.syncs - before) as f64 / f64::from(steps));
        let output = view.outputs.first().map(|output| &output.bytes[..]).unwrap_or_default();
        let ns: Vec<f64> =
            serde_json::from_slice(output).map_err(|error| Error::Unexpected(error.to_string()))?;
        took.extend(ns.into_iter().map(|ns| ns / 1e3));
        for _ in 0..SYNCS {
            syncs.push(floor.sync_us()?);
        }
    }
    let beyond = median(&took) - 1.5 * median(&syncs);
    Ok(vec![
        Figure::spread("step", "us", took),
        Figure::spread("fdatasync", "us", syncs),
        Figure::one("beyond_1.5_fdatasync", "us", beyond),
        Figure::one("syncs_per_step", "", median(&per_step)),
    ])
}

pub(super) fn at_once(place: &Place, concurrency: u32, steps: u32) -> Result<Vec<Figure>, Error> {
    let stage = Stage::as_server(place)?;
    stage.deploy(app::app())?;
    let mut floor = SyncedFile::create(stage.dir(), RECORD_BYTES)?;
    let (mut rates, mut syncs) = (Vec::new(), Vec::new());
    for _ in 0..=ROUNDS {
        let begun = Instant::now();
        stage.wait(async {
            let runs: Vec<_> = (0..concurrency)
                .map(|_| {
                    let (node, request) = (stage.handle(), app::start(app::STEPS, f64::from(steps)));
                    tokio::spawn(async move { succeeded(&node, request).await.map(drop) })
                })
                .collect();
            for run in runs {
                run.await.map_err(|error| Error::Unexpected(error.to_string()))??;
            }
            Ok::<_, Error>(())
        })?;
        rates.push(f64::from(concurrency * steps) / begun.elapsed().as_secs_f64());
        for _ in 0..SYNCS {
            syncs.push(floor.sync_us()?);
        }
    }
    // The first round warmed up.
    rates.remove(0);
    Ok(vec![Figure::one("steps_per_s", "/s", median(&rates)), Figure::spread("fdatasync", "us", syncs)])
}
