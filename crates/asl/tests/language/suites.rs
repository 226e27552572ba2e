//! The published suites.

use crate::corpus;
use sluice_asl::machine::{Kind, Machine};
use sluice_asl::{Scope, Variables};
use sluice_expression::{Value, World};

/// A world that stands still.
struct Still;

impl World for Still {
    fn now_ms(&mut self) -> u64 {
        1_700_000_000_000
    }

    fn random_u64(&mut self) -> u64 {
        0x0123_4567_89ab_cdef
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_else(|| panic!("{field} of {value}"))
}

#[test]
fn statelint_agrees_on_what_is_a_definition() {
    let Some(folder) = corpus::folder("statelint") else { return };
    let expected = Value::parse(corpus::read(folder.join("expected.json")).as_bytes()).unwrap();
    for case in expected.as_array().unwrap() {
        let definition = corpus::read(folder.join(text(case, "file")));
        let problems = Machine::parse(&definition).err().unwrap_or_default();
        let valid = case.get("problems").and_then(Value::as_i64) == Some(0);
        assert_eq!(
            problems.is_empty(),
            valid,
            "{} ({}): {problems:#?}",
            text(case, "file"),
            text(case, "title")
        );
    }
}

#[test]
fn what_aws_executed_is_a_definition() {
    for case in corpus::executions() {
        let definition = case.get("definition").unwrap().to_json();
        let express = case.get("type").and_then(Value::as_str) == Some("EXPRESS");
        let parsed = if express { Machine::parse_express(&definition) } else { Machine::parse(&definition) };
        assert!(parsed.is_ok(), "{}: {:#?}", text(&case, "name"), parsed.err());
    }
}

#[test]
fn choices_are_those_of_aws() {
    let cases = corpus::executions();
    let cases: Vec<&Value> =
        cases.iter().filter(|case| text(case, "name").contains("choice_operators")).collect();
    for case in &cases {
        let (machine, _) = Machine::parse(&case.get("definition").unwrap().to_json()).unwrap();
        let start = &machine.body.states[machine.body.start.0 as usize];
        let Kind::Choice { rules } = &start.kind else { panic!("{}", text(case, "name")) };
        let variables = Variables::default();
        let mut scope = Scope {
            input: case.get("input").unwrap(),
            context: &Value::Null,
            variables: &variables,
            result: None,
            error_output: None,
            aws_limits: false,
            world: &mut Still,
        };
        let holds = rules.iter().any(|rule| rule.condition.holds(&mut scope).unwrap());
        let expected = case.get("expected").and_then(|expected| expected.get("output")).unwrap();
        let expected = expected.get("TestResult.$").and_then(Value::as_str);
        assert_eq!(
            Some(if holds { "ConditionTrue" } else { "ConditionFalse" }),
            expected,
            "{}",
            text(case, "name")
        );
    }
}

#[test]
fn intrinsic_functions_give_what_they_give_on_aws() {
    let cases = corpus::executions();
    for case in cases.iter().filter(|case| text(case, "name").contains("intrinsic_functions")) {
        let definition = case.get("definition").unwrap().to_json();
        let expected = case.get("expected").and_then(|expected| expected.get("output")).unwrap();
        // Random numbers and names of machines are replaced in the recordings.
        let replaced = expected.to_json().contains("RandomNumber") || definition.contains("$$.StateMachine");
        let (machine, _) = Machine::parse(&definition).unwrap();
        let state = &machine.body.states[machine.body.start.0 as usize];
        let Some(template) = state.arguments.as_ref().or(state.output.as_ref()) else { continue };
        let input = case.get("input").unwrap();
        let execution = Value::fields([("Input", input.clone())]);
        let machine = Value::fields([("Name", Value::from("a-b"))]);
        let context = Value::fields([("Execution", execution), ("StateMachine", machine)]);
        let variables = Variables::default();
        let mut scope = Scope {
            input,
            context: &context,
            variables: &variables,
            result: None,
            error_output: None,
            aws_limits: false,
            world: &mut Still,
        };
        let found = template
            .evaluate(&mut scope, "Parameters")
            .unwrap_or_else(|fault| panic!("{definition}: {fault}"));
        assert!(replaced || found == *expected, "{}: {found}, not {expected}", text(case, "name"));
    }
}
