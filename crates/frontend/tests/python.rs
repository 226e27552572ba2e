//! What the Python SDK emits (its own tests compare the same file) lowers to a program.

use sluice_frontend::{Definition, lower, warnings};
use sluice_types::{Network, Runtime, Scope};

const DEFINITION: &str = include_str!("../../../sdk/python/tests/fixtures/wordcount/definition.json");

#[test]
fn an_app_in_python_becomes_a_program() {
    let definition = Definition::from_json(DEFINITION).unwrap();
    let program = lower(&definition).unwrap();
    let functions: Vec<_> = program.functions.iter().map(|f| (&*f.name, f.network)).collect();
    assert_eq!(functions, [("count", Network::None), ("total", Network::None), ("shout", Network::None)]);
    assert_eq!(
        program.functions[0].runtime,
        Runtime::Python { module: "app.py".into(), name: "count".into() }
    );
    assert_eq!((program.functions[0].timeout_ms, program.functions[0].retry.attempts), (30_000, 4));
    assert_eq!(program.functions[1].into, [sluice_types::Program::OUTPUT]);
    assert_eq!(program.triggers[3].scope, Scope::App);
    assert_eq!(warnings(&definition, &program), []);
}

#[test]
fn a_problem_points_into_the_python_file() {
    let broken = DEFINITION.replace(r#""each": "texts""#, r#""each": "text""#);
    let findings = lower(&Definition::from_json(&broken).unwrap()).unwrap_err();
    let shown: Vec<_> = findings.iter().map(|d| (d.place(), d.fix.as_str())).collect();
    assert_eq!(shown[0], ("app.py:8: functions.count.on.each".to_owned(), "did you mean `texts`?"));
}
