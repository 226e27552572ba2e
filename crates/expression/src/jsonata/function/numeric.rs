//! Functions of numbers.

use super::super::error::{Outcome, raise};
use super::super::evaluate::Evaluator;
use super::super::item::Item;
use super::super::number;
use super::super::picture::{Notation, format_integer, format_number, parse_integer};
use super::{Args, Entry};
use crate::Value;

pub const FUNCTIONS: &[Entry] = &[
    ("sum", "<a<n>:n>", 1, |_, args| fold(args, Some(0.0), |sum, number| sum + number)),
    ("max", "<a<n>:n>", 1, |_, args| fold(args, None, f64::max)),
    ("min", "<a<n>:n>", 1, |_, args| fold(args, None, f64::min)),
    ("average", "<a<n>:n>", 1, average),
    ("number", "<(nsb)-:n>", 1, to_number),
    ("abs", "<n-:n>", 1, |_, args| map(args, f64::abs)),
    ("floor", "<n-:n>", 1, |_, args| map(args, f64::floor)),
    ("ceil", "<n-:n>", 1, |_, args| map(args, f64::ceil)),
    ("round", "<n-n?:n>", 2, round),
    ("sqrt", "<n-:n>", 1, sqrt),
    ("power", "<n-n:n>", 2, power),
    ("random", "<:n>", 0, |evaluator, _| Ok(Item::number(unit(evaluator.world.random_u64())))),
    ("formatBase", "<n-n?:s>", 2, format_base),
    ("formatNumber", "<n-so?:s>", 3, format_number_by_picture),
    ("formatInteger", "<n-s:s>", 2, format_integer_by_picture),
    ("parseInteger", "<s-s:n>", 2, parse_integer_by_picture),
];

/// A uniform number from 0 to below 1.
pub fn unit(random: u64) -> f64 {
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

fn map(args: &Args<'_>, function: fn(f64) -> f64) -> Outcome {
    Ok(args.number(0).map_or(Item::Nothing, |number| Item::number(function(number))))
}

fn fold(args: &Args<'_>, empty: Option<f64>, function: fn(f64, f64) -> f64) -> Outcome {
    let list = args.get(0);
    if list.is_nothing() {
        return Ok(Item::Nothing);
    }
    let result = list.items().filter_map(|item| item.as_f64()).reduce(function).or(empty);
    Ok(result.map_or(Item::Nothing, Item::number))
}

fn average(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let list = args.get(0);
    if list.len() == 0 {
        return Ok(Item::Nothing);
    }
    let sum: f64 = list.items().filter_map(|item| item.as_f64()).sum();
    Ok(Item::number(sum / list.len() as f64))
}

fn to_number(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let item = args.get(0);
    let number = match item {
        Item::Nothing => return Ok(Item::Nothing),
        Item::Value(Value::Bool(bool)) => Some(f64::from(*bool)),
        Item::Value(Value::String(text)) => read(text),
        item => return Ok(item.clone()),
    };
    match number.filter(|number| number.is_finite()) {
        Some(number) => Ok(Item::number(number)),
        None => Err(raise("D3030").value(item).index(1)),
    }
}

/// A number as JSON writes it, or in hexadecimal, octal or binary.
fn read(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            let value = digits.chars().try_fold(0.0, |value, char| {
                char.to_digit(radix).map(|digit| value * f64::from(radix) + f64::from(digit))
            });
            return value.filter(|_| !digits.is_empty());
        }
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match digits(whole) && digits(fraction) && digits(exponent) {
        true => text.parse().ok(),
        false => None,
    }
}

fn round(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let places = args.number(1).unwrap_or_default().clamp(-400.0, 400.0) as i32;
    Ok(args.number(0).map_or(Item::Nothing, |number| Item::number(number::round(number, places))))
}

fn sqrt(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    match args.number(0) {
        None => Ok(Item::Nothing),
        Some(number) if number < 0.0 => Err(raise("D3060").value(args.get(0)).index(1)),
        Some(number) => Ok(Item::number(number.sqrt())),
    }
}

fn power(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let (Some(base), Some(exponent)) = (args.number(0), args.number(1)) else { return Ok(Item::Nothing) };
    let result = base.powf(exponent);
    match result.is_finite() {
        true => Ok(Item::number(result)),
        false => Err(raise("D3061").value(args.get(0)).other(args.get(1)).index(1)),
    }
}

fn format_base(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(number) = args.number(0) else { return Ok(Item::Nothing) };
    let number = number::round(number, 0);
    let radix = number::round(args.number(1).unwrap_or(10.0), 0);
    if !(2.0..=36.0).contains(&radix) {
        return Err(raise("D3100").value(&Item::number(radix)));
    }
    let (mut rest, mut digits) = (number.abs(), Vec::new());
    while rest >= 1.0 && rest.is_finite() {
        let digit = char::from_digit((rest % radix) as u32, radix as u32);
        digits.push(digit.expect("a remainder is a digit"));
        rest = (rest / radix).floor();
    }
    if digits.is_empty() {
        digits.push('0');
    }
    if number < 0.0 {
        digits.push('-');
    }
    Ok(Item::text(digits.into_iter().rev().collect::<String>()))
}

fn format_number_by_picture(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(number) = args.number(0) else { return Ok(Item::Nothing) };
    let mut notation = Notation::default();
    for (name, item) in args.get(2).fields() {
        if let Some(text) = item.as_str() {
            notation.set(name, text);
        }
    }
    format_number(number, args.text(1).unwrap_or_default(), &notation).map(Item::text)
}

fn format_integer_by_picture(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(number) = args.number(0) else { return Ok(Item::Nothing) };
    format_integer(number, args.text(1).unwrap_or_default()).map(Item::text)
}

fn parse_integer_by_picture(_: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(text) = args.text(0) else { return Ok(Item::Nothing) };
    let number = parse_integer(text, args.text(1).unwrap_or_default())?;
    Ok(number.map_or(Item::Nothing, Item::number))
}
