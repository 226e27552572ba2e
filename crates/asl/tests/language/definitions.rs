//! What a definition must be, and what is said of one that is not.

use proptest::prelude::*;
use sluice_asl::machine::{Kind, MapMode, Next, QueryLanguage, Setting};
use sluice_asl::{Diagnostic, Machine, Severity, Template};
use sluice_expression::Value;

/// A machine of one state.
fn one(state: &str) -> String {
    format!(r#"{{"StartAt": "A", "States": {{"A": {state}}}}}"#)
}

/// A machine of one state in JSONata.
fn one_jsonata(state: &str) -> String {
    format!(r#"{{"QueryLanguage": "JSONata", "StartAt": "A", "States": {{"A": {state}}}}}"#)
}

fn problems(definition: &str) -> Vec<Diagnostic> {
    match Machine::parse(definition) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    }
}

/// The definition has exactly this problem.
#[track_caller]
fn refuses(definition: &str, expected: &str) {
    let problems = Machine::parse(definition).err().unwrap_or_default();
    let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, [expected], "{definition}");
}

#[track_caller]
fn accepts(definition: &str) -> Machine {
    let parsed = Machine::parse(definition);
    let (machine, warnings) = parsed.unwrap_or_else(|problems| panic!("{definition}: {problems:#?}"));
    assert_eq!(warnings, [], "{definition}");
    machine
}

#[test]
fn the_whole_must_be_a_machine() {
    refuses("", "SCHEMA_VALIDATION_FAILED: Definition must be a valid JSON object at null");
    refuses("[]", "SCHEMA_VALIDATION_FAILED: Definition must be a valid JSON object at null");
    refuses("{}", "SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] at /");
    refuses(
        r#"{"States": {"A": {"Type": "Succeed"}}}"#,
        "SCHEMA_VALIDATION_FAILED: These fields are required: [StartAt] at /",
    );
    refuses(
        r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}, "TimoutSeconds": 3}"#,
        "SCHEMA_VALIDATION_FAILED: Field 'TimoutSeconds' is not supported; did you mean `TimeoutSeconds`? at /",
    );
    refuses(
        r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}, "TimeoutSeconds": 0}"#,
        "SCHEMA_VALIDATION_FAILED: The value for the field 'TimeoutSeconds' must be an integer from 1 to 99999999, \
         not 0 at /TimeoutSeconds",
    );
    refuses(
        r#"{"StartAt": "A", "States": {}}"#,
        "SCHEMA_VALIDATION_FAILED: The value for the field 'States' must be an object that is not empty, not an object \
         at /States",
    );
}

#[test]
fn what_is_not_json_is_told_with_its_place() {
    let [problem] = problems("{\n  \"StartAt\": nope }").try_into().unwrap();
    let Diagnostic { code, line, column, location, .. } = problem;
    assert_eq!((code, line, column), ("INVALID_JSON_DESCRIPTION", 2, 15));
    let source = "[Source: (String)\"{\n  \"StartAt\": nope }\"; line: 2, column: 15]";
    assert_eq!(location.as_deref(), Some(source));
}

#[test]
fn problems_point_into_the_text() {
    let definition = "{\n  \"StartAt\": \"Größe\",\n  \"States\": {\n    \"Größe\": { \"Type\": \"Succeed\", \"Foo\": 1 }\n  }\n}";
    let [problem] = problems(definition).try_into().unwrap();
    assert_eq!((problem.line, problem.column), (4, 35), "{problem}");
    assert_eq!(problem.location.as_deref(), Some("/States/Größe"));
}

#[test]
fn transitions_lead_to_states_of_the_same_block() {
    refuses(
        r#"{"StartAt": "First", "States": {"First": {"Type": "Task", "Resource": "f", "Next": "Secnd",
            "Catch": [{"ErrorEquals": ["E"], "Next": "Second"}]}, "Second": {"Type": "Succeed"}}}"#,
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: Secnd; did you mean `Second`? at /States/First/Next",
    );
    refuses(
        r#"{"StartAt": "Elsewhere", "States": {"A": {"Type": "Succeed"}}}"#,
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: Elsewhere at /StartAt",
    );
    refuses(
        &one(r#"{"Type": "Parallel", "End": true, "Branches": [{"StartAt": "X", "States": {"X":
            {"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": true, "Next": "Y"}], "Default": "A"},
            "Y": {"Type": "Succeed"}}}]}"#),
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: A; that state is in another block, and a transition cannot \
         leave its block at /States/A/Branches[0]/States/X/Default",
    );
    refuses(
        &one(
            r#"{"Type": "Task", "Resource": "f", "End": true, "Catch": [{"ErrorEquals": ["E"], "Next": "None"}]}"#,
        ),
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: None at /States/A/Catch[0]/Next",
    );
}

#[test]
fn every_state_is_reached_and_some_state_ends() {
    refuses(
        r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}}"#,
        "MISSING_END_STATE: Workflow has no terminal state at null",
    );
    refuses(
        r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"},
            "C": {"Type": "Pass", "End": true}}}"#,
        "MISSING_TRANSITION_TARGET: State \"C\" is not reachable. at /States/C",
    );
    let both = problems(&one(r#"{"Type": "Pass", "Next": "NOPE"}"#));
    let codes: Vec<&str> = both.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["MISSING_TRANSITION_TARGET", "MISSING_END_STATE"]);
    let both = problems(r#"{"StartAt": "A", "States": {"A": {"Type": "Pass"}, "B": {"Type": "Succeed"}}}"#);
    let locations: Vec<_> = both.iter().map(|problem| problem.location.as_deref()).collect();
    assert_eq!(locations, [Some("/States/A"), Some("/States/B")]);
    assert!(both[0].message.starts_with("These fields are required: [Next]"), "{both:#?}");
}

#[test]
fn names_of_states_are_unique_in_the_whole_machine() {
    refuses(
        r#"{"StartAt": "A", "States": {"A": {"Type": "Parallel", "End": true, "Branches": [
            {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}]}}}"#,
        "DUPLICATE_STATE_NAME: Duplicate State name: A at /States/A/Branches[0]/States/A",
    );
    let long = "x".repeat(81);
    let definition = format!(r#"{{"StartAt": "{long}", "States": {{"{long}": {{"Type": "Succeed"}}}}}}"#);
    assert_eq!(problems(&definition)[0].code, "INVALID_STATE_NAME");
}

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

#[test]
fn inner_scopes_read_outer_variables_and_never_write_them() {
    let nested = |name: &str| {
        format!(
            r#"{{"StartAt": "A", "States": {{
                "A": {{"Type": "Pass", "Assign": {{"x.$": "$.x"}}, "Next": "M"}},
                "M": {{"Type": "Map", "End": true, "ItemProcessor": {{"StartAt": "B", "States": {{
                    "B": {{"Type": "Pass", "Assign": {{"{name}.$": "$x"}}, "End": true}}}}}}}}}}}}"#
        )
    };
    let machine = accepts(&nested("y"));
    let references: Vec<_> = machine.variable_references.iter().collect();
    assert_eq!(format!("{references:?}"), r#"[("B", {"x"})]"#);
    refuses(
        &nested("x"),
        "SCHEMA_VALIDATION_FAILED: The variable 'x' is assigned in an outer scope, and inner scopes only read it at \
         /States/M/ItemProcessor/States/B/Assign",
    );
}

#[test]
fn jsonata_is_checked_where_it_stands() {
    for (state, expected) in [
        (
            r#"{"Type": "Pass", "End": true, "Output": {"v": ["{% 1 + %}"]}}"#,
            "INVALID_JSONATA_EXPRESSION: Unexpected end of expression at /States/A/Output/v[0]",
        ),
        (
            r#"{"Type": "Wait", "End": true, "Seconds": "{% a[1,2) %}"}"#,
            "INVALID_JSONATA_EXPRESSION: Expected \"]\", got \",\" at /States/A/Seconds",
        ),
        (
            r#"{"Type": "Pass", "End": true, "Output": "{% $states.result %}"}"#,
            "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$states.result' is not supported in this field at \
             /States/A/Output",
        ),
        (
            r#"{"Type": "Task", "Resource": "f", "End": true, "Arguments": {"x": "{% $states.errorOutput.Error %}"}}"#,
            "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$states.errorOutput' is not supported in this field at \
             /States/A/Arguments/x",
        ),
        (
            r#"{"Type": "Succeed", "Output": "{% $states.inptu %}"}"#,
            "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$states.inptu' is not supported, only to [input, context, \
             result, errorOutput] at /States/A/Output",
        ),
    ] {
        refuses(&one_jsonata(state), expected);
    }
    let output =
        |source: &str| one_jsonata(&format!(r#"{{"Type": "Succeed", "Output": "{{% {source} %}}"}}"#));
    for source in
        ["phone", "phone.home", "[1, phone]", "$sum(phone)", "phone[home]", "function($x) { phone }"]
    {
        let message = "Reference to 'phone' at the top level is not supported.";
        refuses(&output(source), &format!("UNSUPPORTED_JSONATA_EXPRESSION: {message} at /States/A/Output"));
    }
    for source in [
        "$x.phone",
        "$x[phone]",
        "$x.(phone)",
        "{'phone': 1}.phone",
        "$x{phone: home}",
        "$x^(phone)",
        "$x.phone[home].(a.b)",
    ] {
        accepts(&output(source));
    }
    let machine = accepts(&one_jsonata(
        r#"{"Type": "Task", "Resource": "f", "End": true, "Output": "{% $states.result.x[$i] %}",
            "Assign": {"y": "{% ($z := 1; $z + $w) %}"}}"#,
    ));
    assert_eq!(format!("{:?}", machine.variable_references), r#"{"A": {"i", "w"}}"#);
    accepts(
        r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "f", "End": true,
            "TimeoutSeconds": "{% $states.input.t %}", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B",
            "Output": "{% $states.errorOutput.Cause %}", "Assign": {"e": "{% $states.errorOutput %}"}}]},
            "B": {"Type": "Choice", "Choices": [{"Condition": "{% $e.Error = 'x' %}", "Next": "C", "Output": 1},
            {"Condition": false, "Next": "C"}], "Default": "C"}, "C": {"Type": "Fail", "Error": "{% $e.Error %}"}}}"#,
    );
}

#[test]
fn what_looks_computed_and_is_not_is_warned_of() {
    for (state, code) in [
        (r#"{"Type": "Pass", "Parameters": {"x": "$.a"}, "End": true}"#, "NO_DOLLAR"),
        (r#"{"Type": "Pass", "Parameters": {"x": "States.UUID()"}, "End": true}"#, "NO_DOLLAR"),
        (r#"{"Type": "Pass", "Result": {"x.$": "$.a"}, "End": true}"#, "PASS_RESULT_IS_STATIC"),
    ] {
        let [warning] = problems(&one(state)).try_into().unwrap();
        assert_eq!((warning.severity, warning.code), (Severity::Warning, code));
    }
}

#[test]
fn a_machine_has_its_defaults_filled_in() {
    let machine =
        accepts(&one(r#"{"Type": "Pass", "InputPath": null, "Parameters": {"a": 1, "b": {"c.$": "$.d"}},
        "End": true}"#));
    let state = &machine.body.states[0];
    assert_eq!((state.query, state.next), (QueryLanguage::JsonPath, Some(Next::End)));
    assert!(state.input_path.is_none());
    assert!(state.output_path.as_ref().is_some_and(|path| path.is_root()));
    assert!(state.result_path.as_ref().is_some_and(|path| path.is_root()));
    let Some(Template::Object(fields)) = &state.arguments else { panic!() };
    assert!(matches!(&fields[0], (name, Template::Fixed(Value::Int(1))) if &**name == "a"));
}

#[test]
fn nesting_and_size_have_limits() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let [problem] =
        problems(&one(&format!(r#"{{"Type": "Pass", "End": true, "Result": {deep}}}"#))).try_into().unwrap();
    assert_eq!(problem.code, "TOO_DEEPLY_NESTED");
    let mut nested = r#"{"Type": "Succeed"}"#.to_owned();
    for level in 0..30 {
        nested = format!(
            r#"{{"Type": "Parallel", "End": true, "Branches": [{{"StartAt": "S{level}", "States": {{"S{level}": {nested}}}}}]}}"#
        );
    }
    assert!(problems(&one(&nested)).iter().any(|problem| problem.code == "TOO_DEEPLY_NESTED"));
    let [problem] = problems(&" ".repeat(2 << 20)).try_into().unwrap();
    assert!(problem.message.contains("longer than"), "{problem}");
    let many: String = (0..500).map(|n| format!(r#", "S{n}": {{"Type": "Succeed"}}"#)).collect();
    let definition = format!(r#"{{"StartAt": "A", "States": {{"A": {{"Type": "Succeed"}}{many}}}}}"#);
    assert_eq!(problems(&definition).len(), 100);
}

/// JSON with the words of the language in it.
fn anything() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "StartAt",
        "States",
        "A",
        "B",
        "Type",
        "Pass",
        "Task",
        "Choice",
        "Map",
        "Parallel",
        "Wait",
        "Fail",
        "Next",
        "End",
        "Choices",
        "Variable",
        "And",
        "Not",
        "IsNull",
        "Condition",
        "Default",
        "ItemProcessor",
        "Branches",
        "Catch",
        "Retry",
        "ErrorEquals",
        "States.ALL",
        "Parameters",
        "x.$",
        "$.a",
        "$$",
        "{% $states.input %}",
        "Assign",
        "QueryLanguage",
        "JSONata",
        "Seconds",
        "Output",
        "ItemReader",
        "ReaderConfig",
        "ProcessorConfig",
        "Resource",
    ]);
    let word = word.prop_map(|word| format!("\"{word}\""));
    let leaf =
        prop_oneof![word.clone(), Just("null".to_owned()), Just("true".to_owned()), "-?[1-9][0-9]{0,9}"];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let items = prop::collection::vec(inner.clone(), 0..4);
        let fields = prop::collection::vec((word.clone(), inner), 0..6);
        prop_oneof![
            items.prop_map(|items| format!("[{}]", items.join(","))),
            fields.prop_map(|fields| {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

/// Whoever is refused is told why.
fn parses_or_says_why(definition: &str) {
    for parsed in [Machine::parse(definition), Machine::parse_express(definition)] {
        let is_error = |problem: &Diagnostic| problem.severity == Severity::Error;
        match parsed {
            Ok((_, warnings)) => assert!(!warnings.iter().any(is_error), "{definition}"),
            Err(problems) => assert!(problems.iter().any(is_error), "{definition}"),
        }
    }
}

proptest! {
    #[test]
    fn nothing_makes_the_parser_panic(state in anything(), text in "\\PC{0,60}") {
        parses_or_says_why(&text);
        parses_or_says_why(&state);
        parses_or_says_why(&one(&state));
        for kind in ["Pass", "Task", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map"] {
            let known = format!(r#"{{"Type": "{kind}", "Choices": [{state}], "Parameters": {state}, "Assign": {state},
                "Catch": [{state}], "ItemProcessor": {state}, "Branches": [{state}], "Retry": [{state}]}}"#);
            parses_or_says_why(&one(&known));
            parses_or_says_why(&one_jsonata(&known));
        }
    }

    #[test]
    fn a_field_of_any_shape_is_taken_or_refused_with_a_reason(
        field in prop::sample::select(vec![
            ("Pass", "Result"), ("Pass", "InputPath"), ("Pass", "ResultPath"), ("Pass", "Assign"), ("Pass", "Next"),
            ("Task", "Resource"), ("Task", "TimeoutSeconds"), ("Task", "TimeoutSecondsPath"), ("Task", "Credentials"),
            ("Task", "Retry"), ("Task", "Catch"), ("Task", "ResultSelector"), ("Wait", "Seconds"), ("Wait", "Timestamp"),
            ("Wait", "SecondsPath"), ("Fail", "Error"), ("Fail", "CausePath"), ("Parallel", "Branches"),
            ("Choice", "Choices"), ("Choice", "Default"), ("Map", "ItemProcessor"), ("Map", "ItemReader"),
            ("Map", "ItemBatcher"), ("Map", "ResultWriter"), ("Map", "ItemsPath"), ("Map", "MaxConcurrency"),
            ("Map", "Label"), ("Map", "ToleratedFailurePercentage"), ("Pass", "QueryLanguage"), ("Pass", "Comment"),
        ]),
        value in anything(),
    ) {
        let (kind, name) = field;
        let state = |end: &str| format!(r#"{{"Type": "{kind}", "{name}": {value}{end}}}"#);
        parses_or_says_why(&one(&state("")));
        parses_or_says_why(&one(&state(r#", "End": true"#)));
        parses_or_says_why(&one_jsonata(&state(r#", "End": true"#)));
    }
}
