//! Whatever a definition is, it is taken or refused with a reason.

use super::{one, one_jsonata};
use proptest::prelude::*;
use sluice_asl::{Diagnostic, Machine, Severity};

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
