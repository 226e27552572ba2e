//! Executions in a Wait, most of them evicted: what each takes in memory and on disk.

use super::machines;
use crate::Place;
use crate::error::Error;
use crate::figure::Figure;
use crate::parked::{REST, disk_bytes, resident_bytes};
use crate::stage::Stage;
use sluice_runtime::NodeHandle;
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
        stage.wait(start(stage.handle(), STARTS.min(count - first)))?;
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

async fn start(node: NodeHandle, count: u32) -> Result<(), Error> {
    let starts: Vec<_> = (0..count)
        .map(|_| {
            let node = node.clone();
            let request = StartRequest { app: "waiting".into(), seal: true, ..StartRequest::default() };
            tokio::spawn(async move { node.start(request).await })
        })
        .collect();
    for start in starts {
        start.await.map_err(|error| Error::Unexpected(error.to_string()))??;
    }
    Ok(())
}
