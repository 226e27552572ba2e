//! The trigger program: what every front end lowers to and the engine executes.

use crate::dag::Dag;
use crate::event::EventPattern;
use crate::expr::Expr;
use crate::id::{BucketIx, FunctionIx, WorkflowIx};
use crate::limits;
use crate::{Code, Problem};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An app, lowered: names resolved to indices, every default filled in, checked for consistency.
///
/// Invariants (kept by `frontend::lower`, relied on by `engine`): bucket 0 is [`Program::INPUT`], bucket 1 is
/// [`Program::OUTPUT`]; every index is in range; names are unique per kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Name of the app.
    pub app: Arc<str>,
    /// What survives a crash.
    pub durability: Durability,
    /// The buckets; `input` and `output` come first.
    pub buckets: Vec<Bucket>,
    /// The functions.
    pub functions: Vec<Function>,
    /// The triggers.
    pub triggers: Vec<Trigger>,
    /// The workflows.
    pub workflows: Vec<Workflow>,
}

impl Program {
    /// The reserved bucket that holds a run's `input` object.
    pub const INPUT: BucketIx = BucketIx(0);
    /// The reserved bucket whose objects are a run's outputs.
    pub const OUTPUT: BucketIx = BucketIx(1);

    /// The bucket of that name.
    pub fn bucket(&self, name: &str) -> Option<BucketIx> {
        self.buckets.iter().position(|b| &*b.name == name).map(|i| BucketIx(i as u16))
    }

    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<FunctionIx> {
        self.functions.iter().position(|f| &*f.name == name).map(|i| FunctionIx(i as u16))
    }

    /// The workflow of that name.
    pub fn workflow(&self, name: &str) -> Option<WorkflowIx> {
        self.workflows.iter().position(|w| &*w.name == name).map(|i| WorkflowIx(i as u16))
    }

    /// The workflow of a run that names none: the only one of an app without triggers.
    ///
    /// # Errors
    /// [`Code::BAD_REQUEST`] if there are several.
    pub fn sole_workflow(&self) -> Result<Option<&Workflow>, Problem> {
        match &*self.workflows {
            _ if !self.triggers.is_empty() => Ok(None),
            [] => Ok(None),
            [only] => Ok(Some(only)),
            several => {
                let names: Vec<&str> = several.iter().map(|workflow| &*workflow.name).collect();
                let message = format!("app {:?} has several workflows: {}", &*self.app, names.join(", "));
                let fix = "name the one to start: `--start WORKFLOW`, `workflow` in a request";
                Err(Problem::new(Code::BAD_REQUEST, message, fix))
            }
        }
    }

    /// Whether a trigger takes objects while they are still being written: one by one, whatever they hold, for
    /// functions that all read them so.
    pub fn is_early(&self, trigger: &Trigger) -> bool {
        let streams = |action: &Action| match action {
            Action::Invoke(function) => self.functions[function.index()].streams,
            Action::Emit { .. } => false,
        };
        let (Condition::Each(from) | Condition::Name { from, .. }) = &trigger.condition else { return false };
        trigger.scope == Scope::Run
            && from.when.is_none()
            && !trigger.actions.is_empty()
            && trigger.actions.iter().all(streams)
    }

    /// Whether anything takes the objects of a bucket while they are still being written.
    pub fn is_streamed(&self, bucket: BucketIx) -> bool {
        let watches =
            |trigger: &&Trigger| trigger.condition.source().is_some_and(|from| from.bucket == bucket);
        self.triggers.iter().filter(watches).any(|trigger| self.is_early(trigger))
    }
}

/// A definition of steps that a run may be started with. As long as it is under way, the run's inputs are not all
/// there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workflow {
    /// Its name, and the key of its output in [`Program::OUTPUT`].
    pub name: Arc<str>,
    /// What it does.
    pub steps: Steps,
}

/// The notation of a workflow's steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Steps {
    /// A state machine in the Amazon States Language.
    States {
        /// The definition, checked when the program was lowered.
        definition: Arc<str>,
        /// Whether the limits that AWS documents for values and histories hold.
        aws_limits: bool,
    },
    /// Code in a worker.
    Code {
        /// The function whose calls are its turns.
        function: FunctionIx,
    },
    /// Tasks that wait for one another.
    Dag(Arc<Dag>),
}

/// What a crash leaves of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Every accepted input, completion and timer is on disk before its consequences are visible.
    #[default]
    Durable,
    /// Start and end are on disk, hops are not; after a crash the run starts again from its inputs.
    Express,
}

/// A named container of objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its name.
    pub name: Arc<str>,
    /// Whether intermediates stay until the run is deleted, instead of until their last use.
    pub keep: bool,
}

/// Code, and how to run it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its name.
    pub name: Arc<str>,
    /// What executes it.
    pub runtime: Runtime,
    /// Buckets it may put to, the first being where return values go. [`Program::OUTPUT`] is always allowed.
    pub into: Vec<BucketIx>,
    /// Longest time of one attempt, in milliseconds.
    pub timeout_ms: u64,
    /// What happens after a failed attempt.
    pub retry: RetryPolicy,
    /// When its puts become visible.
    pub visibility: Visibility,
    /// Whether it reads objects while they are still being written, and so is started when they are opened.
    pub streams: bool,
    /// cpu and memory.
    pub resources: Resources,
    /// Whether it may open network connections.
    pub network: Network,
    /// Extra environment variables.
    pub env: BTreeMap<String, String>,
    /// Most attempts that run at once; 0 means no limit of its own.
    pub concurrency: u32,
    /// Sandboxes kept warm even when idle.
    pub warm: u32,
}

impl Function {
    /// A function with every default, for tests and front ends to start from.
    pub fn new(name: &str, runtime: Runtime) -> Self {
        Self {
            name: name.into(),
            runtime,
            into: Vec::new(),
            timeout_ms: limits::TIMEOUT_MS_DEFAULT,
            retry: RetryPolicy::default(),
            visibility: Visibility::default(),
            streams: false,
            resources: Resources::default(),
            network: Network::default(),
            env: BTreeMap::new(),
            concurrency: 0,
            warm: 0,
        }
    }

    /// Whether its calls are turns of a workflow.
    pub fn takes_turns(&self) -> bool {
        matches!(self.runtime, Runtime::Workflow { .. })
    }

    /// The workflow that its attempts are runs of.
    pub fn workflow(&self) -> Option<&str> {
        match &self.runtime {
            Runtime::Run { workflow } => Some(workflow),
            _ => None,
        }
    }

    /// Where return values go.
    pub fn returns_into(&self) -> BucketIx {
        self.into.first().copied().unwrap_or(Program::OUTPUT)
    }
}

/// What executes a function. Paths are relative to the app's bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// A Python function in a warm worker: `module` is a file of the bundle, `name` the function in it.
    Python {
        /// File of the bundle, for example `app.py`.
        module: String,
        /// Qualified name of the function, for example `count`.
        name: String,
    },
    /// Any program, started per attempt. `{input}` and `{output}` in an argument stand for file paths; without
    /// them the object is on stdin and the result on stdout.
    Exec {
        /// Program and arguments.
        command: Vec<String>,
    },
    /// A WebAssembly module or component.
    Wasm {
        /// File of the bundle, `.wasm` or `.wat`.
        module: String,
        /// A fresh instance for each invocation instead of a reused one.
        fresh: bool,
    },
    /// A native program that speaks the worker protocol itself and stays warm.
    Process {
        /// Program and arguments; see also [`Runtime::OWN_PROGRAM`].
        command: Vec<String>,
    },
    /// A function in AWS Lambda's calling convention, in a warm worker.
    Lambda {
        /// `MODULE.FUNCTION` of the bundle; what it means to a `bootstrap` is up to that.
        handler: String,
        /// Whether the bundle brings its own runtime, the program `bootstrap`, instead of Python code.
        provided: bool,
    },
    /// The code of a workflow in Python, in a warm worker of its own: a call is a turn (see the crate `flow`).
    Workflow {
        /// File of the bundle, for example `app.py`.
        module: String,
        /// Qualified name of the function, for example `order`.
        name: String,
    },
    /// A workflow of the app: an attempt is a run of it, which what the function is called with is the input of, and whose
    /// output it returns.
    Run {
        /// Its name.
        workflow: String,
    },
}

impl Runtime {
    /// Stands for the program that runs the node, as the first word of a `Process`: its worker is part of it. Such workers
    /// only read what they are called with and return something, so they may run before their cause is durable. Front
    /// ends alone write it.
    pub const OWN_PROGRAM: &str = "{sluice}";
}

/// What happens after a failed attempt: exponential backoff with optional full jitter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Delay before the second attempt, in milliseconds.
    pub initial_ms: u64,
    /// Factor from one delay to the next, in thousandths (2000 = doubling).
    pub backoff_permille: u32,
    /// Longest delay, in milliseconds.
    pub max_ms: u64,
    /// Whether the delay is drawn from 0..=delay instead of being the delay.
    pub jitter: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: limits::ATTEMPTS_DEFAULT,
            initial_ms: 100,
            backoff_permille: 2000,
            max_ms: 30_000,
            jitter: true,
        }
    }
}

/// When puts become visible to triggers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// At once.
    #[default]
    Put,
    /// When the attempt succeeds.
    Commit,
}

/// Allocation of one sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// cpu, in thousandths of a core; 0 means no limit.
    pub cpu_millis: u32,
}

impl Default for Resources {
    fn default() -> Self {
        Self { memory_bytes: limits::MEMORY_BYTES_DEFAULT, cpu_millis: 0 }
    }
}

/// Whether a sandbox sees the host's network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The host's network.
    #[default]
    Host,
    /// No network but an unconnected loopback of its own.
    None,
}

/// Condition and actions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Its name: unique, and by default the name of the function it starts.
    pub name: Arc<str>,
    /// Whose objects and events it sees.
    pub scope: Scope,
    /// When it fires.
    pub condition: Condition,
    /// What happens then.
    pub actions: Vec<Action>,
    /// Whether an incomplete `set` or `first` at closing is ignored instead of failing the run.
    pub optional: bool,
}

/// Whose objects and events a trigger sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Those of one run; every run has its own condition state.
    #[default]
    Run,
    /// Those of all runs; each firing starts a new run.
    App,
}

/// A bucket as a condition watches it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The bucket.
    pub bucket: BucketIx,
    /// Objects for which this does not hold are not seen.
    pub when: Option<Expr>,
}

/// When a trigger fires; see semantics in `engine`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// For every object.
    Each(Source),
    /// For every object whose key matches the glob.
    Name {
        /// The bucket watched.
        from: Source,
        /// `*` any run of characters but `/`, `**` any, `?` one, `[…]` a class, `{a,b}` alternatives.
        glob: Arc<str>,
    },
    /// Once, when an object of every key has arrived.
    Set {
        /// The bucket watched.
        from: Source,
        /// The keys, in the order of the list passed.
        keys: Vec<Arc<str>>,
    },
    /// For every `n` objects, or fewer after `within_ms`.
    Batch {
        /// The bucket watched.
        from: Source,
        /// Objects in a batch.
        n: u32,
        /// Longest wait of the first object of a batch, in milliseconds.
        within_ms: Option<u64>,
    },
    /// For the objects that arrived within a stretch of time, every `slide_ms`.
    Window {
        /// The bucket watched.
        from: Source,
        /// Length, in milliseconds.
        size_ms: u64,
        /// Distance from one start to the next, in milliseconds; the length for tumbling windows.
        slide_ms: u64,
        /// Separate windows per value of this text.
        by: Option<Expr>,
    },
    /// Once `k` of `n` objects have arrived.
    First {
        /// The bucket watched.
        from: Source,
        /// Objects passed.
        k: u32,
        /// Objects expected.
        n: u32,
    },
    /// Once, when every invocation of `of` is done, with all the objects it put to the bucket.
    Join {
        /// The bucket watched.
        from: Source,
        /// The function waited for.
        of: FunctionIx,
    },
    /// As `Join`, but one call per group.
    Group {
        /// The bucket watched.
        from: Source,
        /// The function waited for.
        of: FunctionIx,
        /// The group of an object, when not the one it was put with.
        by: Option<Expr>,
    },
    /// For every matching event.
    Event(EventPattern),
    /// At points in time.
    Cron {
        /// Five or six fields.
        expr: Arc<str>,
        /// IANA time zone.
        tz: Arc<str>,
    },
    /// Once, when each has fired, with the objects of all in this order.
    All(Vec<Condition>),
    /// Whenever one of them fires.
    Any(Vec<Condition>),
    /// For several matching events together, as a list in the order of their arrival.
    Events {
        /// The events watched.
        from: EventPattern,
        /// Which of them belong together.
        gathering: Gathering,
    },
}

/// Which events are passed on together; each is the condition on objects of its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gathering {
    /// Every `n`, or fewer after `within_ms`.
    Batch {
        /// Events in a batch.
        n: u32,
        /// Longest wait of the first event of a batch, in milliseconds.
        within_ms: Option<u64>,
    },
    /// Those that arrived within a stretch of time, every `slide_ms`.
    Window {
        /// Length, in milliseconds.
        size_ms: u64,
        /// Distance from one start to the next, in milliseconds.
        slide_ms: u64,
        /// Separate windows per value of this text.
        by: Option<Expr>,
    },
    /// Once `k` of `n` have arrived.
    First {
        /// Events passed.
        k: u32,
        /// Events expected.
        n: u32,
    },
}

impl Condition {
    /// The bucket that a leaf watches; `None` for events, cron and combinations.
    pub fn source(&self) -> Option<&Source> {
        match self {
            Self::Each(from)
            | Self::Name { from, .. }
            | Self::Set { from, .. }
            | Self::Batch { from, .. }
            | Self::Window { from, .. }
            | Self::First { from, .. }
            | Self::Join { from, .. }
            | Self::Group { from, .. } => Some(from),
            Self::Event(_) | Self::Events { .. } | Self::Cron { .. } | Self::All(_) | Self::Any(_) => None,
        }
    }

    /// The pattern of a leaf that listens to events.
    pub fn pattern(&self) -> Option<&EventPattern> {
        match self {
            Self::Event(pattern) | Self::Events { from: pattern, .. } => Some(pattern),
            _ => None,
        }
    }

    /// Visits the leaves, from left to right.
    pub fn each_leaf<'a>(&'a self, visit: &mut dyn FnMut(&'a Condition)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.each_leaf(visit)),
            leaf => visit(leaf),
        }
    }

    /// Whether a leaf listens to events.
    pub fn has_event(&self) -> bool {
        let mut found = false;
        self.each_leaf(&mut |leaf| found |= leaf.pattern().is_some());
        found
    }
}

/// What a firing does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Call a function with what the condition collected.
    Invoke(FunctionIx),
    /// Emit an event whose data lists the keys that the condition collected.
    Emit {
        /// CloudEvents `type`.
        r#type: Arc<str>,
        /// CloudEvents `subject`.
        subject: Option<Arc<str>>,
    },
}
