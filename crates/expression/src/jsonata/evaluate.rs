//! Evaluates a compiled expression.
//!
//! Every node costs a step and a level; both are bounded, so that nothing recurses or runs without end.

mod call;
mod group;
mod operator;
mod path;
mod sort;
mod transform;
mod tuple;

use super::ast::{Kind, Node};
use super::budget::Budget;
use super::error::Outcome;
use super::frame::{FRAME_BYTES, FrameId, Frames, ROOT};
use super::function::Builtin;
use super::item::{Function, Item};
use super::{Dialect, Limits};
use crate::{Value, World};
use std::sync::Arc;

pub use path::lookup;
pub use sort::merge_sort;

/// One evaluation.
pub struct Evaluator<'a> {
    pub dialect: Dialect,
    pub budget: Budget,
    pub world: &'a mut dyn World,
    frames: Frames,
    root: Item,
    bindings: &'a [(Arc<str>, Value)],
    now_ms: Option<u64>,
}

impl<'a> Evaluator<'a> {
    pub fn new(
        dialect: Dialect,
        input: Option<&Value>,
        bindings: &'a [(Arc<str>, Value)],
        world: &'a mut dyn World,
        limits: &Limits,
    ) -> Self {
        let (root, budget) = (Item::from(input.cloned()), Budget::new(limits));
        Self { dialect, budget, world, frames: Frames::new(), root, bindings, now_ms: None }
    }

    /// The value of a whole expression.
    pub fn run(mut self, node: &Node) -> Outcome<Option<Value>> {
        let context = context_of(self.root.clone());
        let result = self.evaluate(node, &context, ROOT);
        let value = result.and_then(|item| item.into_value(&mut self.budget));
        self.world.spent(self.budget.spent());
        value
    }

    /// The time of this evaluation: the same whenever it is asked for.
    pub fn now_ms(&mut self) -> u64 {
        *self.now_ms.get_or_insert_with(|| self.world.now_ms())
    }

    /// The value of a node in a context.
    pub fn evaluate(&mut self, node: &Node, input: &Item, frame: FrameId) -> Outcome {
        self.budget.descend()?;
        let mut result = self.operation(node, input, frame)?;
        for filter in &node.filters {
            result = self.filter(filter, &result, frame)?;
        }
        if let Some(group) = &node.group
            && !matches!(node.kind, Kind::Path(_))
        {
            result = self.group(group, &result, frame)?;
        }
        self.budget.ascend();
        Ok(result.settled(node.keep_array))
    }

    fn operation(&mut self, node: &Node, input: &Item, frame: FrameId) -> Outcome {
        match &node.kind {
            Kind::Path(path) => self.path(node, path, input, frame),
            Kind::Literal(value) => Ok(Item::Value(value.clone())),
            Kind::Name(name) => Ok(path::lookup(input, name)),
            Kind::Variable { name, builtin } => Ok(self.variable_or(*builtin, name, frame)),
            Kind::Context => Ok(match input {
                Item::List(list) if list.outer => list.items[0].clone(),
                context => context.clone(),
            }),
            Kind::Root => Ok(self.root.clone()),
            Kind::Binary { operator, left, right } => {
                self.binary(*operator, left, right, input, frame).map_err(|error| error.at(node.position))
            }
            Kind::Call(call) => self.call(call, None, input, frame),
            Kind::TailCall(call) => {
                let (call, input) = (call.clone(), input.clone());
                Ok(Item::function(Function::TailCall { call, frame, input }))
            }
            Kind::Condition { condition, then, otherwise } => {
                match (self.evaluate(condition, input, frame)?.truth(), otherwise) {
                    (true, _) => self.evaluate(then, input, frame),
                    (false, Some(otherwise)) => self.evaluate(otherwise, input, frame),
                    (false, None) => Ok(Item::Nothing),
                }
            }
            Kind::Object(pairs) => self.group(pairs, input, frame),
            Kind::Array(nodes) => self.array(node, nodes, input, frame),
            Kind::Block { expressions, binds } => self.block(expressions, *binds, input, frame),
            Kind::Bind(name, value) => {
                let value = self.evaluate(value, input, frame)?;
                self.frames.bind(frame, name, value.clone());
                Ok(value)
            }
            _ => self.rarer_operation(node, input, frame),
        }
    }

    #[inline(never)]
    fn rarer_operation(&mut self, node: &Node, input: &Item, frame: FrameId) -> Outcome {
        match &node.kind {
            Kind::Wildcard => Ok(path::wildcard(input)),
            Kind::Descendants => self.descendants(input),
            Kind::Parent(label) => Ok(self.variable(label, frame).unwrap_or_default()),
            Kind::Negate(operand) => {
                let operand = self.evaluate(operand, input, frame)?;
                operator::negate(operand).map_err(|error| error.at(node.position))
            }
            Kind::Range(left, right) => {
                let left = self.evaluate(left, input, frame)?;
                let right = self.evaluate(right, input, frame)?;
                self.range(&left, &right).map_err(|error| error.at(node.position))
            }
            Kind::Elvis(left, right) => {
                let left = self.evaluate(left, input, frame)?;
                if left.truth() { Ok(left) } else { self.evaluate(right, input, frame) }
            }
            Kind::Coalesce(left, right) => {
                let left = self.evaluate(left, input, frame)?;
                if left.is_nothing() { self.evaluate(right, input, frame) } else { Ok(left) }
            }
            Kind::Partial(call) => self.partial(call, input, frame),
            Kind::Lambda(lambda) => {
                self.frames.capture(frame);
                let (lambda, input) = (lambda.clone(), input.clone());
                let depth = 1 + input.depth();
                Item::function(Function::Closure { lambda, frame, input, depth }).bounded()
            }
            Kind::Regex(pattern) => Ok(Item::function(Function::Regex(pattern.clone()))),
            Kind::Apply(left, right) => self.pipe(left, right, input, frame, node.position),
            Kind::Transform(transform) => {
                self.frames.capture(frame);
                Ok(Item::function(Function::Transform { transform: transform.clone(), frame }))
            }
            Kind::Sort(terms) => self.sort(terms, input, frame, node.position),
            kind => unreachable!("{kind:?} is not rare"),
        }
    }

    /// A variable, or the function of its name where it is not bound.
    fn variable_or(&self, builtin: Option<&'static Builtin>, name: &str, frame: FrameId) -> Item {
        match (self.variable(name, frame), builtin) {
            (Some(value), _) => value,
            (None, Some(builtin)) => Item::function(Function::Builtin(builtin)),
            (None, None) => Item::Nothing,
        }
    }

    /// A variable that is bound, in the expression or by its caller.
    fn variable(&self, name: &str, frame: FrameId) -> Option<Item> {
        if let Some(item) = self.frames.get(frame, name) {
            return Some(item.clone());
        }
        let (_, value) = self.bindings.iter().find(|(own, _)| **own == *name)?;
        Some(Item::Value(value.clone()))
    }

    /// Opens a scope inside another.
    fn open(&mut self, parent: FrameId) -> Outcome<FrameId> {
        self.budget.bytes(FRAME_BYTES)?;
        Ok(self.frames.open(parent))
    }

    fn block(&mut self, expressions: &[Node], binds: bool, input: &Item, frame: FrameId) -> Outcome {
        let mark = self.frames.mark();
        let scope = if binds { self.open(frame)? } else { frame };
        let mut result = Item::Nothing;
        for expression in expressions {
            result = self.evaluate(expression, input, scope)?;
        }
        // Whoever makes a last call still needs the scope, and ends it.
        if binds && !is_tail_call(&result) {
            self.frames.close(mark);
        }
        Ok(result)
    }

    #[inline(never)]
    fn array(&mut self, node: &Node, nodes: &[Node], input: &Item, frame: FrameId) -> Outcome {
        let mut items = Vec::with_capacity(nodes.len());
        for inner in nodes {
            let value = self.evaluate(inner, input, frame)?;
            match inner.kind {
                Kind::Array(_) => items.push(value),
                _ => value.move_items(&mut items),
            }
        }
        self.budget.bytes(std::mem::size_of_val(&items[..]))?;
        match node.constructs {
            true => Item::constructed(items).bounded(),
            false => Item::array(items).bounded(),
        }
    }
}

/// An input that is an array is one context, not many.
pub fn context_of(input: Item) -> Item {
    match input {
        Item::Value(array @ Value::Array(_)) => Item::outer(array),
        input => input,
    }
}

fn is_tail_call(item: &Item) -> bool {
    matches!(item, Item::Function(function) if matches!(**function, Function::TailCall { .. }))
}
