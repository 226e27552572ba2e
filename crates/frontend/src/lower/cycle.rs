//! Joins that wait for themselves: `a` starts when all of `b` is done, and `b` lies downstream of `a`.

use crate::diagnostic::Diagnostic;
use crate::graph::{Graph, Node, Why, name};
use sluice_types::{Code, Program};
use std::collections::BTreeMap;

/// One finding for each join or group that can never fire, naming the cycle.
pub(super) fn cycles_of_joins(program: &Program) -> Vec<Diagnostic> {
    let graph = Graph::of(program);
    let components = graph.components().into_iter().enumerate();
    let component: BTreeMap<Node, usize> =
        components.flat_map(|(i, nodes)| nodes.into_iter().map(move |node| (node, i))).collect();
    let mut findings = Vec::new();
    for (of, waiting, why) in graph.edges() {
        let Why::Waits(trigger) = why else { continue };
        if component[&of] != component[&waiting] {
            continue;
        }
        let back = if of == waiting { Some(vec![of]) } else { graph.path(waiting, of) };
        if let Some(path) = back {
            findings.push(finding(program, &path, &program.triggers[trigger.index()].name));
        }
    }
    findings
}

/// `path` leads from the function that waits to the one it waits for.
fn finding(program: &Program, path: &[Node], trigger: &str) -> Diagnostic {
    let (waiting, of) = (name(program, path[0]), name(program, path[path.len() - 1]));
    let names: Vec<_> = path.iter().map(|n| format!("`{}`", name(program, *n))).collect();
    let message = match path.len() {
        1 => format!("`{waiting}` waits until all of `{waiting}` is done"),
        _ => format!("`{waiting}` waits until all of `{of}` is done, but feeds it: {}", names.join(" → ")),
    };
    let fix = format!(
        "let the trigger `{trigger}` use `each`, `batch` or `first` instead of waiting, or put what goes back to another bucket"
    );
    Diagnostic::error(Code::CYCLE_OF_JOINS, format!("functions.{waiting}.on"), message).fix(fix)
}
