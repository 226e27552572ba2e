//! States, the transitions between them, and the limits of the whole.

use super::{accepts, one, problems, refuses};
use sluice_asl::machine::{Next, QueryLanguage};
use sluice_asl::{Diagnostic, Template};
use sluice_expression::Value;

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
        "SCHEMA_VALIDATION_FAILED: The value for the field 'States' must be an object that is not empty, not an empty object \
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
