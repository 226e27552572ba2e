//! The variables that an expression needs from outside.

use super::ast::{Kind, Name, Node, Path, Stage};
use std::sync::Arc;

/// A variable that the caller has to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The name, without `$`.
    pub name: Arc<str>,
    /// The fields named right after it: `["input", "a"]` in `$states.input.a`.
    pub fields: Vec<Arc<str>>,
}

/// The free variables, in the order in which they are written; each as often as it is.
pub fn free(root: &Node) -> Vec<Reference> {
    let mut search = Search { bound: Vec::new(), found: Vec::new() };
    search.node(root);
    search.found
}

/// The fields of the input that the expression names outright, each once: `a` in `a.b + $c[d = 1]`.
pub fn input_names(root: &Node) -> Vec<Name> {
    let mut found = Vec::new();
    collect_input_names(root, &mut found);
    found
}

fn collect_input_names(node: &Node, found: &mut Vec<Name>) {
    match &node.kind {
        Kind::Name(name) if !found.contains(name) => found.push(name.clone()),
        // Steps after the first look at what the one before them found.
        Kind::Path(path) => path.steps.iter().take(1).for_each(|step| collect_input_names(&step.node, found)),
        Kind::Transform(_) => {}
        _ => {
            // Filters and groupings, which are visited first, look at the result of the node.
            let mut results =
                node.filters.len() + node.group.as_ref().map_or(0, |group| 2 * group.pairs.len());
            node.children(&mut |child| match results.checked_sub(1) {
                Some(fewer) => results = fewer,
                None => collect_input_names(child, found),
            });
        }
    }
}

struct Search {
    /// Names bound so far in the scopes around.
    bound: Vec<Name>,
    found: Vec<Reference>,
}

impl Search {
    fn node(&mut self, node: &Node) {
        let scope = self.bound.len();
        match &node.kind {
            Kind::Path(path) => return self.path(node, path),
            Kind::Variable { name, builtin: None } => self.variable(name, Vec::new()),
            Kind::Lambda(lambda) => self.bound.extend(lambda.parameters.iter().cloned()),
            // Bound before its value is looked at: a function may call itself.
            Kind::Bind(name, _) => self.bound.push(name.clone()),
            _ => {}
        }
        node.children(&mut |child| self.node(child));
        if matches!(node.kind, Kind::Lambda(_) | Kind::Block { .. }) {
            self.bound.truncate(scope);
        }
    }

    fn variable(&mut self, name: &Name, fields: Vec<Name>) {
        if !self.bound.contains(name) {
            self.found.push(Reference { name: name.clone(), fields });
        }
    }

    fn path(&mut self, node: &Node, path: &Path) {
        let scope = self.bound.len();
        for (at, step) in path.steps.iter().enumerate() {
            match &step.node.kind {
                Kind::Variable { name, builtin: None } if at == 0 => {
                    let fields = path.steps[1..].iter().map_while(|step| match &step.node.kind {
                        Kind::Name(name) => Some(name.clone()),
                        _ => None,
                    });
                    self.variable(name, fields.collect());
                    step.node.filters.iter().for_each(|filter| self.node(filter));
                }
                _ => self.node(&step.node),
            }
            self.bound.extend(step.focus.iter().chain(&step.index).cloned());
            for stage in &step.stages {
                match stage {
                    Stage::Filter(filter) => self.node(filter),
                    Stage::Index(name) => self.bound.push(name.clone()),
                }
            }
        }
        let pairs = node.group.iter().flat_map(|group| &group.pairs);
        for (key, value) in pairs {
            self.node(key);
            self.node(value);
        }
        node.filters.iter().for_each(|filter| self.node(filter));
        self.bound.truncate(scope);
    }
}
