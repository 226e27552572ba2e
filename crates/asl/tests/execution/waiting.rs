//! Waits, timeouts, heartbeats, callbacks, activities, and the end from outside.

use crate::stage::{START_MS, Stage, json};
use sluice_asl::execution::{Event, Output, Request, Status, TaskId, TaskRequest, Work};
use sluice_expression::Value;

fn task(resource: &str, fields: &str) -> String {
    let caught = if fields.contains("Caught") { r#","Caught":{"Type":"Pass","End":true}"# } else { "" };
    let task = format!(r#"{{"Type":"Task","Resource":"{resource}","End":true{fields}}}"#);
    format!(r#"{{"StartAt":"T","States":{{"T":{task}{caught}}}}}"#)
}

/// What a catcher sees of a timeout.
const TIMED_OUT: &str = r#"{"Error":"States.Timeout","Cause":""}"#;
const CALLBACK: &str = "arn:aws:states:::sqs:sendMessage.waitForTaskToken";
const ACTIVITY: &str = "arn:aws:states:us-east-1:111111111111:activity:a";

fn only_request<'a>(stage: &'a Stage<'_>) -> &'a TaskRequest {
    match &stage.requests[..] {
        [Request::Perform(request)] => request,
        requests => panic!("{requests:?}"),
    }
}

fn cancelled(stage: &Stage<'_>, task: TaskId) -> bool {
    stage.requests.iter().any(|request| matches!(request, Request::Cancel(id) if *id == task))
}

#[test]
fn a_wait_ends_at_its_time_and_not_before() {
    let definition = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","SecondsPath":"$.s","End":true}}}"#;
    let mut stage = Stage::new(definition, json(r#"{"s":90}"#), |_| Vec::new());
    assert_eq!(stage.execution.next_deadline(), Some(START_MS + 90_000));
    stage.now_ms = START_MS + 89_999;
    stage.apply(Event::Timer);
    assert!(stage.execution.status().is_running());
    stage.now_ms = START_MS + 90_000;
    stage.apply(Event::Timer);
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json(r#"{"s":90}"#) });
    assert_eq!(stage.execution.next_deadline(), None);
}

#[test]
fn a_callback_ends_a_task_by_its_token() {
    let parameters = r#","Parameters":{"MessageBody":{"Token.$":"$$.Task.Token"}}"#;
    let mut stage = Stage::new(&task(CALLBACK, parameters), Value::Null, |_| Vec::new());
    let request = only_request(&stage).clone();
    let token = request.token.clone().unwrap();
    let Work::Service { arguments, .. } = &request.work else { panic!("{request:?}") };
    let body = arguments.get("MessageBody").unwrap();
    assert_eq!(body.get("Token").and_then(Value::as_str), Some(&*token));
    assert_eq!(stage.execution.task_of_token(&token), Some(request.task));
    assert_eq!(stage.execution.task_of_token(&format!("{token}0")), None);
    stage.apply(Event::Submitted { task: request.task, output: json("{}") });
    stage.apply(Event::Succeeded { task: request.task, output: json("[1]") });
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json("[1]") });
    assert_eq!(stage.execution.task_of_token(&token), None);
    let types = ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded", "TaskStateExited"];
    assert_eq!(stage.types()[2..7], types);
}

#[test]
fn a_callback_that_could_not_be_handed_over_fails() {
    let catch = r#","Catch":[{"ErrorEquals":["SQS.Gone"],"Next":"Caught"}]"#;
    let mut stage = Stage::new(&task(CALLBACK, catch), Value::Null, |_| Vec::new());
    let task = only_request(&stage).task;
    stage.apply(Event::SubmitFailed { task, error: "SQS.Gone".into(), cause: "no queue".into() });
    let output = json(r#"{"Error":"SQS.Gone","Cause":"no queue"}"#);
    assert_eq!(stage.execution.status(), &Status::Succeeded { output });
    assert_eq!(stage.types()[4], "TaskSubmitFailed");
}

#[test]
fn heartbeats_keep_a_task_alive_until_they_stop() {
    let fields =
        r#","HeartbeatSeconds":10,"Catch":[{"ErrorEquals":["States.HeartbeatTimeout"],"Next":"Caught"}]"#;
    let mut stage = Stage::new(&task(CALLBACK, fields), Value::Null, |_| Vec::new());
    let task = only_request(&stage).task;
    for after in [8, 8, 8] {
        stage.now_ms += after * 1000;
        stage.apply(Event::Heartbeat { task });
    }
    assert_eq!(stage.execution.next_deadline(), Some(START_MS + 34_000));
    stage.run();
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json(TIMED_OUT) });
    assert!(cancelled(&stage, task));
}

#[test]
fn a_task_times_out_and_what_comes_late_changes_nothing() {
    let fields = r#","TimeoutSeconds":5,"Catch":[{"ErrorEquals":["States.Timeout"],"Next":"Caught"}]"#;
    let mut stage = Stage::new(&task("work", fields), Value::Null, |_| Vec::new());
    let task = only_request(&stage).task;
    stage.run();
    assert_eq!(stage.now_ms, START_MS + 5_000);
    let events = stage.history.len();
    stage.apply(Event::Succeeded { task, output: json("1") });
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json(TIMED_OUT) });
    assert_eq!(stage.history.len(), events);
    assert_eq!(stage.types()[4], "LambdaFunctionTimedOut");
}

#[test]
fn the_clock_of_an_activity_starts_with_its_worker() {
    let mut stage = Stage::new(&task(ACTIVITY, r#","TimeoutSeconds":60"#), json("7"), |_| Vec::new());
    let request = only_request(&stage).clone();
    assert!(request.token.is_some() && matches!(request.work, Work::Activity { .. }));
    assert_eq!(stage.execution.next_deadline(), None);
    stage.now_ms += 1_000_000;
    stage.apply(Event::Started { task: request.task, worker: Some("me".into()) });
    assert_eq!(stage.execution.next_deadline(), Some(stage.now_ms + 60_000));
    stage.apply(Event::Succeeded { task: request.task, output: json("8") });
    assert_eq!(stage.execution.status(), &Status::Succeeded { output: json("8") });
    assert_eq!(stage.types()[2..5], ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]);
}

#[test]
fn a_machine_times_out() {
    let definition =
        r#"{"StartAt":"W","TimeoutSeconds":5,"States":{"W":{"Type":"Wait","Seconds":60,"End":true}}}"#;
    let mut stage = Stage::new(definition, Value::Null, |_| Vec::new());
    stage.run();
    assert_eq!(stage.now_ms, START_MS + 5_000);
    assert_eq!(stage.execution.status(), &Status::TimedOut { error: None, cause: None });
    assert_eq!(stage.types().last().unwrap(), "ExecutionTimedOut");
}

#[test]
fn a_stopped_execution_cancels_its_work() {
    let mut stage = Stage::new(&task("work", ""), Value::Null, |_| Vec::new());
    let task = only_request(&stage).task;
    stage.apply(Event::Stop { error: Some("E".into()), cause: Some("enough".into()) });
    let (error, cause) = (Some("E".into()), Some("enough".into()));
    assert_eq!(stage.execution.status(), &Status::Aborted { error, cause });
    assert!(cancelled(&stage, task));
    assert_eq!(stage.execution.next_deadline(), None);
    let mut out = Output::default();
    stage.execution.outstanding(&mut out);
    assert!(out.requests.is_empty());
}

#[test]
fn a_lambda_result_has_the_shape_of_aws() {
    let parameters = r#","Parameters":{"FunctionName":"f","Qualifier":"7","Payload":{"a":1}}"#;
    let definition = task("arn:aws:states:::lambda:invoke", parameters);
    let mut stage = Stage::new(&definition, Value::Null, |task| {
        let Work::Lambda { function, payload, integration: true, .. } = &task.work else {
            panic!("{task:?}")
        };
        assert_eq!(&**function, "f:7");
        crate::stage::gives(task, payload.clone())
    });
    stage.run();
    let Status::Succeeded { output } = stage.execution.status() else { panic!() };
    assert_eq!(output.get("ExecutedVersion"), Some(&Value::from("7")));
    assert_eq!(output.get("Payload"), Some(&json(r#"{"a":1}"#)));
    assert_eq!(output.get("StatusCode"), Some(&Value::Int(200)));
    assert!(output.get("SdkHttpMetadata").is_some() && output.get("SdkResponseMetadata").is_some());
}

#[test]
fn a_lambda_call_without_a_function_fails_as_on_aws() {
    let definition = task("arn:aws:states:::lambda:invoke", r#","Parameters":{"Payload":1}"#);
    let mut stage = Stage::new(&definition, Value::Null, |_| Vec::new());
    stage.run();
    let Status::Failed { cause: Some(cause), .. } = stage.execution.status() else { panic!() };
    let said = "The Parameters '{\"Payload\":1}' could not be used to start the Task: \
                [The field 'FunctionName' is required but was missing]";
    assert!(cause.ends_with(said), "{cause}");
}

#[test]
fn work_that_does_not_exist_fails_as_on_aws() {
    let catch = r#","Catch":[{"ErrorEquals":["States.ALL"],"Next":"Caught"}]"#;
    let mut stage = Stage::new(&task(ACTIVITY, catch), Value::Null, |_| Vec::new());
    let task = only_request(&stage).task;
    let (error, cause) = ("States.Runtime".into(), "The activity a does not exist.".into());
    stage.apply(Event::Failed { task, error, cause, timed_out: false });
    let Status::Failed { error: Some(error), cause: Some(cause) } = stage.execution.status() else {
        panic!()
    };
    assert_eq!(&**error, "States.Runtime");
    let said = "An error occurred while executing the state 'T' (entered at the event id #2). \
                The activity a does not exist.";
    assert_eq!(&**cause, said);
}

#[test]
fn a_function_that_could_not_be_asked_for_says_so() {
    let mut stage = Stage::new(&task("work", ""), Value::Null, |_| Vec::new());
    let task = only_request(&stage).task;
    stage.apply(Event::SubmitFailed { task, error: "Gone".into(), cause: "".into() });
    assert_eq!(stage.types()[4..], ["LambdaFunctionScheduleFailed", "ExecutionFailed"]);
    assert_eq!(stage.execution.status(), &Status::Failed { error: Some("Gone".into()), cause: None });
}
