//! `GetExecutionHistory`.

use super::executions::standard;
use super::fault::Fault;
use super::page::{Page, token};
use super::{Call, arn, children};
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_runtime::api::{HistoryRequest, HistoryScope};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    execution_arn: String,
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
    let execution = request.execution_arn;
    let (run, scope) = match children::find(call, &execution).await? {
        Some(child) => (child.of.view.run.to_string(), HistoryScope::Child(child.id)),
        None => {
            let (machine, name, _) = standard(call, &execution).await?;
            (arn::run_of(&machine, &name), HistoryScope::Own)
        }
    };
    let (limit, mut cursor) = (request.page.limit(), request.page.cursor()?);
    let mut events = Vec::new();
    loop {
        let (run, newest_first) = (run.clone(), request.reverse_order);
        let wanted = HistoryRequest { run, cursor, limit: limit - events.len(), newest_first, scope };
        let page = call.node.workflow_history(wanted).await?;
        events.extend(page.events);
        cursor = page.next;
        if cursor.is_none() || events.len() == limit {
            break;
        }
    }
    let with_data = request.include_execution_data.unwrap_or(true);
    let shown = |event: &sluice_asl::execution::HistoryEvent| {
        let mut event = serde_json::to_value(event.to_aws()).expect("events are plain data");
        if !with_data {
            strip(&mut event);
        }
        event
    };
    let mut answer = json!({"events": events.iter().map(shown).collect::<Vec<_>>()});
    cursor.into_iter().for_each(|next| answer["nextToken"] = json!(token(next)));
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
