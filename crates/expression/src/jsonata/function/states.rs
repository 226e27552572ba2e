//! What AWS Step Functions adds to JSONata.

use super::super::error::{Outcome, raise};
use super::super::evaluate::Evaluator;
use super::super::item::Item;
use super::numeric::unit;
use super::{Args, Entry};
use crate::{Value, digest};

pub const FUNCTIONS: &[Entry] = &[
    ("partition", "<an:a>", 2, partition),
    ("range", "<nnn:a>", 3, range),
    ("hash", "<s-s:s>", 2, hash),
    ("random", "<n?:n>", 1, random),
    ("uuid", "<:s>", 0, uuid),
    ("parse", "<s-:x>", 1, parse),
];

fn partition(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let (list, Some(size)) = (args.get(0), args.number(1)) else { return Ok(Item::Nothing) };
    if list.is_nothing() {
        return Ok(Item::Nothing);
    }
    let size = size.trunc();
    if size < 1.0 {
        return Err(raise("T0410").value(args.get(1)).index(2));
    }
    evaluator.budget.bytes(2 * list.len() * std::mem::size_of::<Item>())?;
    let items: Vec<Item> = list.items().collect();
    Ok(Item::array(items.chunks(size as usize).map(|chunk| Item::array(chunk.to_vec())).collect()))
}

fn range(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let (Some(from), Some(to), Some(step)) = (args.number(0), args.number(1), args.number(2)) else {
        return Ok(Item::Nothing);
    };
    if step == 0.0 {
        return Err(raise("T0410").value(args.get(2)).index(3));
    }
    let count = ((to - from) / step).floor() + 1.0;
    if !count.is_finite() || count > 1e7 {
        return Err(raise("D2014").value(&Item::number(count)));
    }
    evaluator.budget.bytes(count.max(0.0) as usize * std::mem::size_of::<Item>())?;
    let items = (0..count.max(0.0) as u32).map(|index| Item::number(from + step * f64::from(index)));
    Ok(Item::sequence(items.collect()))
}

fn hash(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let (Some(text), Some(algorithm)) = (args.text(0), args.text(1)) else { return Ok(Item::Nothing) };
    evaluator.budget.steps(text.len() / 64)?;
    let hex = digest::hex(algorithm, text.as_bytes());
    hex.map(Item::text).ok_or_else(|| raise("T0410").value(args.get(1)).index(2))
}

/// The same number for the same seed.
fn random(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let random = match args.number(0) {
        Some(seed) => scrambled(seed.to_bits()),
        None => evaluator.world.random_u64(),
    };
    Ok(Item::number(unit(random)))
}

/// The finalizer of SplitMix64.
fn scrambled(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// A version 4 UUID.
fn uuid(evaluator: &mut Evaluator<'_>, _: &Args<'_>) -> Outcome {
    Ok(Item::text(crate::uuid(evaluator.world)))
}

fn parse(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(text) = args.text(0) else { return Ok(Item::Nothing) };
    evaluator.budget.bytes(text.len())?;
    match Value::parse(text.as_bytes()) {
        Ok(value) => Ok(Item::Value(value)),
        Err(error) => Err(raise("D3120").message(format!("The string is not valid JSON: {error}"))),
    }
}
