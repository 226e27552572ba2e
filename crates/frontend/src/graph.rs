//! The data graph of a program: which buckets and functions feed which, within one run.

use sluice_types::{Action, BucketIx, Condition, FunctionIx, Program, Scope, TriggerIx};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A bucket or a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A bucket.
    Bucket(BucketIx),
    /// A function.
    Function(FunctionIx),
}

/// Why the second node depends on the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// A trigger passes objects of the bucket to the function.
    Starts(TriggerIx),
    /// A trigger that starts the second function waits until the first is closed.
    Waits(TriggerIx),
    /// The function puts to the bucket.
    Puts,
}

/// Buckets and functions, and how data flows between them inside a run. App-scoped triggers start new runs, so
/// they have no edges here.
#[derive(Clone, Debug)]
pub struct Graph {
    edges: BTreeMap<Node, BTreeSet<(Node, Why)>>,
    predecessors: BTreeMap<Node, BTreeSet<Node>>,
}

/// A strongly connected component: nodes that close together.
pub type Component = Vec<Node>;

impl Graph {
    /// The graph of a program. The edge to the bucket `output`, to which every function may put, is drawn where a
    /// function names it or nothing else, and for every function as soon as some trigger watches `output`.
    pub fn of(program: &Program) -> Self {
        let buckets = (0..program.buckets.len()).map(|i| Node::Bucket(BucketIx(i as u16)));
        let functions = (0..program.functions.len()).map(|i| Node::Function(FunctionIx(i as u16)));
        let edges = buckets.chain(functions).map(|node| (node, BTreeSet::new())).collect();
        let mut graph = Self { edges, predecessors: BTreeMap::new() };
        for (i, trigger) in program.triggers.iter().enumerate().filter(|(_, t)| t.scope == Scope::Run) {
            let trigger_ix = TriggerIx(i as u16);
            for action in &trigger.actions {
                let Action::Invoke(function) = action else { continue };
                graph.condition(&trigger.condition, trigger_ix, Node::Function(*function));
            }
        }
        let output_is_watched = !graph.successors(Node::Bucket(Program::OUTPUT)).is_empty();
        for (i, function) in program.functions.iter().enumerate() {
            let from = Node::Function(FunctionIx(i as u16));
            let output = (output_is_watched || function.into.is_empty()).then_some(Program::OUTPUT);
            for bucket in function.into.iter().copied().chain(output) {
                graph.edge(from, Node::Bucket(bucket), Why::Puts);
            }
        }
        graph
    }

    fn condition(&mut self, condition: &Condition, trigger: TriggerIx, to: Node) {
        for_each_part(condition, &mut |part| {
            if let Some(bucket) = watched(part) {
                self.edge(Node::Bucket(bucket), to, Why::Starts(trigger));
            }
            if let Some(of) = waited_for(part) {
                self.edge(Node::Function(of), to, Why::Waits(trigger));
            }
        });
    }

    fn edge(&mut self, from: Node, to: Node, why: Why) {
        self.edges.entry(from).or_default().insert((to, why));
        self.predecessors.entry(to).or_default().insert(from);
    }

    /// Every edge, ordered.
    pub fn edges(&self) -> impl Iterator<Item = (Node, Node, Why)> {
        self.edges.iter().flat_map(|(from, to)| to.iter().map(|(to, why)| (*from, *to, *why)))
    }

    /// What a node feeds, ordered.
    pub fn successors(&self, node: Node) -> BTreeSet<Node> {
        self.edges.get(&node).into_iter().flatten().map(|(to, _)| *to).collect()
    }

    /// What feeds a node, ordered.
    pub fn predecessors(&self, node: Node) -> BTreeSet<Node> {
        self.predecessors.get(&node).cloned().unwrap_or_default()
    }

    /// The shortest way along the edges, both ends included; a node leads to itself only along a cycle.
    pub fn path(&self, from: Node, to: Node) -> Option<Vec<Node>> {
        let mut before: BTreeMap<Node, Node> = BTreeMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            for next in self.successors(node) {
                if before.contains_key(&next) {
                    continue;
                }
                before.insert(next, node);
                if next == to {
                    return Some(walk_back(&before, from, to));
                }
                queue.push_back(next);
            }
        }
        None
    }

    /// The strongly connected components in topological order: a component comes after all that feed it. Kosaraju's
    /// algorithm without recursion.
    pub fn components(&self) -> Vec<Component> {
        let mut finished = Vec::new();
        let mut seen = BTreeSet::new();
        for node in self.edges.keys() {
            visit(*node, &mut seen, &mut finished, &|n| self.successors(n));
        }
        let mut seen = BTreeSet::new();
        let mut components = Vec::new();
        for node in finished.into_iter().rev() {
            let mut component = Vec::new();
            visit(node, &mut seen, &mut component, &|n| self.predecessors(n));
            if !component.is_empty() {
                component.sort();
                components.push(component);
            }
        }
        components
    }
}

fn walk_back(before: &BTreeMap<Node, Node>, from: Node, to: Node) -> Vec<Node> {
    let mut path = vec![to];
    let mut at = to;
    loop {
        at = before[&at];
        path.push(at);
        if at == from {
            path.reverse();
            return path;
        }
    }
}

/// Depth-first from a node; appends what it finds in the order of leaving it.
fn visit(
    start: Node,
    seen: &mut BTreeSet<Node>,
    finished: &mut Vec<Node>,
    next: &dyn Fn(Node) -> BTreeSet<Node>,
) {
    if !seen.insert(start) {
        return;
    }
    let mut stack = vec![(start, next(start).into_iter())];
    while let Some((node, rest)) = stack.last_mut() {
        match rest.find(|n| seen.insert(*n)) {
            Some(found) => stack.push((found, next(found).into_iter())),
            None => {
                finished.push(*node);
                stack.pop();
            }
        }
    }
}

/// Calls `visit` with a condition that is not `all` or `any`, or with each such inside it.
pub(crate) fn for_each_part(condition: &Condition, visit: &mut dyn FnMut(&Condition)) {
    match condition {
        Condition::All(list) | Condition::Any(list) => list.iter().for_each(|c| for_each_part(c, visit)),
        part => visit(part),
    }
}

/// The bucket that a simple condition watches.
pub(crate) fn watched(condition: &Condition) -> Option<BucketIx> {
    match condition {
        Condition::Each(from)
        | Condition::Name { from, .. }
        | Condition::Set { from, .. }
        | Condition::Batch { from, .. }
        | Condition::Window { from, .. }
        | Condition::First { from, .. }
        | Condition::Join { from, .. }
        | Condition::Group { from, .. } => Some(from.bucket),
        Condition::Event(_)
        | Condition::Events { .. }
        | Condition::Cron { .. }
        | Condition::All(_)
        | Condition::Any(_) => None,
    }
}

/// The function whose end a simple condition waits for.
pub(crate) fn waited_for(condition: &Condition) -> Option<FunctionIx> {
    match condition {
        Condition::Join { of, .. } | Condition::Group { of, .. } => Some(*of),
        _ => None,
    }
}

/// The name of a node.
pub(crate) fn name(program: &Program, node: Node) -> &str {
    match node {
        Node::Bucket(bucket) => &program.buckets[bucket.index()].name,
        Node::Function(function) => &program.functions[function.index()].name,
    }
}
