//! Runs whose sleep ends at the same time: how soon the last of them has ended.

use super::app;
use crate::Place;
use crate::error::Error;
use crate::figure::Figure;
use crate::stage::{Stage, succeeded};
use std::time::{Duration, Instant};

/// How long they sleep: long enough for all to be asleep.
const SLEEP: Duration = Duration::from_secs(5);

pub(super) fn measure(place: &Place, count: u32) -> Result<Vec<Figure>, Error> {
    let stage = Stage::open(place)?;
    stage.deploy(app::app())?;
    let begun = Instant::now();
    let late = stage.wait(async {
        let runs: Vec<_> = (0..count)
            .map(|_| {
                // All at the same moment, however long the starts take.
                let left = SLEEP.saturating_sub(begun.elapsed());
                let (node, request) = (stage.handle(), app::start(app::SLEEP, left.as_secs_f64()));
                tokio::spawn(async move {
                    succeeded(&node, request).await?;
                    Ok::<_, Error>(begun.elapsed().saturating_sub(SLEEP).as_secs_f64() * 1e3)
                })
            })
            .collect();
        let mut late = Vec::new();
        for run in runs {
            late.push(run.await.map_err(|error| Error::Unexpected(error.to_string()))??);
        }
        Ok::<_, Error>(late)
    })?;
    Ok(vec![Figure::spread("late", "ms", late)])
}
