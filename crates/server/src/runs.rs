//! Runs: start, show, list, seal, cancel, retry, fork, move, history, logs.

use crate::extract::{Body, Path, Query, duration, json, page};
use crate::failure::{Answer, Failure};
use crate::findings::{self, Asked};
use crate::front::Front;
use crate::{events, limits, views};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sluice_api as api;
use sluice_engine::Status;
use sluice_runtime::api::{
    ForkRequest, ListRequest, Movable, MoveRequest, NewObject, RunView, StartRequest, WorkflowRequest, lsn_of,
};
use sluice_types::{Code, ContentType, Lsn, RunKey, Version, limits as shared};
use std::time::Duration;

/// The reserved bucket of a run's input, and the key of the input in it.
const INPUT: &str = "input";

/// Parameters of a start and of a look at a run.
#[derive(Deserialize)]
pub struct Waiting {
    wait: Option<String>,
}

impl Waiting {
    pub(crate) fn patience(&self) -> Answer<Option<Duration>> {
        self.wait.as_deref().map(|text| duration("wait", text, limits::WAIT_MAX)).transpose()
    }
}

/// `POST /v1/apps/{app}/runs`
pub async fn start(
    State(front): State<Front>,
    Path(app): Path<String>,
    Query(waiting): Query<Waiting>,
    Body(body): Body,
) -> Answer<Response> {
    let patience = waiting.patience()?;
    let body = if body.is_empty() { api::Start::default() } else { json(&body)? };
    let started = front.node.start(request(app, body)?).await?;
    if let Some(patience) = patience {
        let view = wait(&front, &started.run, patience).await?;
        return Ok(match view.status {
            Status::Running => (StatusCode::ACCEPTED, Json(views::state(&view))).into_response(),
            _ => Json(views::run(&view)).into_response(),
        });
    }
    let state = api::RunState::begun(started.run);
    Ok((StatusCode::ACCEPTED, Json(state)).into_response())
}

fn request(app: String, body: api::Start) -> Answer<StartRequest> {
    let api::Start { id, objects, input, workflow, event, seal } = body;
    if let Some(id) = &id {
        check_id(id)?;
    }
    let event = event.map(|event| events::given_with_start(event, id.as_deref())).transpose()?;
    let mut list = Vec::new();
    for (bucket, objects) in objects {
        for (key, value) in objects {
            list.push(new_object(bucket.clone(), key, value));
        }
    }
    list.extend(input.map(|value| new_object(INPUT.into(), INPUT.into(), value)));
    if list.len() > shared::REQUEST_OBJECTS_MAX {
        let most = shared::REQUEST_OBJECTS_MAX;
        let message =
            format!("{} objects, of at most {most} in one request (REQUEST_OBJECTS_MAX)", list.len());
        let fix = "start with `seal: false`, put the others, then seal the run";
        return Err(Failure::new(Code::LIMIT_EXCEEDED, message, fix));
    }
    let workflow = workflow.map(|name| WorkflowRequest { name, input: None, execution: None });
    Ok(StartRequest { app, id, objects: list, event, workflow, version: None, seal })
}

fn new_object(bucket: String, key: String, value: api::Value) -> NewObject {
    let content_type = ContentType::parse(&value.content_type);
    NewObject { bucket, key, content_type, bytes: value.bytes.into() }
}

pub(crate) fn check_id(id: &str) -> Answer<()> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    if (1..=shared::RUN_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_legal) {
        return Ok(());
    }
    let fix = format!("use 1 to {} of A-Z a-z 0-9 . _ ~ -", shared::RUN_ID_BYTES_MAX);
    Err(Failure::bad_request(format!("`{id}` cannot be the id of a run"), fix))
}

/// The run once it has ended, or as it stands when patience is over or the server stops.
async fn wait(front: &Front, run: &str, patience: Duration) -> Answer<RunView> {
    tokio::select! {
        view = front.node.wait(run, patience) => Ok(view?),
        () = front.closed() => Ok(front.node.run(run).await?),
    }
}

/// Parameters of a look at a run.
#[derive(Deserialize)]
pub struct Looking {
    at: Option<String>,
    #[serde(flatten)]
    waiting: Waiting,
}

/// `GET /v1/runs/{id}`
pub async fn show(
    State(front): State<Front>,
    Path(run): Path<String>,
    Query(looking): Query<Looking>,
) -> Answer<Json<api::Run>> {
    if let Some(at) = &looking.at {
        return Ok(Json(views::run(&front.node.run_at(&run, lsn(at)?).await?)));
    }
    let view = match looking.waiting.patience()? {
        Some(patience) => wait(&front, &run, patience).await?,
        None => front.node.run(&run).await?,
    };
    Ok(Json(views::run(&view)))
}

fn lsn(text: &str) -> Answer<Lsn> {
    lsn_of(text).ok_or_else(|| {
        let fix = "use the `lsn` of a line of the run's history as it is";
        Failure::bad_request(format!("`{text}` is not a position in the log"), fix)
    })
}

/// Parameters of a listing.
#[derive(Deserialize)]
pub struct Listing {
    app: Option<String>,
    status: Option<api::Status>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// `GET /v1/runs`
pub async fn list(State(front): State<Front>, Query(query): Query<Listing>) -> Answer<Json<api::RunList>> {
    let limit = page(query.limit, limits::RUNS_PAGE_DEFAULT, limits::RUNS_PAGE_MAX)?;
    let request = ListRequest {
        app: query.app,
        status: query.status.map(views::engine_status),
        limit: limit + 1,
        before: query.cursor.as_deref().map(cursor).transpose()?,
    };
    let mut runs = front.node.list(request).await?;
    let more = runs.len() > limit;
    runs.truncate(limit);
    let next = runs.last().filter(|_| more).map(|last| format!("{:x}", last.key.0));
    Ok(Json(api::RunList { runs: runs.iter().map(views::run).collect(), next }))
}

fn cursor(text: &str) -> Answer<RunKey> {
    u64::from_str_radix(text, 16).map(RunKey).map_err(|_| {
        Failure::bad_request(format!("`{text}` is not a cursor"), "use `next` of the page before as it is")
    })
}

/// `POST /v1/runs/{id}/seal`
pub async fn seal(State(front): State<Front>, Path(run): Path<String>) -> Answer<Json<api::RunState>> {
    front.node.seal(&run).await?;
    state(&front, &run).await
}

/// Body of a cancel.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    #[serde(default)]
    reason: Option<String>,
}

/// `POST /v1/runs/{id}/cancel`
pub async fn cancel(
    State(front): State<Front>,
    Path(run): Path<String>,
    Body(body): Body,
) -> Answer<Json<api::RunState>> {
    let cancel: Cancel = if body.is_empty() { Cancel::default() } else { json(&body)? };
    let reason = cancel.reason.as_deref().unwrap_or("cancelled by a client");
    front.node.cancel(&run, reason).await?;
    state(&front, &run).await
}

async fn state(front: &Front, run: &str) -> Answer<Json<api::RunState>> {
    let view = front.node.run(run).await?;
    Ok(Json(views::state(&view)))
}

/// `POST /v1/runs/{id}/retry`
pub async fn retry(State(front): State<Front>, Path(run): Path<String>) -> Answer<Response> {
    let started = front.node.retry(&run).await?;
    let state = api::RunState::begun(started.run);
    Ok((StatusCode::ACCEPTED, Json(state)).into_response())
}

/// `POST /v1/runs/{id}/fork`
pub async fn fork(State(front): State<Front>, Path(run): Path<String>, Body(body): Body) -> Answer<Response> {
    let api::Fork { at, id, version } = if body.is_empty() { api::Fork::default() } else { json(&body)? };
    id.as_deref().map(check_id).transpose()?;
    let at = at.as_deref().map(lsn).transpose()?;
    let request = ForkRequest { run, at, id, version: version.map(Version) };
    let started = front.node.fork(request).await?;
    let state = api::RunState::begun(started.run);
    Ok((StatusCode::ACCEPTED, Json(state)).into_response())
}

/// `POST /v1/runs/{id}/move`
pub async fn go_on(
    State(front): State<Front>,
    Path(run): Path<String>,
    Body(body): Body,
) -> Answer<Json<api::RunState>> {
    let api::Move { version } = if body.is_empty() { api::Move::default() } else { json(&body)? };
    let request = MoveRequest { runs: Movable::One(run.clone()), version: version.map(Version) };
    let report = front.node.move_runs(request).await?;
    match report.found.first() {
        Some(found) => Err(Failure::findings(vec![findings::error(found, Asked::Move)])),
        None => state(&front, &run).await,
    }
}

/// Parameters of a history.
#[derive(Deserialize)]
pub struct Paging {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// `GET /v1/runs/{id}/history`
pub async fn history(
    State(front): State<Front>,
    Path(run): Path<String>,
    Query(paging): Query<Paging>,
) -> Answer<Json<api::History>> {
    let limit = page(paging.limit, limits::HISTORY_PAGE_MAX, limits::HISTORY_PAGE_MAX)?;
    let mut lines = front.node.history(&run, paging.after, limit + 1).await?;
    let more = lines.len() > limit;
    lines.truncate(limit);
    let next = lines.last().filter(|_| more).map(|last| last.seq);
    Ok(Json(api::History { events: lines.into_iter().map(views::history).collect(), next }))
}

/// `GET /v1/runs/{id}/logs`
pub async fn logs(State(front): State<Front>, Path(run): Path<String>) -> Answer<Json<api::Logs>> {
    let lines = front.node.logs(&run).await?;
    Ok(Json(api::Logs { lines: lines.into_iter().map(views::log_line).collect() }))
}

#[cfg(test)]
mod tests {
    use super::check_id;

    #[test]
    fn run_ids_are_of_a_few_characters() {
        let longest = "x".repeat(128);
        for id in ["a", "A.b_c~d-9", &longest] {
            assert!(check_id(id).is_ok(), "{id}");
        }
        for id in ["", "a b", "a/b", "é", &format!("{longest}x")] {
            assert!(check_id(id).is_err(), "{id}");
        }
    }
}
