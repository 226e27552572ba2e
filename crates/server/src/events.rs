//! Events: CloudEvents over HTTP, and the event given with a start.

use crate::cloudevents;
use crate::extract::Body;
use crate::failure::{Answer, Failure};
use crate::front::Front;
use crate::views;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use sluice_api as api;
use sluice_types::{Code, ContentType, Event, limits};
use ulid::Ulid;

/// `source` of an event that was given with a start and names none.
const START_SOURCE: &str = "/sluice/start";

/// `POST /v1/events`, `POST /events`
pub async fn receive(
    State(front): State<Front>,
    headers: HeaderMap,
    Body(body): Body,
) -> Answer<(StatusCode, Json<api::EventsAccepted>)> {
    let events = cloudevents::read(&headers, &body, views::now_ms()).map_err(cloudevents::Error::problem)?;
    if events.len() > limits::EVENT_BATCH_MAX {
        let most = limits::EVENT_BATCH_MAX;
        let message = format!("{} events, of at most {most} in a batch (EVENT_BATCH_MAX)", events.len());
        return Err(Failure::new(Code::LIMIT_EXCEEDED, message, "send several batches"));
    }
    let reply = front.node.events(events).await?;
    let answer = api::EventsAccepted { accepted: reply.accepted, duplicates: reply.duplicates };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// The event of a start. Its id defaults to the run's, so that a repeated start stays the same request.
pub fn given_with_start(event: api::StartEvent, run: Option<&str>) -> Answer<Event> {
    let time_ms = match &event.time {
        Some(text) => cloudevents::time_ms(text).map_err(cloudevents::Error::problem)?,
        None => views::now_ms(),
    };
    if event.r#type.is_empty() {
        return Err(Failure::new(Code::EVENT_INVALID, "the event's `type` is empty", "name the type"));
    }
    let id = event.id.or(run.map(str::to_owned)).unwrap_or_else(|| Ulid::generate().to_string());
    let (content_type, data) = match event.data {
        Some(value) => (ContentType::parse(&value.content_type), value.bytes),
        None => (ContentType::Json, Vec::new()),
    };
    Ok(Event {
        id: id.into(),
        source: event.source.as_deref().unwrap_or(START_SOURCE).into(),
        r#type: event.r#type.into(),
        subject: event.subject.map(Into::into),
        time_ms,
        content_type,
        data: data.into(),
        run: None,
    })
}
