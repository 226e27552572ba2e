//! Dates and times.

use super::super::calendar::parse_iso;
use super::super::error::{Outcome, raise};
use super::super::evaluate::Evaluator;
use super::super::item::Item;
use super::super::picture::{format_time, parse_time};
use super::{Args, Entry};

pub const FUNCTIONS: &[Entry] = &[
    ("now", "<s?s?:s>", 2, now),
    ("millis", "<:n>", 0, |evaluator, _| Ok(Item::number(evaluator.now_ms() as f64))),
    ("fromMillis", "<n-s?s?:s>", 3, from_millis),
    ("toMillis", "<s-s?:n>", 2, to_millis),
];

/// Beyond the year 275760, in either direction, there are no dates.
const MILLIS_MAX: f64 = 8.64e15;

/// Ways to divide a text among the parts of a picture that one step pays for.
const TRIES_PER_STEP: usize = 1024;

fn now(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    format_time(evaluator.now_ms() as i64, args.text(0), args.text(1)).map(Item::text)
}

fn from_millis(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(millis) = args.number(0) else { return Ok(Item::Nothing) };
    if !millis.is_finite() || millis.abs() > MILLIS_MAX {
        return Err(raise("D1001").value(args.get(0)));
    }
    format_time(millis as i64, args.text(1), args.text(2)).map(Item::text)
}

fn to_millis(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(text) = args.text(0) else { return Ok(Item::Nothing) };
    let millis = match args.text(1) {
        None => Some(parse_iso(text).ok_or_else(|| raise("D3110").text(text))?),
        Some(picture) => {
            let tries = text.len().saturating_mul(text.len()).saturating_mul(picture.len());
            evaluator.budget.steps(tries / TRIES_PER_STEP)?;
            let now = evaluator.now_ms() as i64;
            parse_time(text, picture, now)?
        }
    };
    Ok(millis.map_or(Item::Nothing, |millis| Item::number(millis as f64)))
}
