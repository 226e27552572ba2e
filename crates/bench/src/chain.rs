//! `chain`: what one hop costs inside a run.
//!
//! A hop is the way from a function's put to the next function's put: completion, trigger evaluation, invocation,
//! sandbox. The first function of a run notes the time and the last puts out how long ago that was, so a run of N hops
//! tells the mean of N - 1. `run` is what a client waits for all of them, with the records on disk at start and end.

use crate::error::Error;
use crate::figure::Figure;
use crate::floor::{self, micros};
use crate::guests::{self, Way};
use crate::stage::Stage;
use crate::{Place, Runtime};
use sluice_types::Durability;

/// Runs per figure.
const RUNS: usize = 100;
/// Runs before the first that counts.
const WARM_UP: usize = 5;

pub fn measure(
    place: &Place,
    runtime: Runtime,
    durability: Durability,
    hops: u32,
) -> Result<Vec<Figure>, Error> {
    if hops < 2 {
        return Err(Error::Unexpected("a chain has at least 2 hops".into()));
    }
    let cores = floor::cores()?;
    floor::stay_on_last(&cores)?;
    let stage = Stage::open(place)?;
    stage.deploy(guests::chain(place, runtime, durability)?)?;
    let mut figures = way(&stage, Way::Warm, hops, "hop", "run")?;
    match runtime {
        Runtime::Wasm => {
            figures.extend(way(&stage, Way::Fresh, hops, "fresh_hop", "fresh_run")?);
            if let [other, _, ..] = *cores {
                figures.push(Figure::one("wake_cross_core", "us", floor::wake_cross_core_us(other)?));
            }
        }
        Runtime::Process => figures.push(Figure::one("wake_same_core", "us", floor::wake_same_core_us()?)),
        Runtime::Python => {
            figures.extend(way(&stage, Way::Json, hops, "json_hop", "json_run")?);
            figures.push(Figure::one("python_echo", "us", floor::python_echo_us()?));
        }
    }
    figures.extend(counts(place, &stage, runtime, hops)?);
    Ok(figures)
}

/// Runs one way through the app, again and again.
fn way(
    stage: &Stage,
    way: Way,
    hops: u32,
    name: &'static str,
    run_name: &'static str,
) -> Result<Vec<Figure>, Error> {
    let (mut samples, mut runs) = (Vec::with_capacity(RUNS), Vec::with_capacity(RUNS));
    for round in 0..WARM_UP + RUNS {
        let (took, view) = stage.run("chain", vec![guests::first_link(way, hops)])?;
        let hop_us = guests::hop_us(&view, hops)?;
        if round >= WARM_UP {
            samples.push(hop_us);
            runs.push(micros(took));
        }
    }
    Ok(vec![Figure::spread(name, "us", samples), Figure::spread(run_name, "us", runs)])
}

/// What a run of the same app does, counted in the history that a durable one keeps; the object with the time is none of
/// the chain.
fn counts(place: &Place, stage: &Stage, runtime: Runtime, hops: u32) -> Result<Vec<Figure>, Error> {
    stage.deploy(guests::chain(place, runtime, Durability::Durable)?)?;
    let (_, view) = stage.run("chain", vec![guests::first_link(Way::Warm, hops)])?;
    let history = stage.wait(stage.handle().history(&view.run, 0, usize::MAX))?;
    let count = |kind: &str| history.iter().filter(|line| line.r#type == kind).count() as f64;
    Ok(vec![
        Figure::one("evaluations", "", count("TriggerFired")),
        Figure::one("objects", "", count("ObjectPut") - 1.0),
        Figure::one("invocations", "", count("InvocationSucceeded")),
    ])
}
