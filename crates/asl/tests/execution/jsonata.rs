//! States in JSONata.

use crate::stage::{Stage, call, fails, gives, json};
use sluice_asl::execution::{HistoryKind, Status};
use sluice_expression::Value;

fn machine(states: &str) -> String {
    format!(r#"{{"QueryLanguage":"JSONata","StartAt":"A","States":{{{states}}}}}"#)
}

fn output(stage: &Stage<'_>) -> Value {
    match stage.execution.status() {
        Status::Succeeded { output } => output.clone(),
        status => panic!("{status:?}"),
    }
}

#[test]
fn a_task_sees_its_input_result_and_context() {
    let definition = machine(
        r#""A":{"Type":"Task","Resource":"work","Arguments":{"n":"{% $states.input.n + 1 %}"},"Next":"B",
            "Assign":{"kept":"{% $states.result %}"},
            "Output":{"in":"{% $states.input %}","out":"{% $states.result.n %}","at":"{% $states.context.State.Name %}"}},
        "B":{"Type":"Pass","Output":{"before":"{% $states.input %}","kept":"{% $kept %}"},"End":true}"#,
    );
    let mut stage = Stage::new(&definition, json(r#"{"n":1}"#), |task| gives(task, call(task).1.clone()));
    stage.run();
    let expected = r#"{"before":{"in":{"n":1},"out":2,"at":"A"},"kept":{"n":2}}"#;
    assert_eq!(output(&stage), json(expected));
}

#[test]
fn what_a_state_assigns_its_output_does_not_see() {
    let definition = machine(
        r#""A":{"Type":"Pass","Assign":{"x":1},"Next":"B"},
        "B":{"Type":"Pass","Assign":{"x":2},"Output":"{% $x %}","Next":"C"},
        "C":{"Type":"Pass","Output":["{% $states.input %}","{% $x %}"],"End":true}"#,
    );
    let mut stage = Stage::new(&definition, json("{}"), |_| Vec::new());
    stage.run();
    assert_eq!(output(&stage), json("[1,2]"));
}

#[test]
fn a_catcher_makes_its_own_output() {
    let definition = machine(
        r#""A":{"Type":"Task","Resource":"work","End":true,"Catch":[{"ErrorEquals":["E"],"Next":"C",
            "Assign":{"why":"{% $states.errorOutput.Cause %}"},
            "Output":{"in":"{% $states.input %}","error":"{% $states.errorOutput.Error %}"}}]},
        "C":{"Type":"Pass","Output":["{% $states.input %}","{% $why %}"],"End":true}"#,
    );
    let mut stage = Stage::new(&definition, json("7"), |task| fails(task, "E"));
    stage.run();
    assert_eq!(output(&stage), json(r#"[{"in":7,"error":"E"},"why"]"#));
}

#[test]
fn an_expression_that_fails_is_recorded_and_caught() {
    let definition = machine(
        r#""A":{"Type":"Task","Resource":"work","Output":"{% $states.result.nothing %}","End":true,
            "Catch":[{"ErrorEquals":["States.QueryEvaluationError"],"Next":"C"}]},
        "C":{"Type":"Pass","Output":"{% $states.input.Cause %}","End":true}"#,
    );
    let mut stage = Stage::new(&definition, json("{}"), |task| gives(task, json("{}")));
    stage.run();
    let said = "An error occurred while executing the state 'A' (entered at the event id #2). The JSONata expression \
                '$states.result.nothing' specified for the field 'Output' returned nothing (undefined).";
    assert_eq!(output(&stage), Value::from(said));
    let failed = stage.history.iter().find_map(|event| match &event.kind {
        HistoryKind::EvaluationFailed { location, .. } => Some((event.id, event.previous, location.clone())),
        _ => None,
    });
    assert_eq!(failed, Some((6, 5, Some("Output".into()))));
}

#[test]
fn fields_of_an_object_are_items_too() {
    let definition = machine(
        r#""A":{"Type":"Map","Items":"{% $states.input %}","End":true,
            "ItemSelector":{"key":"{% $states.context.Map.Item.Key %}","value":"{% $states.context.Map.Item.Value %}"},
            "ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}}"#,
    );
    let mut stage = Stage::new(&definition, json(r#"{"a":1,"b":2}"#), |_| Vec::new());
    stage.run();
    assert_eq!(output(&stage), json(r#"[{"key":"a","value":1},{"key":"b","value":2}]"#));
}

#[test]
fn a_choice_may_assign_and_make_an_output() {
    let definition = machine(
        r#""A":{"Type":"Choice","Default":"C","Output":"{% 'none' %}","Choices":[
            {"Condition":"{% $states.input > 5 %}","Assign":{"big":true},"Output":"{% $states.input * 2 %}","Next":"B"}]},
        "B":{"Type":"Pass","Output":["{% $states.input %}","{% $big %}"],"End":true},
        "C":{"Type":"Succeed"}"#,
    );
    let run = |input: &str| {
        let mut stage = Stage::new(&definition, json(input), |_| Vec::new());
        stage.run();
        output(&stage)
    };
    assert_eq!(run("6"), json("[12,true]"));
    assert_eq!(run("5"), Value::from("none"));
}
