//! `TestState`: one state on its own.

use super::callees;
use super::fault::Fault;
use super::machines;
use super::{Call, now_ms};
use crate::lambda::task as lambda;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluice_asl::Machine;
use sluice_asl::execution::{Event, Mock, Progress, Settings, Trial, TrialEnd, TrialInput, Verdict};
use sluice_asl::execution::{TaskRequest, Wait, Work};
use sluice_asl::machine::{Kind, State};
use sluice_expression::Value as Json;
use sluice_runtime::callees::ended;
use std::collections::BTreeSet;

/// The name of a state that is given without one.
const NAMELESS: &str = "TestState";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    definition: String,
    #[serde(default)]
    reveal_secrets: bool,
    input: Option<String>,
    inspection_level: Option<String>,
    variables: Option<String>,
    state_name: Option<String>,
    mock: Option<MockRequest>,
    context: Option<String>,
    #[serde(default)]
    state_configuration: Configuration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MockRequest {
    result: Option<String>,
    error_output: Option<ErrorOutput>,
}

#[derive(Deserialize)]
struct ErrorOutput {
    #[serde(default)]
    error: String,
    #[serde(default)]
    cause: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    retrier_retry_count: u32,
}

/// `TestState`.
pub async fn test(call: &Call<'_>) -> Result<Value, Fault> {
    let request: Request = call.read()?;
    let level = request.inspection_level.as_deref().unwrap_or("INFO");
    if request.reveal_secrets && request.mock.is_some() {
        return Err(Fault::validation("TestState does not support RevealSecrets when a mock is specified."));
    }
    let (machine, name) = machine_of(&request.definition, request.state_name)?;
    let input = input_of(request.input)?;
    let mock = request.mock.map(mock).transpose()?;
    let no_such = || Fault::validation(format!("The state '{name}' is not defined in the state machine"));
    let state = machine.state(&name).ok_or_else(no_such)?;
    if let Some(mock) = &mock {
        mockable(state, mock)?;
    }
    if request.context.is_some() && mock.is_none() {
        return Err(Fault::validation("The context can only be specified together with a mock"));
    }
    let given = TrialInput {
        input: input.clone(),
        context: request.context.map(|text| object_of("context", &text)).transpose()?,
        variables: request.variables.map(|text| object_of("variables", &text)).transpose()?,
        retries: request.state_configuration.retrier_retry_count,
        mock,
    };
    let progress = Trial::start(&machine, &name, settings(call), given, now_ms());
    let end = end_of(call, &name, progress.ok_or_else(no_such)?).await?;
    Ok(shown(&end, &input, level != "INFO"))
}

/// The machine that has the state, and the state's name in it.
fn machine_of(definition: &str, state_name: Option<String>) -> Result<(Machine, String), Fault> {
    let (text, name) = match state_name {
        Some(name) => (definition.to_owned(), name),
        None => (around(definition)?, NAMELESS.to_owned()),
    };
    Ok((machines::check(&text, "STANDARD")?, name))
}

/// A state machine around one state: whatever may come next ends it.
fn around(state: &str) -> Result<String, Fault> {
    let invalid = |why: String| {
        Fault::new(
            "InvalidDefinition",
            format!("Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: {why}'"),
        )
    };
    let fields: Map<String, Value> =
        serde_json::from_str(state).map_err(|error| invalid(error.to_string()))?;
    let lists = ["Choices", "Catch"].map(|name| fields.get(name).and_then(Value::as_array));
    let nested = lists.into_iter().flatten().flatten().filter_map(|rule| rule.get("Next"));
    let own = ["Next", "Default"].into_iter().filter_map(|name| fields.get(name));
    let targets: BTreeSet<&str> =
        own.chain(nested).filter_map(Value::as_str).filter(|name| *name != NAMELESS).collect();
    let ends: String =
        targets.into_iter().map(|name| format!(",{}:{{\"Type\":\"Succeed\"}}", json!(name))).collect();
    Ok(format!("{{\"StartAt\":\"{NAMELESS}\",\"States\":{{\"{NAMELESS}\":{state}{ends}}}}}"))
}

fn json_of(parameter: &str, text: &str) -> Result<Json, Fault> {
    Json::parse(text.as_bytes())
        .map_err(|error| Fault::validation(format!("{parameter} is not JSON: {error}")))
}

fn object_of(parameter: &str, text: &str) -> Result<Json, Fault> {
    let value = json_of(parameter, text)?;
    match value.as_object() {
        Some(_) => Ok(value),
        None => Err(Fault::validation(format!("{parameter} must be a JSON object"))),
    }
}

fn input_of(given: Option<String>) -> Result<Json, Fault> {
    let Some(text) = given else { return Ok(Json::object(sluice_expression::Map::default())) };
    json_of("input", &text).map_err(|fault| {
        let message = format!("Invalid State Machine Execution Input: '{}'", fault.message);
        Fault::new("InvalidExecutionInput", message)
    })
}

fn mock(request: MockRequest) -> Result<Mock, Fault> {
    match (request.result, request.error_output) {
        (Some(result), None) => Ok(Mock::Result(json_of("mock.result", &result)?)),
        (None, Some(output)) => Ok(Mock::Error { error: output.error.into(), cause: output.cause.into() }),
        (Some(_), Some(_)) => Err(Fault::validation(
            "A test mock should have only one of the following fields: [result, errorOutput].",
        )),
        (None, None) => Err(Fault::validation(
            "A test mock should have one of the following fields: [result, errorOutput].",
        )),
    }
}

/// Refuses mocks that the state could never have as its result.
fn mockable(state: &State, mock: &Mock) -> Result<(), Fault> {
    let result = match mock {
        Mock::Result(result) => Some(result),
        Mock::Error { .. } => None,
    };
    let items = result.map(|result| result.as_array().map(<[Json]>::len));
    let refused = match (&state.kind, result, items) {
        (Kind::Task(_), ..) => None,
        (Kind::Map(map), Some(result), _) if map.writer.is_some() => {
            result.as_object().is_none().then_some("Mocked result must be a JSON object.")
        }
        (Kind::Map(_) | Kind::Parallel { .. }, _, Some(None)) => Some("Mocked result must be an array."),
        (Kind::Parallel { branches }, _, Some(Some(items))) if items != branches.len() => {
            Some("Mocked result must contain the same number of items as number of Parallel branches.")
        }
        (Kind::Map(_) | Kind::Parallel { .. }, ..) => None,
        (other, ..) => {
            let message = format!(
                "State type '{}' is not supported when a mock is specified",
                other.state_type().name()
            );
            return Err(Fault::validation(message));
        }
    };
    refused.map_or(Ok(()), |why| Err(Fault::validation(why)))
}

/// What the state sees of an execution that there is not.
fn settings(call: &Call<'_>) -> Settings {
    let name = uuid::Uuid::new_v4().to_string();
    Settings {
        id: call.account.execution(NAMELESS, &name).into(),
        name: name.into(),
        role: "".into(),
        machine_id: call.account.machine(NAMELESS).into(),
        machine_qualifier: "".into(),
        machine_name: NAMELESS.into(),
        start_ms: now_ms(),
        seed: uuid::Uuid::new_v4().as_u64_pair().1,
        key: 0,
        aws_limits: true,
        records_history: false,
        token_prefix: "test.".into(),
    }
}

/// What the trial of a state comes to, after the work of its task if it has one.
async fn end_of(call: &Call<'_>, state: &str, progress: Progress) -> Result<TrialEnd, Fault> {
    match progress {
        Progress::Ended(end) => Ok(*end),
        Progress::Work(trial, request) => Ok(trial.finish(perform(call, state, &request).await?)),
        Progress::NeedsMock => Err(Fault::new(
            "InvalidDefinition",
            "TestState API does not support Map or Parallel states. Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]",
        )),
    }
}

/// Does the work of a task.
async fn perform(call: &Call<'_>, state: &str, request: &TaskRequest) -> Result<Event, Fault> {
    let done = match &request.work {
        Work::Lambda { function, payload, .. } if request.token.is_none() => {
            lambda::perform(call.node, call.account, function, payload).await
        }
        Work::Service { wait: Wait::None, .. } | Work::StartExecution { wait: Wait::None, .. }
            if request.token.is_none() =>
        {
            callees::errand(call.node, call.account, request).await
        }
        _ => {
            return Err(Fault::validation(format!(
                "The work of the state '{state}' cannot be done in a test: a mock must be specified"
            )));
        }
    };
    Ok(ended(request.task, done))
}

fn shown(end: &TrialEnd, input: &Json, inspected: bool) -> Value {
    let mut answer = json!({});
    let mut details = json!({});
    let status = match &end.verdict {
        Verdict::Succeeded { output } => {
            answer["output"] = json!(output.to_json());
            "SUCCEEDED"
        }
        Verdict::Caught { output, catcher } => {
            answer["output"] = json!(output.to_json());
            details["catchIndex"] = json!(catcher);
            "CAUGHT_ERROR"
        }
        Verdict::Retriable { retrier, delay_ms } => {
            details["retryIndex"] = json!(retrier);
            details["retryBackoffIntervalSeconds"] = json!(delay_ms / 1000);
            "RETRIABLE"
        }
        Verdict::Failed => "FAILED",
    };
    answer["status"] = json!(status);
    end.error.iter().for_each(|error| answer["error"] = json!(&**error));
    end.cause.iter().for_each(|cause| answer["cause"] = json!(&**cause));
    end.next.iter().for_each(|next| answer["nextState"] = json!(&**next));
    if inspected {
        let mut data = json!({"input": input.to_json(), "variables": end.variables.to_json()});
        for (stage, value) in &end.stages {
            data[stage.name()] = json!(value.to_json());
        }
        if details.as_object().is_some_and(|details| !details.is_empty()) {
            data["errorDetails"] = details;
        }
        answer["inspectionData"] = data;
    }
    answer
}
