//! Functions of strings that need no patterns.

use super::super::error::Outcome;
use super::super::evaluate::Evaluator;
use super::super::item::Item;
use super::super::text;
use super::{Args, Entry};

pub const FUNCTIONS: &[Entry] = &[
    ("string", "<x-b?:s>", 1, string),
    ("substring", "<s-nn?:s>", 3, substring),
    ("substringBefore", "<s-s:s>", 2, |_, args| cut(args, |text, at, _| text[..at].to_owned())),
    ("substringAfter", "<s-s:s>", 2, |_, args| cut(args, |text, at, length| text[at + length..].to_owned())),
    ("lowercase", "<s-:s>", 1, |_, args| map(args, str::to_lowercase)),
    ("uppercase", "<s-:s>", 1, |_, args| map(args, str::to_uppercase)),
    ("trim", "<s-:s>", 1, |_, args| map(args, trim)),
    ("length", "<s-:n>", 1, length),
    ("pad", "<s-ns?:s>", 3, pad),
    ("join", "<a<s>s?:s>", 2, join),
];

fn map(args: &Args<'_>, function: fn(&str) -> String) -> Outcome {
    Ok(args.text(0).map_or(Item::Nothing, |text| Item::text(function(text))))
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

fn substring(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
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
    Ok(Item::text(text.chars().skip(start as usize).take(wanted).collect::<String>()))
}

/// What stands before or behind the first occurrence, found at a byte with a length; all if there is none.
fn cut(args: &Args<'_>, part: fn(&str, usize, usize) -> String) -> Outcome {
    let (Some(text), Some(chars)) = (args.text(0), args.text(1)) else { return Ok(args.get(0).clone()) };
    match text.find(chars) {
        Some(at) => Ok(Item::text(part(text, at, chars.len()))),
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
