//! Runs that sleep, most of them evicted: what each takes in memory and on disk.

use super::app;
use crate::Place;
use crate::error::Error;
use crate::figure::Figure;
use crate::parked::{REST, disk_bytes, resident_bytes};
use crate::stage::{Stage, start_all};
use std::time::Duration;

/// How long they sleep, in seconds: longer than a benchmark takes.
const SECONDS: f64 = 1e6;
/// Starts in flight while the runs are made.
const STARTS: u32 = 1_000;
/// How long is waited for all to be asleep.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn measure(place: &Place, count: u32) -> Result<Vec<Figure>, Error> {
    let before_bytes = resident_bytes()?;
    let stage = Stage::open(place)?;
    stage.deploy(app::app())?;
    for first in (0..count).step_by(STARTS as usize) {
        let requests = (first..(first + STARTS).min(count)).map(|_| app::start(app::SLEEP, SECONDS));
        stage.wait(start_all(&stage.handle(), requests.collect()))?;
    }
    stage.until_idle(PATIENCE)?;
    std::thread::sleep(REST);
    let resident = resident_bytes()?.saturating_sub(before_bytes);
    let each = |bytes: u64| bytes as f64 / f64::from(count);
    Ok(vec![
        Figure::one("bytes_per_run", "", each(resident)),
        Figure::one("disk_bytes_per_run", "", each(disk_bytes(stage.dir())?)),
        Figure::one("runs_loaded", "", stage.stats()?.runs_loaded as f64),
    ])
}
