//! What closes when: the order in which the parts of a run come to rest.

use super::words::list;
use crate::graph::{Component, Graph, Node, name};
use sluice_types::Program;
use std::collections::BTreeSet;

/// Names of the parts that close together, and when they do; upstream first.
pub(super) fn closings(program: &Program, graph: &Graph) -> Vec<(Vec<String>, String)> {
    let order = graph.components();
    order.iter().map(|component| (names(program, component), when(program, graph, component))).collect()
}

fn names(program: &Program, component: &Component) -> Vec<String> {
    component.iter().map(|node| name(program, *node).to_owned()).collect()
}

fn when(program: &Program, graph: &Graph, component: &Component) -> String {
    let inside: BTreeSet<Node> = component.iter().copied().collect();
    let upstream: BTreeSet<Node> =
        component.iter().flat_map(|node| graph.predecessors(*node)).filter(|n| !inside.contains(n)).collect();
    let upstream_names = list(upstream.iter().map(|node| name(program, *node)));
    let calls = component.iter().any(|node| matches!(node, Node::Function(_)));
    let sealed = component.iter().any(|node| matches!(node, Node::Bucket(_)));
    let mut conditions = Vec::new();
    // Clients may put to any bucket until the inputs are sealed; a function inherits that from its buckets.
    if sealed && upstream.is_empty() {
        conditions.push("the inputs are sealed".to_owned());
    }
    if upstream.is_empty() && !program.workflows.is_empty() {
        conditions.push("no workflow is under way".to_owned());
    }
    if !upstream.is_empty() {
        let are = if upstream.len() == 1 { "is" } else { "are" };
        conditions.push(format!("{upstream_names} {are} closed"));
    }
    if calls {
        let whose = if component.len() > 1 { "no call in the cycle" } else { "no call" };
        conditions.push(format!("{whose} is queued, running or waiting for a retry"));
    }
    format!("when {}", conditions.join(", and "))
}
