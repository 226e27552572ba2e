//! Functions of strings that need no patterns.

use super::super::error::Outcome;
use super::super::evaluate::Evaluator;
use super::super::item::Item;
use super::super::text;
use super::{Args, Entry, made};

pub const FUNCTIONS: &[Entry] = &[
    ("string", "<x-b?:s>", 1, string),
    ("substring", "<s-nn?:s>", 3, substring),
    ("substringBefore", "<s-s:s>", 2, |evaluator, args| cut(evaluator, args, |text, at, _| &text[..at])),
    ("substringAfter", "<s-s:s>", 2, |evaluator, args| {
        cut(evaluator, args, |text, at, len| &text[at + len..])
    }),
    ("lowercase", "<s-:s>", 1, |evaluator, args| map(evaluator, args, str::to_lowercase)),
    ("uppercase", "<s-:s>", 1, |evaluator, args| map(evaluator, args, str::to_uppercase)),
    ("trim", "<s-:s>", 1, |evaluator, args| map(evaluator, args, trim)),
    ("length", "<s-:n>", 1, length),
    ("pad", "<s-ns?:s>", 3, pad),
    ("join", "<a<s>s?:s>", 2, join),
];

fn map(evaluator: &mut Evaluator<'_>, args: &Args<'_>, function: fn(&str) -> String) -> Outcome {
    args.text(0).map_or(Ok(Item::Nothing), |text| made(evaluator, function(text)))
}

fn string(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    match args.get(0) {
        Item::Nothing => Ok(Item::Nothing),
        item => text::string(item, args.get(1).truth(), &mut evaluator.budget).map(Item::text),
    }
}

fn length(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    Ok(args.text(0).map_or(Item::Nothing, |text| Item::number(text.chars().count() as f64)))
}

fn substring(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let (Some(text), Some(start)) = (args.text(0), args.number(1)) else { return Ok(Item::Nothing) };
    let length = text.chars().count() as f64;
    let start = if length + start < 0.0 { 0.0 } else { start };
    let from_front = |position: f64| {
        let position = position.trunc();
        (if position < 0.0 { position + length } else { position }).clamp(0.0, length)
    };
    let end = match args.number(2) {
        Some(count) if count <= 0.0 => return Ok(Item::text("")),
        Some(count) if start >= 0.0 => from_front(start + count),
        Some(count) => from_front(length + start + count),
        None => length,
    };
    let start = from_front(start);
    let wanted = (end - start).max(0.0) as usize;
    made(evaluator, text.chars().skip(start as usize).take(wanted).collect())
}

/// What stands before or behind the first occurrence, found at a byte with a length; all if there is none.
fn cut(
    evaluator: &mut Evaluator<'_>,
    args: &Args<'_>,
    part: for<'a> fn(&'a str, usize, usize) -> &'a str,
) -> Outcome {
    let (Some(text), Some(chars)) = (args.text(0), args.text(1)) else { return Ok(args.get(0).clone()) };
    match text.find(chars) {
        Some(at) => made(evaluator, part(text, at, chars.len()).to_owned()),
        None => Ok(args.get(0).clone()),
    }
}

/// Blanks as single spaces, none at the ends.
fn trim(text: &str) -> String {
    let words: Vec<&str> = text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

fn pad(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let (Some(text), Some(width)) = (args.text(0), args.number(1)) else { return Ok(args.get(0).clone()) };
    let missing = (width.abs().trunc() as usize).saturating_sub(text.chars().count());
    let filler = args.text(2).filter(|filler| !filler.is_empty()).unwrap_or(" ");
    evaluator.budget.bytes(missing.saturating_mul(4))?;
    let padding: String = filler.chars().cycle().take(missing).collect();
    Ok(Item::text(if width < 0.0 { padding + text } else { text.to_owned() + &padding }))
}

fn join(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    if args.get(0).is_nothing() {
        return Ok(Item::Nothing);
    }
    let separator = args.text(1).unwrap_or_default();
    let mut joined = String::new();
    for (index, item) in args.get(0).items().enumerate() {
        let part = item.as_str().unwrap_or_default();
        evaluator.budget.bytes(part.len() + separator.len())?;
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(part);
    }
    Ok(Item::text(joined))
}
