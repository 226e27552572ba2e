//! A live view of one run, as server-sent events.
//!
//! `history` carries one line of the history and has its `seq` as id, so that a client that reconnects with
//! `Last-Event-ID` misses none; `progress` carries the run object when its functions moved; `run` carries the run
//! object once it has ended, and is the last.

use crate::extract::{Path, Query};
use crate::failure::{Answer, Failure};
use crate::front::Front;
use crate::{limits, views};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde::{Deserialize, Serialize};
use sluice_engine::Status;
use sluice_runtime::api::{FunctionView, RunView};
use sluice_types::{Code, Problem};
use std::convert::Infallible;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

/// Messages that wait for a slow reader before its view pauses.
const MESSAGES_WAITING_MAX: usize = 64;

/// Where to begin.
#[derive(Deserialize)]
pub struct From {
    #[serde(default)]
    after: u64,
}

/// `GET /v1/runs/{id}/events`
pub async fn run(
    State(front): State<Front>,
    Path(run): Path<String>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let view = front.node.run(&run).await?;
    let Ok(permit) = front.streams.clone().try_acquire_owned() else {
        let message = format!("{} live views are open (STREAMS_MAX)", limits::STREAMS_MAX);
        return Err(Failure::new(Code::OVERLOADED, message, "close some, or poll the run"));
    };
    let last_id = headers.get("last-event-id").and_then(|v| v.to_str().ok()?.parse().ok());
    let (messages, stream) = mpsc::channel(MESSAGES_WAITING_MAX);
    let view = View {
        front,
        run,
        after: last_id.unwrap_or(from.after),
        told: None,
        messages,
        _permit: permit,
        last: view,
    };
    tokio::spawn(view.follow());
    let keep_alive = KeepAlive::new().interval(limits::STREAM_QUIET_MAX);
    Ok(Sse::new(ReceiverStream::new(stream)).keep_alive(keep_alive))
}

struct View {
    front: Front,
    run: String,
    after: u64,
    told: Option<Vec<FunctionView>>,
    messages: mpsc::Sender<Result<Event, Infallible>>,
    last: RunView,
    _permit: OwnedSemaphorePermit,
}

/// The reader is gone, or the server stops.
struct Closed;

impl View {
    /// Ends with the run, with the reader, or with the server.
    async fn follow(mut self) {
        let front = self.front.clone();
        tokio::select! {
            _ = self.tell_all() => {}
            () = front.closed() => {}
        }
    }

    async fn tell_all(&mut self) -> Result<(), Closed> {
        loop {
            self.tell_history().await?;
            if self.last.status != Status::Running {
                return self.send(Event::default().event("run"), &views::run(&self.last)).await;
            }
            if self.told.as_ref() != Some(&self.last.functions) {
                self.send(Event::default().event("progress"), &views::run(&self.last)).await?;
                self.told = Some(self.last.functions.clone());
            }
            self.last = match self.front.node.wait(&self.run, limits::STREAM_PERIOD).await {
                Ok(view) => view,
                Err(problem) => return self.fail(&problem).await,
            };
        }
    }

    async fn tell_history(&mut self) -> Result<(), Closed> {
        loop {
            let lines = match self.front.node.history(&self.run, self.after, limits::HISTORY_PAGE_MAX).await {
                Ok(lines) => lines,
                Err(problem) => return self.fail(&problem).await,
            };
            let is_last = lines.len() < limits::HISTORY_PAGE_MAX;
            for line in lines {
                self.after = line.seq;
                let event = Event::default().event("history").id(line.seq.to_string());
                self.send(event, &views::history(line)).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    async fn fail(&self, problem: &Problem) -> Result<(), Closed> {
        let body = sluice_api::ErrorBody { error: views::error(problem), diagnostics: Vec::new() };
        self.send(Event::default().event("error"), &body).await?;
        Err(Closed)
    }

    async fn send(&self, event: Event, data: &impl Serialize) -> Result<(), Closed> {
        let event = event.json_data(data).map_err(|_| Closed)?;
        self.messages.send(Ok(event)).await.map_err(|_| Closed)
    }
}
