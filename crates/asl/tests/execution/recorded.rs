//! Every execution that AWS recorded.

use crate::comparison::{decode, matches};
use crate::corpus;
use crate::stage::{Reply, Stage, settings};
use sluice_asl::execution::{Event, Settings, Status, TaskRequest, Work};
use sluice_expression::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Least part of the test functions whose outcome must be as recorded.
const OUTCOMES_LEAST: f64 = 0.98;
/// Least part of the recorded histories that must be as recorded.
const HISTORIES_LEAST: f64 = 0.98;

/// Of the function that raises an exception, as Lambda gives it.
const STACK_TRACE: &str = "  File \"/var/task/handler.py\", line 2, in handler\n    \
                           raise Exception(\"Some exception was raised.\")\n";

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}

/// The Lambda functions of the recordings.
fn invoke(handler: &str, payload: &Value) -> Result<Value, (&'static str, &'static str)> {
    Ok(match handler {
        "id_function.py" | "wait_60_seconds.py" => payload.clone(),
        "echo_function.py" => Value::fields([("Return", Value::from("HelloWorld"))]),
        "raise_exception.py" => return Err(("Exception", "Some exception was raised.")),
        "raise_custom_exception.py" => return Err(("CustomException", "")),
        "large_output_string.py" => Value::from("a".repeat(263_168)),
        "return_bytes_str.py" => Value::from("\"HelloWorld!\""),
        "return_decorated_input.py" => {
            Value::from(format!("input-event-{}", payload.to_json().replace('"', "'")))
        }
        other => panic!("no such handler: {other}"),
    })
}

fn perform(case: &Value, task: &TaskRequest) -> Reply {
    let Work::Lambda { function, payload, .. } = &task.work else { return Vec::new() };
    let task = task.task;
    let lambdas = case.get("lambdas").and_then(Value::as_object).unwrap();
    let named = lambdas.iter().find(|(alias, _)| function.ends_with(&***alias));
    let Some(handler) = named.and_then(|(_, lambda)| text(lambda, "handler")) else {
        let (error, cause) = ("Lambda.ResourceNotFoundException".into(), "Function not found".into());
        return vec![(1, Event::Failed { task, error, cause, timed_out: false })];
    };
    let after_ms = if handler == "wait_60_seconds.py" { 60_000 } else { 1 };
    let event = match invoke(handler, payload) {
        Ok(output) => Event::Succeeded { task, output },
        Err((error, message)) => {
            let cause = Value::fields([
                ("errorMessage", Value::from(message)),
                ("errorType", Value::from(error)),
                ("requestId", Value::from("00000000-0000-0000-0000-000000000000")),
                ("stackTrace", Value::array(vec![Value::from(STACK_TRACE)])),
            ]);
            Event::Failed { task, error: error.into(), cause: cause.to_json().into(), timed_out: false }
        }
    };
    vec![(after_ms, event)]
}

fn play(case: &Value) -> Stage<'_> {
    let definition = match case.get("definition").unwrap() {
        Value::String(text) => text.to_string(),
        definition => definition.to_json(),
    };
    let name: Arc<str> = "machine".into();
    let settings = Settings { machine_name: name, ..settings() };
    let input = case.get("input").cloned().unwrap_or_default();
    let mut stage = Stage::with(&definition, input, settings, |task| perform(case, task));
    // The recording was made by stopping the execution.
    if case.get("expected").and_then(|expected| text(expected, "status")) == Some("ABORTED") {
        stage.plan(1_000, Event::Stop { error: None, cause: None });
    }
    stage.run();
    stage
}

fn judge(case: &Value, status: &Status) -> Result<(), String> {
    let want = case.get("expected").unwrap();
    if text(want, "status") != Some(status.name()) {
        return Err(format!("{status:?}, want {want}"));
    }
    match (status, want.get("output")) {
        (Status::Succeeded { output }, Some(want)) if !matches(&decode(want), &decode(output)) => {
            Err(format!("output {output}, want {want}"))
        }
        (Status::Failed { error, cause }, _) => {
            for (name, got) in [("error", error), ("cause", cause)] {
                let want = want.get(name).cloned().unwrap_or_default();
                let got = got.clone().map_or(Value::Null, Value::String);
                if !matches(&decode(&want), &decode(&got)) {
                    return Err(format!("{name} {got}, want {want}"));
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Events of branches side by side were recorded without their numbers.
fn is_numbered(event: &Value) -> bool {
    event.get("id").and_then(Value::as_i64).is_some()
}

fn judge_history(case: &Value, stage: &Stage<'_>) -> Option<Result<(), String>> {
    let want = case.get("expected_events")?.as_array()?;
    let own = stage.history.iter().filter(|event| event.child.is_none());
    let mut got: Vec<Value> = own.map(|event| event.to_aws()).collect();
    if !want.iter().all(is_numbered) {
        got.retain(|event| text(event, "type") != Some("ParallelStateSucceeded"));
        got = in_recorded_order(want, got);
    }
    if want.len() != got.len() {
        let types: Vec<_> = got.iter().filter_map(|event| text(event, "type")).collect();
        return Some(Err(format!("{} events, want {}: {types:?}", got.len(), want.len())));
    }
    let differs = want.iter().zip(&got).find(|(want, got)| !is_event(want, got));
    Some(differs.map_or(Ok(()), |(want, got)| Err(format!("event {got}\n    want  {want}"))))
}

/// Of branches side by side the recordings keep neither numbers nor order, nor the end of all.
fn in_recorded_order(want: &[Value], mut got: Vec<Value>) -> Vec<Value> {
    let mut ordered = Vec::new();
    for want in want {
        let found = got.iter().position(|got| is_event(want, got));
        ordered.push(got.remove(found.unwrap_or(0)));
    }
    ordered.extend(got);
    ordered
}

fn is_event(want: &Value, got: &Value) -> bool {
    let fields = |event: &Value| {
        let mut fields = decode(event).as_object().unwrap().clone();
        if !is_numbered(want) {
            fields.shift_remove("id");
            fields.shift_remove("previousEventId");
        }
        Value::object(fields)
    };
    matches(&fields(want), &fields(got))
}

#[test]
fn executions_are_as_aws_recorded_them() {
    let mut functions: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    let (mut histories, mut alike) = (0, 0);
    for case in corpus::executions() {
        let name = text(&case, "name").unwrap();
        let stage = play(&case);
        let outcome = judge(&case, stage.execution.status());
        if let Err(why) = &outcome {
            eprintln!("OUTCOME {name}\n    {why}");
        }
        let function = text(&case, "source").unwrap().split('[').next().unwrap().to_owned();
        functions.entry(function).or_default().push(outcome.is_ok());
        if let Some(history) = judge_history(&case, &stage) {
            histories += 1;
            alike += usize::from(history.is_ok());
            if let Err(why) = history {
                eprintln!("HISTORY {name}\n    {why}");
            }
        }
    }
    if functions.is_empty() {
        return;
    }
    let part = |cases: &Vec<bool>| cases.iter().filter(|right| **right).count() as f64 / cases.len() as f64;
    let outcomes = functions.values().map(part).sum::<f64>() / functions.len() as f64;
    let history = f64::from(alike as u32) / f64::from(histories);
    eprintln!("outcomes {outcomes:.4}; {alike} of {histories} histories alike");
    assert!(outcomes >= OUTCOMES_LEAST && history >= HISTORIES_LEAST);
}
