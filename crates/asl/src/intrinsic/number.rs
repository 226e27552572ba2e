//! Functions on numbers.

use sluice_expression::{Value, World};

/// An integer; another number is rounded to the nearest, halves up.
pub(super) fn integer(value: &Value) -> Result<i64, String> {
    let rounded = match value {
        Value::Int(int) => return Ok(*int),
        Value::Float(float) => (float + 0.5).floor(),
        _ => return Err(format!("expected a number, found {}", value.type_name())),
    };
    let integer = Value::number(rounded).as_ref().and_then(Value::as_i64);
    integer.ok_or_else(|| format!("{value} is out of range"))
}

pub(super) fn add(first: &Value, second: &Value) -> Result<Value, String> {
    let sum = integer(first)?.checked_add(integer(second)?);
    sum.map(Value::Int).ok_or_else(|| format!("the sum of {first} and {second} is out of range"))
}

/// An integer from `start` to before `end`; the same for the same seed.
pub(super) fn random(
    start: &Value,
    end: &Value,
    seed: Option<&Value>,
    world: &mut dyn World,
) -> Result<Value, String> {
    let (start, end) = (integer(start)?, integer(end)?);
    let width = end.checked_sub(start).and_then(|width| u64::try_from(width).ok()).filter(|width| *width > 0);
    let Some(width) = width else {
        return Err(format!("the start {start} must be less than the end {end}"));
    };
    let bits = match seed {
        Some(seed) => scrambled(integer(seed)? as u64),
        None => world.random_u64(),
    };
    let offset = (u128::from(bits) * u128::from(width)) >> 64;
    Ok(Value::Int(start + offset as i64))
}

/// The first output of SplitMix64.
fn scrambled(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
