//! Events that triggers gather, posted as CloudEvents to the built binary.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tool::Folder;
use tool::server::{Server, ask_as};

const BATCH: &str = "application/cloudevents-batch+json";
/// Longest time that a run may take: a bound for what hangs, not a measure.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between looks.
const PAUSE: Duration = Duration::from_millis(20);

fn event(number: u32, r#type: &str) -> Value {
    let padding = "x".repeat(100);
    json!({"specversion": "1.0", "id": format!("e{number}"), "source": "/meters", "type": r#type,
           "subject": format!("meter-{}", number % 2), "time": "2026-03-04T05:06:07Z",
           "data": {"n": number, "padding": padding}})
}

/// Posts events; how many were new.
#[track_caller]
fn post(server: &Server, events: &[Value]) -> u64 {
    let url = format!("{}/v1/events", server.url);
    let body = serde_json::to_vec(events).unwrap();
    let answer = ask_as(&url, "POST", BATCH, &body).unwrap().json(202);
    assert_eq!(
        answer["accepted"].as_u64().unwrap() + answer["duplicates"].as_u64().unwrap(),
        events.len() as u64
    );
    answer["accepted"].as_u64().unwrap()
}

/// The outputs of all runs once there are so many of them, all succeeded; oldest first.
#[track_caller]
fn outputs(server: &Server, runs: usize) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let listed = server.ask("GET", "/v1/runs", b"").json(200)["runs"].as_array().unwrap().clone();
        assert!(listed.len() <= runs && !listed.iter().any(|run| run["status"] == "failed"), "{listed:?}");
        if listed.len() == runs && listed.iter().all(|run| run["status"] == "succeeded") {
            let outputs = listed.iter().rev().map(|run| {
                let path = format!("/v1/runs/{}", run["run"].as_str().unwrap());
                server.ask("GET", &path, b"").json(200)["outputs"].clone()
            });
            return outputs.collect();
        }
        assert!(begun.elapsed() < PATIENCE, "{listed:?}");
        std::thread::sleep(PAUSE);
    }
}

const APP: &str = "
import sluicegate as sg
app = sg.App('meters')

def shown(events):
    assert all(isinstance(event, sg.Event) for event in events)
    return [[event.id, event.subject, event.data['n']] for event in events]

@app.function(on=sg.event(type='read.*', subject='meter-1').batch(2))
def pair(events):
    return shown(events)

@app.function(on=sg.event(type='seen').first(1, of=2))
def once(events):
    return [shown(events), events[0].source, events[0].time.isoformat()]

@app.function(on=sg.event(type='timed').batch(100, within='50ms'))
def flushed(events):
    return shown(events)
";

#[test]
fn a_function_gets_the_events_that_belong_together_as_a_list() {
    let folder = Folder::with(&[("app.py", APP)]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    let events: Vec<Value> = (0..5).map(|number| event(number, "read.now")).collect();
    assert_eq!(post(&server, &events), 5);
    assert_eq!(post(&server, &events), 0, "they are known");
    let found = outputs(&server, 1);
    assert_eq!(value(&found[0], "pair-0"), json!([["e1", "meter-1", 1], ["e3", "meter-1", 3]]));
    assert_eq!(post(&server, &[event(6, "seen"), event(7, "seen")]), 2);
    let found = outputs(&server, 2);
    assert_eq!(
        value(&found[1], "once"),
        json!([[["e6", "meter-0", 6]], "/meters", "2026-03-04T05:06:07+00:00"])
    );
    assert_eq!(post(&server, &[event(8, "timed"), event(10, "timed")]), 2);
    let found = outputs(&server, 3);
    assert_eq!(value(&found[2], "flushed-0"), json!([["e8", "meter-0", 8], ["e10", "meter-0", 10]]));
    server.stop();
}

/// The value of an output.
#[track_caller]
fn value(outputs: &Value, key: &str) -> Value {
    assert!(outputs.get(key).is_some(), "no {key} in {outputs}");
    outputs[key].clone()
}

const JOIN: &str = "
import sluicegate as sg
app = sg.App('join')

@app.function(on=sg.event(type='read').batch(3000))
def join(events):
    return [event.id for event in events]
";

#[test]
fn a_batch_of_many_events_is_complete_after_a_clean_end_and_a_kill_in_between() {
    let folder = Folder::with(&[("app.py", JOIN)]);
    let calls: Vec<Vec<Value>> =
        (0..3).map(|call| (call * 1000..(call + 1) * 1000).map(|n| event(n, "read")).collect()).collect();
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app.py"]);
    assert_eq!(post(&server, &calls[0]), 1000);
    // The checkpoint at the end holds the chunks that are full, and the log nothing.
    server.stop();
    let server = Server::start(&folder);
    assert_eq!(post(&server, &calls[1]), 1000);
    server.kill();
    let server = Server::start(&folder);
    assert_eq!(post(&server, &calls[1]), 0, "the log kept them");
    assert_eq!(post(&server, &calls[2]), 1000);
    let found = outputs(&server, 1);
    let expected: Vec<String> = (0..3000).map(|number| format!("e{number}")).collect();
    assert_eq!(value(&found[0], "join-0"), json!(expected));
    server.stop();
}

#[test]
fn a_call_carries_a_thousand_events_at_most() {
    let folder = Folder::with(&[("app.py", JOIN)]);
    let server = Server::start(&folder);
    let events: Vec<Value> = (0..1001).map(|number| event(number, "read")).collect();
    let url = format!("{}/v1/events", server.url);
    let answer = ask_as(&url, "POST", BATCH, &serde_json::to_vec(&events).unwrap()).unwrap();
    assert!(answer.error(413).starts_with("SLU"));
    server.stop();
}
