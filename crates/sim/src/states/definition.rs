//! A plan written down in the Amazon States Language.

use super::plan::{Block, By, Kind, Machine, Retrier, State, Task};
use serde_json::{Map, Value, json};

/// The definition of a machine.
pub fn definition(machine: &Machine) -> String {
    let mut definition = block(&machine.body);
    if let Some(seconds) = machine.timeout_seconds {
        definition["TimeoutSeconds"] = seconds.into();
    }
    definition.to_string()
}

fn block(block: &Block) -> Value {
    let states = block.states.iter().map(|of| (of.name.clone(), state(of, block)));
    json!({"StartAt": block.states[0].name, "States": states.collect::<Map<_, _>>()})
}

fn state(state: &State, block: &Block) -> Value {
    let mut fields = match &state.kind {
        Kind::Add(amount, variable) => add(state, *amount, variable.as_deref()),
        Kind::Assign(variable, amount) => match state.jsonata {
            true => {
                json!({"Type": "Pass", "Assign": {variable: format!("{{% $states.input.n + {amount} %}}")}})
            }
            false => {
                let sum = format!("States.MathAdd($.n, {amount})");
                json!({"Type": "Pass", "Assign": {format!("{variable}.$"): sum}})
            }
        },
        Kind::Wait(seconds) => json!({"Type": "Wait", "Seconds": seconds}),
        Kind::Loop { below, back } => choice(state, *below, &block.states[*back].name),
        Kind::Task(of) => task(state, of),
        Kind::Parallel(branches) => parallel(state, branches),
        Kind::Map(body, concurrency) => map(state, body, *concurrency),
        Kind::Fail(error) => json!({"Type": "Fail", "Error": error, "Cause": "on purpose"}),
    };
    fields["QueryLanguage"] = if state.jsonata { "JSONata" } else { "JSONPath" }.into();
    if !state.retry.is_empty() {
        fields["Retry"] = state.retry.iter().map(retrier).collect();
    }
    if let Some(catcher) = &state.catch {
        let mut fields_of = json!({"ErrorEquals": catcher.errors, "Next": block.states[catcher.next].name});
        match state.jsonata {
            true => fields_of["Output"] = data("$states.input.n", "$states.errorOutput.Error"),
            false => fields_of["ResultPath"] = Value::Null,
        }
        fields["Catch"] = json!([fields_of]);
    }
    let named = |at: usize| Value::from(block.states[at].name.as_str());
    match (&state.kind, state.next) {
        (Kind::Fail(_), _) => {}
        (Kind::Loop { .. }, next) => fields["Default"] = named(next.expect("a loop is left")),
        (_, Some(next)) => fields["Next"] = named(next),
        (_, None) => fields["End"] = true.into(),
    }
    fields
}

fn retrier(retrier: &Retrier) -> Value {
    let mut fields = json!({
        "ErrorEquals": retrier.errors, "IntervalSeconds": 1, "MaxAttempts": retrier.max_attempts,
        "BackoffRate": if retrier.backs_off { 2.0 } else { 1.0 },
    });
    if retrier.jitter {
        fields["JitterStrategy"] = "FULL".into();
    }
    fields
}

/// The data in JSONata, with these expressions for `n` and `seen`.
fn data(n: &str, seen: &str) -> Value {
    json!({
        "n": format!("{{% {n} %}}"), "items": "{% $states.input.items %}",
        "seen": format!("{{% {seen} %}}"), "outer": "{% $states.input.outer %}",
    })
}

fn add(state: &State, amount: i64, variable: Option<&str>) -> Value {
    if state.jsonata {
        let more = variable.map(|variable| format!(" + ${variable}")).unwrap_or_default();
        return json!({"Type": "Pass", "Output": data(&format!("$states.input.n + {amount}{more}"), "$states.input.seen")});
    }
    let sum = format!("States.MathAdd($.n, {amount})");
    let sum = variable.map_or(sum.clone(), |variable| format!("States.MathAdd({sum}, ${variable})"));
    let parameters = json!({"n.$": sum, "items.$": "$.items", "seen.$": "$.seen", "outer.$": "$.outer"});
    json!({"Type": "Pass", "Parameters": parameters})
}

fn choice(state: &State, below: i64, back: &str) -> Value {
    let rule = match state.jsonata {
        true => json!({"Condition": format!("{{% $states.input.n < {below} %}}"), "Next": back}),
        false => json!({"Variable": "$.n", "NumericLessThan": below, "Next": back}),
    };
    json!({"Type": "Choice", "Choices": [rule]})
}

fn task(state: &State, task: &Task) -> Value {
    let mut arguments = json!({
        "fails": task.fails, "until": task.until, "mends": task.mends, "error": task.error, "adds": task.adds,
    });
    found(state.jsonata).into_iter().for_each(|(name, path)| arguments[name] = path.into());
    if matches!(task.by, By::Callback | By::RunAndCallback) {
        match state.jsonata {
            true => arguments["token"] = "{% $states.context.Task.Token %}".into(),
            false => arguments["token.$"] = "$$.Task.Token".into(),
        }
    }
    let (resource, arguments) = called(state, task, arguments);
    let mut fields = json!({"Type": "Task", "Resource": resource});
    if let Some(seconds) = task.timeout_seconds {
        fields["TimeoutSeconds"] = seconds.into();
    }
    if let Some(seconds) = task.heartbeat_seconds {
        fields["HeartbeatSeconds"] = seconds.into();
    }
    match (state.jsonata, task.counts) {
        (true, true) => fields["Output"] = data("$states.result", "$states.input.seen"),
        (true, false) => fields["Output"] = data("$states.input.n", "$states.result"),
        (false, true) => fields["ResultPath"] = "$.n".into(),
        (false, false) => fields["ResultPath"] = "$.seen".into(),
    }
    fields[if state.jsonata { "Arguments" } else { "Parameters" }] = arguments;
    fields
}

/// What tasks are told of where they stand.
fn found(jsonata: bool) -> [(&'static str, &'static str); 4] {
    match jsonata {
        true => [
            ("n", "{% $states.input.n %}"),
            ("outer", "{% $states.input.outer %}"),
            ("tries", "{% $states.context.State.RetryCount %}"),
            ("redrives", "{% $states.context.Execution.RedriveCount %}"),
        ],
        false => [
            ("n.$", "$.n"),
            ("outer.$", "$.outer"),
            ("tries.$", "$$.State.RetryCount"),
            ("redrives.$", "$$.Execution.RedriveCount"),
        ],
    }
}

/// Resource and arguments.
fn called(state: &State, task: &Task, arguments: Value) -> (String, Value) {
    match &task.by {
        By::Function(name) => ((*name).to_owned(), arguments),
        By::Integration(name) => {
            ("arn:aws:states:::sluice:invoke".into(), json!({"FunctionName": name, "Payload": arguments}))
        }
        By::Errand => ("arn:aws:states:::sqs:sendMessage".into(), arguments),
        By::Callback => ("arn:aws:states:::sqs:sendMessage.waitForTaskToken".into(), arguments),
        By::RunAndCallback => (
            "arn:aws:states:::lambda:invoke.waitForTaskToken".into(),
            json!({"FunctionName": "echo", "Payload": arguments}),
        ),
        By::Activity => ("arn:aws:states:us-east-1:123456789012:activity:work".into(), arguments),
        By::Execution(app, workflow) => {
            let (name, n) = if state.jsonata { ("n", "{% $states.input.n %}") } else { ("n.$", "$.n") };
            let input = json!({name: n, "items": [1, 2], "seen": null, "outer": 0});
            let arguments = json!({"StateMachineArn": format!("{app}/{workflow}"), "Input": input});
            ("arn:aws:states:::states:startExecution.sync:2".into(), arguments)
        }
    }
}

fn parallel(state: &State, branches: &[Block]) -> Value {
    let branches: Vec<Value> = branches.iter().map(block).collect();
    if state.jsonata {
        let mut arguments = data("$states.input.n", "null");
        arguments["outer"] = "{% $states.context.State.RetryCount %}".into();
        let output = data("$states.input.n", "$states.result");
        return json!({"Type": "Parallel", "Branches": branches, "Arguments": arguments, "Output": output});
    }
    let parameters =
        json!({"n.$": "$.n", "items.$": "$.items", "seen": null, "outer.$": "$$.State.RetryCount"});
    json!({"Type": "Parallel", "Branches": branches, "Parameters": parameters, "ResultPath": "$.seen"})
}

fn map(state: &State, body: &Block, concurrency: u64) -> Value {
    let mut processor = block(body);
    processor["ProcessorConfig"] = json!({"Mode": "INLINE"});
    let mut fields = json!({"Type": "Map", "MaxConcurrency": concurrency, "ItemProcessor": processor});
    if state.jsonata {
        fields["Items"] = "{% $states.input.items %}".into();
        let mut selector = data("$states.context.Map.Item.Value", "null");
        selector["outer"] = "{% $states.context.State.RetryCount %}".into();
        fields["ItemSelector"] = selector;
        fields["Output"] = data("$states.input.n", "$states.result");
    } else {
        fields["ItemsPath"] = "$.items".into();
        fields["ItemSelector"] = json!({
            "n.$": "$$.Map.Item.Value", "items.$": "$.items", "seen": null,
            "outer.$": "$$.State.RetryCount",
        });
        fields["ResultPath"] = "$.seen".into();
    }
    fields
}
