//! An execution that is written down and read again goes on as if nothing had happened.

use crate::stage::{Reply, START_MS, Stage, call, json, settings};
use proptest::prelude::*;
use sluice_asl::Machine;
use sluice_asl::execution::{Event, Execution, Output, Request, TaskRequest};
use sluice_expression::Value;

/// A block of states in a row, as `"StartAt":…,"States":{…}`; `name` makes its names unique.
fn block(states: &[Shape], name: &str) -> String {
    let mut text = format!(r#""StartAt":"{name}0","States":{{"#);
    for (number, shape) in states.iter().enumerate() {
        let (own, next) = (format!("{name}{number}"), format!("{name}{}", number + 1));
        let end = if number + 1 == states.len() {
            r#""End":true"#.to_owned()
        } else {
            format!(r#""Next":"{next}""#)
        };
        let comma = if number == 0 { "" } else { "," };
        text += &format!(r#"{comma}"{own}":{{{},{end}}}"#, shape.fields(&own));
    }
    text + "}"
}

#[derive(Clone, Debug)]
enum Shape {
    Pass,
    Wait(u8),
    Task { retries: u8, timeout: bool },
    Parallel(Vec<Vec<Shape>>, u8),
    Map { inner: Vec<Shape>, concurrency: u8, distributed: bool, tolerated: u8 },
}

impl Shape {
    fn fields(&self, name: &str) -> String {
        match self {
            Self::Pass => format!(r#""Type":"Pass","Assign":{{"{name}.$":"$$.State.Name"}}"#),
            Self::Wait(seconds) => format!(r#""Type":"Wait","Seconds":{seconds}"#),
            Self::Task { retries, timeout } => {
                let timeout = if *timeout { r#","TimeoutSeconds":2"# } else { "" };
                format!(
                    r#""Type":"Task","Resource":"work","ResultPath":null{timeout},"Retry":[{{"ErrorEquals":["States.ALL"],
                    "MaxAttempts":{retries},"JitterStrategy":"FULL"}}]"#
                )
            }
            Self::Parallel(branches, retries) => {
                let branches: Vec<String> = branches
                    .iter()
                    .enumerate()
                    .map(|(number, states)| format!("{{{}}}", block(states, &format!("{name}b{number}x"))))
                    .collect();
                format!(
                    r#""Type":"Parallel","ResultPath":null,"Retry":[{{"ErrorEquals":["States.ALL"],"MaxAttempts":{retries}}}],
                    "Branches":[{}]"#,
                    branches.join(",")
                )
            }
            Self::Map { inner, concurrency, distributed, tolerated } => {
                let mode = if *distributed {
                    r#""ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"#
                } else {
                    ""
                };
                let tolerated = if *distributed {
                    format!(r#","ToleratedFailureCount":{tolerated}"#)
                } else {
                    String::new()
                };
                format!(
                    r#""Type":"Map","ItemsPath":"$","ItemSelector":[1,2],"MaxConcurrency":{concurrency}{tolerated},
                    "ResultPath":null,"ItemProcessor":{{{mode}{}}}"#,
                    block(inner, &format!("{name}m"))
                )
            }
        }
    }
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let leaf = prop_oneof![
        Just(Shape::Pass),
        (0..4_u8).prop_map(Shape::Wait),
        (0..3_u8, any::<bool>()).prop_map(|(retries, timeout)| Shape::Task { retries, timeout }),
    ];
    let shape = leaf.prop_recursive(3, 24, 3, |inner| {
        let row = prop::collection::vec(inner, 1..3);
        prop_oneof![
            (prop::collection::vec(row.clone(), 1..3), 0..2_u8)
                .prop_map(|(branches, retries)| Shape::Parallel(branches, retries)),
            (row, 0..3_u8, any::<bool>(), 0..3_u8).prop_map(
                |(inner, concurrency, distributed, tolerated)| {
                    Shape::Map { inner, concurrency, distributed, tolerated }
                }
            ),
        ]
    });
    prop::collection::vec(shape, 1..4)
}

/// A task ends as its name and a seed say.
fn perform(seed: u64) -> impl FnMut(&TaskRequest) -> Reply {
    move |task| {
        let dice = (task.task.0 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let after_ms = dice % 4_000;
        let event = match dice % 5 {
            0 => Event::Failed { task: task.task, error: "E".into(), cause: "".into(), timed_out: false },
            _ => Event::Succeeded { task: task.task, output: call(task).1.clone() },
        };
        vec![(after_ms, event)]
    }
}

fn run(definition: &str, seed: u64, rewrites: bool) -> (String, Vec<u8>, Vec<Value>) {
    let mut stage = Stage::new(definition, json("[1,2]"), perform(seed));
    stage.rewrites = rewrites;
    stage.run();
    if !matches!(stage.execution.status().name(), "SUCCEEDED") {
        stage.apply(Event::Redrive);
        stage.run();
    }
    assert!(!stage.execution.status().is_running(), "nothing is waited for for ever");
    let mut out = Output::default();
    stage.execution.outstanding(&mut out);
    assert!(out.requests.is_empty(), "an ended execution asks for nothing");
    let bytes = postcard::to_stdvec(&stage.execution).unwrap();
    let history = stage.history.iter().map(|event| event.to_aws()).collect();
    (format!("{:?}", stage.execution.status()), bytes, history)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn writing_an_execution_down_changes_nothing(shapes in shapes(), seed: u64) {
        let definition = format!("{{{}}}", block(&shapes, "s"));
        let plain = run(&definition, seed, false);
        prop_assert_eq!(&plain, &run(&definition, seed, false));
        prop_assert_eq!(&plain, &run(&definition, seed, true));
    }

    #[test]
    fn histories_are_numbered_without_gaps(shapes in shapes(), seed: u64) {
        let definition = format!("{{{}}}", block(&shapes, "s"));
        let mut stage = Stage::new(&definition, json("[1,2]"), perform(seed));
        stage.run();
        let mut last = std::collections::BTreeMap::new();
        for event in &stage.history {
            let before = last.insert(event.child, event.id).unwrap_or(0);
            prop_assert_eq!(event.id, before + 1);
            prop_assert!(event.previous < event.id);
        }
    }
}

#[test]
fn what_was_asked_for_is_asked_for_again() {
    let definition = r#"{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[
        {"StartAt":"A","States":{"A":{"Type":"Task","Resource":"one","End":true}}},
        {"StartAt":"B","States":{"B":{"Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters":{"t.$":"$$.Task.Token"},"End":true}}}]}}}"#;
    let (machine, _) = Machine::parse(definition).unwrap();
    let mut out = Output::default();
    let mut execution = Execution::start(&machine, settings(), json("1"), START_MS, &mut out);
    let tasks = |out: &Output| -> Vec<_> {
        let perform = out.requests.iter().filter_map(|request| match request {
            Request::Perform(task) => Some((task.task, task.token.clone())),
            Request::Cancel(_) => None,
        });
        perform.collect()
    };
    let asked = tasks(&out);
    assert_eq!(asked.len(), 2);
    let again = |execution: &Execution| {
        let mut out = Output::default();
        execution.outstanding(&mut out);
        tasks(&out)
    };
    assert_eq!(again(&execution), asked);
    let (task, output) = (asked[1].0, json("{}"));
    execution.apply(&machine, Event::Submitted { task, output }, START_MS, &mut Output::default());
    assert_eq!(again(&execution), asked[..1]);
}
