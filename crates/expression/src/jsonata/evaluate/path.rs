//! Paths: steps from a context to items.

use super::super::ast::{Kind, Name, Node, Path, Stage, Step};
use super::super::error::Outcome;
use super::super::frame::FrameId;
use super::super::item::Item;
use super::Evaluator;
use crate::Value;

impl Evaluator<'_> {
    /// What the steps lead to.
    pub fn path(&mut self, node: &Node, path: &Path, input: &Item, frame: FrameId) -> Outcome {
        if path.plain_tail > 0 && node.group.is_none() {
            return self.walk(path, input, frame);
        }
        let result = self.steps(path, input, frame)?;
        if let Some(group) = &node.group {
            return self.group(group, &result, frame);
        }
        let result = match result {
            Item::Tuples(tuples) if !path.tuples => {
                Item::sequence(tuples.iter().map(|tuple| tuple.item.clone()).collect())
            }
            result => result,
        };
        Ok(if path.keep_singleton { kept(result) } else { result })
    }

    /// A path that names fields, from the context or from what its first step gives: no sequence is made as long as
    /// there is one object after the other.
    fn walk(&mut self, path: &Path, input: &Item, frame: FrameId) -> Outcome {
        let names = &path.steps[path.steps.len() - path.plain_tail..];
        let started;
        let start = match path.steps.len() - names.len() {
            0 => input,
            _ => {
                started = self.evaluate(&path.steps[0].node, input, frame)?;
                &started
            }
        };
        self.budget.steps(names.len())?;
        let Item::Value(value) = start else {
            return match start {
                Item::Nothing => Ok(Item::Nothing),
                Item::Object(_) if names.len() == 1 => Ok(start.field(name_of(&names[0]))),
                _ => self.each_step(names, as_input(start), frame),
            };
        };
        let mut value = value;
        for (at, step) in names.iter().enumerate() {
            match value {
                Value::Object(fields) => match fields.get(name_of(step)) {
                    Some(field) => value = field,
                    None => return Ok(Item::Nothing),
                },
                Value::Array(_) => {
                    return self.each_step(&names[at..], Item::Value(value.clone()), frame);
                }
                _ => return Ok(Item::Nothing),
            }
        }
        Ok(Item::Value(value.clone()))
    }

    /// All steps; tuples if a step binds something.
    fn steps(&mut self, path: &Path, input: &Item, frame: FrameId) -> Outcome {
        let first = &path.steps[0].node;
        let many =
            input.is_array() && !matches!(first.kind, Kind::Variable { .. } | Kind::Context | Kind::Root);
        let mut current = if many { input.clone() } else { as_input(input) };
        for (at, step) in path.steps.iter().enumerate() {
            if step.tuples || matches!(current, Item::Tuples(_)) {
                return self.tuple_steps(&path.steps[at..], current, frame);
            }
            current = match at == 0 && step.node.constructs {
                true => self.evaluate(&step.node, &current, frame)?,
                false => self.step(step, &current, at + 1 == path.steps.len(), frame)?,
            };
            if current.len() == 0 {
                return Ok(current);
            }
        }
        Ok(current)
    }

    fn each_step(&mut self, steps: &[Step], input: Item, frame: FrameId) -> Outcome {
        let mut current = input;
        for (at, step) in steps.iter().enumerate() {
            current = self.step(step, &current, at + 1 == steps.len(), frame)?;
            if current.len() == 0 {
                break;
            }
        }
        Ok(current)
    }

    /// One step from each item of the input; arrays among the results are flattened.
    fn step(&mut self, step: &Step, input: &Item, last: bool, frame: FrameId) -> Outcome {
        if let Kind::Sort(terms) = &step.node.kind {
            let mut sorted = self.sort(terms, input, frame, step.node.position)?;
            for stage in &step.stages {
                sorted = self.stage(stage, sorted, frame)?;
            }
            return Ok(sorted);
        }
        let mut results = Vec::new();
        for item in input.items() {
            let mut result = match &step.node.kind {
                Kind::Name(name) => {
                    self.budget.steps(1)?;
                    lookup(&item, name).settled(step.node.keep_array)
                }
                _ => self.evaluate(&step.node, &item, frame)?,
            };
            for stage in &step.stages {
                result = self.stage(stage, result, frame)?;
            }
            if !result.is_nothing() {
                results.push(result);
            }
        }
        if last && results.len() == 1 && results[0].is_array() && !results[0].is_sequence() {
            return Ok(results.swap_remove(0));
        }
        let flat = flattened(results);
        self.budget.bytes(std::mem::size_of_val(&flat[..]))?;
        Item::sequence(flat).bounded()
    }

    /// A filter over the results of a step.
    pub fn stage(&mut self, stage: &Stage, results: Item, frame: FrameId) -> Outcome {
        match stage {
            Stage::Filter(predicate) => self.filter(predicate, &results, frame),
            Stage::Index(name) => Ok(super::tuple::numbered(results, name)),
        }
    }

    /// The items of the input that a predicate selects, by position or by truth.
    pub fn filter(&mut self, predicate: &Node, input: &Item, frame: FrameId) -> Outcome {
        if let Item::Tuples(tuples) = input {
            return self.filter_tuples(predicate, tuples, frame);
        }
        let length = input.len();
        if let Kind::Literal(Value::Int(_) | Value::Float(_)) = &predicate.kind {
            return Ok(match position(predicate, length).and_then(|index| input.nth(index)) {
                Some(item) if item.is_array() => item,
                item => Item::sequence(item.into_iter().collect()),
            });
        }
        let mut kept = Vec::new();
        for (index, item) in input.items().enumerate() {
            let wanted = self.evaluate(predicate, &item, frame)?;
            kept.extend(std::iter::repeat_n(item, selected(&wanted, index, length)));
        }
        self.budget.bytes(std::mem::size_of_val(&kept[..]))?;
        Ok(Item::sequence(kept))
    }

    /// The input and everything inside it.
    pub fn descendants(&mut self, input: &Item) -> Outcome {
        let mut found = Vec::new();
        let mut waiting = vec![input.clone()];
        while let Some(item) = waiting.pop() {
            self.budget.steps(1)?;
            let is_array = item.is_array();
            let start = waiting.len();
            match is_array {
                true => waiting.extend(item.items()),
                false => waiting.extend(item.fields().map(|(_, field)| field)),
            }
            waiting[start..].reverse();
            if !is_array && !item.is_nothing() {
                found.push(item);
            }
        }
        self.budget.bytes(std::mem::size_of_val(&found[..]))?;
        Ok(Item::sequence(found))
    }
}

fn name_of(step: &Step) -> &Name {
    match &step.node.kind {
        Kind::Name(name) => name,
        kind => unreachable!("a plain step names a field, it is not {kind:?}"),
    }
}

/// A context as the input of a first step.
fn as_input(context: &Item) -> Item {
    match context {
        array if array.is_array() => array.clone(),
        single => Item::sequence(vec![single.clone()]),
    }
}

/// Marks a result as one that stays an array.
fn kept(result: Item) -> Item {
    match result {
        Item::List(list) if list.constructed && !list.sequence => {
            Item::sequence(vec![Item::List(list)]).kept()
        }
        result => result.kept(),
    }
}

fn flattened(results: Vec<Item>) -> Vec<Item> {
    if !results.iter().any(Item::is_array) {
        return results;
    }
    let mut flat = Vec::with_capacity(results.len());
    for result in results {
        match result {
            Item::List(list) if list.constructed => flat.push(Item::List(list)),
            result => result.move_items(&mut flat),
        }
    }
    flat
}

/// How often a predicate that gave `wanted` selects the item at `index`.
pub fn selected(wanted: &Item, index: usize, length: usize) -> usize {
    let is_number = |item: &Item| item.as_f64().is_some_and(f64::is_finite);
    let numeric = is_number(wanted) || wanted.is_array() && wanted.items().all(|item| is_number(&item));
    match numeric {
        true => wanted.items().filter(|item| at(item, length) == Some(index as f64)).count(),
        false => usize::from(wanted.truth()),
    }
}

/// The position that a number means, counted from the end if it is negative.
fn at(item: &Item, length: usize) -> Option<f64> {
    let index = item.as_f64()?.floor();
    Some(if index < 0.0 { index + length as f64 } else { index })
}

/// The position that a literal means, if there is one.
pub fn position(predicate: &Node, length: usize) -> Option<usize> {
    let Kind::Literal(value) = &predicate.kind else { return None };
    at(&Item::Value(value.clone()), length).filter(|index| *index >= 0.0).map(|index| index as usize)
}

/// The field of an object; of each object in an array.
pub fn lookup(input: &Item, name: &str) -> Item {
    if !input.is_array() {
        return input.field(name);
    }
    let mut found = Vec::new();
    for item in input.items() {
        match lookup(&item, name) {
            Item::Nothing => {}
            array if array.is_array() => found.extend(array.items()),
            single => found.push(single),
        }
    }
    Item::sequence(found)
}

/// The values of all fields; arrays among them are flattened.
pub fn wildcard(input: &Item) -> Item {
    let inner;
    let input = match input {
        Item::List(list) if list.outer => {
            inner = list.items[0].clone();
            &inner
        }
        input => input,
    };
    let mut plain = false;
    let mut found = Vec::new();
    let mut add = |value: Item| match value.is_array() {
        true => {
            plain = true;
            flatten(&value, &mut found);
        }
        false => found.push(value),
    };
    match input.is_array() {
        true => input.items().for_each(&mut add),
        false => input.fields().for_each(|(_, value)| add(value)),
    }
    if plain { Item::array(found) } else { Item::sequence(found) }
}

fn flatten(item: &Item, into: &mut Vec<Item>) {
    for item in item.items() {
        match item.is_array() {
            true => flatten(&item, into),
            false => into.push(item),
        }
    }
}
