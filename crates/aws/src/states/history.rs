//! `GetExecutionHistory`.

use super::executions::known;
use super::fault::Fault;
use super::page::{Page, token};
use super::{Call, arn};
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_runtime::api::HistoryRequest;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    execution_arn: Option<String>,
    #[serde(default)]
    reverse_order: bool,
    include_execution_data: Option<bool>,
    #[serde(flatten)]
    page: Page,
}

/// Fields of events that hold data of the execution.
const DATA: [&str; 7] = ["input", "output", "parameters", "cause", "error", "inputDetails", "outputDetails"];

/// A page of the events of an execution.
pub async fn get(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Request = call.read()?;
    let execution = request.execution_arn.ok_or_else(|| Fault::missing("executionArn"))?;
    let (machine, name, _) = known(call, &execution).await?;
    let page = HistoryRequest {
        run: arn::run_of(&machine, &name),
        cursor: request.page.cursor()?,
        limit: request.page.limit()?,
        newest_first: request.reverse_order,
    };
    let page = call.node.workflow_history(page).await?;
    let with_data = request.include_execution_data.unwrap_or(true);
    let shown = |event: &sluice_asl::execution::HistoryEvent| {
        let mut event = serde_json::to_value(event.to_aws()).expect("events are plain data");
        if !with_data {
            strip(&mut event);
        }
        event
    };
    let mut answer = json!({"events": page.events.iter().map(shown).collect::<Vec<_>>()});
    page.next.into_iter().for_each(|next| answer["nextToken"] = json!(token(next)));
    Ok(answer)
}

/// Leaves the data of the execution out of an event.
fn strip(event: &mut Value) {
    let Some(fields) = event.as_object_mut() else { return };
    for (_, details) in fields.iter_mut().filter(|(name, _)| name.ends_with("EventDetails")) {
        if let Some(details) = details.as_object_mut() {
            DATA.iter().for_each(|name| drop(details.remove(*name)));
        }
    }
}
