//! `events`: events that triggers join, from the bytes of a request's body to the ends of the runs that the joins start.
//!
//! Measured is everything behind the socket: the JSON batch is parsed by the server's own reader, deduplicated, logged,
//! made durable, routed, collected, and passed to a function. Not measured: HTTP framing, and the making of the JSON,
//! for which the digits of a template are overwritten. Calls are several at a time, each is acknowledged once durable.

use crate::Place;
use crate::error::Error;
use crate::figure::{Figure, median};
use crate::floor::{SyncedFile, micros};
use crate::guests;
use crate::stage::Stage;
use sluice_runtime::NodeHandle;
use sluice_runtime::api::{ListRequest, NodeStats};
use sluice_server::cloudevents::read_batch;
use sluice_types::{Durability, limits};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Calls in flight.
const CALLS: usize = 32;
/// How long the ends of the runs are waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked whether they have ended.
const LOOK: Duration = Duration::from_millis(2);
/// Writes of the floor.
const WRITES: usize = 100;

pub fn measure(
    place: &Place,
    triggers: u32,
    events: u32,
    durability: Durability,
) -> Result<Vec<Figure>, Error> {
    let stage = Stage::open(place)?;
    stage.deploy(guests::joins(triggers, events, durability))?;
    let before = stage.stats()?;
    let total = u64::from(triggers) * u64::from(events);
    let begun = Instant::now();
    let sent = stage.wait(send(stage.handle(), triggers, total))?;
    let acknowledged = begun.elapsed();
    let after = stage.wait(ended(stage.handle(), u64::from(triggers), &before))?;
    let took = begun.elapsed();
    stage.wait(check(stage.handle(), triggers, events))?;
    let syncs = (after.syncs - before.syncs).max(1);
    let (writes, synced) = floor(&stage, (sent.logged_bytes / syncs) as usize)?;
    let per_sync = total as f64 / syncs as f64;
    Ok(vec![
        Figure::one("events_per_s", "/s", total as f64 / took.as_secs_f64()),
        Figure::one("acknowledged_per_s", "/s", total as f64 / acknowledged.as_secs_f64()),
        Figure::one("records_per_event", "", (after.records - before.records) as f64 / total as f64),
        Figure::one("json_bytes_per_event", "", sent.json_bytes as f64 / total as f64),
        Figure::one("logged_bytes_per_event", "", sent.logged_bytes as f64 / total as f64),
        Figure::one("events_per_sync", "", per_sync),
        Figure::spread("fdatasync", "us", synced),
        Figure::one("raw_append_events_per_s", "/s", per_sync * 1e6 / median(&writes)),
    ])
}

#[derive(Default)]
struct Sent {
    json_bytes: u64,
    logged_bytes: u64,
}

/// Sends all events, `CALLS` calls at a time, to the triggers in turn.
async fn send(node: NodeHandle, triggers: u32, total: u64) -> Result<Sent, Error> {
    let mut calls = JoinSet::new();
    let mut sent = Sent::default();
    let mut body = Body::new(triggers);
    let mut next = 0;
    while next < total || !calls.is_empty() {
        if next < total && calls.len() < CALLS {
            let count = (total - next).min(limits::EVENT_BATCH_MAX as u64);
            let json = body.fill(next, count);
            sent.json_bytes += json.len() as u64;
            let events = read_batch(json, 0).map_err(|error| error.problem())?;
            sent.logged_bytes += events.row_bytes() as u64;
            next += count;
            let node = node.clone();
            calls.spawn(async move { (count, node.events(events).await) });
            // The call is on its way before the next one is parsed.
            tokio::task::yield_now().await;
        } else if let Some(called) = calls.join_next().await {
            let (count, reply) = called.map_err(|error| Error::Unexpected(error.to_string()))?;
            let reply = reply?;
            if reply.accepted as u64 != count {
                let message = format!("{} of {count} events were accepted", reply.accepted);
                return Err(Error::Unexpected(message));
            }
        }
    }
    Ok(sent)
}

/// The body of a call, again and again: what differs from call to call has a fixed place in it.
struct Body {
    triggers: u32,
    json: Vec<u8>,
    /// Where the number of an event and its subject are written.
    places: Vec<[usize; 3]>,
}

/// Digits of the number of an event.
const DIGITS: usize = 12;
/// Digits of a subject.
const SUBJECT_DIGITS: usize = 6;

impl Body {
    fn new(triggers: u32) -> Self {
        let (mut json, mut places) = (Vec::new(), Vec::new());
        for index in 0..limits::EVENT_BATCH_MAX {
            json.push(if index == 0 { b'[' } else { b',' });
            json.extend(br#"{"specversion":"1.0","id":"01979c2e-7b1d-7000-8000-"#);
            let id = json.len();
            json.extend([b'0'; DIGITS]);
            json.extend(br#"","source":"/plants/north/gateway-7","type":"com.example.meter.reading","#);
            json.extend(br#""subject":"meter-"#);
            let subject = json.len();
            json.extend([b'0'; SUBJECT_DIGITS]);
            json.extend(br#"","time":"2026-03-04T05:06:07.089Z","datacontenttype":"application/json","#);
            json.extend(br#""data":{"sequence":1"#);
            let sequence = json.len();
            json.extend([b'0'; DIGITS]);
            json.extend(br#","value":231.75,"unit":"V","quality":"good","phase":"L1","site":"north"}}"#);
            places.push([id, subject, sequence]);
        }
        json.push(b']');
        Self { triggers, json, places }
    }

    /// The batch of these many events from a number on.
    fn fill(&mut self, first: u64, count: u64) -> &[u8] {
        for (number, [id, subject, sequence]) in (first..first + count).zip(&self.places) {
            write_digits(&mut self.json[*id..*id + DIGITS], number);
            write_digits(&mut self.json[*sequence..*sequence + DIGITS], number);
            let trigger = number % u64::from(self.triggers);
            write_digits(&mut self.json[*subject..*subject + SUBJECT_DIGITS], trigger);
        }
        if (count as usize) < self.places.len() {
            let next = self.places[count as usize][0];
            let end = self.json[..next].iter().rposition(|byte| *byte == b'{').expect("an event begins so");
            self.json.truncate(end - 1);
            self.json.push(b']');
        }
        &self.json
    }
}

fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Waits until as many runs have succeeded as there are joins.
async fn ended(node: NodeHandle, runs: u64, before: &NodeStats) -> Result<NodeStats, Error> {
    let begun = Instant::now();
    loop {
        let stats = node.stats().await?;
        if stats.runs_ended[0] - before.runs_ended[0] >= runs {
            return Ok(stats);
        }
        if begun.elapsed() > PATIENCE {
            let message = format!("{} of {runs} joins ended in time", stats.runs_ended[0]);
            return Err(Error::Unexpected(message));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Every trigger has started one run, whose function got all of its events.
async fn check(node: NodeHandle, triggers: u32, events: u32) -> Result<(), Error> {
    let request = ListRequest { limit: triggers as usize + 1, ..ListRequest::default() };
    let runs = node.list(request).await?;
    let mut functions = std::collections::BTreeSet::new();
    for run in &runs {
        let run = node.run(&run.run).await?;
        let count =
            run.outputs.first().and_then(|output| Some(u32::from_le_bytes(*output.bytes.first_chunk()?)));
        let called = run.functions.iter().filter(|function| function.tally.succeeded == 1);
        functions.extend(called.map(|function| function.function.to_string()));
        if count != Some(events) {
            return Err(Error::Unexpected(format!("a join of {events} events passed on {count:?}")));
        }
    }
    match (runs.len(), functions.len()) == (triggers as usize, triggers as usize) {
        true => Ok(()),
        false => Err(Error::Unexpected(format!("{} runs of {} joins", runs.len(), functions.len()))),
    }
}

/// The same bytes in the same portions to a bare file: microseconds of each write with its sync, and of each sync.
fn floor(stage: &Stage, bytes: usize) -> Result<(Vec<f64>, Vec<f64>), Error> {
    let mut file = SyncedFile::create(stage.dir(), bytes.max(1))?;
    let (mut writes, mut syncs) = (Vec::new(), Vec::new());
    for _ in 0..WRITES {
        let begun = Instant::now();
        syncs.push(file.sync_us()?);
        writes.push(micros(begun.elapsed()));
    }
    Ok((writes, syncs))
}
