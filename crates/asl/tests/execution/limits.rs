//! Limits, and work in slices.

use crate::stage::{START_MS, Stage, gives, json, settings};
use sluice_asl::execution::{
    EXPRESS_SECONDS_MAX, Event, HISTORY_EVENTS_MAX, STEPS_PER_SLICE, Settings, Status,
};
use sluice_expression::Value;

const TURNS: &str = r#"{"StartAt":"N","States":{
    "N":{"Type":"Pass","Parameters":{"n.$":"States.MathAdd($.n,-1)"},"Next":"C"},
    "C":{"Type":"Choice","Choices":[{"Variable":"$.n","NumericGreaterThan":0,"Next":"N"}],"Default":"D"},
    "D":{"Type":"Succeed"}}}"#;

#[test]
fn a_long_run_is_done_in_slices() {
    let mut stage = Stage::new(TURNS, json(r#"{"n":2000}"#), |_| Vec::new());
    let mut slices = 1;
    while stage.execution.next_deadline() == Some(stage.now_ms) {
        let before = stage.types().len();
        stage.apply(Event::Timer);
        assert!(stage.types().len() - before <= 2 * STEPS_PER_SLICE as usize + 1);
        slices += 1;
    }
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json(r#"{"n":0}"#) });
    assert_eq!(slices, 4001_usize.div_ceil(STEPS_PER_SLICE as usize));
}

#[test]
fn a_history_of_aws_has_a_last_event() {
    let mut stage = Stage::new(TURNS, json(r#"{"n":20000}"#), |_| Vec::new());
    stage.run();
    let Status::Failed { error: Some(error), cause: Some(cause) } = stage.execution.status() else {
        panic!()
    };
    assert_eq!(&**error, "States.Runtime");
    assert_eq!(&**cause, "The execution reached the maximum number of history events (25000).");
    let last = stage.history.last().unwrap();
    assert_eq!((last.id, last.kind.name()), (HISTORY_EVENTS_MAX, "ExecutionFailed".to_owned()));
    assert_eq!(stage.history.len() as u64, HISTORY_EVENTS_MAX);
}

#[test]
fn without_the_limits_of_aws_a_history_goes_on() {
    let settings = Settings { aws_limits: false, ..settings() };
    let mut stage = Stage::with(TURNS, json(r#"{"n":10000}"#), settings, |_| Vec::new());
    stage.run();
    assert!(matches!(stage.execution.status(), Status::Succeeded { .. }));
    assert!(stage.history.len() as u64 > HISTORY_EVENTS_MAX);
}

#[test]
fn an_express_execution_of_aws_has_five_minutes() {
    const WAIT: &str =
        r#"{"TimeoutSeconds":600,"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":400,"End":true}}}"#;
    for aws_limits in [true, false] {
        let settings = Settings { aws_limits, records_history: false, ..settings() };
        let mut stage = Stage::with(WAIT, json("{}"), settings, |_| Vec::new());
        stage.run();
        let timed_out = Status::TimedOut { error: None, cause: None };
        assert_eq!(*stage.execution.status() == timed_out, aws_limits);
        let seconds = if aws_limits { EXPRESS_SECONDS_MAX } else { 400 };
        assert_eq!(stage.now_ms - START_MS, seconds * 1000);
    }
}

#[test]
fn an_output_that_is_too_large_is_caught_by_its_name_only() {
    let run = |names: &str| {
        let definition = format!(
            r#"{{"StartAt":"T","States":{{"T":{{"Type":"Task","Resource":"work","ResultSelector":{{"a.$":"$","b.$":"$"}},
                "Catch":[{{"ErrorEquals":[{names}],"ResultPath":"$","Next":"C"}}],"End":true}},
                "C":{{"Type":"Pass","End":true}}}}}}"#
        );
        let mut stage =
            Stage::new(&definition, json("{}"), |task| gives(task, Value::from("a".repeat(200_000))));
        stage.run();
        stage.execution.status().clone()
    };
    let said = "An error occurred while executing the state 'T' (entered at the event id #2). The state/task 'T' \
                returned a result with a size exceeding the maximum number of bytes service limit.";
    let Status::Succeeded { output } = run(r#""States.DataLimitExceeded""#) else { panic!() };
    assert_eq!(output.get("Cause").and_then(Value::as_str), Some(said));
    assert!(matches!(run(r#""States.ALL""#), Status::Failed { error: Some(error), .. }
        if &*error == "States.DataLimitExceeded"));
}

#[test]
fn many_items_are_done_with_work_that_grows_as_they_do() {
    let definition = r#"{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{
        "StartAt":"T","States":{"T":{"Type":"Pass","End":true}}}}}}"#;
    let settings = Settings { aws_limits: false, ..settings() };
    let items = Value::array((0..12_000).map(Value::Int).collect());
    let mut stage = Stage::with(definition, items.clone(), settings, |_| Vec::new());
    stage.run();
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: items });
    assert_eq!(stage.history.len(), 12_000 * 4 + 6);
}

#[test]
fn a_field_that_lambda_does_not_have_fails_the_task() {
    let definition = r#"{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke",
        "Parameters":{"FunctionName":"f","Bogus":1},"End":true}}}"#;
    let mut stage = Stage::new(definition, json("{}"), |task| gives(task, Value::Null));
    stage.run();
    let said = "An error occurred while executing the state 'A' (entered at the event id #2). The Parameters \
                '{\"FunctionName\":\"f\",\"Bogus\":1}' could not be used to start the Task: [The field \"Bogus\" is not \
                supported by Step Functions]";
    let failed = Status::Failed { error: Some("States.Runtime".into()), cause: Some(said.into()) };
    assert_eq!(stage.execution.status(), &failed);
}
