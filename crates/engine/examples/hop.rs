//! What one step of the engine costs: `cargo run --release -p sluice-engine --example hop`.

use bytes::Bytes;
use sluice_engine::{Effect, Engine, Input, InputKind, Origin, Start};
use sluice_sim::{Recipe, eval::Plain};
use sluice_types::{
    AppKey, Attempt, ContentType, InvocationId, Lsn, Object, Outcome, Payload, Program, Put, RunKey, Version,
};
use std::sync::Arc;
use std::time::Instant;

const APP: AppKey = AppKey(1);
/// Hops of one run; a new run starts a batch.
const CHAIN: usize = 1_000;
const BATCHES: usize = 400;

fn main() {
    parked();
    println!("express hop        {:>8.0} ns (p50 of batches)", hop(chain(Recipe::new("hop").express())));
    println!("durable hop        {:>8.0} ns (p50 of batches)", hop(chain(Recipe::new("hop"))));
    println!("start of a run     {:>8.0} ns, one object, one invocation", start_of_a_run());
    for objects in [1_000, 10_000, 100_000] {
        println!("join of {objects:<10} {:>8.0} ns per object", join(objects));
    }
}

/// A function that feeds itself: every hop is a completion with one put that causes the next invocation.
fn chain(recipe: Recipe) -> Arc<Program> {
    recipe.function("next", &["link"]).on(|c| c.each("link"), "next").build()
}

struct Driver {
    engine: Engine,
    lsn: u64,
    effects: Vec<Effect>,
}

impl Driver {
    fn new(program: Arc<Program>) -> Self {
        let mut driver = Self { engine: Engine::new(Box::new(Plain)), lsn: 0, effects: Vec::new() };
        let (version, bundle, reset_triggers) = (Version(1), 0, Vec::new());
        driver.apply(InputKind::Deploy(Box::new(sluice_engine::Deploy {
            app: APP,
            version,
            program,
            bundle,
            reset_triggers,
        })));
        driver
    }

    fn apply(&mut self, kind: InputKind) {
        self.lsn += 1;
        self.effects.clear();
        self.engine.apply(Lsn(self.lsn), Input { now_ms: self.lsn, kind }, &mut self.effects);
    }

    fn start(&mut self, run: u64, objects: Vec<Object>, seal: bool) {
        self.apply(InputKind::Start(Box::new(Start {
            run: RunKey(run),
            namespace: "default".into(),
            id: format!("run_{run:026}").into(),
            app: APP,
            version: Version(1),
            objects,
            events: Vec::new(),
            seal,
            request: u128::from(run) << 64,
            seed: run,
            incarnation: 0,
            origin: Origin::Client,
            workflow: None,
        })));
    }
}

fn object(bucket: u16, key: &str) -> Object {
    Object {
        bucket: sluice_types::BucketIx(bucket),
        key: key.into(),
        content_type: ContentType::Bytes,
        payload: Payload::Inline(Bytes::from_static(&[7; 64])),
        group: None,
        meta: None,
    }
}

fn completion(run: u64, seq: u32, bucket: u16, key: Arc<str>) -> InputKind {
    let payload = Payload::Inline(Bytes::from(vec![7; 64]));
    let bucket = sluice_types::BucketIx(bucket);
    let put = Put { bucket, key, content_type: ContentType::Bytes, payload, group: None, meta: None };
    let outcome =
        Outcome::Succeeded { puts: [Box::new(put)].into_iter().collect(), value: None, emits: Vec::new() };
    InputKind::Completed { invocation: InvocationId { run: RunKey(run), seq }, attempt: Attempt(1), outcome }
}

fn hop(program: Arc<Program>) -> f64 {
    let mut driver = Driver::new(program);
    let mut batches: Vec<f64> = Vec::new();
    for run in 1..=BATCHES as u64 {
        driver.start(run, vec![object(2, "0")], true);
        let inputs: Vec<InputKind> =
            (0..CHAIN).map(|seq| completion(run, seq as u32, 2, format!("key-{seq}").into())).collect();
        let began = Instant::now();
        for input in inputs {
            driver.apply(input);
        }
        batches.push(began.elapsed().as_nanos() as f64 / CHAIN as f64);
        assert!(matches!(driver.effects[..], [Effect::Invoke(_)]), "a hop is one invocation");
        driver.apply(InputKind::Cancel { run: RunKey(run), reason: String::new(), acknowledges: None });
        driver.apply(InputKind::Forget { run: RunKey(run) });
    }
    batches.sort_by(f64::total_cmp);
    batches[batches.len() / 2]
}

fn start_of_a_run() -> f64 {
    let mut driver = Driver::new(chain(Recipe::new("start")));
    let runs = 100_000;
    let began = Instant::now();
    for run in 1..=runs {
        driver.start(run, vec![object(2, "0")], true);
    }
    began.elapsed().as_nanos() as f64 / runs as f64
}

fn join(objects: usize) -> f64 {
    let recipe = Recipe::new("join").function("map", &["parts"]).on(|c| c.each("texts"), "map");
    let mut driver =
        Driver::new(recipe.function("total", &[]).on(|c| c.join("parts", "map"), "total").build());
    let keys: Vec<String> = (0..objects).map(|n| format!("key-{n}")).collect();
    let inputs = keys.iter().map(|key| object(3, key)).collect();
    let began = Instant::now();
    driver.start(1, inputs, true);
    for (seq, key) in keys.iter().enumerate() {
        driver.apply(completion(1, seq as u32, 2, key.as_str().into()));
    }
    let elapsed = began.elapsed().as_nanos() as f64 / objects as f64;
    let last = driver.effects.iter().find_map(|effect| match effect {
        Effect::Invoke(invocation) => Some(invocation.arguments.objects().len()),
        _ => None,
    });
    assert_eq!(last, Some(objects), "the join has everything");
    elapsed
}

/// Runs that wait for an event: their size in the store, the cost of writing one, and what stays in memory.
fn parked() {
    let recipe = Recipe::new("wait").function("resume", &[]).on(|c| c.event("go"), "resume");
    let recipe = recipe.function("late", &[]).on(|c| c.batch("todo", 10, Some(1_000_000_000)), "late");
    let mut driver = Driver::new(recipe.build());
    let runs = 1_000_000;
    let (mut bytes, mut saving) = (0, 0.0);
    let before = resident_bytes();
    for run in 1..=runs {
        driver.start(run, vec![object(2, "0")], false);
        driver.engine.take_dirty();
        let began = Instant::now();
        bytes = driver.engine.save_run(RunKey(run)).map_or(0, |blob| blob.len());
        saving += began.elapsed().as_nanos() as f64;
        assert!(driver.engine.evict(RunKey(run)), "a waiting run is idle");
    }
    println!("saved waiting run  {bytes:>8} bytes with one object of 64 bytes");
    println!("save_run           {:>8.0} ns", saving / runs as f64);
    let stays = (resident_bytes() - before) / runs as i64;
    println!("evicted run        {stays:>8} bytes stay (a timer and a subscription), of {runs} runs");
}

fn resident_bytes() -> i64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<i64>().ok());
    pages.unwrap_or(0) * 4096
}
