//! Questions to the workflow of a run: queries, which change nothing, and updates.

use crate::extract::{Body, Path, Query, json};
use crate::failure::Answer;
use crate::front::Front;
use crate::runs::{Waiting, check_id};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sluice_api as api;
use sluice_runtime::api::{CodeValue, UpdateReply};
use sluice_types::ContentType;
use std::time::Duration;
use ulid::Ulid;

/// `POST /v1/runs/{id}/queries/{name}`
pub async fn query(
    State(front): State<Front>,
    Path((run, name)): Path<(String, String)>,
    Body(body): Body,
) -> Answer<Json<api::Reply>> {
    let question = question(&body)?;
    let answer = front.node.ask_code(&run, &name, value(question.value)).await?;
    Ok(Json(reply(None, api::ReplyStatus::Done, answer.as_ref())))
}

/// `POST /v1/runs/{id}/updates/{name}`
pub async fn update(
    State(front): State<Front>,
    Path((run, name)): Path<(String, String)>,
    Query(waiting): Query<Waiting>,
    Body(body): Body,
) -> Answer<Response> {
    let patience = waiting.patience()?;
    let api::Question { id, value: given } = question(&body)?;
    id.as_deref().map(check_id).transpose()?;
    let id = id.unwrap_or_else(|| format!("upd_{}", Ulid::generate()));
    front.node.update(&run, &id, &name, value(given)).await?;
    let told = tokio::select! {
        told = front.node.update_reply(&run, &id, patience.unwrap_or(Duration::ZERO)) => told?,
        () = front.closed() => None,
    };
    let answer = match told {
        None => {
            let pending = reply(Some(id), api::ReplyStatus::Pending, None);
            return Ok((StatusCode::ACCEPTED, Json(pending)).into_response());
        }
        Some(UpdateReply::Done(value)) => reply(Some(id), api::ReplyStatus::Done, value.as_ref()),
        Some(UpdateReply::Refused(error)) => {
            let error = error.and_then(|error| serde_json::from_slice(&error.bytes).ok());
            api::Reply { error, ..reply(Some(id), api::ReplyStatus::Failed, None) }
        }
        Some(UpdateReply::Ended) => api::Reply {
            error: Some(api::Cause {
                r#type: "WorkflowEnded".to_owned(),
                message: "the workflow ended before it had done what it was asked for".to_owned(),
                stack: String::new(),
            }),
            ..reply(Some(id), api::ReplyStatus::Failed, None)
        },
    };
    Ok(Json(answer).into_response())
}

fn question(body: &[u8]) -> Answer<api::Question> {
    if body.is_empty() { Ok(api::Question::default()) } else { json(body) }
}

fn value(given: Option<api::Value>) -> CodeValue {
    given.map_or_else(CodeValue::default, |value| CodeValue {
        content_type: ContentType::parse(&value.content_type),
        bytes: value.bytes.into(),
    })
}

fn reply(update: Option<String>, status: api::ReplyStatus, value: Option<&CodeValue>) -> api::Reply {
    api::Reply {
        update,
        status,
        result: value.map(|value| api::value::show(value.content_type.as_str(), &value.bytes)),
        result_type: value.map(|value| value.content_type.as_str().to_owned()),
        error: None,
    }
}
