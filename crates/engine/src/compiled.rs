//! A program with the tables that make the hot path a few look-ups.

use crate::hearing::{Ear, Hearing};
use sluice_asl::Machine;
use sluice_flow::dag::Plan;
use sluice_types::dag::Task;
use sluice_types::{
    BucketIx, Condition, DataGraph, EventHead, FunctionIx, Node, Program, Scope, Steps, TaskIx, TriggerIx,
    WorkflowIx,
};
use std::sync::{Arc, OnceLock};

/// A trigger program, indexed for execution.
#[derive(Debug)]
pub struct Compiled {
    /// The program itself.
    pub program: Arc<Program>,
    /// Its data graph.
    pub graph: DataGraph,
    run_listeners: Vec<Vec<TriggerIx>>,
    app_listeners: Vec<Vec<TriggerIx>>,
    hearing: [Hearing; 2],
    closing: Vec<Vec<TriggerIx>>,
    may_put: Vec<Vec<bool>>,
    joined: Vec<bool>,
    early: Vec<bool>,
    /// State machines, compiled when they are first needed.
    machines: Vec<OnceLock<Result<Arc<Machine>, String>>>,
    /// DAGs, prepared when they are first needed.
    plans: Vec<OnceLock<Option<Arc<Plan>>>>,
    /// As it is for the runs of workflows that another run calls.
    called: OnceLock<Arc<Compiled>>,
}

impl Compiled {
    /// Builds the tables.
    pub fn new(program: Arc<Program>) -> Self {
        let graph = DataGraph::new(&program);
        let buckets = program.buckets.len();
        let mut compiled = Self {
            run_listeners: vec![Vec::new(); buckets],
            app_listeners: vec![Vec::new(); buckets],
            hearing: Default::default(),
            closing: vec![Vec::new(); graph.len()],
            may_put: program.functions.iter().map(|f| may_put(buckets, &f.into)).collect(),
            joined: vec![false; program.functions.len()],
            machines: program.workflows.iter().map(|_| OnceLock::new()).collect(),
            plans: program.workflows.iter().map(|_| OnceLock::new()).collect(),
            called: OnceLock::new(),
            early: program.triggers.iter().map(|trigger| program.is_early(trigger)).collect(),
            graph,
            program: program.clone(),
        };
        for (index, trigger) in program.triggers.iter().enumerate() {
            compiled.index(TriggerIx(index as u16), &trigger.condition, trigger.scope);
        }
        compiled
    }

    fn index(&mut self, trigger: TriggerIx, condition: &Condition, scope: Scope) {
        condition.each_leaf(&mut |leaf| {
            match leaf.source() {
                Some(source) if scope == Scope::Run => {
                    self.run_listeners[source.bucket.index()].push(trigger)
                }
                Some(source) => self.app_listeners[source.bucket.index()].push(trigger),
                None => self.hearing[scope as usize].add(trigger, leaf),
            }
            if let Condition::Join { of, .. } | Condition::Group { of, .. } = leaf {
                self.joined[of.index()] = true;
            }
            if let (Some(component), Scope::Run) = (self.closes_with(leaf), scope) {
                self.closing[component as usize].push(trigger);
            }
        });
        for list in self.run_listeners.iter_mut().chain(&mut self.app_listeners).chain(&mut self.closing) {
            list.dedup();
        }
    }

    /// The program for runs of workflows that another run calls: such a workflow is alone in its run, the run-scoped triggers
    /// of the app watch the run that called it.
    pub(crate) fn called(this: &Arc<Self>) -> Arc<Self> {
        if this.program.triggers.iter().all(|trigger| trigger.scope == Scope::App) {
            return this.clone();
        }
        let alone = || {
            let mut program = Program::clone(&this.program);
            for trigger in program.triggers.iter_mut().filter(|trigger| trigger.scope == Scope::Run) {
                // Triggers are named by position: it stays, and never fires.
                (trigger.condition, trigger.actions) = (Condition::Any(Vec::new()), Vec::new());
            }
            Arc::new(Self::new(Arc::new(program)))
        };
        this.called.get_or_init(alone).clone()
    }

    /// The component at whose closing a leaf sees no more objects; `None` for leaves that do not look at buckets.
    pub fn closes_with(&self, leaf: &Condition) -> Option<u32> {
        match leaf {
            Condition::Join { of, .. } | Condition::Group { of, .. } => {
                Some(self.graph.component(Node::Function(*of)))
            }
            other => other.source().map(|source| self.graph.component(Node::Bucket(source.bucket))),
        }
    }

    /// Triggers of a scope that look at a bucket.
    pub fn listeners(&self, scope: Scope, bucket: BucketIx) -> &[TriggerIx] {
        match scope {
            Scope::Run => &self.run_listeners[bucket.index()],
            Scope::App => &self.app_listeners[bucket.index()],
        }
    }

    /// The state machine of a workflow, or why there is none.
    pub fn machine(&self, workflow: WorkflowIx) -> Result<Arc<Machine>, String> {
        let steps = &self.program.workflows[workflow.index()].steps;
        self.machines[workflow.index()].get_or_init(|| crate::run::compile(steps)).clone()
    }

    /// The DAG of a workflow that is one.
    pub(crate) fn plan(&self, workflow: WorkflowIx) -> Option<Arc<Plan>> {
        let steps = &self.program.workflows[workflow.index()].steps;
        self.plans[workflow.index()].get_or_init(|| crate::run::plan(steps)).clone()
    }

    /// A task of a workflow that is a DAG.
    pub(crate) fn task(&self, workflow: WorkflowIx, task: TaskIx) -> Option<&Task> {
        match &self.program.workflows[workflow.index()].steps {
            Steps::Dag(dag) => dag.tasks.get(task.index()),
            Steps::States { .. } | Steps::Code { .. } => None,
        }
    }

    /// Triggers of a scope that look at events.
    pub fn event_triggers(&self, scope: Scope) -> &[TriggerIx] {
        self.hearing[scope as usize].all()
    }

    /// Triggers of a scope that may hear events with this head, in their order.
    pub(crate) fn ears(&self, scope: Scope, head: &EventHead) -> Vec<Ear> {
        self.hearing[scope as usize].of(&self.program, head)
    }

    /// Run-scoped triggers with a leaf that closes with a component.
    pub fn closing(&self, component: u32) -> &[TriggerIx] {
        &self.closing[component as usize]
    }

    /// Whether a function may put to a bucket.
    pub fn may_put(&self, function: FunctionIx, bucket: BucketIx) -> bool {
        self.may_put[function.index()][bucket.index()]
    }

    /// Whether a join or group waits for a function.
    pub fn is_joined(&self, function: FunctionIx) -> bool {
        self.joined[function.index()]
    }

    /// Whether a trigger takes objects while they are still being written.
    pub fn is_early(&self, trigger: TriggerIx) -> bool {
        self.early[trigger.index()]
    }

    /// The component of a function.
    pub fn component_of(&self, function: FunctionIx) -> u32 {
        self.graph.component(Node::Function(function))
    }
}

fn may_put(buckets: usize, into: &[BucketIx]) -> Vec<bool> {
    let mut allowed = vec![false; buckets];
    allowed[Program::OUTPUT.index()] = true;
    for bucket in into {
        allowed[bucket.index()] = true;
    }
    allowed
}
