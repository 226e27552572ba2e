//! A trigger program in words: what an app was lowered to, for `sluice explain`.

mod choice;
mod closing;
mod dag;
mod json;
mod steps;
mod words;
mod workflow;

pub use json::explain_json;

use crate::graph::{Graph, Node, name};
use sluice_types::{BucketIx, FunctionIx, Program, Scope, Steps, limits};
use std::collections::BTreeSet;
use std::fmt::Write;
use words::{action, amount_ms, condition, list, runtime, size_bytes};
use workflow::{Callers, Step, workflows};

/// The program for a reader: functions, buckets, triggers, the data graph, and what closes when.
pub fn explain(program: &Program) -> String {
    let graph = Graph::of(program);
    let workflows = workflows(program);
    let callers = Callers::of_all(program, &workflows);
    let durability = format!("{:?}", program.durability).to_lowercase();
    let mut text = format!("app {} ({durability})\n", program.app);
    let functions = program.functions.iter().enumerate().filter(|(_, f)| !f.takes_turns());
    let functions = functions.map(|(i, f)| (&*f.name, function(program, f, FunctionIx(i as u16), &callers)));
    section(&mut text, "functions", functions);
    let buckets = (0..program.buckets.len()).map(|i| BucketIx(i as u16));
    section(
        &mut text,
        "buckets",
        buckets.map(|b| (&*program.buckets[b.index()].name, bucket(program, &graph, &callers, b))),
    );
    section(&mut text, "triggers", program.triggers.iter().map(|t| (&*t.name, trigger(program, t))));
    for explained in &workflows {
        let schedule = explained.schedule.as_ref().map(|at| format!(", started {at}")).unwrap_or_default();
        let title = format!("workflow {}: each {} is a trigger{schedule}", explained.name, explained.part);
        section(&mut text, &title, explained.steps.iter().map(|step| (indented(step), lines(step))));
    }
    for workflow in &program.workflows {
        if let Steps::Code { function } = workflow.steps {
            let title = format!("workflow {}: whatever it is told is a trigger", workflow.name);
            section(&mut text, &title, [code(&program.functions[function.index()])].into_iter());
        }
    }
    let flows = flows(program, &graph, &callers);
    if !flows.is_empty() {
        let _ = writeln!(text, "\ndata, within a run");
    }
    for line in flows {
        let _ = writeln!(text, "  {line}");
    }
    let closings = closing::closings(program, &graph);
    section(
        &mut text,
        "what closes when",
        closings.into_iter().map(|(names, when)| (together(&names), vec![when])),
    );
    text
}

/// Widest first column, in characters; longer names stand out of it.
const COLUMN_MAX: usize = 40;

/// The names of parts that close together.
fn together(names: &[String]) -> String {
    let named = names[..names.len().min(limits::KEYS_NAMED_MAX)].join(" + ");
    match names.len() - names.len().min(limits::KEYS_NAMED_MAX) {
        0 => named,
        rest => format!("{named} and {rest} more"),
    }
}

/// A headline and a table of two columns, the second of which may span lines.
fn section<S: AsRef<str>>(text: &mut String, title: &str, rows: impl Iterator<Item = (S, Vec<String>)>) {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let width = rows.iter().map(|(name, _)| name.as_ref().chars().count()).max().unwrap_or(0).min(COLUMN_MAX);
    let _ = writeln!(text, "\n{title}");
    for (name, lines) in rows {
        for (i, line) in lines.iter().enumerate() {
            let name = if i == 0 { name.as_ref() } else { "" };
            let _ = writeln!(text, "  {name:width$}  {line}");
        }
    }
}

fn function(
    program: &Program,
    function: &sluice_types::Function,
    ix: FunctionIx,
    callers: &Callers,
) -> Vec<String> {
    let retries = match function.retry.attempts {
        1 => "one attempt".to_owned(),
        attempts => format!("up to {attempts} attempts"),
    };
    let resources = &function.resources;
    let mut limits = match function.workflow() {
        Some(_) => vec![retries],
        None => vec![
            format!("{retries} of {}", amount_ms(function.timeout_ms)),
            size_bytes(resources.memory_bytes),
            format!("network {}", format!("{:?}", function.network).to_lowercase()),
        ],
    };
    if resources.cpu_millis > 0 {
        limits.push(format!("{} cores", f64::from(resources.cpu_millis) / 1000.0));
    }
    if function.concurrency > 0 {
        limits.push(format!("at most {} at once", function.concurrency));
    }
    if function.warm > 0 {
        limits.push(format!("{} kept warm", function.warm));
    }
    if function.visibility == sluice_types::Visibility::Commit {
        limits.push("puts visible at success".to_owned());
    }
    if function.streams {
        limits.push("reads objects while they are written".to_owned());
    }
    let mut lines = vec![runtime(&function.runtime), format!("into {}", into(program, function))];
    if !callers.of(ix).is_empty() {
        let attempts = if callers.try_once(ix) { ", of one attempt each" } else { "" };
        let names = list(callers.of(ix).iter().map(String::as_str));
        lines.push(format!("{names} gets the answer to its calls{attempts}"));
    }
    lines.push(limits.join(" · "));
    lines
}

/// What runs the code of a workflow.
fn code(function: &sluice_types::Function) -> (&str, Vec<String>) {
    let turn = format!("at most {} from one `await` to the next", amount_ms(function.timeout_ms));
    (
        &*function.name,
        vec![runtime(&function.runtime), turn, "→ what it wants done, known when it runs".to_owned()],
    )
}

fn into(program: &Program, function: &sluice_types::Function) -> String {
    let names = function.into.iter().map(|b| &*program.buckets[b.index()].name);
    if function.into.is_empty() { "output".to_owned() } else { list(names) }
}

fn bucket(program: &Program, graph: &Graph, callers: &Callers, bucket: BucketIx) -> Vec<String> {
    let functions = graph.predecessors(Node::Bucket(bucket)).into_iter().filter(|node| match node {
        Node::Function(function) => {
            !program.functions[function.index()].takes_turns()
                && (bucket != Program::OUTPUT || !callers.takes_all_answers(program, *function))
        }
        Node::Bucket(_) => true,
    });
    let functions: Vec<_> = functions.collect();
    let workflows = program.workflows.iter().filter(|_| bucket == Program::OUTPUT);
    let writers = functions.iter().map(|node| name(program, *node)).chain(workflows.map(|w| &*w.name));
    let writers = list(writers);
    let text = match (bucket, writers.as_str()) {
        (Program::INPUT, _) => "what a run starts with".to_owned(),
        (Program::OUTPUT, "") => "the outputs of a run".to_owned(),
        (Program::OUTPUT, writers) => format!("the outputs of a run, put by {writers}"),
        (_, "") => "put by clients only".to_owned(),
        (_, writers) => format!("put by {writers}"),
    };
    let is_own = bucket != Program::INPUT && bucket != Program::OUTPUT;
    let kept = if is_own && program.buckets[bucket.index()].keep { "; kept with the run" } else { "" };
    vec![format!("{text}{kept}")]
}

fn trigger(program: &Program, trigger: &sluice_types::Trigger) -> Vec<String> {
    let actions: Vec<_> = trigger.actions.iter().map(|a| action(program, a)).collect();
    let mut lines = vec![condition(program, &trigger.condition), format!("→ {}", actions.join(", and "))];
    if trigger.scope == Scope::App {
        lines.push("over all runs; each firing starts a new run".to_owned());
    }
    if trigger.optional {
        lines.push("ignored if incomplete at closing".to_owned());
    }
    lines
}

/// The name of a state, set in by what it is part of.
fn indented(step: &Step) -> String {
    format!("{}{}", "  ".repeat(step.depth), step.state)
}

fn lines(step: &Step) -> Vec<String> {
    let does = step.does.iter().map(|does| format!("→ {does}"));
    std::iter::once(step.when.clone()).chain(does).chain(step.fails.iter().cloned()).collect()
}

/// One line per function, upstream first: what it reads, itself, what it writes.
fn flows(program: &Program, graph: &Graph, callers: &Callers) -> Vec<String> {
    let functions = graph.components().into_iter().flatten().filter_map(|node| match node {
        Node::Function(function) => Some(function).filter(|ix| !program.functions[ix.index()].takes_turns()),
        Node::Bucket(_) => None,
    });
    functions.map(|function| flow(program, graph, function, callers)).collect()
}

fn flow(program: &Program, graph: &Graph, function: FunctionIx, callers: &Callers) -> String {
    let node = Node::Function(function);
    let buckets = |nodes: BTreeSet<Node>| {
        let buckets = nodes.into_iter().filter(|node| matches!(node, Node::Bucket(_)));
        buckets.map(|bucket| name(program, bucket).to_owned()).collect::<Vec<_>>()
    };
    let reads = [&buckets(graph.predecessors(node)), callers.of(function)].concat().join(" + ");
    let reads = if reads.is_empty() { "·".to_owned() } else { reads };
    let mut written = graph.successors(node);
    if callers.takes_all_answers(program, function) {
        written.remove(&Node::Bucket(Program::OUTPUT));
    }
    let writes = [&buckets(written), callers.of(function)].concat().join(" + ");
    format!("{reads} → [{}] → {writes}", name(program, node))
}
