//! Functions that call functions.

use super::super::error::{Outcome, raise};
use super::super::evaluate::Evaluator;
use super::super::item::{Fields, Item};
use super::super::signature::Arguments;
use super::{Args, Entry};

pub const FUNCTIONS: &[Entry] = &[
    ("map", "<af>", 2, map),
    ("filter", "<af>", 2, filter),
    ("single", "<af?>", 2, single),
    ("reduce", "<afj?:j>", 3, reduce),
    ("each", "<o-f:a>", 2, each),
    ("sift", "<o-f?:o>", 2, sift),
];

/// Calls the function in the second argument with as many of an item, its place and all items as it asks for.
fn ask(evaluator: &mut Evaluator<'_>, args: &Args<'_>, item: &Item, place: Item) -> Outcome {
    let function = args.get(1);
    let all = [item.clone(), place, args.get(0).clone()];
    let wanted = Evaluator::arity(function).clamp(1, all.len());
    let arguments: Arguments = all.into_iter().take(wanted).collect();
    evaluator.apply(function, arguments, args.input, args.frame)
}

fn map(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let mut results = Vec::new();
    for (index, item) in args.get(0).items().enumerate() {
        let result = ask(evaluator, args, &item, Item::number(index as f64))?;
        if !result.is_nothing() {
            results.push(result);
        }
    }
    evaluator.budget.bytes(std::mem::size_of_val(&results[..]))?;
    Ok(Item::sequence(results))
}

fn filter(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let mut kept = Vec::new();
    for (index, item) in args.get(0).items().enumerate() {
        if ask(evaluator, args, &item, Item::number(index as f64))?.truth() {
            kept.push(item);
        }
    }
    evaluator.budget.bytes(std::mem::size_of_val(&kept[..]))?;
    Ok(Item::sequence(kept))
}

fn single(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    if args.get(0).is_nothing() {
        return Ok(Item::Nothing);
    }
    let mut only = None;
    for (index, item) in args.get(0).items().enumerate() {
        let wanted = match args.get(1) {
            Item::Nothing => true,
            _ => ask(evaluator, args, &item, Item::number(index as f64))?.truth(),
        };
        if wanted && only.replace(item).is_some() {
            return Err(raise("D3138").index(index));
        }
    }
    only.ok_or_else(|| raise("D3139"))
}

fn reduce(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let (list, function) = (args.get(0), args.get(1));
    if list.is_nothing() {
        return Ok(Item::Nothing);
    }
    let wanted = Evaluator::arity(function);
    if wanted < 2 {
        return Err(raise("D3050").index(1));
    }
    let mut items = list.items().enumerate();
    let mut result = match args.get(2) {
        Item::Nothing => items.next().map(|(_, item)| item).unwrap_or_default(),
        start => start.clone(),
    };
    for (index, item) in items {
        let all = [result, item, Item::number(index as f64), list.clone()];
        let arguments = all.into_iter().take(wanted).collect();
        result = evaluator.apply(function, arguments, args.input, args.frame)?;
    }
    Ok(result)
}

fn each(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let mut results = Vec::new();
    for (name, item) in args.get(0).fields() {
        let result = ask_of_field(evaluator, args, &item, name)?;
        if !result.is_nothing() {
            results.push(result);
        }
    }
    Ok(Item::sequence(results))
}

fn sift(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let mut kept = Fields::default();
    for (name, item) in args.get(0).fields() {
        if ask_of_field(evaluator, args, &item, name)?.truth() {
            kept.insert(name.clone(), item);
        }
    }
    Ok(if kept.is_empty() { Item::Nothing } else { Item::object(kept) })
}

fn ask_of_field(
    evaluator: &mut Evaluator<'_>,
    args: &Args<'_>,
    item: &Item,
    name: &std::sync::Arc<str>,
) -> Outcome {
    ask(evaluator, args, item, Item::text(name.clone()))
}
