//! Functions of arrays that call no functions, and sorting.

use super::super::error::{Outcome, raise};
use super::super::evaluate::{Evaluator, merge_sort};
use super::super::item::Item;
use super::super::{number, text};
use super::{Args, Entry};
use crate::Value;
use rustc_hash::FxHashSet;
use std::cmp::Ordering;
use std::sync::Arc;

pub const FUNCTIONS: &[Entry] = &[
    ("count", "<a:n>", 1, |_, args| Ok(Item::number(args.get(0).len() as f64))),
    ("append", "<xx:a>", 2, append),
    ("reverse", "<a:a>", 1, reverse),
    ("shuffle", "<a:a>", 1, shuffle),
    ("distinct", "<x:x>", 1, distinct),
    ("zip", "<a+>", 0, zip),
    ("sort", "<af?:a>", 2, sort),
];

fn append(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    match (args.get(0), args.get(1)) {
        (Item::Nothing, other) | (other, Item::Nothing) => Ok(other.clone()),
        (first, second) => {
            evaluator.budget.bytes((first.len() + second.len()) * std::mem::size_of::<Item>())?;
            Ok(Item::array(first.items().chain(second.items()).collect()))
        }
    }
}

fn reverse(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let list = args.get(0);
    if list.len() < 2 {
        return Ok(list.clone());
    }
    evaluator.budget.bytes(list.len() * std::mem::size_of::<Item>())?;
    Ok(Item::array(list.items().rev().collect()))
}

fn shuffle(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let list = args.get(0);
    if list.len() < 2 {
        return Ok(list.clone());
    }
    evaluator.budget.steps(list.len())?;
    evaluator.budget.bytes(list.len() * std::mem::size_of::<Item>())?;
    let mut items: Vec<Item> = list.items().collect();
    for last in (1..items.len()).rev() {
        let other = (super::numeric::unit(evaluator.world.random_u64()) * (last + 1) as f64) as usize;
        items.swap(last, other);
    }
    Ok(Item::array(items))
}

/// Values that compare by what they are, for quick lookup.
#[derive(PartialEq, Eq, Hash)]
enum Scalar {
    Null,
    Bool(bool),
    Number(u64),
    Text(Arc<str>),
}

fn scalar(item: &Item) -> Option<Scalar> {
    Some(match item {
        Item::Value(Value::Null) => Scalar::Null,
        Item::Value(Value::Bool(bool)) => Scalar::Bool(*bool),
        Item::Value(Value::String(text)) => Scalar::Text(text.clone()),
        item => Scalar::Number((item.as_f64()? + 0.0).to_bits()),
    })
}

fn distinct(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let list = args.get(0);
    if !list.is_array() || list.len() < 2 {
        return Ok(list.clone());
    }
    let (mut kept, mut seen, mut others) = (Vec::new(), FxHashSet::default(), Vec::new());
    for item in list.items() {
        evaluator.budget.steps(1)?;
        let new = match scalar(&item) {
            Some(scalar) => seen.insert(scalar),
            None => {
                let new = !contains(evaluator, &others, &item)?;
                if new {
                    others.push(item.clone());
                }
                new
            }
        };
        if new {
            kept.push(item);
        }
    }
    evaluator.budget.bytes(std::mem::size_of_val(&kept[..]))?;
    Ok(if list.is_sequence() { Item::sequence(kept) } else { Item::array(kept) })
}

fn contains(evaluator: &mut Evaluator<'_>, items: &[Item], item: &Item) -> Outcome<bool> {
    for other in items {
        if other.equals(item, &mut evaluator.budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn zip(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let length = args.items.iter().map(Item::len).min().unwrap_or_default();
    evaluator.budget.bytes(length * args.items.len() * std::mem::size_of::<Item>())?;
    let row = |index| Item::array(args.items.iter().filter_map(|list| list.nth(index)).collect());
    Ok(Item::array((0..length).map(row).collect()))
}

fn sort(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let (list, function) = (args.get(0), args.get(1));
    if list.len() < 2 {
        return Ok(list.clone());
    }
    evaluator.budget.bytes(list.len() * std::mem::size_of::<Item>())?;
    let items: Vec<Item> = list.items().collect();
    let sorted = if function.as_function().is_some() {
        merge_sort(items, &mut |a, b| {
            let arguments = [a.clone(), b.clone()].into_iter().collect();
            Ok(evaluator.apply(function, arguments, args.input, args.frame)?.truth())
        })?
    } else if items.iter().all(|item| item.as_f64().is_some()) {
        merge_sort(items, &mut |a, b| {
            let order = number::order(a.as_f64().unwrap_or_default(), b.as_f64().unwrap_or_default());
            Ok(order == Some(Ordering::Greater))
        })?
    } else if items.iter().all(|item| item.as_str().is_some()) {
        merge_sort(items, &mut |a, b| {
            let order = text::order(a.as_str().unwrap_or_default(), b.as_str().unwrap_or_default());
            Ok(order == Ordering::Greater)
        })?
    } else {
        return Err(raise("D3070").index(1));
    };
    Ok(Item::array(sorted))
}
