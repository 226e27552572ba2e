//! Distributed `Map`.

use crate::stage::{Stage, call, fails, gives, json};
use sluice_asl::execution::{Event, MapRunStatus, Status, TaskRequest, Work};
use sluice_expression::Value;

fn map(fields: &str) -> String {
    format!(
        r#"{{"StartAt":"M","States":{{"M":{{"Type":"Map","End":true{fields},"ItemProcessor":{{
            "ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}},
            "StartAt":"T","States":{{"T":{{"Type":"Task","Resource":"work","End":true}}}}}}}}}}}}"#
    )
}

fn odd_fails(task: &TaskRequest) -> Vec<(u64, Event)> {
    let input = call(task).1;
    if input.as_i64().unwrap() % 2 == 1 { fails(task, "Odd") } else { gives(task, input.clone()) }
}

fn failed_with(stage: &Stage<'_>) -> String {
    match stage.execution.status() {
        Status::Failed { error: Some(error), .. } => error.to_string(),
        status => panic!("{status:?}"),
    }
}

#[test]
fn children_are_executions_with_histories_of_their_own() {
    let mut stage = Stage::new(&map(r#","Label":"L""#), json("[4,6]"), odd_fails);
    stage.run();
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json("[4,6]") });
    let run = &stage.execution.map_runs()[0];
    assert!(run.arn.starts_with("arn:aws:states:us-east-1:111111111111:mapRun:machine/L:"), "{}", run.arn);
    assert_eq!(run.status, MapRunStatus::Succeeded);
    assert_eq!((run.items.total, run.items.succeeded, run.items.pending, run.items.running), (2, 2, 0, 0));
    let child = |index| stage.history.iter().filter(move |it| it.child.is_some_and(|it| it.index == index));
    for index in [0, 1] {
        let events: Vec<_> = child(index).map(|event| (event.id, event.kind.name())).collect();
        assert_eq!(events.first().unwrap(), &(1, "ExecutionStarted".to_owned()));
        assert_eq!(events.last().unwrap(), &(7, "ExecutionSucceeded".to_owned()));
    }
    let types =
        ["MapStateStarted", "MapRunStarted", "MapRunSucceeded", "MapStateSucceeded", "MapStateExited"];
    assert_eq!(stage.types()[2..7], types);
}

#[test]
fn failures_are_tolerated_up_to_the_count() {
    let definition = map(r#","ToleratedFailureCount":2"#);
    let mut stage = Stage::new(&definition, json("[1,2,3]"), odd_fails);
    stage.run();
    let Status::Succeeded { output } = stage.execution.status() else { panic!() };
    let records = output.as_array().unwrap();
    assert_eq!(records[1], json("2"));
    assert_eq!(records[0].get("Status"), Some(&Value::from("FAILED")));
    assert_eq!(records[0].get("Error"), Some(&Value::from("Odd")));
    let mut stage = Stage::new(&definition, json("[1,2,3,5,6,8]"), odd_fails);
    stage.run();
    assert_eq!(failed_with(&stage), "States.ExceedToleratedFailureThreshold");
    assert!(stage.types().contains(&"MapRunFailed".to_owned()));
    assert_eq!(stage.execution.map_runs()[0].items.failed, 3);
}

#[test]
fn failures_are_tolerated_up_to_the_percentage() {
    let definition = map(r#","ToleratedFailurePercentage":50"#);
    let mut stage = Stage::new(&definition, json("[1,2]"), odd_fails);
    stage.run();
    assert!(matches!(stage.execution.status(), Status::Succeeded { .. }));
    let mut stage = Stage::new(&definition, json("[1,2,3]"), odd_fails);
    stage.run();
    assert_eq!(failed_with(&stage), "States.ExceedToleratedFailureThreshold");
}

#[test]
fn batches_hold_so_many_items_and_bytes() {
    let fields = r#","ItemBatcher":{"MaxItemsPerBatch":3,"BatchInput":{"k":"v"}}"#;
    let batches = |fields: &str, items: &str| {
        let mut inputs = Vec::new();
        let mut stage = Stage::new(&map(fields), json(items), |task| {
            inputs.push(call(task).1.clone());
            gives(task, Value::Null)
        });
        stage.run();
        let run = &stage.execution.map_runs()[0];
        assert_eq!(run.items.succeeded, run.items.total);
        drop(stage);
        inputs
    };
    let inputs = batches(fields, "[1,2,3,4]");
    let expected = [
        json(r#"{"BatchInput":{"k":"v"},"Items":[1,2,3]}"#),
        json(r#"{"BatchInput":{"k":"v"},"Items":[4]}"#),
    ];
    assert_eq!(inputs, expected);
    let inputs =
        batches(r#","ItemBatcher":{"MaxInputBytesPerBatch":10}"#, r#"["aaaa","bbb","c","dddddddddd"]"#);
    let items: Vec<_> = inputs.iter().map(|input| input.get("Items").unwrap().clone()).collect();
    assert_eq!(items, [json(r#"["aaaa"]"#), json(r#"["bbb","c"]"#), json(r#"["dddddddddd"]"#)]);
}

#[test]
fn items_are_read_and_results_written_elsewhere() {
    let fields = r#","ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSON","MaxItems":9},
            "Parameters":{"Bucket.$":"$.bucket","Key":"k"}},
        "ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket.$":"$.bucket","Prefix":"p"}}"#;
    let mut written = Value::Null;
    let mut stage = Stage::new(&map(fields), json(r#"{"bucket":"b"}"#), |task| match &task.work {
        Work::ReadItems { config, arguments, .. } => {
            assert_eq!(arguments, &json(r#"{"Bucket":"b","Key":"k"}"#));
            assert_eq!(config.get("MaxItems"), Some(&json("9")));
            gives(task, json("[2,4]"))
        }
        Work::WriteResults { arguments, results, .. } => {
            assert_eq!(arguments, &json(r#"{"Bucket":"b","Prefix":"p"}"#));
            written = results.succeeded.clone();
            assert_eq!((&results.failed, &results.pending), (&json("[]"), &json("[]")));
            gives(task, json(r#"{"Bucket":"b","Key":"p/manifest.json"}"#))
        }
        _ => odd_fails(task),
    });
    stage.run();
    let Status::Succeeded { output } = stage.execution.status() else { panic!("{:?}", stage.execution) };
    let run = &stage.execution.map_runs()[0];
    assert_eq!(output.get("MapRunArn"), Some(&Value::String(run.arn.clone())));
    assert_eq!(output.get("ResultWriterDetails"), Some(&json(r#"{"Bucket":"b","Key":"p/manifest.json"}"#)));
    assert_eq!(run.items.results_written, 2);
    drop(stage);
    let outputs: Vec<_> =
        written.as_array().unwrap().iter().map(|it| it.get("Output").unwrap().clone()).collect();
    assert_eq!(outputs, [Value::from("2"), Value::from("4")]);
}

const WRITER: &str =
    r#","ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":"b"}}"#;

#[test]
fn results_are_told_apart_by_what_became_of_them() {
    let mut written = None;
    let fields = format!(r#","ToleratedFailureCount":1{WRITER}"#);
    let mut stage = Stage::new(&map(&fields), json("[2,3,4]"), |task| match &task.work {
        Work::WriteResults { results, .. } => {
            written = Some(results.clone());
            gives(task, json("{}"))
        }
        _ => odd_fails(task),
    });
    stage.run();
    assert!(matches!(stage.execution.status(), Status::Succeeded { .. }));
    assert_eq!(stage.execution.map_runs()[0].items.results_written, 3);
    drop(stage);
    let written = written.expect("results are written");
    assert_eq!(fields_of(&written.succeeded, "Input"), ["2", "4"]);
    assert_eq!(fields_of(&written.failed, "Input"), ["3"]);
    assert_eq!(fields_of(&written.failed, "Error"), ["Odd"]);
}

fn fields_of(records: &Value, name: &str) -> Vec<String> {
    let records = records.as_array().expect("an array").iter();
    records.map(|it| it.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_redrive_starts_what_had_not_succeeded() {
    let mut written = None;
    let fields = format!(r#","MaxConcurrency":2{WRITER}"#);
    let mut healthy = false;
    let mut stage = Stage::new(&map(&fields), json("[1,2,3,5]"), |task| match &task.work {
        Work::WriteResults { results, .. } => {
            written = Some(results.clone());
            healthy = true;
            gives(task, json("{}"))
        }
        _ if healthy => gives(task, Value::Null),
        _ if *call(task).1 == json("1") => fails(task, "Odd"),
        _ => Vec::new(),
    });
    stage.run();
    assert_eq!(failed_with(&stage), "States.ExceedToleratedFailureThreshold");
    let failures = stage.types().iter().filter(|it| *it == "MapRunFailed").count();
    assert_eq!((failures, stage.types().last().map(String::as_str)), (1, Some("ExecutionFailed")));
    stage.apply(Event::Redrive);
    stage.run();
    assert!(matches!(stage.execution.status(), Status::Succeeded { .. }), "{:?}", stage.execution.status());
    assert_eq!(stage.execution.map_runs()[0].items.succeeded, 4);
    drop(stage);
    assert_eq!(fields_of(&written.expect("all is written").succeeded, "Input"), ["1", "2", "3", "5"]);
}

#[test]
fn a_map_run_that_failed_may_fail_to_tell() {
    let first = |task: &TaskRequest| match &task.work {
        Work::WriteResults { results, .. } => Some(results.clone()),
        _ => None,
    };
    let fields = format!(r#","MaxConcurrency":2{WRITER}"#);
    let mut told = None;
    let mut stage = Stage::new(&map(&fields), json("[1,2,3,5]"), |task| {
        told = told.take().or_else(|| first(task));
        match &task.work {
            Work::WriteResults { .. } => fails(task, "States.ResultWriterFailed"),
            _ if *call(task).1 == json("1") => fails(task, "Odd"),
            _ => Vec::new(),
        }
    });
    stage.run();
    assert_eq!(failed_with(&stage), "States.ExceedToleratedFailureThreshold");
    drop(stage);
    let told = told.expect("it was asked for");
    assert_eq!(fields_of(&told.failed, "Status"), ["FAILED", "ABORTED"]);
    assert_eq!(fields_of(&told.pending, "Status"), ["PENDING", "PENDING"]);
    assert_eq!(fields_of(&told.pending, "Input"), ["3", "5"]);
}

#[test]
fn a_reader_that_fails_fails_the_map() {
    let fields =
        r#","ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k"}}"#;
    let mut stage = Stage::new(&map(fields), json("{}"), |task| fails(task, "States.ItemReaderFailed"));
    stage.run();
    assert_eq!(failed_with(&stage), "States.ItemReaderFailed");
    assert_eq!(stage.execution.map_runs()[0].status, MapRunStatus::Failed);
    let types = ["MapStateStarted", "MapRunStarted", "MapRunFailed", "MapStateFailed", "ExecutionFailed"];
    assert_eq!(stage.types()[2..], types);
}

#[test]
fn results_may_be_laid_out() {
    let fields = r#","ResultWriter":{"WriterConfig":{"Transformation":"FLATTEN","OutputType":"JSON"}}"#;
    let mut stage = Stage::new(&map(fields), json("[[1,2],3,[]]"), |task| gives(task, call(task).1.clone()));
    stage.run();
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json("[1,2,3]") });
}

#[test]
fn a_map_run_takes_other_limits_while_it_runs() {
    let mut stage = Stage::new(&map(r#","MaxConcurrency":1"#), json("[2,4,6,8]"), |_| Vec::new());
    assert_eq!(stage.requests.len(), 1);
    stage.apply(Event::UpdateMapRun {
        run: 0,
        max_concurrency: Some(3),
        tolerated_failure_count: None,
        tolerated_failure_percentage: None,
    });
    assert_eq!(stage.requests.len(), 3);
    assert_eq!(stage.execution.map_runs()[0].max_concurrency, 3);
}
