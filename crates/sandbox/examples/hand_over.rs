//! Measures a warm call against a bare eventfd ping-pong and a bare CPython echo in the same run, on one core.
//!
//! `cargo run --release -p sluice-sandbox --example hand_over` after `cargo build --release -p sluice-sandbox`.

use rustix::event::{EventfdFlags, PollFd, PollFlags, epoll, eventfd, poll};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use sluice_isolation::Host;
use sluice_objects::Memory;
use sluice_sandbox::{Options, Pool, RunInfo, SandboxEvent};
use sluice_types::invocation::Arguments;
use sluice_types::{
    AppKey, Attempt, Bucket, BucketIx, ContentType, Durability, Function, FunctionIx, Invocation,
    InvocationId, Object, Outcome, Payload, Program, RunKey, Runtime, Version,
};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

const CALLS: usize = 20_000;
const ROUNDS: usize = 7;

const ECHO: &str = "
import os, sys
a, b = int(sys.argv[1]), int(sys.argv[2])
r, w = os.eventfd_read, os.eventfd_write
while True:
    w(b, r(a))
";

const APP: &str = "
def noop(obj):
    return obj.data.tobytes()

def json_in_out(obj):
    return obj.value
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cpu = (0..CpuSet::MAX_CPU).rfind(|cpu| sched_getaffinity(None).is_ok_and(|set| set.is_set(*cpu)));
    let mut one = CpuSet::new();
    one.set(cpu.ok_or("no core")?);
    sched_setaffinity(None, &one)?;
    let native = echo(Echo::Native)?;
    let python = echo(Echo::Python)?;
    println!("bare eventfd ping-pong {native:6.2} us, bare CPython echo {python:6.2} us (medians, one core)");
    for core in [cpu, None] {
        report(core, native, python)?;
    }
    Ok(())
}

/// With the core told to the pool, workers that run alone stay on it; without, the kernel places them.
fn report(core: Option<usize>, native: f64, python: f64) -> Result<(), Box<dyn std::error::Error>> {
    let mut bench = Bench::new(core)?;
    println!("workers {}", if core.is_some() { "near the shard" } else { "anywhere" });
    let bytes = Arguments::One(object(ContentType::Bytes, b"hello, world"));
    let json = Arguments::One(object(ContentType::Json, br#"{"name":"a","values":[1,2,3],"ok":true}"#));
    let start = Instant::now();
    bench.call(0, bytes.clone())?;
    println!("first Python call      {:6.1} ms (zygote, import, fork)", start.elapsed().as_secs_f64() * 1e3);
    let us = bench.measure(2, &bytes)?;
    println!("native no-op           {us:6.2} us = {:.2} x ping-pong", us / native);
    let us = bench.measure(0, &bytes)?;
    println!("Python no-op, bytes    {us:6.2} us = echo + {:.2}", us - python);
    let us = bench.measure(1, &json)?;
    println!("Python JSON in and out {us:6.2} us = echo + {:.2}", us - python);
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Echo {
    Native,
    Python,
}

/// Round trip of two eventfds, through epoll on this side as a shard does; microseconds.
fn echo(kind: Echo) -> Result<f64, Box<dyn std::error::Error>> {
    let there = eventfd(0, EventfdFlags::empty())?;
    let back = eventfd(0, EventfdFlags::empty())?;
    let mut child = None;
    if kind == Echo::Python {
        let python = sluice_isolation::Python::locate("python3")?;
        let fds = [there.as_raw_fd().to_string(), back.as_raw_fd().to_string()];
        child = Some(Command::new(python.executable).args(["-c", ECHO]).args(fds).spawn()?);
    } else {
        let (there, back) = (there.try_clone()?, back.try_clone()?);
        std::thread::spawn(move || {
            let mut count = [0; 8];
            while rustix::io::read(&there, &mut count).is_ok() && rustix::io::write(&back, &count).is_ok() {}
        });
    }
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &back, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    let us = median(|| ping(&epoll, &there, &back))?;
    if let Some(mut child) = child {
        child.kill()?;
        child.wait()?;
    }
    Ok(us)
}

fn ping(epoll: &OwnedFd, there: &OwnedFd, back: &OwnedFd) -> Result<(), Box<dyn std::error::Error>> {
    rustix::io::write(there, &1u64.to_ne_bytes())?;
    let mut events = Vec::with_capacity(4);
    epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), None)?;
    rustix::io::read(back, &mut [0; 8])?;
    Ok(())
}

/// Median over rounds of the mean of many calls, in microseconds.
fn median(
    mut call: impl FnMut() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<f64, Box<dyn std::error::Error>> {
    (0..1000).try_for_each(|_| call())?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        (0..CALLS).try_for_each(|_| call())?;
        rounds.push(start.elapsed().as_secs_f64() * 1e6 / CALLS as f64);
    }
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[ROUNDS / 2])
}

fn object(content_type: ContentType, bytes: &'static [u8]) -> Object {
    let payload = Payload::Inline(bytes::Bytes::from_static(bytes));
    Object { bucket: BucketIx(0), key: "key".into(), content_type, payload, group: None, meta: None }
}

struct Bench {
    pool: Pool,
    memory: Memory,
    events: Vec<SandboxEvent>,
    seq: u32,
    run: RunInfo,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new(core: Option<usize>) -> Result<Self, Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("app.py"), APP)?;
        let worker = noop_worker()?;
        std::fs::copy(&worker, dir.path().join("noop"))?;
        let python = |name: &str| {
            Function::new(name, Runtime::Python { module: "app.py".to_owned(), name: name.to_owned() })
        };
        let command = vec![dir.path().join("noop").to_string_lossy().into_owned()];
        let functions = vec![
            python("noop"),
            python("json_in_out"),
            Function::new("native", Runtime::Process { command }),
        ];
        let bucket = |name: &str| Bucket { name: name.into(), keep: false };
        let program = Program {
            app: "bench".into(),
            durability: Durability::Express,
            buckets: vec![bucket("input"), bucket("output")],
            functions,
            triggers: Vec::new(),
            workflows: Vec::new(),
        };
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/python").canonicalize()?;
        let options = Options { core, ..Options::new(Arc::new(Host::new(worker)), sdk, dir.path()) };
        let mut pool = Pool::new(options)?;
        pool.add_app(AppKey(1), Version(1), Arc::new(program), dir.path());
        let memory = Memory::new(sluice_objects::Options::new(dir.path(), 1 << 30))?;
        let run = RunInfo { app: AppKey(1), version: Version(1), run_id: "run_1".into(), traceparent: None };
        Ok(Self { pool, memory, events: Vec::new(), seq: 0, run, _dir: dir })
    }

    fn measure(&mut self, function: u16, arguments: &Arguments) -> Result<f64, Box<dyn std::error::Error>> {
        median(|| self.call(function, arguments.clone()))
    }

    fn call(&mut self, function: u16, arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
        self.seq += 1;
        let id = InvocationId { run: RunKey(1), seq: self.seq };
        let invocation =
            Invocation { id, attempt: Attempt(1), function: FunctionIx(function), arguments, group: None };
        self.pool.start(invocation, self.run.clone(), &mut self.memory)?;
        loop {
            poll(&mut [PollFd::from_borrowed_fd(self.pool.as_fd(), PollFlags::IN)], None)?;
            self.events.clear();
            self.pool.poll(&mut self.memory, Instant::now(), &mut self.events)?;
            for event in &self.events {
                if let SandboxEvent::Completed { outcome, .. } = event {
                    return match outcome {
                        Outcome::Succeeded { .. } => Ok(()),
                        other => Err(format!("{other:?}").into()),
                    };
                }
            }
        }
    }
}

fn noop_worker() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let here = std::env::current_exe()?;
    let target = here.parent().and_then(Path::parent).ok_or("no target directory")?;
    Ok(target.join("sluice-noop-worker"))
}
