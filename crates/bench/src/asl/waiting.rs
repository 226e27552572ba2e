//! Executions in a Wait, most of them evicted: what each takes in memory and on disk.

use super::machines;
use crate::Place;
use crate::error::Error;
use crate::figure::Figure;
use crate::parked::{REST, disk_bytes, resident_bytes};
use crate::stage::{Stage, start_all};
use sluice_runtime::api::StartRequest;
use sluice_types::Durability;
use std::time::Instant;

/// Starts in flight while the executions are made.
const STARTS: u32 = 1_000;

pub(super) fn measure(place: &Place, count: u32) -> Result<Vec<Figure>, Error> {
    let before_bytes = resident_bytes()?;
    let mut stage = Stage::open(place)?;
    stage.deploy(machines::app("waiting", Durability::Durable, machines::wait()))?;
    let begun = Instant::now();
    for first in (0..count).step_by(STARTS as usize) {
        let start = || StartRequest { app: "waiting".into(), seal: true, ..StartRequest::default() };
        let requests = (first..(first + STARTS).min(count)).map(|_| start());
        stage.wait(start_all(&stage.handle(), requests.collect()))?;
    }
    let started = begun.elapsed();
    std::thread::sleep(REST);
    let resident = resident_bytes()?.saturating_sub(before_bytes);
    let loaded = stage.stats()?.runs_loaded;
    let recovered = stage.restart(place)?;
    std::thread::sleep(REST);
    let resident_again = resident_bytes()?.saturating_sub(before_bytes);
    let each = |bytes: u64| bytes as f64 / f64::from(count);
    Ok(vec![
        Figure::one("bytes_per_execution", "", each(resident)),
        Figure::one("recovered_bytes_per_execution", "", each(resident_again)),
        Figure::one("disk_bytes_per_execution", "", each(disk_bytes(stage.dir())?)),
        Figure::one("executions_loaded", "", loaded as f64),
        Figure::one("starts_per_s", "/s", f64::from(count) / started.as_secs_f64()),
        Figure::one("recover", "s", recovered.as_secs_f64()),
    ])
}
