//! The apps of the benchmarks.

use crate::error::Error;
use crate::payload::{CONSUME, PRODUCE};
use crate::worker::{LINKS, WORKER_ARGUMENT};
use crate::{Place, Runtime};
use bytes::Bytes;
use sluice_runtime::api::{DeployRequest, NewObject, RunView};
use sluice_types::{
    Action, Bucket, BucketIx, Condition, ContentType, Durability, Event, EventPattern, Function, FunctionIx,
    Gathering, Program, Scope, Source, Trigger,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one link of a chain carries: how many are left, and padding.
const LINK_BYTES: usize = 64;

/// Puts its 64 bytes under the next key, until the number in the first four is 0; then puts out how many nanoseconds it
/// has been since the first link, which noted the time in bytes 8 to 16. A key is five letters, each half a byte of the
/// number.
const HOP: &str = r#"(module
  (import "sluice" "put_to" (func $put_to (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (global (export "sluice_in") i32 (i32.const 64))
  (global (export "sluice_in_bytes") i32 (i32.const 64))
  (func $now_ns (result i64)
    (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 16)))
    (i64.load (i32.const 16)))
  (func (export "run") (param $ptr i32) (param $len i32) (local $left i32) (local $rest i32) (local $at i32)
    (if (i64.eqz (i64.load offset=8 (local.get $ptr)))
      (then (i64.store offset=8 (local.get $ptr) (call $now_ns))))
    (local.set $left (i32.load (local.get $ptr)))
    (if (i32.eqz (local.get $left)) (then
      (i64.store (i32.const 24) (i64.sub (call $now_ns) (i64.load offset=8 (local.get $ptr))))
      (i32.store8 (i32.const 0) (i32.const 116))
      (drop (call $put_to (i32.const -1) (i32.const 0) (i32.const 1) (i32.const 24) (i32.const 8) (i32.const 0)))
      (return)))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (i32.store (local.get $ptr) (local.get $left))
    (local.set $rest (local.get $left))
    (loop $letters
      (i32.store8 (local.get $at) (i32.add (i32.const 97) (i32.and (local.get $rest) (i32.const 15))))
      (local.set $rest (i32.shr_u (local.get $rest) (i32.const 4)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $letters (i32.lt_u (local.get $at) (i32.const 5))))
    (drop (call $put_to (i32.const 0) (i32.const 0) (i32.const 5) (local.get $ptr) (local.get $len) (i32.const 0)))))"#;

/// Sleeps for as many milliseconds as its input says, then returns nothing in particular.
const SLEEPER: &str = r#"(module
  (import "sluice" "sleep_ms" (func $sleep (param i32)))
  (import "sluice" "ret" (func $ret (param i32 i32 i32)))
  (memory (export "memory") 1)
  (global (export "sluice_in") i32 (i32.const 64))
  (global (export "sluice_in_bytes") i32 (i32.const 64))
  (func (export "run") (param $ptr i32) (param $len i32)
    (call $sleep (i32.load (local.get $ptr)))
    (call $ret (local.get $ptr) (i32.const 1) (i32.const 0))))"#;

/// Returns how many inputs it has, in four bytes.
const COUNT: &str = r#"(module
  (import "sluice" "input_count" (func $count (result i32)))
  (import "sluice" "ret" (func $ret (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "run")
    (i32.store (i32.const 0) (call $count))
    (call $ret (i32.const 0) (i32.const 4) (i32.const 0))))"#;

/// The chain in Python, with bytes and with JSON.
const HOPS: &str = r#"
from time import monotonic_ns

def hop(link, ctx):
    data = link.data
    left, begun = int.from_bytes(data[:4], "little"), data[8:16]
    if begun == bytes(8):
        begun = monotonic_ns().to_bytes(8, "little")
    if left:
        left -= 1
        ctx.put("links", str(left), left.to_bytes(8, "little") + begun + data[16:])
    else:
        ctx.put("output", "t", (monotonic_ns() - int.from_bytes(begun, "little")).to_bytes(8, "little"))

def json_hop(link, ctx):
    value = link.json()
    left = value["left"]
    if not value["begun"]:
        value["begun"] = monotonic_ns()
    if left:
        value["left"] = left - 1
        ctx.put("json_links", str(left), value)
    else:
        ctx.put("output", "t", (monotonic_ns() - value["begun"]).to_bytes(8, "little"))
"#;

/// Buckets of every app of a benchmark, by position.
const BUCKETS: [&str; 7] = ["input", "output", LINKS, "fresh_links", "json_links", TICKETS, PAYLOADS];

/// Bucket that the producer of payloads is started by.
pub(crate) const TICKETS: &str = "tickets";
/// Bucket that payloads are handed over in.
pub(crate) const PAYLOADS: &str = "payloads";

/// Which of the ways through a chain's app a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A warm instance or worker, with bytes.
    Warm,
    /// A fresh instance for every hop.
    Fresh,
    /// JSON instead of bytes.
    Json,
}

impl Way {
    fn bucket(self) -> BucketIx {
        BucketIx(2 + self as u16)
    }
}

/// The app of a chain.
pub(crate) fn chain(place: &Place, runtime: Runtime, durability: Durability) -> Result<DeployRequest, Error> {
    use sluice_types::Runtime as Executes;
    let mut files = BTreeMap::new();
    let functions = match runtime {
        Runtime::Wasm => {
            files.insert("hop.wat".to_owned(), Bytes::from_static(HOP.as_bytes()));
            let wasm = |fresh| Executes::Wasm { module: "hop.wat".into(), fresh };
            vec![("hop", Way::Warm, wasm(false)), ("fresh_hop", Way::Fresh, wasm(true))]
        }
        Runtime::Process => {
            files = worker(place)?;
            let command = vec!["./worker".into(), WORKER_ARGUMENT.into()];
            vec![("hop", Way::Warm, Executes::Process { command })]
        }
        Runtime::Python => {
            files.insert("hops.py".to_owned(), Bytes::from_static(HOPS.as_bytes()));
            let python = |name: &str| Executes::Python { module: "hops.py".into(), name: name.into() };
            vec![("hop", Way::Warm, python("hop")), ("json_hop", Way::Json, python("json_hop"))]
        }
    };
    let each = |way: Way| Condition::Each(Source { bucket: way.bucket(), when: None });
    let steps = functions.into_iter().map(|(name, way, executes)| (name, executes, way.bucket(), each(way)));
    Ok(request("chain", durability, steps.collect(), files))
}

/// What a run of a chain starts with.
pub(crate) fn first_link(way: Way, hops: u32) -> NewObject {
    let left = hops - 1;
    let (content_type, bytes) = match way {
        Way::Warm | Way::Fresh => {
            let mut bytes = vec![0; LINK_BYTES];
            bytes[..4].copy_from_slice(&left.to_le_bytes());
            (ContentType::Bytes, bytes)
        }
        Way::Json => (
            ContentType::Json,
            format!(r#"{{"left":{left},"begun":0,"name":"a","values":[1,2,3],"ok":true}}"#).into_bytes(),
        ),
    };
    let bucket = BUCKETS[way.bucket().index()].to_owned();
    NewObject { bucket, key: "first".into(), content_type, bytes: bytes.into() }
}

/// Microseconds per hop of a run of a chain, from the start of its first invocation to that of its last.
pub(crate) fn hop_us(view: &RunView, hops: u32) -> Result<f64, Error> {
    let succeeded: u32 = view.functions.iter().map(|function| function.tally.succeeded).sum();
    match view.outputs.as_slice() {
        [time] if succeeded == hops && time.bytes.len() == 8 => {
            let ns = time.bytes.iter().rev().fold(0, |ns, byte| ns << 8 | u64::from(*byte));
            Ok(ns as f64 / 1e3 / f64::from(hops - 1))
        }
        _ => Err(Error::Unexpected(format!("{succeeded} instead of {hops} invocations succeeded"))),
    }
}

/// The app that hands payloads over: tickets -> produce -> payloads -> consume -> tickets, each in a worker of its own.
pub(crate) fn payload(place: &Place, bytes: u64) -> Result<DeployRequest, Error> {
    let [tickets, payloads] = [BucketIx(5), BucketIx(6)];
    let step = |name: &'static str, from, into| {
        let command = vec!["./worker".into(), WORKER_ARGUMENT.into(), name.into()];
        let each = Condition::Each(Source { bucket: from, when: None });
        (name, sluice_types::Runtime::Process { command }, into, each)
    };
    let steps = vec![step(PRODUCE, tickets, payloads), step(CONSUME, payloads, tickets)];
    let mut request = request("payload", Durability::Express, steps, worker(place)?);
    for function in &mut Arc::make_mut(&mut request.program).functions {
        // One worker each, whose memory is filled once.
        function.concurrency = 1;
        // An extent and another one, should the first not be free in time; or a copy to compare with.
        function.resources.memory_bytes += 2 * bytes;
    }
    Ok(request)
}

/// The bundle of native workers.
pub(crate) fn worker(place: &Place) -> Result<BTreeMap<String, Bytes>, Error> {
    Ok([("worker".to_owned(), Bytes::from(std::fs::read(&place.program)?))].into())
}

/// The app of sleepers: all of them, then one that counts them.
pub(crate) fn sleepers(count: u32) -> DeployRequest {
    use sluice_types::Runtime as Executes;
    let wasm = |module: &str| Executes::Wasm { module: module.into(), fresh: false };
    let from = |bucket| Source { bucket: BucketIx(bucket), when: None };
    let steps = vec![
        ("sleep", wasm("sleep.wat"), BucketIx(3), Condition::Each(from(2))),
        (
            "count",
            wasm("count.wat"),
            Program::OUTPUT,
            Condition::Batch { from: from(3), n: count, within_ms: None },
        ),
    ];
    let files = [("sleep.wat", SLEEPER), ("count.wat", COUNT)];
    let files = files.map(|(name, text)| (name.to_owned(), Bytes::from_static(text.as_bytes()))).into();
    request("sleepers", Durability::Durable, steps, files)
}

/// What one sleeper starts with.
pub(crate) fn sleep(index: u32, ms: u32) -> NewObject {
    let bytes = Bytes::copy_from_slice(&ms.to_le_bytes());
    NewObject { bucket: LINKS.into(), key: index.to_string(), content_type: ContentType::Bytes, bytes }
}

/// The app whose runs wait for an event and then end.
pub(crate) fn parked() -> DeployRequest {
    let wasm = sluice_types::Runtime::Wasm { module: "count.wat".into(), fresh: false };
    let event = EventPattern { r#type: Some(WAKE.into()), ..EventPattern::default() };
    let files = [("count.wat".to_owned(), Bytes::from_static(COUNT.as_bytes()))].into();
    request(
        "parked",
        Durability::Durable,
        vec![("woken", wasm, Program::OUTPUT, Condition::Event(event))],
        files,
    )
}

/// The app whose triggers join events, each those of one subject.
pub(crate) fn joins(triggers: u32, events: u32, durability: Durability) -> DeployRequest {
    let names: Vec<String> = (0..triggers).map(|number| format!("join_{number:06}")).collect();
    let steps = names.iter().enumerate().map(|(number, name)| {
        let from = EventPattern {
            r#type: Some("com.example.meter.reading".into()),
            subject: Some(format!("meter-{number:06}").into()),
            ..EventPattern::default()
        };
        let gathering = Gathering::Batch { n: events, within_ms: None };
        let wasm = sluice_types::Runtime::Wasm { module: "count.wat".into(), fresh: false };
        (&**name, wasm, Program::OUTPUT, Condition::Events { from, gathering })
    });
    let files = [("count.wat".to_owned(), Bytes::from_static(COUNT.as_bytes()))].into();
    let mut request = request("joins", durability, steps.collect(), files);
    Arc::make_mut(&mut request.program).triggers.iter_mut().for_each(|trigger| trigger.scope = Scope::App);
    request
}

/// The type of the event that wakes a parked run.
const WAKE: &str = "bench.wake";

/// The id of a parked run.
pub(crate) fn parked_id(number: u32) -> String {
    format!("parked-{number}")
}

/// The event that wakes a parked run.
pub(crate) fn wake(run: &str) -> Event {
    Event {
        id: run.into(),
        source: "/bench".into(),
        r#type: WAKE.into(),
        subject: None,
        time_ms: 0,
        content_type: ContentType::Bytes,
        data: Bytes::new(),
        run: Some(run.into()),
    }
}

fn request(
    app: &str,
    durability: Durability,
    steps: Vec<(&str, sluice_types::Runtime, BucketIx, Condition)>,
    files: BTreeMap<String, Bytes>,
) -> DeployRequest {
    let mut functions = Vec::new();
    let mut triggers = Vec::new();
    for (index, (name, executes, into, condition)) in steps.into_iter().enumerate() {
        functions.push(Function { into: vec![into], ..Function::new(name, executes) });
        triggers.push(Trigger {
            name: name.into(),
            scope: Scope::Run,
            condition,
            actions: vec![Action::Invoke(FunctionIx(index as u16))],
            optional: false,
        });
    }
    let buckets = BUCKETS.map(|name| Bucket { name: name.into(), keep: false }).into();
    let program =
        Program { app: app.into(), durability, buckets, functions, triggers, workflows: Vec::new() };
    DeployRequest { program: Arc::new(program), definition: Bytes::new(), files, reset_triggers: Vec::new() }
}
