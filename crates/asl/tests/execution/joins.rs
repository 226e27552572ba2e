//! `Parallel` and inline `Map`.

use crate::stage::{Stage, call, fails, gives, json};
use sluice_asl::execution::{Event, Request, Status};
use sluice_expression::Value;

const SIDE_BY_SIDE: &str = r#"{"StartAt":"P","States":{
    "P":{"Type":"Parallel","End":true,"Catch":[{"ErrorEquals":["E"],"Next":"Caught"}],"Branches":[
        {"StartAt":"A","States":{"A":{"Type":"Task","Resource":"slow","End":true}}},
        {"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":600,"End":true}}},
        {"StartAt":"B","States":{"B":{"Type":"Task","Resource":"quick","End":true}}}]},
    "Caught":{"Type":"Pass","End":true}}}"#;

#[test]
fn results_come_in_the_order_of_the_branches() {
    let definition = SIDE_BY_SIDE.replace("600", "3");
    let mut stage = Stage::new(&definition, json("1"), |task| {
        let after_ms = if call(task).0 == "slow" { 5_000 } else { 0 };
        vec![(after_ms, Event::Succeeded { task: task.task, output: Value::from(call(task).0) })]
    });
    stage.run();
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json(r#"["slow",1,"quick"]"#) });
}

#[test]
fn a_branch_that_fails_cuts_the_others_short() {
    let mut stage = Stage::new(SIDE_BY_SIDE, json("1"), |task| match call(task).0 {
        "quick" => fails(task, "E"),
        _ => Vec::new(),
    });
    stage.run();
    let output = json(r#"{"Error":"E","Cause":"why"}"#);
    assert_eq!(stage.execution.status(), &Status::Succeeded { output });
    assert_eq!(stage.requests.iter().filter(|it| matches!(it, Request::Cancel(_))).count(), 1);
    let types = stage.types();
    for kind in ["TaskStateAborted", "WaitStateAborted", "ParallelStateFailed", "ParallelStateExited"] {
        assert_eq!(types.iter().filter(|it| *it == kind).count(), 1, "{kind} in {types:?}");
    }
}

#[test]
fn an_inline_map_never_runs_more_than_it_may() {
    let definition = r#"{"StartAt":"M","States":{"M":{"Type":"Map","MaxConcurrency":3,"End":true,"ItemProcessor":{
        "StartAt":"T","States":{"T":{"Type":"Task","Resource":"work","End":true}}}}}}"#;
    let items = Value::array((0..20).map(Value::Int).collect());
    let mut stage = Stage::new(definition, items.clone(), |task| {
        let input = call(task).1.clone();
        let after_ms = 100 + (input.as_i64().unwrap() as u64 * 37) % 50;
        vec![(after_ms, Event::Succeeded { task: task.task, output: input })]
    });
    assert_eq!(stage.requests.len(), 3);
    stage.run();
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: items });
    let (mut open, mut most) = (0, 0);
    for kind in stage.types() {
        open += i32::from(kind == "MapIterationStarted") - i32::from(kind == "MapIterationSucceeded");
        most = most.max(open);
    }
    assert_eq!((open, most), (0, 3));
}

#[test]
fn an_iteration_sees_its_item() {
    let definition = r#"{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$.list","End":true,
        "ItemSelector":{"at.$":"$$.Map.Item.Index","it.$":"$$.Map.Item.Value","all.$":"$.name"},
        "ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true,
            "Parameters":{"in.$":"$","item.$":"$$.Map.Item"}}}}}}}"#;
    let mut stage = Stage::new(definition, json(r#"{"list":["x"],"name":"n"}"#), |_| Vec::new());
    stage.run();
    let output = json(r#"[{"in":{"at":0,"it":"x","all":"n"},"item":{"Index":0,"Value":"x"}}]"#);
    assert_eq!(stage.execution.status(), &Status::Succeeded { output });
}

#[test]
fn a_map_of_nothing_gives_nothing() {
    let definition = r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{
        "StartAt":"T","States":{"T":{"Type":"Task","Resource":"work","End":true}}}}}}"#;
    let mut stage = Stage::new(definition, json("[]"), |_| Vec::new());
    stage.run();
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json("[]") });
    let types = ["MapStateEntered", "MapStateStarted", "MapStateSucceeded", "MapStateExited"];
    assert_eq!(stage.types()[1..5], types);
}

#[test]
fn what_is_no_array_is_refused_in_the_words_of_aws() {
    let definition = r#"{"StartAt":"M","States":{"M":{"Type":"Map","ItemsPath":"$.a","End":true,"ItemProcessor":{
        "StartAt":"T","States":{"T":{"Type":"Pass","End":true}}}}}}"#;
    let mut stage = Stage::new(definition, json(r#"{"a":1}"#), |_| Vec::new());
    stage.run();
    let Status::Failed { cause: Some(cause), .. } = stage.execution.status() else { panic!() };
    assert!(cause.ends_with(r#"Reference path "$.a" must point to array."#), "{cause}");
}

#[test]
fn inner_scopes_read_outer_variables_and_keep_their_own() {
    let definition = r#"{"StartAt":"S","States":{
        "S":{"Type":"Pass","Assign":{"a":1,"b":1},"Next":"P"},
        "P":{"Type":"Parallel","Next":"End","Branches":[{"StartAt":"I","States":{
            "I":{"Type":"Pass","Assign":{"c.$":"States.MathAdd($a,1)"},"Next":"J"},
            "J":{"Type":"Pass","Parameters":{"a.$":"$a","c.$":"$c"},"End":true}}}]},
        "End":{"Type":"Pass","Parameters":{"inner.$":"$","b.$":"$b"},"End":true}}}"#;
    let mut stage = Stage::new(definition, json("{}"), |_| Vec::new());
    stage.run();
    let output = json(r#"{"inner":[{"a":1,"c":2}],"b":1}"#);
    assert_eq!(stage.execution.status(), &Status::Succeeded { output });
}

#[test]
fn joins_nest_and_catch_and_retry() {
    let definition = r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"P","States":{
        "P":{"Type":"Parallel","Retry":[{"ErrorEquals":["Flaky"],"MaxAttempts":2}],
            "Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$","Next":"C"}],"End":true,"Branches":[
            {"StartAt":"T","States":{"T":{"Type":"Task","Resource":"work","End":true}}},
            {"StartAt":"X","States":{"X":{"Type":"Pass","End":true}}}]},
        "C":{"Type":"Pass","Parameters":{"caught.$":"$.Error"},"End":true}}}}}}"#;
    let mut tries = [0; 3];
    let mut stage = Stage::new(definition, json("[0,1,2]"), |task| {
        let item = call(task).1.as_i64().unwrap() as usize;
        tries[item] += 1;
        match (item, tries[item]) {
            (1, 1..=2) => fails(task, "Flaky"),
            (2, _) => fails(task, "Broken"),
            _ => gives(task, Value::Int(item as i64 * 10)),
        }
    });
    stage.run();
    assert_eq!(
        stage.execution.status(),
        &Status::Succeeded { output: json(r#"[[0,0],[10,1],{"caught":"Broken"}]"#) }
    );
    drop(stage);
    assert_eq!(tries, [1, 3, 1]);
}
