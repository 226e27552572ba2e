//! Functions of objects, and of values of any type.

use super::super::error::{Outcome, raise};
use super::super::evaluate::{Evaluator, lookup};
use super::super::item::{Fields, Item};
use super::{Args, Entry};
use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
use std::sync::Arc;

pub const FUNCTIONS: &[Entry] = &[
    ("keys", "<x-:a<s>>", 1, keys),
    ("lookup", "<x-s:x>", 2, |_, args| Ok(lookup(args.get(0), args.text(1).unwrap_or_default()))),
    ("spread", "<x-:a<o>>", 1, |evaluator, args| spread(evaluator, args.get(0))),
    ("merge", "<a<o>:o>", 1, merge),
    ("boolean", "<x-:b>", 1, |_, args| truth(args, |truth| truth)),
    ("not", "<x-:b>", 1, |_, args| truth(args, |truth| !truth)),
    ("exists", "<x:b>", 1, |_, args| Ok(Item::bool(!args.get(0).is_nothing()))),
    ("type", "<x:s>", 1, |_, args| Ok(args.get(0).type_name().map_or(Item::Nothing, Item::text))),
    ("clone", "<(oa)-:o>", 1, |_, args| Ok(args.get(0).clone())),
    ("error", "<s?:x>", 1, error),
    ("assert", "<bs?:x>", 2, assert),
];

/// What an object takes, and each of its fields.
const FIELDS_BYTES: usize = 96;
const FIELD_BYTES: usize = 2 * std::mem::size_of::<Item>() + std::mem::size_of::<Arc<str>>();

fn truth(args: &Args<'_>, of: fn(bool) -> bool) -> Outcome {
    match args.get(0) {
        Item::Nothing => Ok(Item::Nothing),
        item => Ok(Item::bool(of(item.truth()))),
    }
}

fn keys(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let mut names: IndexSet<Arc<str>, FxBuildHasher> = IndexSet::default();
    for item in args.get(0).items() {
        evaluator.budget.steps(1)?;
        names.extend(item.fields().map(|(name, _)| name.clone()));
    }
    evaluator.budget.bytes(names.len() * std::mem::size_of::<Item>())?;
    Ok(Item::sequence(names.into_iter().map(Item::text).collect()))
}

/// Objects of one field each.
fn spread(evaluator: &mut Evaluator<'_>, item: &Item) -> Outcome {
    let single = |(name, value): (&Arc<str>, Item)| Item::object(Fields::from_iter([(name.clone(), value)]));
    evaluator.budget.steps(1)?;
    match item {
        array if array.is_array() => {
            let mut all = Vec::new();
            for item in array.items() {
                spread(evaluator, &item)?.move_items(&mut all);
            }
            Ok(Item::array(all))
        }
        object if object.is_object() => {
            evaluator.budget.bytes(object.fields().count() * (FIELDS_BYTES + FIELD_BYTES))?;
            Ok(Item::sequence(object.fields().map(single).collect()))
        }
        other => Ok(other.clone()),
    }
}

fn merge(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    if args.get(0).is_nothing() {
        return Ok(Item::Nothing);
    }
    let mut merged = Fields::default();
    for item in args.get(0).items() {
        for (name, value) in item.fields() {
            evaluator.budget.steps(1)?;
            if merged.insert(name.clone(), value).is_none() {
                evaluator.budget.bytes(FIELD_BYTES)?;
            }
        }
    }
    Ok(Item::object(merged))
}

fn error(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    Err(raise("D3137").message(args.text(0).unwrap_or("$error() function evaluated")))
}

fn assert(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    match args.get(0).truth() {
        true => Ok(Item::Nothing),
        false => Err(raise("D3141").message(args.text(1).unwrap_or("$assert() statement failed"))),
    }
}
