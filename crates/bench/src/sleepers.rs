//! `sleepers`: thousands of invocations that sleep at the same time, joined by a batch.

use crate::Place;
use crate::error::Error;
use crate::figure::{Figure, median};
use crate::guests;
use crate::stage::Stage;

/// How often they sleep.
const ROUNDS: usize = 5;

pub fn measure(place: &Place, count: u32, seconds: u32) -> Result<Vec<Figure>, Error> {
    let stage = Stage::open(place)?;
    stage.deploy(guests::sleepers(count))?;
    let mut samples = Vec::new();
    for _ in 0..ROUNDS {
        let objects = (0..count).map(|index| guests::sleep(index, seconds * 1000)).collect();
        let (took, view) = stage.run("sleepers", objects)?;
        match view.outputs.as_slice() {
            [counted] if *counted.bytes == count.to_le_bytes() => samples.push(took.as_secs_f64() * 1e3),
            _ => return Err(Error::Unexpected(format!("the run of {count} sleepers counted others"))),
        }
    }
    Ok(vec![Figure::one("total", "ms", median(&samples)), Figure::spread("total", "ms", samples)])
}
