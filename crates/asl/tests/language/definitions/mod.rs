//! What a definition must be, and what is said of one that is not.

mod any;
mod computed;
mod fields;
mod structure;

use sluice_asl::{Diagnostic, Machine};

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
