//! A long history: written by one execution, and read page by page from both ends.
//!
//! Cost that grows with the length would show twice: the whole history takes longer per event than its first tenth
//! does, and the last pages take longer than the first.

use super::machines;
use crate::Place;
use crate::error::Error;
use crate::figure::Figure;
use crate::floor::{self, micros};
use crate::stage::Stage;
use bytes::Bytes;
use sluice_runtime::api::{HistoryRequest, NewObject};
use sluice_types::{ContentType, Durability};
use std::time::Instant;

/// Events of a page, the most that AWS gives.
const PAGE: usize = 1_000;
/// Pages at each end that are told apart.
const AT_THE_ENDS: usize = 50;
/// Events of one round through the chain, about: every state is entered and left.
const ROUND_EVENTS: u32 = 2 * machines::STATES;

pub(super) fn measure(place: &Place, thousands: u32) -> Result<Vec<Figure>, Error> {
    floor::stay_on_last(&floor::cores()?)?;
    let stage = Stage::open(place)?;
    stage.deploy(machines::app("history", Durability::Durable, machines::rounds()))?;
    let rounds = thousands * 1_000 / ROUND_EVENTS;
    let (_, short) = write(&stage, (rounds / 10).max(1))?;
    let (run, long) = write(&stage, rounds)?;
    let mut figures =
        vec![Figure::one("first_tenth_per_s", "/s", short), Figure::one("events_per_s", "/s", long)];
    for (newest_first, names) in [
        (false, ["forward_first_page", "forward_last_page"]),
        (true, ["backward_first_page", "backward_last_page"]),
    ] {
        let pages = read(&stage, &run, newest_first, rounds)?;
        let ends = AT_THE_ENDS.min(pages.len());
        figures.push(Figure::spread(names[0], "us", pages[..ends].to_vec()));
        figures.push(Figure::spread(names[1], "us", pages[pages.len() - ends..].to_vec()));
    }
    Ok(figures)
}

/// Executes the rounds; the run and its events per second.
fn write(stage: &Stage, rounds: u32) -> Result<(String, f64), Error> {
    let input = NewObject {
        bucket: "input".into(),
        key: "input".into(),
        content_type: ContentType::Json,
        bytes: Bytes::from(format!(r#"{{"left":{rounds}}}"#)),
    };
    let (took, view) = stage.run("history", vec![input])?;
    Ok((view.run.to_string(), f64::from(rounds * ROUND_EVENTS) / took.as_secs_f64()))
}

/// Reads all pages; how long each whole one took, in microseconds.
fn read(stage: &Stage, run: &str, newest_first: bool, rounds: u32) -> Result<Vec<f64>, Error> {
    let (mut pages, mut events, mut cursor) = (Vec::new(), 0, None);
    loop {
        let run = run.to_owned();
        let request = HistoryRequest { run, cursor, limit: PAGE, newest_first, ..HistoryRequest::default() };
        let begun = Instant::now();
        let page = stage.wait(stage.handle().workflow_history(request))?;
        let took = begun.elapsed();
        events += page.events.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
        pages.push(micros(took));
    }
    if events < (rounds * ROUND_EVENTS) as usize {
        return Err(Error::Unexpected(format!("the history of {rounds} rounds has {events} events only")));
    }
    Ok(pages)
}
