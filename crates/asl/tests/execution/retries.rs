//! `Retry` and `Catch`.

use crate::stage::{START_MS, Stage, call, fails, gives, json};
use sluice_asl::execution::{Request, Status};
use sluice_expression::Value;

fn task(fields: &str) -> String {
    let caught = if fields.contains("Caught") { r#","Caught":{"Type":"Pass","End":true}"# } else { "" };
    format!(
        r#"{{"StartAt":"T","States":{{"T":{{"Type":"Task","Resource":"work","End":true{fields}}}{caught}}}}}"#
    )
}

fn performed(stage: &Stage<'_>) -> usize {
    stage.requests.iter().filter(|request| matches!(request, Request::Perform(_))).count()
}

/// Runs to the end; gives the times at which the task was tried, in milliseconds after the start.
fn attempts(stage: &mut Stage<'_>) -> Vec<u64> {
    let mut times = vec![0; performed(stage)];
    while stage.step() {
        let now = stage.now_ms - START_MS;
        times.extend(vec![now; performed(stage) - times.len()]);
    }
    times
}

#[test]
fn delays_back_off_up_to_the_most() {
    let retry = r#","Retry":[{"ErrorEquals":["E"],"IntervalSeconds":2,"BackoffRate":3,"MaxAttempts":4,"MaxDelaySeconds":15}]"#;
    let mut stage = Stage::new(&task(retry), Value::Null, |task| fails(task, "E"));
    assert_eq!(attempts(&mut stage), [0, 2_000, 8_000, 23_000, 38_000]);
    assert!(matches!(stage.execution.status(), Status::Failed { error: Some(error), .. } if &**error == "E"));
}

#[test]
fn each_retrier_counts_for_itself() {
    let retry =
        r#","Retry":[{"ErrorEquals":["A"],"MaxAttempts":1},{"ErrorEquals":["States.ALL"],"MaxAttempts":2}]"#;
    let mut errors = ["A", "B", "B", "A", "B"].into_iter();
    let mut stage = Stage::new(&task(retry), Value::Null, |task| fails(task, errors.next().unwrap()));
    // The second A finds its retrier used up, and no later one is asked.
    assert_eq!(attempts(&mut stage).len(), 4);
}

#[test]
fn counts_start_anew_when_the_state_is_left() {
    let definition = r#"{"StartAt":"T","States":{
        "T":{"Type":"Task","Resource":"work","Retry":[{"ErrorEquals":["E"],"MaxAttempts":1}],"Next":"Again"},
        "Again":{"Type":"Choice","Choices":[{"Variable":"$","NumericLessThan":3,"Next":"T"}],"Default":"Done"},
        "Done":{"Type":"Succeed"}}}"#;
    let mut calls = 0;
    let mut stage = Stage::new(definition, json("0"), |task| {
        calls += 1;
        if calls % 2 == 1 { fails(task, "E") } else { gives(task, json(&(calls / 2).to_string())) }
    });
    stage.run();
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json("3") });
    drop(stage);
    assert_eq!(calls, 6);
}

#[test]
fn full_jitter_is_within_the_delay_and_repeats_with_the_seed() {
    let retry = r#","Retry":[{"ErrorEquals":["E"],"IntervalSeconds":100,"BackoffRate":1,"MaxAttempts":20,"JitterStrategy":"FULL"}]"#;
    let run = || attempts(&mut Stage::new(&task(retry), Value::Null, |task| fails(task, "E")));
    let times = run();
    let delays: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(delays.len(), 20);
    assert!(delays.iter().all(|delay| *delay <= 100_000));
    assert!(delays.iter().any(|delay| *delay < 50_000) && delays.iter().any(|delay| *delay > 50_000));
    assert_eq!(times, run());
}

#[test]
fn wildcards_reach_what_aws_says() {
    let caught = |names: &str, error: &str| {
        let catch = format!(r#","Catch":[{{"ErrorEquals":[{names}],"Next":"Caught"}}]"#);
        let mut stage = Stage::new(&task(&catch), Value::Null, |task| fails(task, error));
        stage.run();
        matches!(stage.execution.status(), Status::Succeeded { .. })
    };
    assert!(caught(r#""States.ALL""#, "Anything"));
    assert!(caught(r#""States.ALL""#, "States.Timeout"));
    assert!(caught(r#""States.TaskFailed""#, "Anything"));
    assert!(!caught(r#""States.TaskFailed""#, "States.Timeout"));
    assert!(caught(r#""A","B""#, "B"));
    assert!(!caught(r#""A""#, "B"));
}

#[test]
fn an_error_output_is_placed_and_assigned() {
    let catch = r#","Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.problem",
        "Assign":{"name.$":"$.Error"},"Next":"Caught"}]"#;
    let definition = task(catch).replace(
        r#""Caught":{"Type":"Pass""#,
        r#""Caught":{"Type":"Pass","Parameters":{"all.$":"$","name.$":"$name"}"#,
    );
    let mut stage = Stage::new(&definition, json(r#"{"a":1}"#), |task| fails(task, "E"));
    stage.run();
    let output = json(r#"{"all":{"a":1,"problem":{"Error":"E","Cause":"why"}},"name":"E"}"#);
    assert_eq!(stage.execution.status(), &Status::Succeeded { output });
}

#[test]
fn runtime_errors_are_caught_by_nothing() {
    let definition =
        task(r#","Catch":[{"ErrorEquals":["States.ALL"],"Next":"Caught"}],"InputPath":"$.nothing""#);
    let mut stage = Stage::new(&definition, json("{}"), |task| gives(task, Value::Null));
    stage.run();
    let Status::Failed { error: Some(error), cause: Some(cause) } = stage.execution.status() else {
        panic!("{:?}", stage.execution.status())
    };
    assert_eq!(&**error, "States.Runtime");
    let start = "An error occurred while executing the state 'T' (entered at the event id #2). ";
    assert!(cause.starts_with(start), "{cause}");
}

#[test]
fn a_task_that_is_tried_again_sees_how_often() {
    let fields = r#","Parameters":{"tries.$":"$$.State.RetryCount"},"Retry":[{"ErrorEquals":["E"]}]"#;
    let mut seen = Vec::new();
    let mut stage = Stage::new(&task(fields), Value::Null, |task| {
        seen.push(call(task).1.clone());
        if seen.len() < 3 { fails(task, "E") } else { gives(task, Value::Null) }
    });
    stage.run();
    drop(stage);
    assert_eq!(seen, [json(r#"{"tries":0}"#), json(r#"{"tries":1}"#), json(r#"{"tries":2}"#)]);
}
