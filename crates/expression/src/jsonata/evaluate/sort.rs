//! Order-by, and the sort below it.

use super::super::ast::Term;
use super::super::error::{Outcome, raise};
use super::super::frame::FrameId;
use super::super::item::{Item, Tuple};
use super::Evaluator;
use super::operator::order;
use std::cmp::Ordering;
use std::rc::Rc;

/// An item on its way to its place, with the first of its keys.
struct Entry {
    tuple: Tuple,
    first: Item,
}

impl Evaluator<'_> {
    /// The items of the input in the order of the terms.
    pub fn sort(&mut self, terms: &[Term], input: &Item, frame: FrameId, position: usize) -> Outcome {
        let tuples = match input {
            Item::Tuples(tuples) => tuples.to_vec(),
            _ if input.len() < 2 => return Ok(input.clone()),
            input => input.items().map(|item| Tuple { item, bindings: Vec::new() }).collect(),
        };
        let mut entries = Vec::with_capacity(tuples.len());
        for tuple in tuples {
            let first = self.in_tuple(&terms[0].key, &tuple, frame)?;
            entries.push(Entry { tuple, first });
        }
        let sorted = merge_sort(entries, &mut |a, b| {
            self.budget.steps(1)?;
            let order = self.order(terms, a, b, frame).map_err(|error| error.at(position))?;
            Ok(order == Ordering::Greater)
        })?;
        let tuples = sorted.into_iter().map(|entry| entry.tuple);
        Ok(match input {
            Item::Tuples(_) => Item::Tuples(Rc::new(tuples.collect())),
            _ => Item::array(tuples.map(|tuple| tuple.item).collect()),
        })
    }

    fn order(&mut self, terms: &[Term], a: &Entry, b: &Entry, frame: FrameId) -> Outcome<Ordering> {
        for (at, term) in terms.iter().enumerate() {
            let order = if at == 0 {
                order_of(term, &a.first, &b.first)?
            } else {
                let left = self.in_tuple(&term.key, &a.tuple, frame)?;
                let right = self.in_tuple(&term.key, &b.tuple, frame)?;
                order_of(term, &left, &right)?
            };
            if order != Ordering::Equal {
                return Ok(order);
            }
        }
        Ok(Ordering::Equal)
    }
}

/// Nothing comes last, in either direction.
fn order_of(term: &Term, left: &Item, right: &Item) -> Outcome<Ordering> {
    match (left.is_nothing(), right.is_nothing()) {
        (false, false) => {}
        (left, right) => return Ok(left.cmp(&right)),
    }
    for key in [left, right] {
        if !matches!(key.type_name(), Some("string" | "number")) {
            return Err(raise("T2008").value(key));
        }
    }
    if left.type_name() != right.type_name() {
        return Err(raise("T2007").value(left).other(right));
    }
    let order = order(left, right).unwrap_or(Ordering::Equal);
    Ok(if term.descending { order.reverse() } else { order })
}

/// Sorts stably; `after` says whether the first item belongs behind the second. It may fail, and need not be
/// consistent, which the sort of the standard library asks for.
pub fn merge_sort<T>(items: Vec<T>, after: &mut dyn FnMut(&T, &T) -> Outcome<bool>) -> Outcome<Vec<T>> {
    if items.len() < 2 {
        return Ok(items);
    }
    let mut left = items;
    let right = left.split_off(left.len() / 2);
    let mut left = merge_sort(left, after)?.into_iter().peekable();
    let mut right = merge_sort(right, after)?.into_iter().peekable();
    let mut merged = Vec::with_capacity(left.len() + right.len());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if after(a, b)? { right.next() } else { left.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}
