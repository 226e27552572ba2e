//! What is computed: JSONata, and variables that it and paths refer to.

use super::{accepts, one, one_jsonata, problems, refuses};
use sluice_asl::Severity;

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
