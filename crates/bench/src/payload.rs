//! `payload`: what it takes to hand a large object over, and how fast it is read where it lies.
//!
//! Two native functions in processes of their own: one puts an object, which starts the other. The memory has been
//! filled before: the producer writes the time, the ticket and nothing else into its buffer, so what is measured is the
//! hand-over and not the making. For the engine each is a new object all the same.

mod functions;

pub(crate) use functions::{CONSUME, PRODUCE, consume, produce};

use crate::Place;
use crate::error::Error;
use crate::figure::{Figure, median};
use crate::floor;
use crate::guests;
use crate::stage::Stage;
use functions::{READ_KEY, Ticket};
use sluice_runtime::api::{NewObject, RunView};
use sluice_types::ContentType;

/// What the large object is compared with.
const SMALL_BYTES: u64 = 64 << 10;
/// Runs of each size, in turn.
const RUNS: usize = 5;
/// Hand-overs of a run that count.
const HAND_OVERS: u64 = 200;
/// Hand-overs of a run before the first that counts.
const WARM_UP: u64 = 20;
/// Size of an extent. What is smaller lies in one behind the other, so that many must be put before all of it is filled.
const EXTENT_BYTES: u64 = 64 << 20;
/// How often the object and the plain memory are read, in turn.
const READS: u64 = 7;

pub fn measure(place: &Place, bytes: u64) -> Result<Vec<Figure>, Error> {
    floor::stay_on_last(&floor::cores()?)?;
    let stage = Stage::open(place)?;
    stage.deploy(guests::payload(place, bytes)?)?;
    run(&stage, Ticket { bytes, left: EXTENT_BYTES / bytes.max(SMALL_BYTES), reads: 0 })?;
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        small.extend(hand_overs(&stage, SMALL_BYTES)?);
        large.extend(hand_overs(&stage, bytes)?);
    }
    let ratio = median(&large) / median(&small);
    let mut figures = vec![
        Figure::spread("handoff", "us", large),
        Figure::spread("handoff_64k", "us", small),
        Figure::one("handoff_ratio", "", ratio),
    ];
    figures.extend(reads(&stage, bytes)?);
    figures.push(Figure::one("object_memory_bytes", "", stage.stats()?.object_bytes as f64));
    Ok(figures)
}

/// From the put to the consumer's look at both ends of the object, in microseconds.
fn hand_overs(stage: &Stage, bytes: u64) -> Result<Vec<f64>, Error> {
    let view = run(stage, Ticket { bytes, left: WARM_UP + HAND_OVERS - 1, reads: 0 })?;
    // They count down, so those before the first that counts have the highest numbers.
    let counts = |key: &str| key.parse().is_ok_and(|number: u64| number < HAND_OVERS);
    let outputs = view.outputs.iter().filter(|output| counts(&output.key));
    let samples: Vec<f64> = outputs.flat_map(|output| numbers(&output.bytes)).map(|ns| ns / 1e3).collect();
    match samples.len() as u64 {
        HAND_OVERS => Ok(samples),
        other => Err(Error::Unexpected(format!("{other} instead of {HAND_OVERS} hand-overs were measured"))),
    }
}

/// How fast every byte is read: of the object, and of plain memory of the same process.
fn reads(stage: &Stage, bytes: u64) -> Result<Vec<Figure>, Error> {
    let view = run(stage, Ticket { bytes, left: 0, reads: READS })?;
    let times = view.outputs.iter().find(|output| *output.key == *READ_KEY);
    let times: Vec<f64> = times.into_iter().flat_map(|times| numbers(&times.bytes)).collect();
    let Some((first, rest)) = times.split_first().filter(|_| times.len() as u64 == 1 + 2 * READS) else {
        return Err(Error::Unexpected(format!("{} reads were measured", times.len())));
    };
    let gbps = |ns: f64| bytes as f64 / ns;
    let of = |which: usize| median(&rest.iter().skip(which).step_by(2).copied().collect::<Vec<_>>());
    let (object, plain) = (of(0), of(1));
    Ok(vec![
        Figure::one("read_gbps", "GB/s", gbps(object)),
        Figure::one("plain_read_gbps", "GB/s", gbps(plain)),
        Figure::one("read_ratio", "", plain / object),
        Figure::one("first_read_gbps", "GB/s", gbps(*first)),
    ])
}

fn run(stage: &Stage, ticket: Ticket) -> Result<RunView, Error> {
    let object = NewObject {
        bucket: guests::TICKETS.into(),
        key: "first".into(),
        content_type: ContentType::Bytes,
        bytes: ticket.pack().to_vec().into(),
    };
    Ok(stage.run("payload", vec![object])?.1)
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = f64> {
    bytes.as_chunks().0.iter().map(|number| u64::from_le_bytes(*number) as f64)
}
