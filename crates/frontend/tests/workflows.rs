//! Workflows in definitions: how they are lowered, and what is said of those that cannot be.

use sluice_frontend::{Definition, Diagnostic, lower, warnings};
use sluice_types::{Steps, Workflow};
use std::collections::BTreeMap;

const FUNCTIONS: &str = "
app: shop
functions:
  check: {runtime: exec, command: [check]}
  charge: {runtime: exec, command: [charge]}
";

const ORDER: &str = r#"{
  "StartAt": "Check",
  "States": {
    "Check": {"Type": "Task", "Resource": "check", "Next": "Charge"},
    "Charge": {
      "Type": "Task",
      "Resource": "arn:aws:states:::sluice:invoke",
      "Parameters": {"FunctionName": "charge", "Payload.$": "$.card"},
      "End": true
    }
  }
}
"#;

fn with_file(workflows: &str, text: &str) -> Definition {
    let mut definition = Definition::from_yaml(&format!("{FUNCTIONS}{workflows}"), "shops/sluice.yaml")
        .expect("this is a definition");
    definition.attach(&BTreeMap::from([("asl/order.asl.json".to_owned(), text.to_owned())]));
    definition
}

/// What is said of the order workflow with one change.
fn findings(from: &str, to: &str) -> String {
    assert!(ORDER.contains(from), "{from}");
    let text = ORDER.replacen(from, to, 1);
    let definition = with_file("workflows: {order: {file: asl/order.asl.json}}", &text);
    let found = match lower(&definition) {
        Ok(program) => warnings(&definition, &program),
        Err(findings) => findings,
    };
    found.iter().map(|finding| finding.render(Some(&text))).collect()
}

#[test]
fn the_steps_of_a_workflow_are_its_text() {
    let definition = with_file(
        "workflows:
  order: {file: asl/order.asl.json}
  tiny: {asl: {StartAt: A, States: {A: {Type: Succeed}}}, aws_limits: true}
",
        ORDER,
    );
    let program = lower(&definition).unwrap();
    let tiny = r#"{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}"#;
    let workflow = |name: &str, definition: &str, aws_limits| Workflow {
        name: name.into(),
        steps: Steps::States { definition: definition.into(), aws_limits },
    };
    assert_eq!(program.workflows, [workflow("order", ORDER, false), workflow("tiny", tiny, true)]);
    // Functions that workflows call are started by something.
    assert_eq!(warnings(&definition, &program), []);
}

#[test]
fn what_is_wrong_with_a_machine_is_shown_in_its_file() {
    let changes = [
        ("\"Next\": \"Charge\"", "\"Next\": \"Charg\""),
        ("\"StartAt\": \"Check\",", "\"StartAt\": \"Check\""),
        ("\"Resource\": \"check\"", "\"Resource\": \"chek\""),
        ("\"FunctionName\": \"charge\"", "\"FunctionName\": \"refund\""),
        ("\"FunctionName\": \"charge\"", "\"FunctionName.$\": \"$.f\""),
        ("\"Resource\": \"check\"", "\"Resource\": \"check\", \"Retries\": 3"),
        ("sluice:invoke", "lambda:invoke"),
    ];
    let shown: Vec<_> = changes.iter().map(|(from, to)| findings(from, to)).collect();
    insta::assert_snapshot!(shown.join("----\n"));
}

#[test]
fn what_is_wrong_with_an_inline_machine_is_shown_in_the_manifest() {
    let yaml = format!(
        "{FUNCTIONS}workflows:
  order:
    asl:
      StartAt: Check
      States:
        Check:
          Type: Task
          Resource: chek
          Next: Wait
        Wait: {{Type: Wait, Seconds: soon, Next: Nowhere}}
  1st: {{file: ../order.asl.json}}
  second: {{file: a.json, asl: '{{'}}
"
    );
    let found = |definition: Result<Definition, Vec<Diagnostic>>| {
        let findings = definition.and_then(|definition| lower(&definition)).unwrap_err();
        findings.iter().map(|finding| finding.render(Some(&yaml))).collect::<Vec<_>>().join("")
    };
    insta::assert_snapshot!(found(Definition::from_yaml(&yaml, "sluice.yaml")));
    // The JSON form knows the lines alone.
    let json = sluice_frontend::manifest_json(&yaml, "sluice.yaml").unwrap();
    let findings = lower(&Definition::from_json(&json).unwrap()).unwrap_err();
    let places: Vec<_> = findings.iter().map(Diagnostic::place).collect();
    insta::assert_snapshot!(places.join("\n"));
}

#[test]
fn workflows_have_one_notation_each() {
    let refused = |workflow: &str| {
        let findings =
            Definition::from_yaml(&format!("app: a\nworkflows: {{w: {workflow}}}"), "s.yaml").unwrap_err();
        format!("{} | {}", findings[0].message, findings[0].fix)
    };
    let cases = ["{}", "{file: a, asl: {StartAt: A}}", "{asl: [a]}", "{fil: a}", "a.json"];
    insta::assert_snapshot!(cases.map(|case| format!("{case}: {}", refused(case))).join("\n"));
}
