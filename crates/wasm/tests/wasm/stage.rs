//! One shard with one function, an app around it, and a clock.

use bytes::Bytes;
use sluice_types::invocation::Arguments;
use sluice_types::{
    AppKey, Attempt, Bucket, BucketIx, ContentType, Durability, Failure, Function, FunctionIx, Invocation,
    InvocationId, Object, ObjectId, Outcome, Payload, Program, Put, RunKey, Runtime, Version,
};
use sluice_wasm::{Completion, Error, InputBytes, LogLine, Options, RunInfo, Step, StoreBytes, Wasm};

/// Buckets of the app; the function may put to the first two besides `output`.
pub const BUCKETS: [&str; 5] = ["input", "output", "words", "counts", "secrets"];

/// Imports of every function of the ABI, memory and a start of the data.
pub const PRELUDE: &str = r#"
  (import "sluice" "input_count" (func $input_count (result i32)))
  (import "sluice" "input_len" (func $input_len (param i32) (result i32)))
  (import "sluice" "input_read" (func $input_read (param i32 i32 i32 i32) (result i32)))
  (import "sluice" "input_key" (func $input_key (param i32 i32 i32) (result i32)))
  (import "sluice" "input_attribute" (func $input_attribute (param i32 i32 i32 i32 i32) (result i32)))
  (import "sluice" "put" (func $put (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "sluice" "put_to" (func $put_to (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "sluice" "put_group" (func $put_group (param i32 i32)))
  (import "sluice" "ret" (func $ret (param i32 i32 i32)))
  (import "sluice" "emit" (func $emit (param i32 i32 i32 i32 i32)))
  (import "sluice" "log" (func $log (param i32 i32 i32)))
  (import "sluice" "sleep_ms" (func $sleep_ms (param i32)))
  (import "sluice" "cancelled" (func $cancelled (result i32)))
  (import "sluice" "attempt" (func $attempt (result i32)))
  (import "sluice" "fail" (func $fail (param i32 i32)))
  (memory (export "memory") 1)
"#;

/// Objects outside the log: what a test stored, by position.
#[derive(Default)]
pub struct Shelf(pub Vec<Bytes>);

impl InputBytes for Shelf {
    fn bytes(&self, payload: &Payload) -> Option<Bytes> {
        match payload {
            Payload::Inline(bytes) => Some(bytes.clone()),
            Payload::Stored { id, .. } => self.0.get(id.0 as usize).cloned(),
            Payload::Open { .. } => None,
        }
    }
}

impl StoreBytes for Shelf {
    fn store(&mut self, _: AppKey, bytes: &[u8]) -> Payload {
        self.0.push(Bytes::copy_from_slice(bytes));
        Payload::Stored { id: ObjectId(self.0.len() as u64 - 1), len: bytes.len() as u64, digest: None }
    }
}

/// A shard on which function 0 is the guest of the test.
pub struct Stage {
    pub wasm: Wasm,
    pub program: Program,
    pub now_ms: u64,
    pub shelf: Shelf,
    pub done: Vec<Completion>,
    seq: u32,
}

impl Stage {
    /// A stage for a module in text form.
    pub fn new(module: &str) -> Self {
        Self::with(module, |_| ()).expect("the module loads")
    }

    /// A stage for a core guest: its `run`, and whatever else follows the imports.
    pub fn core(body: &str) -> Self {
        Self::new(&format!("(module {PRELUDE} {body})"))
    }

    /// A stage whose function is declared differently.
    pub fn with(module: impl AsRef<[u8]>, declare: impl FnOnce(&mut Function)) -> Result<Self, Error> {
        Self::on(small(64), module, declare)
    }

    /// A stage for a core guest that uses up its slices.
    pub fn sliced(body: &str, timeout_ms: u64) -> Self {
        let options = Options { instances_max: 64, ..Options::default() };
        let wasm = Wasm::new(options).expect("an engine");
        Self::on(wasm, format!("(module {PRELUDE} {body})"), |f| f.timeout_ms = timeout_ms).expect("it loads")
    }

    /// A stage on a given shard.
    pub fn on(
        mut wasm: Wasm,
        module: impl AsRef<[u8]>,
        declare: impl FnOnce(&mut Function),
    ) -> Result<Self, Error> {
        let mut function = Function::new("guest", Runtime::Wasm { module: "guest.wat".into(), fresh: false });
        function.into = vec![BucketIx(2), BucketIx(3)];
        declare(&mut function);
        let program = Program {
            app: "stage".into(),
            durability: Durability::Durable,
            buckets: BUCKETS.iter().map(|&name| Bucket { name: name.into(), keep: false }).collect(),
            functions: vec![function],
            triggers: Vec::new(),
            workflows: Vec::new(),
        };
        wasm.load((AppKey(1), Version(1), FunctionIx(0)), module.as_ref(), &program)?;
        Ok(Self { wasm, program, now_ms: 0, shelf: Shelf::default(), done: Vec::new(), seq: 0 })
    }

    /// Starts a call with these arguments.
    pub fn start(&mut self, arguments: Arguments) -> Step {
        self.seq += 1;
        let invocation = Box::new(Invocation {
            id: id(self.seq),
            attempt: Attempt(3),
            function: FunctionIx(0),
            arguments,
            group: Some("blue".into()),
        });
        let run = RunInfo { app: AppKey(1), version: Version(1), run_id: "run_7".into() };
        let inputs = Shelf(self.shelf.0.clone());
        self.wasm.start(self.now_ms, invocation, run, &inputs, &mut self.shelf)
    }

    /// Starts a call that must be over at once.
    pub fn call(&mut self, input: &[u8]) -> (Outcome, Vec<LogLine>) {
        match self.start(Arguments::One(object("in", input))) {
            Step::Done(outcome, logs) => (outcome, logs),
            other => panic!("the call did not end at once: {other:?}"),
        }
    }

    /// Starts a call that must go on later; the number to find it by.
    pub fn call_later(&mut self, input: &[u8]) -> InvocationId {
        match self.start(Arguments::One(object("in", input))) {
            Step::Pending => id(self.seq),
            other => panic!("the call was to be pending: {other:?}"),
        }
    }

    /// Polls once, at that time.
    pub fn poll_at(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.wasm.poll(now_ms, &mut self.shelf, &mut self.done);
    }

    /// Polls at that time until every call has ended or sleeps.
    pub fn settle_at(&mut self, now_ms: u64) {
        self.poll_at(now_ms);
        while self.wasm.next_deadline() == Some(0) {
            self.poll_at(now_ms);
        }
    }

    /// The outcome of a call that was pending.
    pub fn outcome_of(&self, id: InvocationId) -> Option<&Outcome> {
        self.done.iter().find(|completion| completion.id == id).map(|completion| &completion.outcome)
    }

    /// What a call that must succeed puts.
    pub fn puts(&mut self, input: &[u8]) -> Vec<(BucketIx, String, Vec<u8>)> {
        puts(self.call(input).0)
            .into_iter()
            .map(|put| (put.bucket, put.key.to_string(), inline(&put.payload)))
            .collect()
    }

    /// What a call that must succeed returns.
    pub fn value(&mut self, input: &[u8]) -> (ContentType, Vec<u8>) {
        value(self.call(input).0)
    }

    /// How a call fails that must fail.
    pub fn failure(&mut self, input: &[u8]) -> Failure {
        failure(self.call(input).0)
    }
}

/// A shard with few instances, whose guests are never preempted however slow the machine is.
pub fn small(instances_max: u32) -> Wasm {
    let options = Options { instances_max, slice_ticks: 1_000_000, ..Options::default() };
    Wasm::new(options).expect("an engine")
}

/// The id of the n-th call of a stage, from 1.
pub fn id(seq: u32) -> InvocationId {
    InvocationId { run: RunKey(1), seq }
}

/// An object of bucket `input`.
pub fn object(key: &str, bytes: &[u8]) -> Object {
    Object {
        bucket: BucketIx(0),
        key: key.into(),
        content_type: ContentType::Text,
        payload: Payload::Inline(Bytes::copy_from_slice(bytes)),
        group: None,
        meta: None,
    }
}

/// The puts of a success.
pub fn puts(outcome: Outcome) -> Vec<Put> {
    match outcome {
        Outcome::Succeeded { puts, .. } => puts.into_iter().map(|put| *put).collect(),
        other => panic!("the call did not succeed: {other:?}"),
    }
}

/// The return value of a success.
pub fn value(outcome: Outcome) -> (ContentType, Vec<u8>) {
    match outcome {
        Outcome::Succeeded { value: Some(value), .. } => (value.content_type, inline(&value.payload)),
        other => panic!("the call returned nothing: {other:?}"),
    }
}

/// The failure of an attempt that failed.
pub fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("the call did not fail: {other:?}"),
    }
}

/// The bytes of an inline payload.
pub fn inline(payload: &Payload) -> Vec<u8> {
    match payload {
        Payload::Inline(bytes) => bytes.to_vec(),
        stored => panic!("not inline: {stored:?}"),
    }
}
