//! A builder of trigger programs that reads like the Python API.

use sluice_types::{
    Action, Bucket, BucketIx, Condition, Durability, EventPattern, Expr, Function, Gathering, Program,
    RetryPolicy, Runtime, Scope, Source, Steps, Trigger, Visibility, Workflow,
};
use std::sync::Arc;

/// A program in the making. Buckets come into being when they are named.
#[derive(Clone, Debug)]
pub struct Recipe(Program);

impl Recipe {
    /// An app with nothing but its reserved buckets.
    pub fn new(app: &str) -> Self {
        let bucket = |name: &str| Bucket { name: name.into(), keep: false };
        Self(Program {
            app: app.into(),
            durability: Durability::Durable,
            buckets: vec![bucket("input"), bucket("output")],
            functions: Vec::new(),
            triggers: Vec::new(),
            workflows: Vec::new(),
        })
    }

    /// Leaves hops out of the log.
    pub fn express(mut self) -> Self {
        self.0.durability = Durability::Express;
        self
    }

    fn bucket(&mut self, name: &str) -> BucketIx {
        self.0.bucket(name).unwrap_or_else(|| {
            self.0.buckets.push(Bucket { name: name.into(), keep: false });
            BucketIx(self.0.buckets.len() as u16 - 1)
        })
    }

    /// A bucket whose objects stay as long as the run.
    pub fn keep(mut self, name: &str) -> Self {
        let bucket = self.bucket(name);
        self.0.buckets[bucket.index()].keep = true;
        self
    }

    /// A function that may put to these buckets; no retries unless `retries` says so.
    pub fn function(mut self, name: &str, into: &[&str]) -> Self {
        let runtime = Runtime::Process { command: vec![name.into()] };
        let retry = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
        let into = into.iter().map(|bucket| self.bucket(bucket)).collect();
        self.0.functions.push(Function { into, retry, ..Function::new(name, runtime) });
        self
    }

    /// A function that is a workflow: a state machine of one state, which calls the function `of` with what it was called with.
    pub fn workflow(mut self, name: &str, of: &str, into: &[&str]) -> Self {
        self = self.function(name, into);
        self.last_function().runtime = Runtime::Run { workflow: name.into() };
        let task = format!(r#"{{"Type": "Task", "Resource": "{of}", "End": true}}"#);
        let definition = format!(r#"{{"StartAt": "Call", "States": {{"Call": {task}}}}}"#).into();
        let steps = Steps::States { definition, aws_limits: false };
        self.0.workflows.push(Workflow { name: name.into(), steps });
        self
    }

    fn last_function(&mut self) -> &mut Function {
        self.0.functions.last_mut().expect("a function was declared before")
    }

    /// Retries of the function declared last.
    pub fn retries(mut self, retry: RetryPolicy) -> Self {
        self.last_function().retry = retry;
        self
    }

    /// Attempts of the function declared last, without delay.
    pub fn attempts(self, attempts: u32) -> Self {
        self.retries(RetryPolicy {
            attempts,
            initial_ms: 0,
            backoff_permille: 1000,
            max_ms: 0,
            jitter: false,
        })
    }

    /// The function declared last puts nothing before it succeeds.
    pub fn commits(mut self) -> Self {
        self.last_function().visibility = Visibility::Commit;
        self
    }

    /// The function declared last reads objects while they are written.
    pub fn streams(mut self) -> Self {
        self.last_function().streams = true;
        self
    }

    /// A run-scoped trigger, named like the function that it calls.
    pub fn on(self, condition: impl FnOnce(&mut Conditions<'_>) -> Condition, function: &str) -> Self {
        self.trigger(Scope::Run, condition, function)
    }

    /// An app-scoped trigger.
    pub fn on_app(self, condition: impl FnOnce(&mut Conditions<'_>) -> Condition, function: &str) -> Self {
        self.trigger(Scope::App, condition, function)
    }

    fn trigger(
        mut self,
        scope: Scope,
        condition: impl FnOnce(&mut Conditions<'_>) -> Condition,
        function: &str,
    ) -> Self {
        let condition = condition(&mut Conditions(&mut self));
        let target = self.0.function(function).expect("the function is declared before its trigger");
        let actions = vec![Action::Invoke(target)];
        self.0.triggers.push(Trigger { name: function.into(), scope, condition, actions, optional: false });
        self
    }

    /// A run-scoped trigger that emits an event.
    pub fn emit(mut self, condition: impl FnOnce(&mut Conditions<'_>) -> Condition, r#type: &str) -> Self {
        let condition = condition(&mut Conditions(&mut self));
        let actions = vec![Action::Emit { r#type: r#type.into(), subject: None }];
        let name = format!("emit {type}").into();
        self.0.triggers.push(Trigger { name, scope: Scope::Run, condition, actions, optional: false });
        self
    }

    /// The trigger declared last may stay incomplete.
    pub fn optional(mut self) -> Self {
        self.0.triggers.last_mut().expect("a trigger was declared before").optional = true;
        self
    }

    /// The program.
    pub fn build(self) -> Arc<Program> {
        Arc::new(self.0)
    }
}

/// Makers of conditions; they declare the buckets that they name.
pub struct Conditions<'a>(&'a mut Recipe);

impl Conditions<'_> {
    /// A bucket to watch.
    pub fn from(&mut self, bucket: &str) -> Source {
        Source { bucket: self.0.bucket(bucket), when: None }
    }

    /// A bucket of which only some objects are seen.
    pub fn when(&mut self, bucket: &str, expr: &str) -> Source {
        Source { bucket: self.0.bucket(bucket), when: Some(Expr(expr.into())) }
    }

    /// For every object.
    pub fn each(&mut self, bucket: &str) -> Condition {
        Condition::Each(self.from(bucket))
    }

    /// For every object whose key matches.
    pub fn name(&mut self, bucket: &str, glob: &str) -> Condition {
        Condition::Name { from: self.from(bucket), glob: glob.into() }
    }

    /// Once, with these keys.
    pub fn set(&mut self, bucket: &str, keys: &[&str]) -> Condition {
        Condition::Set { from: self.from(bucket), keys: keys.iter().map(|key| (*key).into()).collect() }
    }

    /// For every `n` objects.
    pub fn batch(&mut self, bucket: &str, n: u32, within_ms: Option<u64>) -> Condition {
        Condition::Batch { from: self.from(bucket), n, within_ms }
    }

    /// For stretches of time.
    pub fn window(&mut self, bucket: &str, size_ms: u64, slide_ms: u64, by: Option<&str>) -> Condition {
        Condition::Window { from: self.from(bucket), size_ms, slide_ms, by: by.map(|by| Expr(by.into())) }
    }

    /// Once k of n have arrived.
    pub fn first(&mut self, bucket: &str, k: u32, n: u32) -> Condition {
        Condition::First { from: self.from(bucket), k, n }
    }

    /// Once, when `of` is done.
    pub fn join(&mut self, bucket: &str, of: &str) -> Condition {
        let of = self.0.0.function(of).expect("the function is declared before its join");
        Condition::Join { from: self.from(bucket), of }
    }

    /// Once per group, when `of` is done.
    pub fn group(&mut self, bucket: &str, of: &str, by: Option<&str>) -> Condition {
        let of = self.0.0.function(of).expect("the function is declared before its group");
        Condition::Group { from: self.from(bucket), of, by: by.map(|by| Expr(by.into())) }
    }

    /// For every event of a type, which may hold `*`.
    pub fn event(&mut self, r#type: &str) -> Condition {
        Condition::Event(EventPattern { r#type: Some(r#type.into()), ..EventPattern::default() })
    }

    /// For several events of a type together.
    pub fn events(&mut self, r#type: &str, gathering: Gathering) -> Condition {
        let from = EventPattern { r#type: Some(r#type.into()), ..EventPattern::default() };
        Condition::Events { from, gathering }
    }

    /// At points in time.
    pub fn cron(&mut self, expr: &str) -> Condition {
        Condition::Cron { expr: expr.into(), tz: "UTC".into() }
    }
}
