//! Transitions per second through a chain of Pass states, client, shard and interpreter on one core.

use super::{interpreter, machines};
use crate::Place;
use crate::error::Error;
use crate::figure::{Figure, median};
use crate::floor::{self, SyncedFile};
use crate::stage::{self, Stage};
use sluice_expression::Value;
use sluice_types::Durability;
use std::time::Instant;

/// Size of the record of a turn, about.
const RECORD_BYTES: usize = 160;
/// Executions of a round, about.
const EXECUTIONS: u32 = 512;
/// Rounds that count.
const ROUNDS: usize = 7;
/// Syncs of the floor after each round.
const SYNCS: usize = 50;
/// Executions of the bare interpreter after each round.
const BARE: u32 = 50;

pub(super) fn measure(place: &Place, durability: Durability, concurrency: u32) -> Result<Vec<Figure>, Error> {
    floor::stay_on_last(&floor::cores()?)?;
    let stage = Stage::open(place)?;
    stage.deploy(machines::app("passes", durability, machines::passes()))?;
    let mut file = SyncedFile::create(stage.dir(), RECORD_BYTES)?;
    let (mut rates, mut bare, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=ROUNDS {
        rates.push(round(&stage, concurrency)?);
        bare.push(bare_rate(durability == Durability::Durable)?);
        for _ in 0..SYNCS {
            syncs.push(file.sync_us()?);
        }
    }
    // The first round warmed up.
    rates.remove(0);
    bare.remove(0);
    Ok(vec![
        Figure::one("transitions_per_s", "/s", median(&rates)),
        Figure::one("interpreter_per_s", "/s", median(&bare)),
        Figure::spread("fdatasync", "us", syncs),
    ])
}

/// Lets each of so many clients execute the chain again and again.
fn round(stage: &Stage, concurrency: u32) -> Result<f64, Error> {
    let each = (EXECUTIONS / concurrency).max(1);
    let begun = Instant::now();
    stage.wait(async {
        let clients: Vec<_> = (0..concurrency)
            .map(|_| {
                let node = stage.handle();
                tokio::spawn(async move {
                    for _ in 0..each {
                        stage::run(&node, "passes", Vec::new()).await?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .collect();
        for client in clients {
            client.await.map_err(|error| Error::Unexpected(error.to_string()))??;
        }
        Ok::<_, Error>(())
    })?;
    Ok(f64::from(each * concurrency * machines::STATES) / begun.elapsed().as_secs_f64())
}

fn bare_rate(records_history: bool) -> Result<f64, Error> {
    let (definition, input) = (machines::passes(), Value::fields::<&str>([]));
    let mut seconds = 0.0;
    for _ in 0..BARE {
        seconds += interpreter::execute(&definition, &input, records_history)?.as_secs_f64();
    }
    Ok(f64::from(BARE * machines::STATES) / seconds)
}
