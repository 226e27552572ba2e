//! What AWS documents of the arguments of intrinsic functions, and keeps to.

use super::Function;
use super::number::integer;
use sluice_expression::Value;

/// Longest text that is encoded, decoded or digested, in characters.
const TEXT_CHARS_MAX: usize = 10_000;
/// Most items of an `ArrayRange`.
pub(super) const RANGE_ITEMS_MAX: u64 = 1_000;
/// Deepest nesting of calls.
pub(super) const NESTING_MAX: usize = 10;

/// Whether AWS takes these arguments.
pub(super) fn check(function: Function, arguments: &[Value]) -> Result<(), String> {
    match function {
        Function::Base64Decode | Function::Base64Encode | Function::Hash => {
            let text = arguments.first().and_then(Value::as_str).unwrap_or_default();
            match text.chars().nth(TEXT_CHARS_MAX) {
                Some(_) => Err(format!("the text is longer than {TEXT_CHARS_MAX} characters")),
                None => Ok(()),
            }
        }
        Function::MathAdd | Function::MathRandom => arguments.iter().try_for_each(|argument| {
            let integer = integer(argument)?;
            match i32::try_from(integer) {
                Ok(_) => Ok(()),
                Err(_) => Err(format!("{integer} is not from {} to {}", i32::MIN, i32::MAX)),
            }
        }),
        _ => Ok(()),
    }
}
