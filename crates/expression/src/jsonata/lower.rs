//! The tree to the compiled form: flat paths, predicates as stages of their steps, last calls marked, and each parent
//! operator given a label that the right step before it binds.

use super::Dialect;
use super::ast::{Call, Kind, Lambda, Name, Node, Operator, Pairs, Path, Stage, Step, Term, Transform};
use super::error::{Outcome, raise};
use super::function;
use super::signature::Signature;
use super::syntax::{Form, Tree};
use crate::Value;
use std::sync::Arc;

/// Compiles a tree.
pub fn lower(tree: Tree, dialect: Dialect) -> Outcome<Node> {
    let mut lowering = Lowering { dialect, labels: 0 };
    let mut part = lowering.part(tree)?;
    if !part.seeking.is_empty() {
        return Err(raise("S0217").at(part.node.position));
    }
    finish(&mut part.node);
    Ok(part.node)
}

struct Lowering {
    dialect: Dialect,
    labels: usize,
}

/// A parent operator that looks for its step.
#[derive(Clone, Debug)]
struct Slot {
    label: Name,
    /// How many steps up it still is.
    level: usize,
}

/// A lowered tree with the parents that it does not resolve itself.
struct Part {
    node: Node,
    seeking: Vec<Slot>,
    /// Those of the predicates of the last step, if the node is a path.
    last_seeking: Vec<Slot>,
}

impl From<Node> for Part {
    fn from(node: Node) -> Self {
        Self { node, seeking: Vec::new(), last_seeking: Vec::new() }
    }
}

impl Lowering {
    fn part(&mut self, tree: Tree) -> Outcome<Part> {
        let (position, keep_array) = (tree.position, tree.keep_array);
        let mut seeking = Vec::new();
        let kind = match tree.form {
            Form::End => return Err(raise("S0207").at(position)),
            Form::Name(name) => return Ok(named(name, position, keep_array)),
            Form::Operator("?") => return Err(raise("S0201").at(position).token("?")),
            Form::Operator(name) => return Ok(named(name.to_owned(), position, keep_array)),
            Form::Infix { operator, left, right } => {
                return self.infix(operator, *left, *right, position, keep_array);
            }
            Form::Predicate { of, filter } => return self.predicate(*of, *filter),
            Form::Group { of, pairs } => return self.group(*of, pairs, position),
            Form::Order { of, terms } => return self.order(*of, terms, position),
            Form::Literal(value) => Kind::Literal(value),
            Form::Variable(name) => self.variable(name),
            Form::Regex(pattern) => Kind::Regex(pattern),
            Form::Wildcard => Kind::Wildcard,
            Form::Descendants => Kind::Descendants,
            Form::Parent => self.parent(&mut seeking),
            Form::Negate(operand) => negated(self.node(*operand, &mut seeking)?),
            Form::Array(items) => Kind::Array(self.nodes(items, &mut seeking)?),
            Form::Object(pairs) => Kind::Object(Box::new(self.pairs(pairs, position, &mut seeking)?)),
            Form::Block(expressions) => return self.block(expressions, position, keep_array),
            Form::Condition { condition, then, otherwise } => {
                self.condition(*condition, *then, otherwise, &mut seeking)?
            }
            Form::Call { procedure, arguments, partial } => {
                let call = Arc::new(self.call(*procedure, arguments, position, &mut seeking)?);
                if partial { Kind::Partial(call) } else { Kind::Call(call) }
            }
            Form::Lambda { parameters, signature, body } => {
                self.lambda(parameters, signature, *body, &mut seeking)?
            }
            Form::Transform { pattern, update, delete } => {
                self.transform((*pattern, *update, delete), position, &mut seeking)?
            }
        };
        Ok(Part { node: Node { keep_array, ..Node::new(kind, position) }, seeking, last_seeking: Vec::new() })
    }

    /// Lowers a part of something that resolves no parents itself.
    fn node(&mut self, tree: Tree, seeking: &mut Vec<Slot>) -> Outcome<Node> {
        let part = self.part(tree)?;
        seeking.extend(part.seeking);
        Ok(part.node)
    }

    fn boxed(&mut self, tree: Tree, seeking: &mut Vec<Slot>) -> Outcome<Box<Node>> {
        self.node(tree, seeking).map(Box::new)
    }

    /// A node that is about to be shared, and so cannot be finished later.
    fn finished(&mut self, tree: Tree, seeking: &mut Vec<Slot>) -> Outcome<Node> {
        let mut node = self.node(tree, seeking)?;
        finish(&mut node);
        Ok(node)
    }

    fn nodes(&mut self, trees: Vec<Tree>, seeking: &mut Vec<Slot>) -> Outcome<Vec<Node>> {
        trees.into_iter().map(|tree| self.node(tree, seeking)).collect()
    }

    fn pairs(
        &mut self,
        pairs: Vec<(Tree, Tree)>,
        position: usize,
        seeking: &mut Vec<Slot>,
    ) -> Outcome<Pairs> {
        let pairs = pairs.into_iter().map(|(key, value)| {
            let key = self.node(key, seeking)?;
            Ok((key, self.node(value, seeking)?))
        });
        Ok(Pairs { pairs: pairs.collect::<Outcome<_>>()?, position })
    }

    fn variable(&self, name: String) -> Kind {
        match name.as_str() {
            "" => Kind::Context,
            "$" => Kind::Root,
            known => Kind::Variable { builtin: function::find(known, self.dialect), name: name.into() },
        }
    }

    /// A parent operator, which looks for its step from here on.
    fn parent(&mut self, seeking: &mut Vec<Slot>) -> Kind {
        let label: Name = format!("%{}", self.labels).into();
        self.labels += 1;
        seeking.push(Slot { label: label.clone(), level: 1 });
        Kind::Parent(label)
    }

    fn lambda(
        &mut self,
        parameters: Vec<String>,
        signature: Option<Signature>,
        body: Tree,
        seeking: &mut Vec<Slot>,
    ) -> Outcome<Kind> {
        let parameters = parameters.into_iter().map(Name::from).collect();
        let mut body = self.node(body, seeking)?;
        mark_last_call(&mut body);
        finish(&mut body);
        Ok(Kind::Lambda(Arc::new(Lambda { parameters, signature, body })))
    }

    fn transform(
        &mut self,
        (pattern, update, delete): (Tree, Tree, Option<Box<Tree>>),
        position: usize,
        seeking: &mut Vec<Slot>,
    ) -> Outcome<Kind> {
        let pattern = self.finished(pattern, seeking)?;
        let update = self.finished(update, seeking)?;
        let delete = delete.map(|tree| self.finished(*tree, seeking)).transpose()?;
        Ok(Kind::Transform(Arc::new(Transform { pattern, update, delete, position })))
    }

    fn condition(
        &mut self,
        condition: Tree,
        then: Tree,
        otherwise: Option<Box<Tree>>,
        seeking: &mut Vec<Slot>,
    ) -> Outcome<Kind> {
        Ok(Kind::Condition {
            condition: self.boxed(condition, seeking)?,
            then: self.boxed(then, seeking)?,
            otherwise: otherwise.map(|tree| self.boxed(*tree, seeking)).transpose()?,
        })
    }

    fn call(
        &mut self,
        procedure: Tree,
        arguments: Vec<Tree>,
        position: usize,
        seeking: &mut Vec<Slot>,
    ) -> Outcome<Call> {
        let arguments = arguments.into_iter().map(|tree| match tree.form {
            Form::Operator("?") => Ok(None),
            _ => self.finished(tree, seeking).map(Some),
        });
        let arguments = arguments.collect::<Outcome<_>>()?;
        let mut unsought = Vec::new();
        Ok(Call { procedure: self.finished(procedure, &mut unsought)?, arguments, position })
    }

    fn block(&mut self, expressions: Vec<Tree>, position: usize, keep_array: bool) -> Outcome<Part> {
        let mut seeking = Vec::new();
        let expressions = self.nodes(expressions, &mut seeking)?;
        let constructs = expressions.iter().any(|node| match &node.kind {
            Kind::Path(path) => path.steps.first().is_some_and(|step| step.node.constructs),
            _ => node.constructs,
        });
        let node = Node::new(Kind::Block { expressions, binds: true }, position);
        Ok(Part { node: Node { keep_array, constructs, ..node }, seeking, last_seeking: Vec::new() })
    }

    fn infix(
        &mut self,
        operator: &'static str,
        left: Tree,
        right: Tree,
        position: usize,
        keep_array: bool,
    ) -> Outcome<Part> {
        let mut seeking = Vec::new();
        let kind = match operator {
            "." => return self.path(left, right),
            "@" => return self.focus(left, right, position),
            "#" => return self.index(left, right),
            ":=" => match left.form {
                Form::Variable(name) => Kind::Bind(name.into(), self.boxed(right, &mut seeking)?),
                _ => return Err(raise("S0212").at(left.position)),
            },
            "~>" => {
                let left = self.boxed(left, &mut seeking)?;
                let right = self.boxed(right, &mut seeking)?;
                let keep_array = left.keep_array || right.keep_array;
                let node = Node { keep_array, ..Node::new(Kind::Apply(left, right), position) };
                return Ok(Part { seeking, ..Part::from(node) });
            }
            ".." => Kind::Range(self.boxed(left, &mut seeking)?, self.boxed(right, &mut seeking)?),
            "?:" => Kind::Elvis(self.boxed(left, &mut seeking)?, self.boxed(right, &mut seeking)?),
            "??" => Kind::Coalesce(self.boxed(left, &mut seeking)?, self.boxed(right, &mut seeking)?),
            symbol => {
                let operator =
                    Operator::of(symbol).ok_or_else(|| raise("S0204").at(position).token(symbol))?;
                let left = self.boxed(left, &mut seeking)?;
                Kind::Binary { operator, left, right: self.boxed(right, &mut seeking)? }
            }
        };
        let node = Node { keep_array, ..Node::new(kind, position) };
        Ok(Part { seeking, ..Part::from(node) })
    }

    fn path(&mut self, left: Tree, right: Tree) -> Outcome<Part> {
        let mut part = into_path(self.part(left)?);
        let rest = self.part(right)?;
        let path = path_of(&mut part.node);
        let last_seeking = match rest.node.kind {
            Kind::Path(tail) => {
                path.steps.extend(tail.steps);
                rest.last_seeking
            }
            _ => {
                path.steps.push(step_of(rest.node));
                rest.seeking
            }
        };
        for step in &mut path.steps {
            match &mut step.node.kind {
                Kind::Literal(Value::String(name)) => step.node.kind = Kind::Name(name.clone()),
                Kind::Literal(value) => {
                    let value = super::item::Item::Value(value.clone());
                    return Err(raise("S0213").at(step.node.position).value(&value));
                }
                _ => {}
            }
            path.keep_singleton |= step.node.keep_array;
        }
        for end in [0, path.steps.len() - 1] {
            let node = &mut path.steps[end].node;
            node.constructs |= matches!(node.kind, Kind::Array(_));
        }
        part.last_seeking = last_seeking;
        resolve(&mut part)?;
        Ok(part)
    }

    fn predicate(&mut self, of: Tree, filter: Tree) -> Outcome<Part> {
        let position = of.position;
        let mut part = self.part(of)?;
        if part.node.group.is_some() {
            return Err(raise("S0209").at(position));
        }
        let mut filter = self.part(filter)?;
        match &mut part.node.kind {
            Kind::Path(path) => {
                let step = path.steps.last_mut().expect("a path has steps");
                for slot in &mut filter.seeking {
                    match slot.level {
                        1 => seek_step(step, slot)?,
                        _ => slot.level -= 1,
                    }
                }
                step.stages.push(Stage::Filter(filter.node));
                part.last_seeking.extend(filter.seeking);
            }
            _ => {
                for slot in &mut filter.seeking {
                    match slot.level {
                        1 => seek(&mut part.node, slot)?,
                        _ => slot.level -= 1,
                    }
                }
                part.node.filters.push(filter.node);
                part.seeking.extend(filter.seeking);
            }
        }
        Ok(part)
    }

    fn group(&mut self, of: Tree, pairs: Vec<(Tree, Tree)>, position: usize) -> Outcome<Part> {
        let mut part = self.part(of)?;
        if part.node.group.is_some() {
            return Err(raise("S0210").at(position));
        }
        let mut unsought = Vec::new();
        part.node.group = Some(Box::new(self.pairs(pairs, position, &mut unsought)?));
        Ok(part)
    }

    fn order(&mut self, of: Tree, terms: Vec<super::syntax::Term>, position: usize) -> Outcome<Part> {
        let mut part = into_path(self.part(of)?);
        let mut seeking = Vec::new();
        let terms = terms
            .into_iter()
            .map(|term| Ok(Term { descending: term.descending, key: self.node(term.key, &mut seeking)? }));
        let sort = Node::new(Kind::Sort(terms.collect::<Outcome<_>>()?), position);
        path_of(&mut part.node).steps.push(Step::new(sort));
        part.last_seeking = seeking;
        resolve(&mut part)?;
        Ok(part)
    }

    fn focus(&mut self, left: Tree, right: Tree, position: usize) -> Outcome<Part> {
        let mut part = into_path(self.part(left)?);
        let step = path_of(&mut part.node).steps.last_mut().expect("a path has steps");
        if !step.stages.is_empty() || !step.node.filters.is_empty() {
            return Err(raise("S0215").at(position));
        }
        if matches!(step.node.kind, Kind::Sort(_)) {
            return Err(raise("S0216").at(position));
        }
        step.node.keep_array |= right.keep_array;
        step.focus = Some(bound_name(right));
        step.tuples = true;
        Ok(part)
    }

    fn index(&mut self, left: Tree, right: Tree) -> Outcome<Part> {
        let mut part = into_path(self.part(left)?);
        let step = path_of(&mut part.node).steps.last_mut().expect("a path has steps");
        step.stages.extend(std::mem::take(&mut step.node.filters).into_iter().map(Stage::Filter));
        match step.stages.is_empty() {
            true => step.index = Some(bound_name(right)),
            false => step.stages.push(Stage::Index(bound_name(right))),
        }
        step.tuples = true;
        Ok(part)
    }
}

fn bound_name(tree: Tree) -> Name {
    match tree.form {
        Form::Variable(name) => name.into(),
        form => unreachable!("the parser lets only variables be bound, not {form:?}"),
    }
}

fn named(name: String, position: usize, keep_array: bool) -> Part {
    let step = Node { keep_array, ..Node::new(Kind::Name(name.into()), position) };
    let path = Path { keep_singleton: keep_array, ..path_of_step(Step::new(step)) };
    Part::from(Node { keep_array, ..Node::new(Kind::Path(path), position) })
}

fn path_of_step(step: Step) -> Path {
    Path { steps: vec![step], keep_singleton: false, tuples: false, plain_tail: 0 }
}

/// A step does with its filters what a path does with the stages of its steps.
fn step_of(mut node: Node) -> Step {
    let stages = std::mem::take(&mut node.filters).into_iter().map(Stage::Filter).collect();
    Step { stages, ..Step::new(node) }
}

/// A path of one step, unless it is a path.
fn into_path(part: Part) -> Part {
    if matches!(part.node.kind, Kind::Path(_)) {
        return part;
    }
    let position = part.node.position;
    let path = path_of_step(Step::new(part.node));
    Part { node: Node::new(Kind::Path(path), position), seeking: part.seeking, last_seeking: Vec::new() }
}

fn path_of(node: &mut Node) -> &mut Path {
    match &mut node.kind {
        Kind::Path(path) => path,
        kind => unreachable!("{kind:?} was made a path"),
    }
}

/// Looks for the steps that the parents of the last step mean, in the steps before it; what is not found there is
/// sought by what is around the path.
fn resolve(part: &mut Part) -> Outcome<()> {
    let path = path_of(&mut part.node);
    for mut slot in std::mem::take(&mut part.last_seeking) {
        let mut before = path.steps.len() - 1;
        while slot.level > 0 {
            if before == 0 {
                part.seeking.push(slot);
                break;
            }
            before -= 1;
            // Steps that bind the focus in a row share one context.
            while before > 0 && path.steps[before].focus.is_some() && path.steps[before - 1].focus.is_some() {
                before -= 1;
            }
            seek_step(&mut path.steps[before], &mut slot)?;
        }
    }
    Ok(())
}

fn seek_step(step: &mut Step, slot: &mut Slot) -> Outcome<()> {
    match &step.node.kind {
        Kind::Name(_) | Kind::Wildcard => {
            slot.level -= 1;
            if slot.level == 0 {
                step.ancestors.push(slot.label.clone());
                step.tuples = true;
            }
            Ok(())
        }
        Kind::Parent(_) => {
            slot.level += 1;
            Ok(())
        }
        _ => {
            step.tuples = true;
            seek(&mut step.node, slot)
        }
    }
}

fn seek(node: &mut Node, slot: &mut Slot) -> Outcome<()> {
    match &mut node.kind {
        Kind::Block { expressions, .. } => match expressions.last_mut() {
            Some(last) => seek(last, slot),
            None => Ok(()),
        },
        Kind::Path(path) => {
            path.tuples = true;
            for step in path.steps.iter_mut().rev() {
                seek_step(step, slot)?;
                if slot.level == 0 {
                    break;
                }
            }
            Ok(())
        }
        Kind::Parent(_) => {
            slot.level += 1;
            Ok(())
        }
        _ => Err(raise("S0217").at(node.position)),
    }
}

/// The negative of a number that is written down, or the negation of what is computed.
fn negated(operand: Node) -> Kind {
    match operand.kind {
        Kind::Literal(Value::Int(int)) => Kind::Literal(Value::Int(-int)),
        Kind::Literal(Value::Float(float)) => Kind::Literal(Value::Float(-float)),
        _ => Kind::Negate(Box::new(operand)),
    }
}

/// Marks the calls whose result is the result of the function, so that they need no level of their own.
fn mark_last_call(node: &mut Node) {
    if !node.filters.is_empty() || node.group.is_some() {
        return;
    }
    match &mut node.kind {
        Kind::Call(call) => node.kind = Kind::TailCall(call.clone()),
        Kind::Condition { then, otherwise, .. } => {
            mark_last_call(then);
            if let Some(otherwise) = otherwise {
                mark_last_call(otherwise);
            }
        }
        Kind::Block { expressions, .. } => {
            if let Some(last) = expressions.last_mut() {
                mark_last_call(last);
            }
        }
        _ => {}
    }
}

/// Notes, once nothing changes any more, what the evaluator can do in a shorter way.
fn finish(node: &mut Node) {
    node.children_mut(&mut finish);
    match &mut node.kind {
        Kind::Path(path) => {
            let tail = path.steps.iter().rev().take_while(|step| step.is_plain()).count();
            let whole = match path.steps.len() - tail {
                0 => true,
                1 => path.steps[0].is_start(),
                _ => false,
            };
            path.plain_tail = if whole && !path.keep_singleton && !path.tuples { tail } else { 0 };
        }
        Kind::Block { expressions, binds } => *binds = expressions.iter().any(may_bind),
        _ => {}
    }
}

/// Whether evaluating it can set a variable of the scope it stands in.
fn may_bind(node: &Node) -> bool {
    match &node.kind {
        Kind::Bind(..) => true,
        // They have scopes of their own.
        Kind::Block { .. } | Kind::Lambda(_) => false,
        _ => {
            let mut binds = false;
            node.children(&mut |child| binds |= may_bind(child));
            binds
        }
    }
}
