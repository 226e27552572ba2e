//! Native programs that speak the worker protocol.

use crate::support::{APP, PARTS, Stage};
use sluice_types::invocation::Arguments;
use sluice_types::{ContentType, FailureKind, Function, Outcome, Payload, Runtime};

fn echo() -> Stage {
    native("echo")
}

fn native(function: &str) -> Stage {
    let command = vec!["./worker".to_owned()];
    let mut function = Function::new(function, Runtime::Process { command });
    function.into = vec![PARTS];
    let stage = Stage::new(vec![function], &[]);
    std::fs::copy(env!("CARGO_BIN_EXE_sluice-noop-worker"), stage.bundle().join("worker")).unwrap();
    stage
}

#[test]
fn a_warm_worker_answers_call_after_call() {
    let mut stage = echo();
    let pids: Vec<u32> = (0..50)
        .map(|i| {
            let text = format!("call {i}");
            let ran = stage.call(0, ContentType::Text, text.as_bytes());
            assert_eq!(ran.text(), text);
            assert_eq!(ran.value().content_type, ContentType::Text);
            ran.pid
        })
        .collect();
    assert!(pids.iter().all(|pid| *pid == pids[0] && *pid > 0));
}

#[test]
fn large_values_and_long_lists_travel_in_shared_memory() {
    let mut stage = echo();
    let bytes = vec![7; 5_000_000];
    let ran = stage.call(0, ContentType::Bytes, &bytes);
    let payload = ran.value().payload.clone();
    assert!(matches!(payload, Payload::Stored { len: 5_000_000, .. }));
    assert_eq!(stage.memory.bytes(&payload).unwrap(), bytes);
    let list = (0..100).map(|i| stage.object(&i.to_string(), ContentType::Bytes, &[i; 60_000])).collect();
    let ran = stage.run(0, Arguments::List(list));
    assert_eq!(ran.value().payload, Payload::Inline(vec![0; 60_000].into()));
}

#[test]
fn large_inputs_are_read_and_large_outputs_put_where_they_lie() {
    let mut stage = native("mirror");
    for round in 0..3 {
        // More than fits an extent, so that the worker needs several and has them granted again.
        let inputs: Vec<Vec<u8>> = (0..8)
            .map(|i| {
                let mut bytes = vec![round; 10_000_000 + i];
                bytes[i] = 0xff;
                bytes
            })
            .collect();
        let objects: Vec<_> =
            inputs.iter().map(|bytes| stage.object("key", ContentType::Bytes, bytes)).collect();
        let ran = stage.run(0, Arguments::List(objects.clone()));
        assert_eq!(ran.puts.len(), inputs.len(), "{ran:?}");
        for (put, mut expected) in ran.puts.into_iter().zip(inputs) {
            expected.reverse();
            assert!(stage.memory.bytes(&put.payload).unwrap() == expected);
            release(&mut stage, &put.payload);
        }
        objects.iter().for_each(|object| release(&mut stage, &object.payload));
    }
}

#[test]
fn a_second_large_buffer_is_an_error_of_the_function() {
    let mut stage = native("greedy");
    let calls = [(); 2].map(|()| stage.call(0, ContentType::Bytes, b""));
    for ran in &calls {
        assert_eq!(ran.failure().kind, FailureKind::Raised);
        assert!(ran.failure().message.contains("one large buffer at a time"), "{ran:?}");
        assert_eq!(ran.puts.len(), 1);
    }
    assert_eq!(calls[0].pid, calls[1].pid, "the worker goes on");
}

#[test]
fn a_worker_follows_when_the_extents_that_it_reads_are_replaced() {
    let mut stage = echo();
    let mut extents = Vec::new();
    for seed in 0..4 {
        let bytes = vec![seed; 2_000_000];
        let object = stage.object("key", ContentType::Bytes, &bytes);
        let Payload::Stored { id, len, .. } = object.payload else { panic!("it is inline") };
        extents.push(stage.memory.location(APP, id, len).unwrap().extent);
        let ran = stage.run(0, Arguments::One(object.clone()));
        assert!(stage.memory.bytes(&ran.value().payload).unwrap() == bytes);
        release(&mut stage, &ran.value().payload);
        release(&mut stage, &object.payload);
        stage.memory.trim(0).unwrap();
    }
    extents.dedup();
    assert_eq!(extents.len(), 4, "each input had an extent of its own");
}

fn release(stage: &mut Stage, payload: &Payload) {
    let Payload::Stored { id, .. } = payload else { panic!("it is inline") };
    stage.memory.release(*id).unwrap();
}

#[test]
fn a_program_that_is_not_a_worker_is_a_crash() {
    let command = vec!["false".to_owned()];
    let mut stage = Stage::new(vec![Function::new("f", Runtime::Process { command })], &[]);
    let ran = stage.call(0, ContentType::Bytes, b"");
    let failure = ran.failure();
    assert!(matches!(failure.kind, FailureKind::Crashed | FailureKind::Unstartable), "{failure:?}");
}

#[test]
fn concurrency_is_respected() {
    let command = vec!["./worker".to_owned()];
    let mut function = Function::new("echo", Runtime::Process { command });
    function.concurrency = 1;
    let mut stage = Stage::new(vec![function], &[]);
    std::fs::copy(env!("CARGO_BIN_EXE_sluice-noop-worker"), stage.bundle().join("worker")).unwrap();
    let ids: Vec<_> = (0..5)
        .map(|i| {
            let object = stage.object("k", ContentType::Bytes, &[i]);
            stage.start(0, Arguments::One(object))
        })
        .collect();
    let pids: Vec<u32> = ids
        .into_iter()
        .map(|id| {
            let ran = stage.finish(id);
            assert!(matches!(ran.outcome, Outcome::Succeeded { .. }));
            ran.pid
        })
        .collect();
    assert!(pids.iter().all(|pid| *pid == pids[0]), "one worker served them all: {pids:?}");
}
