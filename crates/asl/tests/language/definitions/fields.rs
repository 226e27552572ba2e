//! The fields of each type of state.

use super::{accepts, one, one_jsonata, problems, refuses};
use sluice_asl::Machine;
use sluice_asl::machine::{Kind, MapMode, Setting};

#[test]
fn fields_belong_to_types_and_query_languages() {
    refuses(
        &one(r#"{"Type": "Pass", "End": true, "Catch": []}"#),
        "SCHEMA_VALIDATION_FAILED: Field 'Catch' is not supported at /States/A",
    );
    refuses(
        &one(r#"{"Type": "Map", "End": true, "TimeoutSeconds": 3, "ItemProcessor":
            {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}}"#),
        "SCHEMA_VALIDATION_FAILED: Field 'TimeoutSeconds' is not supported at /States/A",
    );
    refuses(
        &one(r#"{"Type": "Pass", "End": true, "Output": 1}"#),
        "SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the \
         'JSONata' QueryLanguage at /States/A",
    );
    refuses(
        &one_jsonata(r#"{"Type": "Pass", "End": true, "InputPath": "$"}"#),
        "SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONata', but field 'InputPath' is only supported for \
         the 'JSONPath' QueryLanguage at /States/A",
    );
    refuses(
        &one_jsonata(r#"{"Type": "Pass", "End": true, "QueryLanguage": "JSONPath"}"#),
        "SCHEMA_VALIDATION_FAILED: 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine at \
         /States/A",
    );
    // States of a processor start from the language of the machine, not of the map.
    refuses(
        &one(r#"{"Type": "Map", "QueryLanguage": "JSONata", "End": true, "ItemProcessor":
            {"StartAt": "B", "States": {"B": {"Type": "Pass", "Output": 1, "End": true}}}}"#),
        "SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the \
         'JSONata' QueryLanguage at /States/A/ItemProcessor/States/B",
    );
    refuses(
        &one(r#"{"Type": "Task", "Resource": "f", "Resource": "g", "End": true}"#),
        "INVALID_JSON_DESCRIPTION: Duplicate field 'Resource' at /States/A",
    );
    refuses(
        &one(r#"{"Type": "Tsk", "End": true}"#),
        "SCHEMA_VALIDATION_FAILED: The value for the field 'Type' must be one of [Pass, Task, Choice, Wait, Succeed, \
         Fail, Parallel, Map], not \"Tsk\" at /States/A/Type",
    );
}

#[test]
fn fields_exclude_each_other() {
    for state in [
        r#"{"Type": "Fail", "Error": "a", "ErrorPath": "$.a"}"#,
        r#"{"Type": "Fail", "Cause": "a", "CausePath": "$.a"}"#,
        r#"{"Type": "Wait", "Seconds": 1, "Timestamp": "2016-03-14T01:59:00Z", "End": true}"#,
        r#"{"Type": "Wait", "SecondsPath": "$.a", "Seconds": 1, "End": true}"#,
        r#"{"Type": "Task", "Resource": "f", "TimeoutSeconds": 1, "TimeoutSecondsPath": "$.a", "End": true}"#,
        r#"{"Type": "Task", "Resource": "f", "HeartbeatSeconds": 1, "HeartbeatSecondsPath": "$.a", "End": true}"#,
        r#"{"Type": "Pass", "Next": "A", "End": true}"#,
        r#"{"Type": "Map", "End": true, "ItemSelector": {}, "Parameters": {},
            "ItemProcessor": {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}}"#,
        r#"{"Type": "Map", "End": true, "Iterator": {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}},
            "ItemProcessor": {"StartAt": "C", "States": {"C": {"Type": "Succeed"}}}}"#,
    ] {
        let [problem] =
            problems(&one(state)).try_into().unwrap_or_else(|problems| panic!("{state}: {problems:#?}"));
        assert!(problem.message.starts_with("Only one of these fields is allowed"), "{problem}");
    }
}

#[test]
fn values_have_their_ranges() {
    for (state, place) in [
        (r#"{"Type": "Wait", "Seconds": -1, "End": true}"#, "/States/A/Seconds"),
        (r#"{"Type": "Wait", "Seconds": 1.5, "End": true}"#, "/States/A/Seconds"),
        (r#"{"Type": "Wait", "Seconds": "{% 1 %}", "End": true}"#, "/States/A/Seconds"),
        (r#"{"Type": "Wait", "Timestamp": "tomorrow", "End": true}"#, "/States/A/Timestamp"),
        (r#"{"Type": "Wait", "SecondsPath": "$.a[*]", "End": true}"#, "/States/A/SecondsPath"),
        (
            r#"{"Type": "Task", "Resource": "f", "TimeoutSeconds": 0, "End": true}"#,
            "/States/A/TimeoutSeconds",
        ),
        (r#"{"Type": "Task", "Resource": "a b", "End": true}"#, "/States/A/Resource"),
        (
            r#"{"Type": "Task", "Resource": "f", "TimeoutSeconds": 5, "HeartbeatSeconds": 5, "End": true}"#,
            "/States/A/HeartbeatSeconds",
        ),
        (r#"{"Type": "Task", "Resource": "f", "Credentials": "x", "End": true}"#, "/States/A/Credentials"),
        (r#"{"Type": "Pass", "InputPath": 1, "End": true}"#, "/States/A/InputPath"),
        (r#"{"Type": "Pass", "InputPath": "States.UUID()", "End": true}"#, "/States/A/InputPath"),
        (r#"{"Type": "Pass", "InputPath": "$states.input", "End": true}"#, "/States/A/InputPath"),
        (r#"{"Type": "Pass", "ResultPath": "$.a[*]", "End": true}"#, "/States/A/ResultPath"),
        (r#"{"Type": "Pass", "ResultPath": "$$.a", "End": true}"#, "/States/A/ResultPath"),
        (r#"{"Type": "Pass", "Comment": 3, "End": true}"#, "/States/A/Comment"),
        (r#"{"Type": "Pass", "End": "yes", "Next": "A"}"#, "/States/A/End"),
        (r#"{"Type": "Parallel", "Branches": [], "End": true}"#, "/States/A/Branches"),
        (r#"{"Type": "Pass", "Parameters": {"x.$": 1}, "End": true}"#, "/States/A/Parameters"),
        (
            r#"{"Type": "Pass", "Parameters": {"y": [{"x.$": "States.Nope()"}]}, "End": true}"#,
            "/States/A/Parameters/y[0]",
        ),
        (r#"{"Type": "Pass", "Assign": [], "End": true}"#, "/States/A/Assign"),
        (r#"{"Type": "Pass", "Assign": {"1x": 1}, "End": true}"#, "/States/A/Assign"),
        (r#"{"Type": "Pass", "Assign": {"states": 1}, "End": true}"#, "/States/A/Assign"),
    ] {
        let found = problems(&one(state));
        assert_eq!(found[0].location.as_deref(), Some(place), "{state}: {found:#?}");
    }
}

#[test]
fn retriers_and_catchers_have_rules() {
    let task = |more: &str| one(&format!(r#"{{"Type": "Task", "Resource": "f", "End": true, {more}}}"#));
    for (more, place) in [
        (r#""Retry": [{"ErrorEquals": []}]"#, "/States/A/Retry[0]/ErrorEquals"),
        (r#""Retry": [{"ErrorEquals": [1]}]"#, "/States/A/Retry[0]/ErrorEquals"),
        (r#""Retry": [{}]"#, "/States/A/Retry[0]"),
        (r#""Retry": [{"ErrorEquals": ["States.ALL", "E"]}]"#, "/States/A/Retry[0]/ErrorEquals"),
        (
            r#""Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["E"]}]"#,
            "/States/A/Retry[0]/ErrorEquals",
        ),
        (r#""Retry": [{"ErrorEquals": ["E"], "BackoffRate": 0.5}]"#, "/States/A/Retry[0]/BackoffRate"),
        (r#""Retry": [{"ErrorEquals": ["E"], "IntervalSeconds": 0}]"#, "/States/A/Retry[0]/IntervalSeconds"),
        (r#""Retry": [{"ErrorEquals": ["E"], "MaxAttempts": -1}]"#, "/States/A/Retry[0]/MaxAttempts"),
        (
            r#""Retry": [{"ErrorEquals": ["E"], "JitterStrategy": "SOME"}]"#,
            "/States/A/Retry[0]/JitterStrategy",
        ),
        (
            r#""Retry": [{"ErrorEquals": ["E"], "MaxDelaySeconds": 2, "IntervalSeconds": 2}]"#,
            "/States/A/Retry[0]/MaxDelaySeconds",
        ),
        (r#""Catch": [{"ErrorEquals": ["E"]}]"#, "/States/A/Catch[0]"),
        (r#""Catch": [{"ErrorEquals": ["E"], "Next": "A", "Output": 1}]"#, "/States/A/Catch[0]"),
        (r#""Catch": {}"#, "/States/A/Catch"),
    ] {
        let [problem] = problems(&task(more)).try_into().unwrap_or_else(|found| panic!("{more}: {found:#?}"));
        assert_eq!(problem.location.as_deref(), Some(place), "{problem}");
    }
    let machine = accepts(&task(r#""Retry": [{"ErrorEquals": ["E"]}]"#));
    let [retrier] = machine.body.states[0].retry.as_slice() else { panic!() };
    assert_eq!((retrier.interval_seconds, retrier.max_attempts, retrier.backoff_rate), (1, 3, 2.0));
}

#[test]
fn choice_rules_have_one_condition() {
    let choice = |rule: &str| {
        format!(
            r#"{{"StartAt": "A", "States": {{"A": {{"Type": "Choice", "Choices": [{rule}], "Default": "B"}},
                "B": {{"Type": "Succeed"}}}}}}"#
        )
    };
    for rule in [
        r#"{"Next": "B"}"#,
        r#"{"Variable": "$.a", "Next": "B"}"#,
        r#"{"Variable": "$.a", "IsNull": true}"#,
        r#"{"Variable": "$.a", "IsNull": "yes", "Next": "B"}"#,
        r#"{"Variable": "$.a", "IsNull": true, "IsString": true, "Next": "B"}"#,
        r#"{"Variable": "$.a", "NumericEquals": "1", "Next": "B"}"#,
        r#"{"Variable": "$.a", "TimestampEquals": "noon", "Next": "B"}"#,
        r#"{"Variable": "$.a", "StringMatches": "a\\b", "Next": "B"}"#,
        r#"{"Variable": "$.a", "StringMatchesPath": "$.b", "Next": "B"}"#,
        r#"{"Variable": "a", "IsNull": true, "Next": "B"}"#,
        r#"{"Condition": "{% true %}", "Next": "B"}"#,
        r#"{"And": [], "Next": "B"}"#,
        r#"{"Not": {"Variable": "$.a", "IsNull": true, "Next": "B"}, "Next": "B"}"#,
        r#"{"And": [{"Variable": "$.a", "IsNull": true}], "Variable": "$.a", "IsNull": true, "Next": "B"}"#,
    ] {
        assert!(Machine::parse(&choice(rule)).is_err(), "{rule}");
    }
    accepts(&choice(
        r#"{"Comment": "c", "Not": {"Or": [{"Variable": "$x.a", "StringEqualsPath": "$$.b"},
            {"And": [{"Variable": "$.a", "IsPresent": false, "Comment": "c"}]}]}, "Next": "B", "Assign": {"y": 1}}"#,
    ));
    assert!(Machine::parse(&one(r#"{"Type": "Choice", "Choices": []}"#)).is_err());
}

#[test]
fn maps_have_modes() {
    let map = |config: &str, more: &str| {
        one(&format!(
            r#"{{"Type": "Map", "End": true, {more} "ItemProcessor": {{{config} "StartAt": "B",
                "States": {{"B": {{"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                "End": true}}}}}}}}"#
        ))
    };
    let distributed = r#""ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},"#;
    let reader = r#""ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig":
        {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItems": 10}, "Parameters": {"Bucket": "b"}},
        "ItemBatcher": {"MaxItemsPerBatch": 5, "BatchInput": {"x.$": "$.x"}}, "Label": "l", "MaxConcurrency": 3,
        "ToleratedFailurePercentage": 5.5, "ToleratedFailureCountPath": "$.c",
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}},"#;
    let machine = accepts(&map(distributed, reader));
    let Kind::Map(map_state) = &machine.body.states[0].kind else { panic!() };
    assert_eq!(map_state.mode, MapMode::Distributed { express: false });
    assert!(matches!(map_state.max_concurrency, Setting::Fixed(3)));
    assert!(map_state.reader.is_some() && map_state.batcher.is_some() && map_state.writer.is_some());
    refuses(
        &map("", r#""ItemBatcher": {"MaxItemsPerBatch": 5},"#),
        "SCHEMA_VALIDATION_FAILED: Field 'ItemBatcher' is only supported for Map states of Mode DISTRIBUTED at /States/A",
    );
    refuses(
        &map(&distributed.replace("STANDARD", "EXPRESS"), ""),
        "SCHEMA_VALIDATION_FAILED: Express state machine does not support '.waitForTaskToken' service integration  at \
         /States/A/ItemProcessor/States/B/Resource",
    );
    refuses(
        &map(&distributed.replace(r#", "ExecutionType": "STANDARD""#, ""), ""),
        "SCHEMA_VALIDATION_FAILED: These fields are required: [ExecutionType] at \
         /States/A/ItemProcessor/ProcessorConfig",
    );
    refuses(
        &map("", r#""ItemsPath": null,"#),
        "SCHEMA_VALIDATION_FAILED: The value for the field 'ItemsPath' must be a valid JSONPath, not null at \
         /States/A/ItemsPath",
    );
    refuses(
        &map(distributed, r#""Label": "a b","#),
        "INVALID_LABEL_NAME: The label 'a b' must have 1 to 40 characters, no white space, brackets, wildcards or \
         special characters among them at /States/A/Label",
    );
}

#[test]
fn an_express_machine_waits_for_nobody() {
    for resource in [
        "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "arn:aws:states:::ecs:runTask.sync",
        "arn:aws:states:us-east-1:123456789012:activity:a",
    ] {
        let definition = one(&format!(r#"{{"Type": "Task", "Resource": "{resource}", "End": true}}"#));
        accepts(&definition);
        assert_eq!(Machine::parse_express(&definition).err().map(|problems| problems.len()), Some(1));
    }
}
