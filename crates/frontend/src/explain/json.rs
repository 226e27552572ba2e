//! The explanation for programs: the same facts as JSON.

use super::closing::closings;
use super::words::{action, condition};
use super::workflow::{Explained, Step, workflows};
use crate::graph::{Graph, Node, Why, name};
use serde_json::{Value, json};
use sluice_types::{Action, Function, Program, Trigger};

/// The program with names instead of indices: `{app, durability, functions, buckets, triggers, workflows, graph,
/// closing}`.
pub fn explain_json(program: &Program) -> Value {
    let graph = Graph::of(program);
    json!({
        "app": program.app,
        "durability": program.durability,
        "functions": program.functions.iter().map(|f| function(program, f)).collect::<Vec<_>>(),
        "buckets": program.buckets,
        "triggers": program.triggers.iter().map(|t| trigger(program, t)).collect::<Vec<_>>(),
        "workflows": workflows(program).iter().map(workflow).collect::<Vec<_>>(),
        "graph": graph.edges().map(|edge| graph_edge(program, edge)).collect::<Vec<_>>(),
        "closing": closings(program, &graph)
            .into_iter()
            .map(|(names, when)| json!({"names": names, "when": when}))
            .collect::<Vec<_>>(),
    })
}

fn function(program: &Program, function: &Function) -> Value {
    json!({
        "name": function.name,
        "runtime": function.runtime,
        "into": function.into.iter().map(|b| &program.buckets[b.index()].name).collect::<Vec<_>>(),
        "timeout_ms": function.timeout_ms,
        "retry": function.retry,
        "visibility": function.visibility,
        "streams": function.streams,
        "resources": function.resources,
        "network": function.network,
        "env": function.env,
        "concurrency": function.concurrency,
        "warm": function.warm,
    })
}

fn trigger(program: &Program, trigger: &Trigger) -> Value {
    let invokes = trigger.actions.iter().filter_map(|action| match action {
        Action::Invoke(function) => Some(&program.functions[function.index()].name),
        Action::Emit { .. } => None,
    });
    json!({
        "name": trigger.name,
        "scope": trigger.scope,
        "optional": trigger.optional,
        "when": condition(program, &trigger.condition),
        "does": trigger.actions.iter().map(|a| action(program, a)).collect::<Vec<_>>(),
        "invokes": invokes.collect::<Vec<_>>(),
    })
}

fn workflow(workflow: &Explained<'_>) -> Value {
    let state = |step: &Step| {
        json!({
            "name": step.state,
            "type": step.kind,
            "inside": step.inside,
            "when": step.when,
            "does": step.does,
            "on_error": step.fails,
            "invokes": step.calls,
            "next": step.next,
        })
    };
    json!({
        "name": workflow.name,
        "timeout_seconds": workflow.timeout_seconds,
        "triggers": workflow.steps.iter().map(state).collect::<Vec<_>>(),
    })
}

fn graph_edge(program: &Program, (from, to, why): (Node, Node, Why)) -> Value {
    let kind = |node| if matches!(node, Node::Bucket(_)) { "bucket" } else { "function" };
    let (why, trigger) = match why {
        Why::Puts => ("puts", None),
        Why::Starts(trigger) => ("starts", Some(trigger)),
        Why::Waits(trigger) => ("waits", Some(trigger)),
    };
    json!({
        "from": {"kind": kind(from), "name": name(program, from)},
        "to": {"kind": kind(to), "name": name(program, to)},
        "why": why,
        "trigger": trigger.map(|t| &program.triggers[t.index()].name),
    })
}
