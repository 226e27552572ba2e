//! A rehearsal as its client sees it: lines of JSON in, lines of JSON out.

use serde_json::{Value, json};
use sluice_rehearsal::{Options, serve};

const START_MS: u64 = 1_767_225_600_000;

/// The answers to requests, which are all sent before the first answer is read.
fn answers(requests: &[Value]) -> Vec<Value> {
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let mut said = Vec::new();
    serve(Options { start_ms: START_MS, seed: 0 }, lines.as_bytes(), &mut said).expect("the stage stands");
    let said = String::from_utf8(said).expect("JSON is text");
    said.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn deploy() -> Value {
    json!({"deploy": {
        "app": "app",
        "buckets": {"texts": {}, "lengths": {}},
        "functions": {
            "measure": {
                "runtime": "exec", "command": ["measure"], "on": {"each": "texts"}, "into": ["lengths"],
                "retries": {"max": 1, "initial": "10s", "jitter": false},
            },
            "sum": {"runtime": "exec", "command": ["sum"], "on": {"join": "lengths", "of": "measure"}},
        },
    }})
}

fn text(base64: &str) -> Value {
    json!({"content_type": "text/plain", "base64": base64})
}

fn start() -> Value {
    let object = json!({"bucket": "texts", "key": "a", "data": text("b25l")});
    json!({"start": {"id": "r", "objects": [object], "seal": true}})
}

fn ended(call: u64, outcome: &Value) -> Value {
    json!({"completed": {"call": call, "outcome": outcome}})
}

fn returned(base64: &str) -> Value {
    json!({"succeeded": {"value": text(base64)}})
}

fn raised() -> Value {
    json!({"failed": {"kind": "Raised", "type": "ValueError", "message": "no", "stack": ""}})
}

#[test]
fn a_run_goes_from_call_to_call() {
    let next = json!({"next": {}});
    let said = answers(&[
        deploy(),
        start(),
        next.clone(),
        ended(1, &returned("Mw==")),
        next.clone(),
        ended(2, &returned("Mw==")),
        next,
        json!({"run": "r"}),
    ]);
    assert_eq!(said[..2], [json!({"done": null}), json!({"started": "r"})]);
    let call = &said[2]["call"];
    assert_eq!(
        (&call["call"], &call["function"], &call["attempt"]),
        (&json!(1), &json!("measure"), &json!(1))
    );
    assert_eq!(call["arguments"]["one"]["data"], text("b25l"));
    assert_eq!(said[3], json!({"heard": {"stopped": false}}));
    assert_eq!(said[4]["call"]["arguments"]["list"][0]["key"], "a");
    assert_eq!(said[6], json!({"idle": {"now_ms": START_MS, "next_ms": null}}));
    assert_eq!(said[7]["run"]["status"], "succeeded");
    assert_eq!(said[7]["run"]["outputs"][0]["data"], text("Mw=="));
}

#[test]
fn a_workflow_is_called_unless_something_stands_in() {
    let next = json!({"next": {}});
    let deploy = json!({"deploy": {
        "app": "app",
        "buckets": {"texts": {}, "lengths": {}},
        "workflows": {"machine": {"asl": {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}}},
        "functions": {
            "measure": {"runtime": "workflow", "workflow": "machine", "on": {"each": "texts"}, "into": ["lengths"]},
            "other": {"runtime": "exec", "command": ["other"], "on": {"each": "texts"}},
        },
    }});
    let stood_in =
        answers(&[deploy.clone(), start(), next.clone(), ended(1, &returned("Mw==")), json!({"runs": null})]);
    assert_eq!(stood_in[2]["call"]["function"], "measure");
    assert_eq!(stood_in[4], json!({"runs": ["r"]}));
    let passed = answers(&[
        deploy,
        start(),
        next.clone(),
        json!({"passed": 1}),
        json!({"passed": 1}),
        next.clone(),
        json!({"passed": 2}),
        ended(2, &returned("Mw==")),
        next,
        json!({"runs": null}),
        json!({"run": "r"}),
    ]);
    assert_eq!(passed[3], json!({"heard": {"stopped": false}}));
    assert_eq!(passed[4]["refused"][0]["message"], "no call 1 is being made");
    assert_eq!(passed[6]["refused"][0]["message"], "call 2 is of a function that is no workflow");
    assert_eq!(passed[9], json!({"runs": ["r", "r.measure-0"]}));
    assert_eq!(passed[10]["run"]["status"], "succeeded");
}

#[test]
fn time_moves_to_timers_and_no_further_than_told() {
    let until = |seconds: u64| json!({"next": {"until_ms": START_MS + seconds * 1000}});
    let said = answers(&[deploy(), start(), until(0), ended(1, &raised()), until(9), until(60)]);
    let due = START_MS + 10_000;
    assert_eq!(said[4], json!({"idle": {"now_ms": START_MS + 9_000, "next_ms": due}}));
    let call = &said[5]["call"];
    assert_eq!((&call["attempt"], &call["now_ms"]), (&json!(2), &json!(due)));
}

#[test]
fn time_stands_still_while_a_call_is_made() {
    let until = json!({"next": {"until_ms": START_MS + 60_000}});
    let said = answers(&[deploy(), start(), until.clone(), until]);
    assert_eq!(said[2]["call"]["call"], 1);
    assert_eq!(said[3], json!({"idle": {"now_ms": START_MS, "next_ms": null}}));
}

#[test]
fn waiting_for_a_run_ends_with_it() {
    let wait = json!({"next": {"until_ms": START_MS + 3_600_000, "run": "r"}});
    let said = answers(&[
        deploy(),
        start(),
        wait.clone(),
        ended(1, &raised()),
        wait.clone(),
        ended(2, &raised()),
        wait,
        json!({"run": "r"}),
    ]);
    assert_eq!(said[6]["idle"]["now_ms"], START_MS + 10_000);
    assert_eq!(said[7]["run"]["status"], "failed");
    assert_eq!(said[7]["run"]["error"]["code"], "SLU0110");
}

#[test]
fn cancelling_stops_what_is_called_and_drops_what_waits() {
    let object = |key: &str| json!({"bucket": "texts", "key": key, "data": text("b25l")});
    let put =
        json!({"put_by": {"call": 1, "object": {"bucket": "lengths", "key": "a", "data": text("Mw==")}}});
    let said = answers(&[
        deploy(),
        json!({"start": {"id": "r", "objects": [object("a"), object("b")], "seal": true}}),
        json!({"next": {}}),
        json!({"cancel": "r"}),
        put,
        ended(1, &json!({"cancelled": null})),
        json!({"next": {}}),
        json!({"run": "r"}),
    ]);
    assert_eq!(said[4], json!({"heard": {"stopped": true}}));
    assert!(said[6]["idle"].is_object(), "{}", said[6]);
    assert_eq!(said[7]["run"]["status"], "cancelled");
}

#[test]
fn what_cannot_be_is_refused_with_its_reasons() {
    let said = answers(&[
        json!({"deploy": {"app": "app", "functions": {"f": {"runtime": "exec", "on": {"each": "nowhere"}}}}}),
        json!({"run": "nobody"}),
        json!({"completed": {"call": 1, "outcome": {"cancelled": null}}}),
        json!({"nonsense": 1}),
    ]);
    let codes: Vec<&Value> = said.iter().map(|answer| &answer["refused"][0]["code"]).collect();
    assert_eq!(codes[1..], ["SLU0008", "SLU0006", "SLU0006"]);
    assert!(said[0]["refused"].as_array().is_some_and(|problems| !problems.is_empty()));
}
