//! kill -9 of a server under load: what it acknowledged ends, exactly, once.
//!
//! docs/reference/crash-testing.md tells how to run it larger: `SLUICE_CRASH_RUNS`, `SLUICE_CRASH_KILLS`,
//! `SLUICE_CRASH_EVERY_MS`, `SLUICE_CRASH_STEP_MS`, `SLUICE_CRASH_AT_ONCE`, `SLUICE_CRASH_SEED`, `SLUICE_BINARY`.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod tool;

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tool::Folder;
use tool::server::Server;

/// Three steps: two per object, and one that joins.
const APP: &str = "
import sluicegate as sg, time
app = sg.App('steps')
items, added, doubled = app.bucket('items'), app.bucket('added'), app.bucket('doubled')

@app.function(on=items.each(), into=added)
def add(item):
    time.sleep(STEP_S)  # so that there is something to kill
    return item.value + 1

@app.function(on=added.each(), into=doubled)
def double(item):
    return item.value * 2

@app.function(on=doubled.join(of=double))
def total(parts):
    return [part.value for part in parts]
";
/// Clients that start runs at the same time.
const STARTERS: usize = 4;
/// How often one start is tried before the server is taken for dead.
const TRIES_MAX: usize = 10_000;
/// Between tries while the server is down.
const PAUSE: Duration = Duration::from_millis(10);

/// How much is done.
struct Plan {
    runs: usize,
    kills: usize,
    /// Longest time between a start of the server and its kill.
    every: Duration,
    /// How long the first step of a run sleeps.
    step: Duration,
    /// Whether all runs are started before the first kill, not bit by bit.
    at_once: bool,
    seed: u64,
}

impl Plan {
    fn from_environment() -> Self {
        let number = |name: &str, otherwise: u64| {
            std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
        };
        Self {
            runs: number("SLUICE_CRASH_RUNS", 100) as usize,
            kills: number("SLUICE_CRASH_KILLS", 4) as usize,
            every: Duration::from_millis(number("SLUICE_CRASH_EVERY_MS", 400)),
            step: Duration::from_millis(number("SLUICE_CRASH_STEP_MS", 20)),
            at_once: number("SLUICE_CRASH_AT_ONCE", 0) != 0,
            seed: number("SLUICE_CRASH_SEED", u64::from(std::process::id())),
        }
    }
}

#[test]
fn every_acknowledged_run_ends_once_and_exactly_through_kill_9() {
    let plan = Plan::from_environment();
    eprintln!("SLUICE_CRASH_SEED={}", plan.seed);
    let app = APP.replace("STEP_S", &plan.step.as_secs_f64().to_string());
    let folder = Folder::with(&[("app/app.py", &app)]);
    let server = Server::start(&folder);
    server.call(&folder, &["deploy", "app"]);
    let url = Mutex::new(server.url.clone());
    let starts = Starts { next: AtomicUsize::new(0), released: AtomicUsize::new(0), runs: plan.runs };
    let (mut server, in_flight) = std::thread::scope(|scope| {
        let starters: Vec<_> = (0..STARTERS).map(|_| scope.spawn(|| start_all(&url, &starts))).collect();
        let killed = kill_and_restart(&folder, server, &url, &plan, &starts);
        starters.into_iter().for_each(|starter| starter.join().unwrap());
        killed
    });
    assert!(in_flight > 0, "no run was in flight at any of {} kills", plan.kills);
    for n in 0..plan.runs {
        check(&server, n);
    }
    let listed = list_all(&server);
    assert_eq!(listed.len(), plan.runs);
    assert!(listed.values().all(|status| status == "succeeded"), "{listed:?}");
    // Once more, now that all have ended.
    server.kill();
    server = open(&folder);
    assert_eq!(list_all(&server), listed);
    check(&server, 0);
    server.stop();
}

/// The runs to start, released bit by bit, so that every kill meets some in flight.
struct Starts {
    next: AtomicUsize,
    released: AtomicUsize,
    runs: usize,
}

impl Starts {
    /// The number of the next run to start, once it may be; none when there are enough.
    fn next(&self) -> Option<usize> {
        let n = self.next.fetch_add(1, Ordering::SeqCst);
        while n < self.runs && n >= self.released.load(Ordering::SeqCst) {
            std::thread::sleep(PAUSE);
        }
        (n < self.runs).then_some(n)
    }
}

/// Starts runs until there are enough; each is tried until it is acknowledged.
fn start_all(url: &Mutex<String>, starts: &Starts) {
    while let Some(n) = starts.next() {
        let body = json!({"id": format!("r{n}"), "objects": {"items": {"a": n, "b": n + 1, "c": n + 2}}})
            .to_string();
        let acknowledged = (0..TRIES_MAX).any(|_| {
            let url = format!("{}/v1/apps/steps/runs", url.lock().unwrap());
            match tool::server::ask(&url, "POST", body.as_bytes()) {
                Ok(answer) if answer.status == 202 => return true,
                Ok(answer) => assert!(answer.status >= 500, "{answer:?}"),
                // It was killed; whether the start was taken is not known, so it is repeated with its id.
                Err(_) => {}
            }
            std::thread::sleep(PAUSE);
            false
        });
        assert!(acknowledged, "r{n} is never acknowledged");
    }
}

/// Kills the server at random points. The last one, and how many runs were in flight at the kills.
fn kill_and_restart(
    folder: &Folder,
    mut server: Server,
    url: &Mutex<String>,
    plan: &Plan,
    starts: &Starts,
) -> (Server, usize) {
    let (mut random, mut in_flight) = (plan.seed | 1, 0);
    for kill in 1..=plan.kills {
        let released = if plan.at_once { plan.runs } else { plan.runs * kill / (plan.kills + 1) };
        starts.released.store(released, Ordering::SeqCst);
        // xorshift64: any point in time will do, but the same ones for the same seed.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(plan.every.mul_f64((random >> 11) as f64 / (1u64 << 53) as f64));
        let running = server.ask("GET", "/v1/runs?status=running&limit=1000", b"").json(200);
        let running = running["runs"].as_array().unwrap().len();
        eprintln!("kill {kill} with {running} runs in flight");
        in_flight += running;
        server.kill();
        server = open(folder);
        url.lock().unwrap().clone_from(&server.url);
    }
    starts.released.store(plan.runs, Ordering::SeqCst);
    (server, in_flight)
}

/// Starts the server again, and says how long it took to recover.
fn open(folder: &Folder) -> Server {
    let began = Instant::now();
    let server = Server::start(folder);
    eprintln!("listening again after {:?}", began.elapsed());
    server
}

fn check(server: &Server, n: usize) {
    let run = server.ask("GET", &format!("/v1/runs/r{n}?wait=60s"), b"").json(200);
    let expected: Vec<usize> = (n..n + 3).map(|value| (value + 1) * 2).collect();
    assert_eq!(
        (&run["status"], &run["outputs"]),
        (&json!("succeeded"), &json!({ "total": expected })),
        "{run}"
    );
    for (function, calls) in run["functions"].as_array().unwrap().iter().zip([3, 3, 1]) {
        assert_eq!((&function["succeeded"], &function["failed"]), (&json!(calls), &json!(0)), "{run}");
    }
    let history = server.ask("GET", &format!("/v1/runs/r{n}/history?limit=1000"), b"").json(200);
    let events = history["events"].as_array().unwrap();
    let of_type = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    let puts: BTreeSet<_> =
        of_type("ObjectPut").iter().map(|e| (e["bucket"].to_string(), e["key"].to_string())).collect();
    assert_eq!(
        (puts.len(), of_type("ObjectPut").len()),
        (3 + 3 + 3 + 1, 10),
        "an object appears twice: {history}"
    );
    assert_eq!((of_type("InvocationCreated").len(), of_type("RunEnded").len()), (7, 1), "{history}");
}

/// The status of every run, by id.
fn list_all(server: &Server) -> BTreeMap<String, Value> {
    let (mut found, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = server.ask("GET", &format!("/v1/runs?app=steps&limit=100{cursor}"), b"").json(200);
        for run in page["runs"].as_array().unwrap() {
            let before = found.insert(run["run"].as_str().unwrap().to_owned(), run["status"].clone());
            assert!(before.is_none(), "{run} is listed twice");
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}
