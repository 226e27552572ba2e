//! The state machines of the benchmarks, and apps that hold them.

use crate::error::Error;
use crate::guests;
use crate::worker::{NOTHING, WORKER_ARGUMENT};
use crate::{Place, Runtime};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use sluice_runtime::api::DeployRequest;
use sluice_types::{Bucket, Durability, Function, Program, Steps, Workflow};
use std::collections::BTreeMap;
use std::sync::Arc;

/// States of a chain.
pub(super) const STATES: u32 = 1_000;

/// A chain of Pass states.
pub(super) fn passes() -> String {
    let mut states = chain();
    states[&state(STATES - 1)] = json!({"Type": "Pass", "End": true});
    machine(&state(0), states)
}

/// A chain of Pass states, gone through as often as the input's field `left` says.
pub(super) fn rounds() -> String {
    let mut states = chain();
    states.insert(
        "Count".into(),
        json!({"Type": "Pass", "Parameters": {"left.$": "States.MathAdd($.left, -1)"}, "Next": "Again"}),
    );
    let again = json!({"Variable": "$.left", "NumericGreaterThan": 0, "Next": state(0)});
    states.insert("Again".into(), json!({"Type": "Choice", "Choices": [again], "Default": "Done"}));
    states.insert("Done".into(), json!({"Type": "Succeed"}));
    machine(&state(0), states)
}

/// Passes from the first to the last state, which goes on to `Count`.
fn chain() -> Map<String, Value> {
    let next = |index| if index + 1 < STATES { state(index + 1) } else { "Count".to_owned() };
    (0..STATES).map(|index| (state(index), json!({"Type": "Pass", "Next": next(index)}))).collect()
}

fn state(index: u32) -> String {
    format!("Pass{index}")
}

/// Calls a function with every item of its input.
pub(super) fn map() -> String {
    let call = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::sluice:invoke",
        "Parameters": {"FunctionName": NOTHING, "Payload.$": "$"},
        "End": true,
    });
    let processor = json!({"StartAt": "Call", "States": {"Call": call}});
    one("Each", json!({"Type": "Map", "ItemProcessor": processor, "End": true}))
}

/// Waits longer than a benchmark takes.
pub(super) fn wait() -> String {
    one("Wait", json!({"Type": "Wait", "Seconds": 1_000_000, "End": true}))
}

/// Passes its input on.
pub(super) fn pass() -> String {
    one("Pass", json!({"Type": "Pass", "End": true}))
}

fn one(name: &str, state: Value) -> String {
    machine(name, Map::from_iter([(name.to_owned(), state)]))
}

fn machine(first: &str, states: Map<String, Value>) -> String {
    json!({"StartAt": first, "States": states}).to_string()
}

/// An app that is nothing but a state machine, without AWS's limits.
pub(super) fn app(name: &str, durability: Durability, definition: String) -> DeployRequest {
    let steps = Steps::States { definition: definition.into(), aws_limits: false };
    let buckets = ["input", "output"].map(|name| Bucket { name: name.into(), keep: false }).into();
    let program = Program {
        app: name.into(),
        durability,
        buckets,
        functions: Vec::new(),
        triggers: Vec::new(),
        workflows: vec![Workflow { name: name.into(), steps }],
    };
    DeployRequest {
        program: Arc::new(program),
        definition: Bytes::new(),
        files: BTreeMap::new(),
        reset_triggers: Vec::new(),
    }
}

/// The same with the function that [`map`] calls.
pub(super) fn map_app(
    place: &Place,
    runtime: Runtime,
    durability: Durability,
) -> Result<DeployRequest, Error> {
    use sluice_types::Runtime as Executes;
    let mut request = app("map", durability, map());
    let file = |name: &str, text: &'static str| {
        BTreeMap::from([(name.to_owned(), Bytes::from_static(text.as_bytes()))])
    };
    let executes = match runtime {
        Runtime::Wasm => {
            request.files =
                file("nothing.wat", r#"(module (memory (export "memory") 1) (func (export "run")))"#);
            Executes::Wasm { module: "nothing.wat".into(), fresh: false }
        }
        Runtime::Process => {
            request.files = guests::worker(place)?;
            Executes::Process { command: vec!["./worker".into(), WORKER_ARGUMENT.into(), NOTHING.into()] }
        }
        Runtime::Python => {
            request.files = file("nothing.py", "def nothing(item, ctx):\n    return None\n");
            Executes::Python { module: "nothing.py".into(), name: NOTHING.into() }
        }
    };
    Arc::make_mut(&mut request.program).functions.push(Function::new(NOTHING, executes));
    Ok(request)
}
