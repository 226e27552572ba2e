//! Transitions per second of the interpreter alone: a chain of `Pass` states, and a `Map` of `Pass` or `Task` states.

use sluice_asl::Machine;
use sluice_asl::execution::{Event, Execution, Output, Request, Settings, Status};
use sluice_expression::Value;
use std::fmt::Write;
use std::time::Instant;

const CHAIN: usize = 1_000;
const ITEMS: usize = 10_000;
const SECONDS: f64 = 2.0;

fn chain() -> String {
    let mut states = String::new();
    for number in 0..CHAIN {
        let next = if number + 1 == CHAIN {
            "\"End\":true".to_owned()
        } else {
            format!("\"Next\":\"S{}\"", number + 1)
        };
        let comma = if number == 0 { "" } else { "," };
        write!(states, "{comma}\"S{number}\":{{\"Type\":\"Pass\",{next}}}").expect("a string takes any text");
    }
    format!("{{\"StartAt\":\"S0\",\"States\":{{{states}}}}}")
}

fn map(state: &str) -> String {
    format!(
        r#"{{"StartAt":"M","States":{{"M":{{"Type":"Map","End":true,"ItemProcessor":{{"StartAt":"S","States":{{
        "S":{{{state},"End":true}}}}}}}}}}}}"#
    )
}

fn settings(records_history: bool) -> Settings {
    Settings {
        id: "arn:aws:states:us-east-1:123456789012:execution:m:e".into(),
        name: "e".into(),
        role: "arn:aws:iam::123456789012:role/r".into(),
        machine_id: "arn:aws:states:us-east-1:123456789012:stateMachine:m".into(),
        machine_qualifier: "".into(),
        machine_name: "m".into(),
        start_ms: 0,
        seed: 1,
        aws_limits: false,
        records_history,
        key: 7,
        token_prefix: "t".into(),
    }
}

/// Runs one execution to its end; gives the number of its history events.
fn run(machine: &Machine, input: &Value, records_history: bool) -> usize {
    let mut out = Output::default();
    let mut execution = Execution::start(machine, settings(records_history), input.clone(), 0, &mut out);
    let mut events = 0;
    loop {
        events += std::mem::take(&mut out.history).len();
        let event = match out.requests.pop() {
            Some(Request::Perform(task)) => Event::Succeeded { task: task.task, output: Value::Null },
            Some(Request::Cancel(_)) => continue,
            None if execution.next_deadline().is_some() => Event::Timer,
            None => break,
        };
        execution.apply(machine, event, 0, &mut out);
    }
    assert!(matches!(execution.status(), Status::Succeeded { .. }));
    events
}

fn measure(name: &str, definition: &str, input: &Value, states: usize) {
    let (machine, _) = Machine::parse(definition).expect("the definition is valid");
    for records_history in [false, true] {
        let (started, mut runs, mut events) = (Instant::now(), 0, 0);
        while started.elapsed().as_secs_f64() < SECONDS {
            events += run(&machine, input, records_history);
            runs += 1;
        }
        let seconds = started.elapsed().as_secs_f64();
        let rate = (runs * states) as f64 / seconds;
        println!(
            "{name}, history {records_history}: {rate:.0} transitions/s, {:.0} events/s",
            events as f64 / seconds
        );
    }
}

/// Bytes of an execution that waits.
fn size() {
    let definition = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":60,"End":true}}}"#;
    let (machine, _) = Machine::parse(definition).expect("the definition is valid");
    let input = Value::parse(br#"{"order":17}"#).expect("it is JSON");
    let execution = Execution::start(&machine, settings(true), input, 0, &mut Output::default());
    let written = postcard::to_stdvec(&execution).expect("an execution can be written").len();
    println!("waiting execution: {written} bytes written, {} bytes itself", size_of::<Execution>());
}

fn main() {
    size();
    let input = Value::parse(br#"{"order":{"id":17,"items":["a","b"]},"note":"x"}"#).expect("it is JSON");
    measure("pass chain", &chain(), &input, CHAIN);
    let items = Value::array((0..ITEMS as i64).map(Value::Int).collect());
    measure("map of Pass", &map(r#""Type":"Pass""#), &items, ITEMS);
    measure("map of Task", &map(r#""Type":"Task","Resource":"work""#), &items, ITEMS);
}
