//! Measures what the architecture promises of Wasm: a hop on a reused instance and on a fresh one, and thousands
//! of sleepers on one thread.
//!
//! `cargo run --release -p sluice-wasm --example reused_instance`

use bytes::Bytes;
use sluice_types::invocation::Arguments;
use sluice_types::{
    AppKey, Attempt, BucketIx, ContentType, Function, FunctionIx, Invocation, InvocationId, Object, ObjectId,
    Outcome, Payload, Program, RunKey, Runtime, Version,
};
use sluice_wasm::{FunctionKey, InputBytes, Options, RunInfo, Step, StoreBytes, Wasm};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Reads 64 bytes of input and puts 64 bytes.
const HOP: &str = r#"(module
  (import "sluice" "input_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "sluice" "put_to" (func $put_to (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "key")
  (func (export "run")
    (drop (call $read (i32.const 0) (i32.const 64) (i32.const 0) (i32.const 64)))
    (drop (call $put_to (i32.const 0) (i32.const 0) (i32.const 3) (i32.const 64) (i32.const 64) (i32.const 0)))))"#;

/// Sleeps for a second.
const SLEEPER: &str = r#"(module
  (import "sluice" "sleep_ms" (func $sleep (param i32)))
  (memory (export "memory") 1)
  (func (export "run") (call $sleep (i32.const 1000))))"#;

/// Sleepers, unless an argument says otherwise.
const SLEEPERS: u32 = 4_000;

struct Inline;

impl InputBytes for Inline {
    fn bytes(&self, _: &Payload) -> Option<Bytes> {
        None
    }
}

impl StoreBytes for Inline {
    fn store(&mut self, _: AppKey, bytes: &[u8]) -> Payload {
        Payload::Stored { id: ObjectId(0), len: bytes.len() as u64, digest: None }
    }
}

fn key(function: u16) -> FunctionKey {
    (AppKey(1), Version(1), FunctionIx(function))
}

fn program() -> Program {
    let function = |name: &str, fresh| Function::new(name, Runtime::Wasm { module: String::new(), fresh });
    let bucket = |name: &str| sluice_types::Bucket { name: name.into(), keep: false };
    Program {
        app: "hop".into(),
        durability: sluice_types::Durability::Express,
        buckets: vec![bucket("input"), bucket("output")],
        functions: vec![function("reused", false), function("fresh", true), function("sleeper", false)],
        triggers: Vec::new(),
        workflows: Vec::new(),
    }
}

fn invocation(function: u16, seq: u32, input: &Bytes, input_key: &Arc<str>) -> Box<Invocation> {
    let object = Object {
        bucket: BucketIx(0),
        key: Arc::clone(input_key),
        content_type: ContentType::Bytes,
        payload: Payload::Inline(input.clone()),
        group: None,
        meta: None,
    };
    Box::new(Invocation {
        id: InvocationId { run: RunKey(1), seq },
        attempt: Attempt(1),
        function: FunctionIx(function),
        arguments: Arguments::One(object),
        group: None,
    })
}

fn run_info() -> RunInfo {
    RunInfo { app: AppKey(1), version: Version(1), run_id: "run_1".into() }
}

fn hops(wasm: &mut Wasm, name: &str, function: u16, count: u32) {
    let (input, input_key, run) = (Bytes::from(vec![7; 64]), Arc::from("key"), run_info());
    let mut preempted = 0;
    let mut hop = |seq| {
        let (call, run) = (invocation(function, seq, &input, &input_key), run.clone());
        let begun = Instant::now();
        let step = wasm.start(0, call, run, &Inline, &mut Inline);
        let took = begun.elapsed();
        match step {
            Step::Done(Outcome::Succeeded { puts, .. }, _) if puts.len() == 1 => {}
            Step::Pending => {
                // The host took this thread off its core for longer than a slice.
                preempted += 1;
                wasm.poll(0, &mut Inline, &mut Vec::new());
            }
            other => panic!("a hop ended with {other:?}"),
        }
        took
    };
    (0..count / 10).for_each(|seq| {
        hop(seq);
    });
    let begun = Instant::now();
    let mut times: Vec<Duration> = (0..count).map(hop).collect();
    let mean = begun.elapsed() / count;
    times.sort_unstable();
    let at = |permille: usize| times[times.len() * permille / 1000].saturating_sub(clock_cost());
    println!(
        "{name:<24} p50 {:>9.3?}  p99 {:>9.3?}  with caller and clocks, mean {mean:>9.3?}  preempted {preempted}",
        at(500),
        at(990)
    );
}

/// What reading the clock adds to a measured time.
fn clock_cost() -> Duration {
    let mut costs: Vec<Duration> = (0..10_000).map(|_| Instant::now().elapsed()).collect();
    costs.sort_unstable();
    costs[costs.len() / 2]
}

fn sleepers(wasm: &mut Wasm, count: u32) {
    let (input, input_key, run) = (Bytes::from(vec![7; 64]), Arc::from("key"), run_info());
    let begun = Instant::now();
    let now_ms = || begun.elapsed().as_millis() as u64;
    for seq in 0..count {
        let step =
            wasm.start(now_ms(), invocation(2, seq, &input, &input_key), run.clone(), &Inline, &mut Inline);
        assert!(matches!(step, Step::Pending), "a sleeper did not sleep: {step:?}");
    }
    let started = begun.elapsed();
    let mut done = Vec::new();
    while wasm.pending() > 0 {
        let deadline_ms = wasm.next_deadline().expect("a pending call has a deadline");
        std::thread::sleep(Duration::from_millis(deadline_ms.saturating_sub(now_ms())));
        wasm.poll(now_ms(), &mut Inline, &mut done);
    }
    let took = begun.elapsed();
    assert!(done.iter().all(|call| matches!(call.outcome, Outcome::Succeeded { .. })), "a sleeper failed");
    println!(
        "{:<24} {} started in {started:.3?}, all done after {:.3?}",
        "sleepers of 1 s",
        done.len(),
        took
    );
    while wasm.next_deadline().is_some() {
        wasm.poll(now_ms(), &mut Inline, &mut done);
    }
}

fn main() -> Result<(), sluice_wasm::Error> {
    let begun = Instant::now();
    let mut wasm = Wasm::new(Options::default())?;
    println!("engine with {} instances in {:.3?}", wasm.engine().instances_max(), begun.elapsed());
    let program = program();
    wasm.load(key(0), HOP.as_bytes(), &program)?;
    wasm.load(key(1), HOP.as_bytes(), &program)?;
    wasm.load(key(2), SLEEPER.as_bytes(), &program)?;
    hops(&mut wasm, "hop, reused instance", 0, 1_000_000);
    hops(&mut wasm, "hop, fresh instance", 1, 100_000);
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(SLEEPERS);
    sleepers(&mut wasm, count);
    sleepers(&mut wasm, count);
    Ok(())
}
