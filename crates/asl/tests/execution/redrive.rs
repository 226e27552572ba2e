//! `RedriveExecution`.

use crate::stage::{Stage, call, fails, gives, json};
use sluice_asl::execution::{Event, MapRunStatus, Status};
use sluice_expression::Value;
use std::cell::Cell;

/// Runs until a failure, mends what is broken, and redrives; gives the calls in order.
fn redriven(definition: &str, input: &str) -> (Vec<Value>, Status, Vec<String>) {
    let mended = Cell::new(false);
    let mut calls = Vec::new();
    let mut stage = Stage::new(definition, json(input), |task| {
        let input = call(task).1.clone();
        calls.push(input.clone());
        if input == json("3") && !mended.get() { fails(task, "Broken") } else { gives(task, input) }
    });
    stage.run();
    assert!(matches!(stage.execution.status(), Status::Failed { .. }));
    mended.set(true);
    stage.now_ms += 5_000;
    stage.rewrites = true;
    stage.apply(Event::Redrive);
    stage.run();
    let (status, types) = (stage.execution.status().clone(), stage.types());
    drop(stage);
    (calls, status, types)
}

#[test]
fn a_task_is_tried_again() {
    let definition = r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"T"},
        "T":{"Type":"Task","Resource":"work","Next":"B"},"B":{"Type":"Pass","Parameters":{
        "count.$":"$$.Execution.RedriveCount","at.$":"$$.Execution.RedriveTime"},"End":true}}}"#;
    let (calls, status, types) = redriven(definition, "3");
    assert_eq!(calls, [json("3"), json("3")]);
    assert_eq!(status, Status::Succeeded { output: json(r#"{"count":1,"at":"2023-11-14T22:13:25.000Z"}"#) });
    let at = types.iter().position(|kind| kind == "ExecutionRedriven").unwrap();
    assert_eq!(types[at - 1], "ExecutionFailed");
    assert_eq!(types[at + 1], "LambdaFunctionScheduled");
}

#[test]
fn branches_that_succeeded_are_kept() {
    let definition = r#"{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[
        {"StartAt":"A","States":{"A":{"Type":"Task","Resource":"work","Parameters":1,"End":true}}},
        {"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":9,"Next":"X"},"X":{"Type":"Pass","Result":2,"End":true}}},
        {"StartAt":"B","States":{"B":{"Type":"Task","Resource":"work","Parameters":3,"End":true}}}]}}}"#;
    let definition = definition.replace(r#""Parameters":1"#, r#""InputPath":"$[0]""#);
    let definition = definition.replace(r#""Parameters":3"#, r#""InputPath":"$[2]""#);
    let (calls, status, _) = redriven(&definition, "[1,2,3]");
    assert_eq!(calls, [json("1"), json("3"), json("3")]);
    assert_eq!(status, Status::Succeeded { output: json("[1,2,3]") });
}

#[test]
fn iterations_that_succeeded_are_kept() {
    let definition = r#"{"StartAt":"M","States":{"M":{"Type":"Map","MaxConcurrency":1,"End":true,"ItemProcessor":{
        "StartAt":"T","States":{"T":{"Type":"Task","Resource":"work","End":true}}}}}}"#;
    let (calls, status, _) = redriven(definition, "[1,2,3,4]");
    let inputs = ["1", "2", "3", "3", "4"].map(json);
    assert_eq!(calls, inputs);
    assert_eq!(status, Status::Succeeded { output: json("[1,2,3,4]") });
}

#[test]
fn a_map_run_is_redriven() {
    let definition = r#"{"StartAt":"M","States":{"M":{"Type":"Map","MaxConcurrency":1,"End":true,"ItemProcessor":{
        "ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
        "StartAt":"T","States":{"T":{"Type":"Task","Resource":"work","End":true}}}}}}"#;
    let (calls, status, types) = redriven(definition, "[1,2,3,4]");
    assert_eq!(calls, ["1", "2", "3", "3", "4"].map(json));
    assert_eq!(status, Status::Succeeded { output: json("[1,2,3,4]") });
    assert!(types.contains(&"MapRunRedriven".to_owned()) && types.contains(&"MapRunSucceeded".to_owned()));
}

#[test]
fn a_stopped_execution_goes_on_where_it_was() {
    let definition = r#"{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[
        {"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":60,"End":true}}},
        {"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{
            "ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},
            "StartAt":"T","States":{"T":{"Type":"Task","Resource":"work","End":true}}}}}}]}}}"#;
    let mut stage = Stage::new(definition, json("[1,2]"), |task| {
        vec![(1_000, Event::Succeeded { task: task.task, output: call(task).1.clone() })]
    });
    stage.apply(Event::Stop { error: None, cause: None });
    assert_eq!(stage.execution.map_runs()[0].status, MapRunStatus::Aborted);
    assert_eq!(stage.execution.map_runs()[0].items.aborted, 2);
    stage.apply(Event::Redrive);
    stage.run();
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json("[[1,2],[1,2]]") });
    assert_eq!(stage.execution.map_runs()[0].items.succeeded, 2);
}

#[test]
fn what_succeeded_is_not_redriven() {
    let definition = r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}"#;
    let mut stage = Stage::new(definition, json("1"), |_| Vec::new());
    stage.apply(Event::Redrive);
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json("1") });
}

#[test]
fn a_map_that_was_stopped_while_it_read_reads_again() {
    let definition = r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,
        "ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k"}},
        "ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},
            "StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}}}}"#;
    let mut stage = Stage::new(definition, json("{}"), |task| {
        vec![(1_000, Event::Succeeded { task: task.task, output: json("[1,2]") })]
    });
    stage.apply(Event::Stop { error: None, cause: None });
    assert_eq!(stage.execution.map_runs()[0].status, MapRunStatus::Aborted);
    stage.apply(Event::Redrive);
    stage.run();
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json("[1,2]") });
    let status: Vec<_> = stage.execution.map_runs().iter().map(|run| run.status).collect();
    assert_eq!(status, [MapRunStatus::Aborted, MapRunStatus::Succeeded]);
}
