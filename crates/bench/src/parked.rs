//! `parked`: runs that wait for an event, most of them evicted: what each takes, and how soon it is awake.

use crate::Place;
use crate::error::Error;
use crate::figure::{Figure, median};
use crate::floor::{SyncedFile, micros};
use crate::guests;
use crate::stage::Stage;
use sluice_runtime::NodeHandle;
use sluice_runtime::api::StartRequest;
use std::path::Path;
use std::time::{Duration, Instant};

/// Size of the record of an event, about.
const RECORD_BYTES: usize = 256;
/// Runs that are woken.
const WAKES: u32 = 1_000;
/// Starts in flight while the runs are made.
const STARTS: u32 = 1_000;
/// How long the node is left alone before its memory is looked at: longer than what changed waits for its checkpoint.
pub(crate) const REST: Duration = Duration::from_secs(13);
/// Longest wait for a run that was woken.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn measure(place: &Place, count: u32) -> Result<Vec<Figure>, Error> {
    let before_bytes = resident_bytes()?;
    let mut stage = Stage::open(place)?;
    stage.deploy(guests::parked())?;
    for first in (0..count).step_by(STARTS as usize) {
        stage.wait(park(stage.handle(), first..(first + STARTS).min(count)))?;
    }
    std::thread::sleep(REST);
    let resident = resident_bytes()?.saturating_sub(before_bytes);
    let recovered = stage.restart(place)?;
    std::thread::sleep(REST);
    let resident_again = resident_bytes()?.saturating_sub(before_bytes);
    let on_disk = disk_bytes(stage.dir())?;
    let mut floor = SyncedFile::create(stage.dir(), RECORD_BYTES)?;
    let (mut wakes, mut syncs) = (Vec::new(), Vec::new());
    for number in 0..WAKES.min(count) {
        // Far apart, so that each has to be fetched.
        let run = guests::parked_id(number * (count / WAKES.min(count)));
        wakes.push(micros(stage.wait(wake(stage.handle(), &run))?));
        syncs.push(floor.sync_us()?);
    }
    let commit = median(&syncs);
    let wakes = wakes.into_iter().map(|us| (us - commit).max(0.0)).collect();
    Ok(vec![
        Figure::one("bytes_per_run", "", resident as f64 / f64::from(count)),
        Figure::one("recovered_bytes_per_run", "", resident_again as f64 / f64::from(count)),
        Figure::one("disk_bytes_per_run", "", on_disk as f64 / f64::from(count)),
        Figure::spread("wake", "us", wakes),
        Figure::spread("fdatasync", "us", syncs),
        Figure::one("recover", "s", recovered.as_secs_f64()),
    ])
}

async fn park(node: NodeHandle, numbers: std::ops::Range<u32>) -> Result<(), Error> {
    let starts: Vec<_> = numbers
        .map(|number| {
            let (node, id) = (node.clone(), Some(guests::parked_id(number)));
            let request = StartRequest { app: "parked".into(), id, seal: true, ..StartRequest::default() };
            tokio::spawn(async move { node.start(request).await })
        })
        .collect();
    for start in starts {
        start.await.map_err(|error| Error::Unexpected(error.to_string()))??;
    }
    Ok(())
}

/// From the event to the end of the run that waited for it.
async fn wake(node: NodeHandle, run: &str) -> Result<Duration, Error> {
    let begun = Instant::now();
    node.events(vec![guests::wake(run)]).await?;
    let view = node.wait(run, PATIENCE).await?;
    let took = begun.elapsed();
    match view.status {
        sluice_engine::Status::Succeeded => Ok(took),
        status => Err(Error::Unexpected(format!("run {run} is {status:?} after its event"))),
    }
}

pub(crate) fn resident_bytes() -> Result<u64, Error> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.map(|pages| pages * rustix::param::page_size() as u64).ok_or(Error::Unexpected(statm))
}

/// What the files of a folder take on disk.
pub(crate) fn disk_bytes(dir: &Path) -> Result<u64, Error> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}
