//! The data graph of a program: who can cause whom, and its strongly connected components in topological order.
//!
//! Closing (see `engine`) walks these components; `explain` draws them.

use crate::id::{BucketIx, FunctionIx};
use crate::program::{Action, Condition, Program, Scope, Trigger};

/// A vertex of the data graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A bucket.
    Bucket(BucketIx),
    /// A function.
    Function(FunctionIx),
}

/// The data graph, condensed to components.
///
/// Invariants: every node is in exactly one component; a component's number is greater than those of all its
/// predecessors; `successors` holds no duplicates and never the component itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataGraph {
    buckets: usize,
    component_of: Vec<u32>,
    components: Vec<Vec<Node>>,
    successors: Vec<Vec<u32>>,
    predecessor_counts: Vec<u32>,
}

impl DataGraph {
    /// Builds the graph. An edge leads from a bucket to every function that a run-scoped trigger on it calls, from
    /// the `of` of a join or group to that function, from a function to the buckets it may put to, and from every
    /// function, and every bucket watched by a trigger that emits, to every event-triggered function of which it is
    /// not downstream (it may cause the event).
    pub fn new(program: &Program) -> Self {
        let buckets = program.buckets.len();
        let mut edges = data_edges(program);
        add_event_edges(program, &mut edges);
        let component_of = components(&edges);
        let count = component_of.iter().map(|c| c + 1).max().unwrap_or(0) as usize;
        let mut graph = Self {
            buckets,
            components: vec![Vec::new(); count],
            successors: vec![Vec::new(); count],
            predecessor_counts: vec![0; count],
            component_of,
        };
        for (vertex, targets) in edges.iter().enumerate() {
            let from = graph.component_of[vertex];
            let node = graph.node(vertex);
            graph.components[from as usize].push(node);
            graph.successors[from as usize]
                .extend(targets.iter().map(|&t| graph.component_of[t]).filter(|&to| to != from));
        }
        for targets in &mut graph.successors {
            targets.sort_unstable();
            targets.dedup();
            for &to in targets.iter() {
                graph.predecessor_counts[to as usize] += 1;
            }
        }
        graph
    }

    /// Number of components.
    pub fn len(&self) -> usize {
        self.components.len()
    }

    /// Whether the program has neither buckets nor functions.
    pub fn is_empty(&self) -> bool {
        self.components.is_empty()
    }

    /// The component of a node.
    pub fn component(&self, node: Node) -> u32 {
        self.component_of[match node {
            Node::Bucket(bucket) => bucket.index(),
            Node::Function(function) => self.buckets + function.index(),
        }]
    }

    /// The nodes of a component.
    pub fn nodes(&self, component: u32) -> &[Node] {
        &self.components[component as usize]
    }

    /// Components that have an edge from this one.
    pub fn successors(&self, component: u32) -> &[u32] {
        &self.successors[component as usize]
    }

    /// For each component, how many others have an edge to it.
    pub fn predecessor_counts(&self) -> &[u32] {
        &self.predecessor_counts
    }

    fn node(&self, vertex: usize) -> Node {
        match vertex.checked_sub(self.buckets) {
            None => Node::Bucket(BucketIx(vertex as u16)),
            Some(function) => Node::Function(FunctionIx(function as u16)),
        }
    }
}

type Edges = Vec<Vec<usize>>;

fn data_edges(program: &Program) -> Edges {
    let buckets = program.buckets.len();
    let mut edges: Edges = vec![Vec::new(); buckets + program.functions.len()];
    for (index, function) in program.functions.iter().enumerate() {
        edges[buckets + index].push(Program::OUTPUT.index());
        edges[buckets + index].extend(function.into.iter().map(|b| b.index()));
    }
    for trigger in program.triggers.iter().filter(|t| t.scope == Scope::Run) {
        for target in invoked(&trigger.actions) {
            trigger.condition.each_leaf(&mut |leaf| {
                if let Some(source) = leaf.source() {
                    edges[source.bucket.index()].push(buckets + target.index());
                }
                if let Condition::Join { of, .. } | Condition::Group { of, .. } = leaf {
                    edges[buckets + of.index()].push(buckets + target.index());
                }
            });
        }
    }
    edges
}

fn add_event_edges(program: &Program, edges: &mut Edges) {
    let buckets = program.buckets.len();
    let emitters = emitting_sources(program);
    let mut added = Vec::new();
    for trigger in program.triggers.iter().filter(|t| t.scope == Scope::Run && t.condition.has_event()) {
        for target in invoked(&trigger.actions) {
            let target = buckets + target.index();
            let downstream = reachable(edges, target);
            let causes = (buckets..edges.len()).chain(emitters.iter().copied());
            added.extend(causes.filter(|cause| !downstream[*cause]).map(|cause| (cause, target)));
        }
    }
    for (from, to) in added {
        edges[from].push(to);
    }
}

/// The buckets watched by run-scoped triggers that emit an event: closing one may flush a batch, and so emit.
fn emitting_sources(program: &Program) -> Vec<usize> {
    let mut sources = Vec::new();
    let emits =
        |trigger: &&Trigger| trigger.actions.iter().any(|action| matches!(action, Action::Emit { .. }));
    for trigger in program.triggers.iter().filter(|t| t.scope == Scope::Run).filter(emits) {
        trigger
            .condition
            .each_leaf(&mut |leaf| sources.extend(leaf.source().map(|source| source.bucket.index())));
    }
    sources
}

fn invoked(actions: &[Action]) -> impl Iterator<Item = FunctionIx> + '_ {
    actions.iter().filter_map(|action| match action {
        Action::Invoke(function) => Some(*function),
        Action::Emit { .. } => None,
    })
}

fn reachable(edges: &Edges, from: usize) -> Vec<bool> {
    let mut seen = vec![false; edges.len()];
    let mut stack = vec![from];
    while let Some(vertex) = stack.pop() {
        if !std::mem::replace(&mut seen[vertex], true) {
            stack.extend(&edges[vertex]);
        }
    }
    seen
}

/// Tarjan's algorithm (SIAM J. Comput. 1972) without recursion. Numbers components in topological order.
fn components(edges: &Edges) -> Vec<u32> {
    const UNSEEN: u32 = u32::MAX;
    let count = edges.len();
    let (mut index, mut low) = (vec![UNSEEN; count], vec![0u32; count]);
    let (mut component, mut on_stack) = (vec![UNSEEN; count], vec![false; count]);
    let (mut stack, mut next, mut found) = (Vec::new(), 0u32, 0u32);
    for root in 0..count {
        if index[root] != UNSEEN {
            continue;
        }
        let mut path = vec![(root, 0usize)];
        while let Some(top) = path.last_mut() {
            let (vertex, edge) = *top;
            top.1 += 1;
            if edge == 0 {
                (index[vertex], low[vertex]) = (next, next);
                next += 1;
                stack.push(vertex);
                on_stack[vertex] = true;
            }
            if let Some(&target) = edges[vertex].get(edge) {
                if index[target] == UNSEEN {
                    path.push((target, 0));
                } else if on_stack[target] {
                    low[vertex] = low[vertex].min(index[target]);
                }
                continue;
            }
            path.pop();
            if let Some(&(parent, _)) = path.last() {
                low[parent] = low[parent].min(low[vertex]);
            }
            if low[vertex] == index[vertex] {
                while let Some(member) = stack.pop() {
                    on_stack[member] = false;
                    component[member] = found;
                    if member == vertex {
                        break;
                    }
                }
                found += 1;
            }
        }
    }
    component.iter().map(|c| found - 1 - c).collect()
}

#[cfg(test)]
mod tests {
    use super::components;

    #[test]
    fn components_are_in_topological_order() {
        // 0 -> 1 <-> 2 -> 3, 4 -> 3, 5 alone with a loop
        let edges = vec![vec![1], vec![2], vec![1, 3], vec![], vec![3], vec![5]];
        let found = components(&edges);
        assert_eq!(found[1], found[2]);
        for (from, targets) in edges.iter().enumerate() {
            for &to in targets {
                assert!(found[from] <= found[to], "{from} -> {to}: {found:?}");
            }
        }
        let mut distinct = found.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 5);
    }
}
