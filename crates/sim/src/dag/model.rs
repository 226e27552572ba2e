//! What a DAG comes to: the states of all tasks, and what they return, from how their calls end. It knows no events, and no
//! time but that some tasks took too long.

use super::case::Case;
use super::conduct::Argument;
use bytes::Bytes;
use sluice_flow::dag::{Plan, State};
use sluice_types::dag::Rule;
use sluice_types::{TaskIx, TaskKind};
use std::collections::{BTreeMap, BTreeSet};

/// What a DAG comes to.
#[derive(Debug, Default)]
pub struct Prediction {
    /// By task.
    pub states: Vec<State>,
    /// The outputs of the run by key, if it succeeds; `None` for those whose bytes depend on the order of things.
    pub outputs: BTreeMap<String, Option<Bytes>>,
}

/// What a task hands on.
#[derive(Clone, Debug, Default)]
struct Results {
    values: Vec<Argument>,
    /// Of its list, if others are called for each.
    elements: Vec<Argument>,
    is_list: bool,
}

/// How a DAG ends that was started with this input, when these tasks took too long.
pub fn predict(case: &Case, plan: &Plan, late: &BTreeSet<TaskIx>, input: &Bytes) -> Prediction {
    let mut model = Model {
        case,
        plan,
        late,
        input,
        states: Vec::new(),
        results: BTreeMap::new(),
        lists: BTreeMap::new(),
    };
    let mut outputs = BTreeMap::new();
    for task in plan.tasks() {
        let state = model.state(task);
        model.states.push(state);
        let results = model.returned(task, state);
        if plan.is_leaf(task) && plan.task(task).kind != TaskKind::Branch && state == State::Success {
            outputs.extend(
                model
                    .keys(task)
                    .into_iter()
                    .enumerate()
                    .map(|(at, key)| (key, results.as_ref().map(|results| results.values[at].1.clone()))),
            );
        }
        model.results.insert(task, results);
    }
    Prediction { states: model.states, outputs }
}

struct Model<'a> {
    case: &'a Case,
    plan: &'a Plan,
    late: &'a BTreeSet<TaskIx>,
    input: &'a Bytes,
    /// Of the tasks so far, from upstream to downstream.
    states: Vec<State>,
    /// What they hand on; `None` if that depends on the order of things.
    results: BTreeMap<TaskIx, Option<Results>>,
    /// How many elements there are of those that others are called for each of.
    lists: BTreeMap<TaskIx, u32>,
}

impl Model<'_> {
    fn state(&mut self, task: TaskIx) -> State {
        let declared = self.plan.task(task);
        let left_out = declared.after.iter().any(|before| {
            let chosen = self.case.chosen(self.plan, *before);
            self.plan.task(*before).kind == TaskKind::Branch
                && self.states[before.index()] == State::Success
                && !chosen.iter().any(|chosen| leads_to(self.plan, *chosen, task))
        });
        if left_out {
            return State::Skipped;
        }
        let upstream: Vec<State> = declared.after.iter().map(|before| self.states[before.index()]).collect();
        by_rule(declared.rule, &upstream).unwrap_or_else(|| self.of_calls(task))
    }

    /// How a task ends whose rule holds.
    fn of_calls(&mut self, task: TaskIx) -> State {
        let kind = self.plan.task(task).kind;
        let fails = self.case.fails(task) || self.late.contains(&task);
        let calls = self.calls(task);
        if calls == 0 {
            return State::Skipped;
        }
        if self.plan.is_mapped_over(task) && !fails {
            let is_mapped = self.plan.task(task).is_mapped();
            self.lists.insert(task, if is_mapped { calls } else { self.case.numbers[task.index()] });
        }
        match kind {
            TaskKind::Sensor { soft_fail: true, .. } if fails => State::Skipped,
            _ if fails => State::Failed,
            _ => State::Success,
        }
    }

    fn calls(&self, task: TaskIx) -> u32 {
        match self.plan.task(task).kind {
            TaskKind::Map { over } => self.lists.get(&over).copied().unwrap_or(0),
            _ => 1,
        }
    }

    /// The keys of what a task returns.
    fn keys(&self, task: TaskIx) -> Vec<String> {
        let name = &self.plan.task(task).name;
        match self.plan.task(task).is_mapped() {
            true => (0..self.calls(task)).map(|element| format!("{name}/{element}")).collect(),
            false => vec![name.to_string()],
        }
    }

    /// What a task hands on that ended in this state.
    fn returned(&self, task: TaskIx, state: State) -> Option<Results> {
        let declared = self.plan.task(task);
        if state != State::Success {
            // Some of its calls may have succeeded before it took too long.
            let is_partial = declared.is_mapped() && self.late.contains(&task);
            return (!is_partial).then(Results::default);
        }
        let name = &declared.name;
        let conduct = self.case.conduct(self.plan, task);
        let value = |arguments: &[Argument]| conduct.value(arguments);
        if let TaskKind::Map { over } = declared.kind {
            let over = self.results[&over].as_ref()?;
            let elements = if over.is_list { &over.values } else { &over.elements };
            let returned =
                elements.iter().map(|element| value(std::slice::from_ref(element)).to_string().into());
            let values = self.keys(task).into_iter().zip(returned).collect();
            return Some(Results { values, elements: Vec::new(), is_list: true });
        }
        let (arguments, is_list) = self.arguments(task)?;
        if declared.kind == TaskKind::Branch {
            return Some(Results { values: arguments, elements: Vec::new(), is_list });
        }
        let value = value(&arguments);
        let list = value.as_array().filter(|_| self.plan.is_mapped_over(task)).into_iter().flatten();
        let elements = list.enumerate().map(|(at, value)| (format!("{name}/{at}"), value.to_string().into()));
        let elements = elements.collect();
        Some(Results { values: vec![(name.to_string(), value.to_string().into())], elements, is_list: false })
    }

    /// What a task is called with that is not mapped, and whether that is a list.
    fn arguments(&self, task: TaskIx) -> Option<(Vec<Argument>, bool)> {
        let declared = self.plan.task(task);
        if declared.after.is_empty() {
            return Some((vec![("input".to_owned(), self.input.clone())], false));
        }
        if matches!(declared.rule, Rule::OneFailed | Rule::OneSuccess | Rule::Always) {
            return None;
        }
        let upstream: Option<Vec<&Results>> =
            declared.after.iter().map(|of| self.results[of].as_ref()).collect();
        let upstream = upstream?;
        let values: Vec<Argument> = upstream.iter().flat_map(|results| results.values.clone()).collect();
        let [one] = declared.after[..] else { return Some((values, true)) };
        let has_results = !upstream[0].values.is_empty() || upstream[0].is_list;
        let is_list = if has_results { upstream[0].is_list } else { self.plan.task(one).is_mapped() };
        match values.is_empty() && !is_list {
            true => Some((vec![(self.plan.task(one).name.to_string(), Bytes::from_static(b"null"))], false)),
            false => Some((values, is_list)),
        }
    }
}

fn leads_to(plan: &Plan, from: TaskIx, to: TaskIx) -> bool {
    from == to || plan.below(from).iter().any(|below| leads_to(plan, *below, to))
}

/// What a task ends in without running.
fn by_rule(rule: Rule, upstream: &[State]) -> Option<State> {
    let is = |state: State| upstream.iter().filter(move |of| **of == state).count();
    let failed = is(State::Failed) + is(State::UpstreamFailed);
    let succeeded = is(State::Success);
    let runs = match rule {
        Rule::AllSuccess => succeeded == upstream.len(),
        Rule::AllDone | Rule::Always => true,
        Rule::AllFailed => failed == upstream.len(),
        Rule::OneFailed => failed > 0,
        Rule::OneSuccess => succeeded > 0,
        Rule::NoneFailed => failed == 0,
        Rule::NoneFailedMinOneSuccess => failed == 0 && succeeded > 0,
    };
    if runs || upstream.is_empty() {
        return None;
    }
    let needs_success = matches!(
        rule,
        Rule::AllSuccess | Rule::OneSuccess | Rule::NoneFailed | Rule::NoneFailedMinOneSuccess
    );
    Some(if needs_success && failed > 0 { State::UpstreamFailed } else { State::Skipped })
}
