//! An app version as the pool sees it: which functions can share a worker, and who waits for one.

use crate::event::RunInfo;
use crate::limits::SHORT_CALL;
use crate::queue::Queue;
use sluice_types::{FunctionIx, Invocation, Network, Program, Resources, Runtime};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a worker is started with. Functions of the same class share workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub kind: ClassKind,
    pub base: Base,
    pub resources: Resources,
    pub functions: Vec<FunctionIx>,
    /// Workers without a call, the one that ran last at the end.
    pub idle: Vec<u32>,
    /// Workers being started.
    pub starting: usize,
}

/// How a class executes its functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClassKind {
    Python,
    /// The workers of a workflow: one, which has everything of it that is warm.
    Workflow(FunctionIx),
    Process(Vec<String>),
    Exec(Vec<String>),
}

/// What Python workers share with their zygote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Base {
    pub isolated_network: bool,
    pub env: BTreeMap<String, String>,
}

impl Base {
    pub fn network(&self) -> Network {
        if self.isolated_network { Network::None } else { Network::Host }
    }
}

impl ClassKind {
    /// Whether its one worker takes the turns of a workflow.
    pub fn is_workflow(&self) -> bool {
        matches!(self, Self::Workflow(_))
    }

    /// Whether its workers are forked from a zygote.
    pub fn is_python(&self) -> bool {
        matches!(self, Self::Python | Self::Workflow(_))
    }
}

#[derive(Debug)]
pub(crate) struct App {
    pub program: Arc<Program>,
    pub bundle: PathBuf,
    pub classes: Vec<Class>,
    /// Class of each function; `None` for those that no process runs.
    pub class_of: Vec<Option<usize>>,
    /// Attempts of each function that run now.
    pub running: Vec<u32>,
    /// How long a call of each function takes, on average over about eight, each counted as [`SHORT_CALL`] at most.
    pub took: Vec<Duration>,
    pub queue: Queue,
    /// Invocations whose input is still being written, and that start when it is closed.
    pub held_back: Vec<(Invocation, RunInfo)>,
    /// Zygotes by what they were started with.
    pub zygotes: BTreeMap<Base, u32>,
    /// Whether the app waits for its turn.
    pub in_turn: bool,
}

impl App {
    pub fn new(program: Arc<Program>, bundle: PathBuf) -> Self {
        let mut classes: Vec<Class> = Vec::new();
        let mut class_of = Vec::with_capacity(program.functions.len());
        for (index, function) in program.functions.iter().enumerate() {
            let kind = match &function.runtime {
                Runtime::Python { .. } | Runtime::Lambda { .. } => ClassKind::Python,
                Runtime::Workflow { .. } => ClassKind::Workflow(FunctionIx(index as u16)),
                Runtime::Process { command } => ClassKind::Process(command.clone()),
                Runtime::Exec { command } => ClassKind::Exec(command.clone()),
                Runtime::Wasm { .. } | Runtime::Run { .. } => {
                    class_of.push(None);
                    continue;
                }
            };
            let base =
                Base { isolated_network: function.network == Network::None, env: function.env.clone() };
            let resources = function.resources.clone();
            let same =
                |class: &Class| class.kind == kind && class.base == base && class.resources == resources;
            let class = classes.iter().position(same).unwrap_or_else(|| {
                let (functions, idle) = (Vec::new(), Vec::new());
                let (kind, starting) = (kind.clone(), 0);
                classes.push(Class { kind, base, resources, functions, idle, starting });
                classes.len() - 1
            });
            classes[class].functions.push(FunctionIx(index as u16));
            class_of.push(Some(class));
        }
        let functions = program.functions.len();
        let (running, took, queue) = (vec![0; functions], vec![SHORT_CALL; functions], Queue::new(functions));
        let zygotes = BTreeMap::new();
        let held_back = Vec::new();
        Self { program, bundle, classes, class_of, running, took, queue, held_back, zygotes, in_turn: false }
    }

    /// Whether its functions expect what AWS Lambda gives to functions.
    pub fn is_lambda(&self) -> bool {
        self.program.functions.iter().any(|function| matches!(function.runtime, Runtime::Lambda { .. }))
    }

    /// Whether calls of a function may be given to its workers before the call that runs has ended: those of a workflow,
    /// and short ones, which nobody waits long behind. Of these only if some wait: a worker that may be given more looks
    /// at its pipes at the end.
    pub fn is_followed(&self, function: usize, prompt_call: Duration) -> bool {
        match self.class_of[function].map(|class| &self.classes[class].kind) {
            Some(ClassKind::Workflow(_)) => true,
            Some(ClassKind::Python) => self.took[function] <= prompt_call && self.queue.waiting(function) > 0,
            _ => false,
        }
    }

    /// Counts a call in how long those of its function take.
    pub fn learn(&mut self, function: usize, took: Duration) {
        let average = &mut self.took[function];
        *average = (*average * 7 + took.min(SHORT_CALL)) / 8;
    }

    /// How many more attempts of a function may run.
    pub fn room(&self, function: usize) -> u32 {
        match self.program.functions[function].concurrency {
            0 => u32::MAX,
            limit => limit.saturating_sub(self.running[function]),
        }
    }
}
