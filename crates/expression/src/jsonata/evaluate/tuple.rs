//! Paths that bind variables on their way: `@`, `#` and parents.

use super::super::ast::{Kind, Name, Node, Step};
use super::super::error::Outcome;
use super::super::frame::FrameId;
use super::super::item::{Item, Tuple};
use super::Evaluator;
use super::path::{position, selected};
use std::rc::Rc;

impl Evaluator<'_> {
    /// The steps from the first one that binds something.
    pub fn tuple_steps(&mut self, steps: &[Step], input: Item, frame: FrameId) -> Outcome {
        let mut current = input;
        for step in steps {
            current = match (&step.node.kind, current) {
                (Kind::Sort(terms), items) => {
                    let sorted = tuples_of(self.sort(terms, &items, frame, step.node.position)?);
                    step.index.iter().fold(sorted, numbered)
                }
                (_, items) => self.tuple_step(step, &tuples_of(items), frame)?,
            };
            for stage in &step.stages {
                current = self.stage(stage, current, frame)?;
            }
        }
        Ok(current)
    }

    fn tuple_step(&mut self, step: &Step, input: &Item, frame: FrameId) -> Outcome {
        let Item::Tuples(tuples) = input else { unreachable!("a step over tuples gives tuples") };
        let mut results = Vec::new();
        for tuple in tuples.iter() {
            let result = self.in_tuple(&step.node, tuple, frame)?;
            let inner = match &result {
                Item::Tuples(inner) => inner.to_vec(),
                plain => plain.items().map(|item| Tuple { item, bindings: Vec::new() }).collect(),
            };
            for (index, found) in inner.into_iter().enumerate() {
                let mut next = Tuple { item: found.item, bindings: tuple.bindings.clone() };
                found.bindings.into_iter().for_each(|(name, item)| next.bind(&name, item));
                if let Some(focus) = &step.focus {
                    let item = std::mem::replace(&mut next.item, tuple.item.clone());
                    next.bind(focus, item);
                }
                if let Some(name) = &step.index {
                    next.bind(name, Item::number(index as f64));
                }
                for label in &step.ancestors {
                    next.bind(label, tuple.item.clone());
                }
                results.push(next);
            }
        }
        self.budget.bytes(results.iter().map(Tuple::bytes).sum())?;
        Item::Tuples(Rc::new(results)).bounded()
    }

    /// The value of a node for the item of a tuple, with its variables.
    pub fn in_tuple(&mut self, node: &Node, tuple: &Tuple, frame: FrameId) -> Outcome {
        if tuple.bindings.is_empty() {
            return self.evaluate(node, &tuple.item, frame);
        }
        let mark = self.frames.mark();
        let scope = self.open(frame)?;
        for (name, item) in &tuple.bindings {
            self.frames.bind(scope, name, item.clone());
        }
        let result = self.evaluate(node, &tuple.item, scope)?;
        self.frames.close(mark);
        Ok(result)
    }

    /// As [`Evaluator::filter`], over tuples.
    pub fn filter_tuples(&mut self, predicate: &Node, tuples: &Rc<Vec<Tuple>>, frame: FrameId) -> Outcome {
        let length = tuples.len();
        let mut kept = Vec::new();
        match position(predicate, length) {
            Some(index) if matches!(&predicate.kind, Kind::Literal(value) if value.as_f64().is_some()) => {
                kept.extend(tuples.get(index).cloned());
            }
            _ => {
                for (index, tuple) in tuples.iter().enumerate() {
                    let wanted = self.in_tuple(predicate, tuple, frame)?;
                    kept.extend(std::iter::repeat_n(tuple.clone(), selected(&wanted, index, length)));
                }
            }
        }
        Ok(Item::Tuples(Rc::new(kept)))
    }
}

impl Tuple {
    /// Sets a variable.
    pub fn bind(&mut self, name: &Name, item: Item) {
        match self.bindings.iter_mut().find(|(own, _)| own == name) {
            Some((_, old)) => *old = item,
            None => self.bindings.push((name.clone(), item)),
        }
    }

    fn bytes(&self) -> usize {
        std::mem::size_of_val(self) + std::mem::size_of_val(&self.bindings[..])
    }
}

fn tuples_of(items: Item) -> Item {
    match items {
        tuples @ Item::Tuples(_) => tuples,
        items => {
            let tuples = items.items().map(|item| Tuple { item, bindings: Vec::new() });
            Item::Tuples(Rc::new(tuples.collect()))
        }
    }
}

/// Binds their positions to a name.
pub fn numbered(tuples: Item, name: &Name) -> Item {
    let Item::Tuples(tuples) = tuples else { return tuples };
    let numbered = tuples.iter().enumerate().map(|(index, tuple)| {
        let mut tuple = tuple.clone();
        tuple.bind(name, Item::number(index as f64));
        tuple
    });
    Item::Tuples(Rc::new(numbered.collect()))
}
