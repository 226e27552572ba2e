//! A run that no worker has, asked a question: the code is told its journal, answers, and is forgotten again.

use super::app;
use crate::Place;
use crate::error::Error;
use crate::figure::Figure;
use crate::stage::{Stage, start_all};
use bytes::Bytes;
use sluice_runtime::api::CodeValue;
use std::time::{Duration, Instant};

/// Questions to each run.
const QUESTIONS: usize = 10;
/// How long is waited for all to have happened.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) fn measure(place: &Place, thousands: u32) -> Result<Vec<Figure>, Error> {
    let mut stage = Stage::open(place)?;
    stage.deploy(app::app())?;
    let workflows = [app::REPLAYED, app::CHECKPOINTED];
    let start = |name: &'static str| {
        let request = app::start(name, f64::from(thousands));
        sluice_runtime::api::StartRequest { id: Some(name.into()), ..request }
    };
    stage.wait(start_all(&stage.handle(), workflows.map(start).into()))?;
    for run in workflows {
        let begun = Instant::now();
        while ask(&stage, run)? != thousands {
            if begun.elapsed() > PATIENCE {
                return Err(Error::Unexpected(format!("{run} is not ready")));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    stage.restart(place)?;
    let [replayed, checkpointed] = workflows.map(|run| questions(&stage, run));
    let ((replayed_ms, replayed), (checkpointed_ms, checkpointed)) = (replayed?, checkpointed?);
    Ok(vec![
        Figure::spread("replayed", "ms", replayed_ms),
        Figure::one("replayed_lines", "", replayed),
        Figure::spread("checkpointed", "ms", checkpointed_ms),
        Figure::one("checkpointed_lines", "", checkpointed),
    ])
}

/// How long each answer takes, in milliseconds, and how many lines of history are read for it.
fn questions(stage: &Stage, run: &str) -> Result<(Vec<f64>, f64), Error> {
    // The first one waits for the worker to start.
    ask(stage, run)?;
    let before = stage.stats()?.history_lines_read;
    let mut took = Vec::new();
    for _ in 0..QUESTIONS {
        let begun = Instant::now();
        ask(stage, run)?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok((took, (stage.stats()?.history_lines_read - before) as f64 / QUESTIONS as f64))
}

fn ask(stage: &Stage, run: &str) -> Result<u32, Error> {
    let nothing = CodeValue { content_type: Default::default(), bytes: Bytes::new() };
    let answer = stage.wait(stage.handle().ask_code(run, "done", nothing))?;
    let answer = answer.ok_or_else(|| Error::Unexpected("no answer".to_owned()))?;
    serde_json::from_slice(&answer.bytes).map_err(|error| Error::Unexpected(error.to_string()))
}
