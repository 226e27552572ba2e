//! A DAG. The calls of its tasks are invocations; what they return stays where it is, and whoever waits for it gets it by
//! reference.
//!
//! Invariants:
//! * `calls` has the invocation of every call that the DAG waits for;
//! * of every task that another may still need, `results` holds each slot once; elements that lists were split into, too.

use super::super::failing::explain;
use super::super::put::discard;
use super::super::{Cx, HistoryKind, Pending, Run, Status};
use super::answer::answer;
use super::{Machinery, Part, json, object};
use crate::condition::Items;
use crate::objects::{Owner, Slot};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sluice_expression::Value;
use sluice_flow::dag::{
    Answer, Event, Execution, Happened, Line, Output, Plan, Request, State, Status as Standing,
};
use sluice_types::invocation::Arguments;
use sluice_types::problem::Cause;
use sluice_types::{
    Code, ContentType, Failure, Object, Payload, Problem, Program, ReturnValue, Steps, TaskIx, TaskKind,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Key of the object that a task gives to its calls.
const GIVEN_KEY: &str = "with";

/// A DAG, where its calls are, and what they returned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dag {
    execution: Execution,
    /// The slot of its input.
    input: u32,
    calls: BTreeMap<(TaskIx, u32), u32>,
    results: BTreeMap<TaskIx, Results>,
    /// What failed first.
    failure: Option<Box<Problem>>,
}

/// What a task has returned.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Results {
    /// Elements and slots, by element once the task has ended; of a task that is not mapped, one.
    values: Vec<(u32, u32)>,
    /// Slots of the elements of its list, if others are called for each.
    elements: Vec<u32>,
    /// Whether the values are passed on as a list, even if there is one.
    is_list: bool,
}

impl Results {
    fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.values.iter().map(|(_, at)| *at).chain(self.elements.iter().copied())
    }
}

impl Dag {
    pub(super) fn execution(&self) -> &Execution {
        &self.execution
    }

    /// Slots that it holds, each once.
    pub(in crate::run) fn held(&self) -> impl Iterator<Item = u32> + '_ {
        self.results.values().flat_map(Results::slots)
    }
}

/// The tables of a DAG; `None` for other workflows.
pub(crate) fn plan(steps: &Steps) -> Option<Arc<Plan>> {
    let Steps::Dag(dag) = steps else { return None };
    Some(Arc::new(Plan::of(dag.clone())))
}

impl Run {
    /// Starts a DAG with this input.
    pub(super) fn start_dag(&mut self, cx: &mut Cx<'_>, input: Bytes) {
        let Some(plan) = self.plan(cx) else { return };
        let input = ReturnValue { content_type: ContentType::Json, payload: Payload::Inline(input) };
        let input = object(Program::INPUT, "input".into(), input);
        let input = self.objects.push(Slot::new(input, Owner::Firing, None, true));
        let mut out = Output::default();
        let execution = Execution::start(&plan, cx.now_ms, &mut out);
        let (calls, results) = (BTreeMap::new(), BTreeMap::new());
        self.host(Machinery::Dag(Dag { execution, input, calls, results, failure: None }));
        self.follow_dag(cx, &plan, out);
    }

    fn plan(&self, cx: &Cx<'_>) -> Option<Arc<Plan>> {
        cx.compiled.plan(self.workflow.as_deref()?.workflow)
    }

    pub(in crate::run) fn dag(&self) -> Option<&Dag> {
        match &self.machine.as_deref()?.machinery {
            Machinery::Dag(dag) => Some(dag),
            Machinery::States(_) | Machinery::Code(_) => None,
        }
    }

    fn dag_mut(&mut self) -> Option<&mut Dag> {
        match &mut self.machine.as_deref_mut()?.machinery {
            Machinery::Dag(dag) => Some(dag),
            Machinery::States(_) | Machinery::Code(_) => None,
        }
    }

    /// Lets something happen to the DAG, and everything that follows from it.
    pub(super) fn step_dag(&mut self, cx: &mut Cx<'_>, event: Event) {
        let Some(plan) = self.plan(cx).filter(|_| self.is_running()) else { return };
        let Some(dag) = self.dag_mut() else { return };
        let mut out = Output::default();
        dag.execution.apply(&plan, event, cx.now_ms, &mut out);
        self.follow_dag(cx, &plan, out);
    }

    fn follow_dag(&mut self, cx: &mut Cx<'_>, plan: &Plan, out: Output) {
        for line in out.lines {
            self.sort_results(&line);
            self.note_failure(cx, plan, &line);
            self.record(cx, HistoryKind::Dag(Box::new(line)));
        }
        for request in out.requests {
            match request {
                Request::Call { task, element } => self.call_task(cx, plan, task, element),
                Request::Cancel(task) => self.cancel_calls(cx, task),
                Request::Release(task) => self.release_results(cx, task),
            }
        }
        self.follow_deadline(cx);
        self.conclude_dag(cx, plan);
    }

    fn call_task(&mut self, cx: &mut Cx<'_>, plan: &Plan, task: TaskIx, element: u32) {
        let items = self.task_items(plan, task, element);
        items.each(&mut |at| self.objects.hold(at, 1));
        let part = Part::Node { task, element };
        let seq = self.invoke(cx, plan.task(task).function, items, None, None, Some(part));
        self.dag_mut().expect("it calls").calls.insert((task, element), seq);
    }

    /// What a task is called with: an element, the results of its upstream tasks, or the input of the DAG.
    fn task_items(&self, plan: &Plan, task: TaskIx, element: u32) -> Items {
        let dag = self.dag().expect("it calls");
        let declared = plan.task(task);
        if let TaskKind::Map { over } = declared.kind {
            let results = &dag.results[&over];
            let at = match plan.task(over).is_mapped() {
                true => results.values.get(element as usize).map(|(_, at)| *at),
                false => results.elements.get(element as usize).copied(),
            };
            return Items::One(at.expect("the DAG counts the elements that there are"));
        }
        let has_ended =
            |task: &&TaskIx| matches!(dag.execution.state(**task), State::Success | State::Failed);
        let results = |task: &TaskIx| Some(task).filter(has_ended).and_then(|task| dag.results.get(task));
        let values =
            |task: &TaskIx| results(task).into_iter().flat_map(|of| of.values.iter().map(|(_, at)| *at));
        match declared.after[..] {
            [] => Items::One(dag.input),
            [one] if !results(&one).map_or(plan.task(one).is_mapped(), |of| of.is_list) => {
                values(&one).next().map_or_else(|| nothing(plan, one), Items::One)
            }
            _ => Items::List(declared.after.iter().flat_map(values).collect()),
        }
    }

    /// What an invocation is called with: ahead of all else what its task gives it, if it is the call of one.
    pub(in crate::run) fn call_arguments(&self, pending: &Pending) -> Arguments {
        let arguments = self.arguments(&pending.items);
        let Some(with) = self.given(pending.part) else { return arguments };
        let mut list = vec![with];
        match arguments {
            Arguments::One(object) => list.push(object),
            Arguments::List(objects) => list.extend(objects),
            Arguments::Event(_) | Arguments::Events { .. } => unreachable!("a DAG hands on objects"),
        }
        Arguments::List(list)
    }

    /// What the definition of a task gives to its calls. It follows from the program, so the run does not keep it.
    fn given(&self, part: Option<Part>) -> Option<Object> {
        let Some(Part::Node { task, .. }) = part else { return None };
        let plan = self.compiled().plan(self.workflow.as_deref()?.workflow)?;
        let payload = Payload::Inline(plan.task(task).with.clone()?);
        Some(object(
            Program::INPUT,
            GIVEN_KEY.into(),
            ReturnValue { content_type: ContentType::Json, payload },
        ))
    }

    /// A task has ended: its results have an order now.
    fn sort_results(&mut self, line: &Line) {
        if let Happened::Succeeded | Happened::Failed(_) = line.happened
            && let Some(results) = self.dag_mut().and_then(|dag| dag.results.get_mut(&line.task))
        {
            results.values.sort_unstable();
        }
    }

    fn cancel_calls(&mut self, cx: &mut Cx<'_>, task: TaskIx) {
        let Some(dag) = self.dag_mut() else { return };
        let calls: Vec<_> =
            dag.calls.range((task, 0)..=(task, u32::MAX)).map(|(at, seq)| (*at, *seq)).collect();
        for (at, seq) in calls {
            self.dag_mut().and_then(|dag| dag.calls.remove(&at));
            if let Some(pending) = self.pending.remove(seq) {
                self.stop(cx, seq, &pending);
                self.done(cx, &pending);
            }
        }
    }

    fn release_results(&mut self, cx: &mut Cx<'_>, task: TaskIx) {
        let results = self.dag_mut().and_then(|dag| dag.results.remove(&task));
        for at in results.iter().flat_map(Results::slots) {
            self.let_go(cx, at);
        }
    }

    /// A call of a task succeeded.
    pub(super) fn node_done(
        &mut self,
        cx: &mut Cx<'_>,
        task: TaskIx,
        element: u32,
        value: Option<ReturnValue>,
    ) {
        let known = self.dag_mut().and_then(|dag| dag.calls.remove(&(task, element)));
        let Some(plan) = self.plan(cx).filter(|_| known.is_some()) else {
            return value.iter().for_each(|value| discard(&value.payload, cx.effects));
        };
        let (answer, elements) = answer(&plan, task, value.as_ref());
        match answer {
            Answer::Again | Answer::Unusable(_) => {
                value.iter().for_each(|value| discard(&value.payload, cx.effects));
            }
            Answer::Follow(_) => {
                value.iter().for_each(|value| discard(&value.payload, cx.effects));
                self.hand_on(&plan, task);
            }
            _ => self.keep_result(cx, &plan, task, element, value, elements),
        }
        self.step_dag(cx, Event::Done { task, answer });
    }

    /// Those that follow a branch get what it was called with.
    fn hand_on(&mut self, plan: &Plan, branch: TaskIx) {
        let items = self.task_items(plan, branch, 0);
        let mut values = Vec::new();
        items.each(&mut |at| values.push((values.len() as u32, at)));
        values.iter().for_each(|(_, at)| self.objects.hold(*at, 1));
        if let Items::Value(object) = &items {
            // It got what stands for the result of a task that has none.
            let (content_type, payload) = (object.content_type.clone(), object.payload.clone());
            values.push((0, self.hold_result(object.key.clone(), ReturnValue { content_type, payload })));
        }
        let is_list = matches!(items, Items::List(_));
        let results = Results { values, elements: Vec::new(), is_list };
        self.dag_mut().expect("it has called").results.insert(branch, results);
    }

    /// A result stays for the tasks that wait for it, or becomes an output of the run.
    fn keep_result(
        &mut self,
        cx: &mut Cx<'_>,
        plan: &Plan,
        task: TaskIx,
        element: u32,
        value: Option<ReturnValue>,
        elements: Vec<Value>,
    ) {
        let declared = plan.task(task);
        let key = match declared.is_mapped() {
            true => format!("{}/{element}", declared.name).into(),
            false => declared.name.clone(),
        };
        if plan.is_leaf(task) {
            return value.into_iter().for_each(|value| self.put_under(cx, key.clone(), value));
        }
        let at = self.hold_result(key, value.unwrap_or_else(|| json(&Value::default())));
        let split: Vec<u32> = elements
            .iter()
            .enumerate()
            .map(|(number, value)| {
                self.hold_result(format!("{}/{number}", declared.name).into(), json(value))
            })
            .collect();
        let results = self.dag_mut().expect("it has called").results.entry(task).or_default();
        results.is_list = declared.is_mapped();
        results.values.push((element, at));
        results.elements.extend(split);
    }

    /// Keeps an object until the DAG lets go of it. Nobody finds it by its key.
    fn hold_result(&mut self, key: Arc<str>, value: ReturnValue) -> u32 {
        let at = self.objects.push(Slot::new(object(Program::INPUT, key, value), Owner::Firing, None, false));
        self.objects.hold(at, 1);
        at
    }

    /// A call of a task is out of attempts.
    pub(super) fn node_failed(
        &mut self,
        cx: &mut Cx<'_>,
        task: TaskIx,
        element: u32,
        pending: &Pending,
        failure: &Failure,
    ) {
        let known = self.dag_mut().and_then(|dag| dag.calls.remove(&(task, element)));
        let Some(plan) = self.plan(cx).filter(|_| known.is_some()) else { return };
        let gives_up = matches!(plan.task(task).kind, TaskKind::Sensor { soft_fail: true, .. });
        if !gives_up && self.dag().is_some_and(|dag| dag.failure.is_none()) {
            let name = &cx.program().functions[pending.function.index()].name;
            let attempts = pending.attempt.0;
            let tries = if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
            let what = format!("function {:?} failed after {tries}: {}", &**name, failure.message);
            let cause = Cause {
                r#type: failure.r#type.clone(),
                message: failure.message.clone(),
                stack: failure.stack.clone(),
            };
            let problem = self.dag_problem(cx, &plan, task, &what, explain(failure).1);
            self.dag_mut().expect("it has called").failure =
                Some(Box::new(Problem { cause: Some(cause), ..problem }));
        }
        self.step_dag(cx, Event::Failed { task });
    }

    /// Remembers why a task failed that did so without a failed call, if it is the first.
    fn note_failure(&mut self, cx: &Cx<'_>, plan: &Plan, line: &Line) {
        let Happened::Failed(Some(why)) = &line.happened else { return };
        if self.dag().is_some_and(|dag| dag.failure.is_none()) {
            let name = &cx.program().functions[plan.task(line.task).function.index()].name;
            let fix = "correct what the function of the task returns, or raise the task's timeout; then start the run again";
            let problem =
                self.dag_problem(cx, plan, line.task, &format!("function {:?}: {why}", &**name), fix);
            self.dag_mut().expect("it has failed").failure = Some(Box::new(problem));
        }
    }

    fn dag_problem(&self, cx: &Cx<'_>, plan: &Plan, task: TaskIx, what: &str, fix: &str) -> Problem {
        let (workflow, task) = (self.workflow_name(cx), &plan.task(task).name);
        let message = format!("workflow {:?} failed: task {:?}: {what}", &*workflow, &**task);
        Problem::new(Code::WORKFLOW_FAILED, message, fix).at(format!("workflow {workflow}, task {task}"))
    }

    /// What the end of the DAG means for the run.
    fn conclude_dag(&mut self, cx: &mut Cx<'_>, plan: &Plan) {
        let Some(dag) = self.dag_mut() else { return };
        match dag.execution.status() {
            Standing::Running => {}
            Standing::Succeeded => self.consider_all(),
            Standing::Failed { first } => {
                let known = dag.failure.take().map(|problem| *problem);
                let problem = known.unwrap_or_else(|| self.dag_problem(cx, plan, first, "it failed", ""));
                self.end(cx, Status::Failed, Some(problem));
            }
        }
    }

    /// The run is to end without a word to its workflow.
    pub(super) fn cancel_at_once(&mut self, cx: &mut Cx<'_>, reason: &str) {
        if self.is_running() {
            let message = format!("the run was cancelled: {reason}");
            let problem = Problem::new(Code::RUN_CANCELLED, message, "").at(format!("run {}", self.id));
            self.end(cx, Status::Cancelled, Some(problem));
        }
    }

    /// The run ends while the DAG is under way.
    pub(super) fn abandon_dag(&mut self) {
        if let Some(dag) = self.dag_mut() {
            dag.calls.clear();
            dag.results.clear();
        }
    }

    /// Whether what a pending invocation returns says how the DAG goes on.
    pub(super) fn answers_to_dag(&self, seq: u32) -> bool {
        let Some(Part::Node { task, .. }) = self.pending.get(seq).and_then(|pending| pending.part) else {
            return false;
        };
        let plan = self.workflow.as_deref().and_then(|start| self.compiled().plan(start.workflow));
        plan.is_some_and(|plan| {
            let kind = plan.task(task).kind;
            plan.is_mapped_over(task) || matches!(kind, TaskKind::Branch | TaskKind::Sensor { .. })
        })
    }

    pub(super) fn check_dag(&self, dag: &Dag) {
        let id = &self.id;
        let parts = self.pending.iter().filter_map(|(seq, pending)| match pending.part? {
            Part::Node { task, element } => Some(((task, element), seq)),
            _ => panic!("{id}: a part of a workflow that has none"),
        });
        assert_eq!(dag.calls, parts.collect(), "{id}: the calls of the DAG");
        if self.is_running() {
            let mut counts: BTreeMap<TaskIx, u32> = BTreeMap::new();
            dag.calls.keys().for_each(|(task, _)| *counts.entry(*task).or_default() += 1);
            assert!(dag.execution.awaited().eq(counts), "{id}: calls that the DAG waits for");
        }
    }

    /// The DAG of its workflow, as far as it got.
    pub fn dag_execution(&self) -> Option<&Execution> {
        self.dag().map(Dag::execution)
    }
}

/// What stands for the result of a task that has none.
fn nothing(plan: &Plan, task: TaskIx) -> Items {
    let key = plan.task(task).name.clone();
    Items::Value(Box::new(object(Program::INPUT, key, json(&Value::default()))))
}
