//! Random programs of every condition, with inputs, whose functions say in their names what they do.
//!
//! Every bucket has one producer, a client or a function, and functions make their keys from the keys that they get: so
//! keys never collide, and what a program computes does not depend on the order in which it happens to run, but for
//! which objects end up in which batch, window or first.

use crate::behaviour::{Call, Reaction};
use crate::code::plan::{TELLER, TOLD};
use crate::recipe::{Conditions, Recipe};
use crate::rng::Rng;
use sluice_types::{Condition, FailureKind, Program, RetryPolicy};
use std::sync::Arc;

/// A program and what to start it with.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program.
    pub program: Arc<Program>,
    /// Bucket, key, text.
    pub inputs: Vec<(String, String, String)>,
    /// Whether it holds windows, or batches that wait.
    pub timed: bool,
}

/// What to leave out or to put in.
#[derive(Clone, Copy, Debug)]
pub struct Taste {
    /// Whether conditions may depend on time.
    pub timed: bool,
    /// Whether all buckets keep their objects, which also means that no straggler is cancelled.
    pub keep: bool,
    /// Functions that fail for good, in a thousand.
    pub failing: u32,
    /// App-scoped triggers, in a thousand.
    pub app_scoped: u32,
    /// Functions that read objects while they are written, in a thousand.
    pub streaming: u32,
}

/// Makes a plan.
pub fn plan(rng: &mut Rng, taste: Taste) -> Plan {
    let mut growing = Growing {
        recipe: Recipe::new("random"),
        buckets: vec!["s0".into(), "s1".into()],
        makers: Vec::new(),
    };
    if rng.chance(200) {
        growing.looping();
    }
    for number in 0..rng.between(1, 6) {
        growing.grow(rng, taste, number);
    }
    let mut program = (*growing.recipe.build()).clone();
    program.functions.iter_mut().for_each(|function| function.streams = rng.chance(taste.streaming));
    program.buckets.iter_mut().for_each(|bucket| bucket.keep = taste.keep);
    let mut inputs = Vec::new();
    for bucket in ["s0", "s1", "loop"].into_iter().filter(|name| program.bucket(name).is_some()) {
        for number in 0..rng.below(6) {
            inputs.push((bucket.to_owned(), format!("{bucket}-{number}"), format!("text {number}")));
        }
    }
    let timed = program.triggers.iter().any(|trigger| is_timed(&trigger.condition));
    Plan { program: Arc::new(program), inputs, timed }
}

fn is_timed(condition: &Condition) -> bool {
    let mut timed = false;
    condition.each_leaf(&mut |leaf| {
        timed |= matches!(leaf, Condition::Window { .. } | Condition::Batch { within_ms: Some(_), .. });
    });
    timed
}

/// What every function of a random program does, by the beginning of its name.
pub fn react(call: &Call) -> Reaction {
    let puts_into = format!("of-{}", call.function);
    let kind = call.function.split('-').next().unwrap_or_default();
    match kind {
        "task" if call.function == TELLER => crate::states::tasks::react(call).emit(TOLD),
        "task" => crate::states::tasks::react(call),
        "fan" => Reaction::value(format!("{}.", call.text()))
            .put_in(&puts_into, &format!("{}/{}x", call.key(), call.function), "x", "left")
            .put(&puts_into, &format!("{}/{}y", call.key(), call.function), "y"),
        "late" => Reaction::value(format!("{}.", call.text())).put_late(
            &puts_into,
            &format!("{}/{}z", call.key(), call.function),
            "z",
        ),
        "fail" if call.keys().contains("-2") => Reaction::fail(FailureKind::Unserialisable),
        "pass" | "fail" => Reaction::value(format!("{}!", call.text())),
        "tell" => Reaction::value(format!("{}.", call.text())).emit("told"),
        "list" => Reaction::value(format!("{} objects", call.objects.len())),
        "loop" if !call.key().ends_with("+++") => {
            Reaction::nothing().put("loop", &format!("{}+", call.key()), "again")
        }
        _ => Reaction::nothing(),
    }
}

/// As [`react`], and functions that get one object also put its text to `output`, under a key of their own.
pub fn react_with_outputs(call: &Call) -> Reaction {
    let reaction = react(call);
    let is_task = call.function.starts_with("task");
    match call.single && !is_task && reaction.fails.is_none() && reaction.value.is_some() {
        true => reaction.put_late("output", &format!("{}/{}", call.function, call.key()), call.text()),
        false => reaction,
    }
}

/// Three attempts, at once or later.
fn retry(rng: &mut Rng) -> RetryPolicy {
    RetryPolicy {
        attempts: 3,
        initial_ms: *rng.pick(&[0, 0, 10, 200]),
        backoff_permille: 2000,
        max_ms: 1000,
        jitter: rng.chance(500),
    }
}

struct Growing {
    recipe: Recipe,
    /// Buckets that exist so far.
    buckets: Vec<String>,
    /// Functions with a bucket of their own.
    makers: Vec<String>,
}

impl Growing {
    fn take(&mut self, grow: impl FnOnce(Recipe) -> Recipe) {
        let recipe = std::mem::replace(&mut self.recipe, Recipe::new(""));
        self.recipe = grow(recipe);
    }

    /// A function that feeds its own bucket for a while.
    fn looping(&mut self) {
        self.take(|recipe| recipe.function("loop-0", &["loop"]).attempts(3).on(|c| c.each("loop"), "loop-0"));
        self.buckets.push("loop".into());
    }

    /// One more function with its trigger.
    fn grow(&mut self, rng: &mut Rng, taste: Taste, number: usize) {
        let from = rng.pick(&self.buckets).clone();
        let choice = rng.below(if taste.timed { 14 } else { 12 });
        let kind = match choice {
            0..=3 if rng.chance(taste.failing) => "fail",
            0..=3 => *rng.pick(&["pass", "fan", "late", "tell"]),
            9 | 10 => "sink",
            _ => "list",
        };
        let name = format!("{kind}-{number}");
        let bucket = format!("of-{name}");
        let (n, k) = (rng.between(1, 4) as u32, rng.between(1, 3) as u32);
        let maker = (!self.makers.is_empty()).then(|| rng.pick(&self.makers).clone());
        let other = rng.pick(&self.buckets).clone();
        let app_scoped = rng.chance(taste.app_scoped) && choice != 4 && choice != 5;
        let retry = retry(rng);
        let condition = |c: &mut Conditions<'_>| match (choice, maker) {
            (0..=2, _) => c.each(&from),
            (3, _) => c.name(&from, "*-[0-3]*"),
            (4, Some(of)) => c.join(&format!("of-{of}"), &of),
            (5, Some(of)) => c.group(&format!("of-{of}"), &of, (n > 2).then_some("prefix")),
            (6, _) => c.set(&from, &["s0-0", "s0-1"][..k.min(2) as usize]),
            (7, _) => c.batch(&from, n, None),
            (8, _) => c.first(&from, k, k + n - 1),
            (9, _) => c.event("told"),
            (10, _) => Condition::Any(vec![c.each(&from), c.batch(&other, n, None)]),
            (11, _) => Condition::All(vec![c.first(&from, k, k), c.batch(&other, n, None)]),
            (12, _) => c.window(&from, 40, if n > 2 { 20 } else { 40 }, (k > 2).then_some("prefix")),
            (13, _) => c.batch(&from, n, Some(10)),
            _ => c.batch(&from, n, None),
        };
        self.take(|recipe| {
            let recipe = recipe.function(&name, &[&bucket]).retries(retry);
            match app_scoped {
                true => recipe.on_app(condition, &name),
                false => recipe.on(condition, &name),
            }
        });
        if rng.chance(600) && matches!(choice, 4 | 5 | 6 | 8 | 11) {
            self.take(Recipe::optional);
        }
        // What waits for events holds the run open until there are some.
        if kind != "sink" {
            self.buckets.push(bucket);
            self.makers.push(name);
        }
    }
}
