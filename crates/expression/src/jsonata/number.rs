//! Numbers as JavaScript writes, rounds and compares them.

use std::cmp::Ordering;

/// The shortest text that reads back as the number, laid out as JavaScript does.
pub fn to_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    let digits = mantissa.replace('.', "");
    let sign = if number < 0.0 { "-" } else { "" };
    format!("{sign}{}", lay_out(&digits, exponent))
}

/// Digits of which the first stands for 10^exponent.
fn lay_out(digits: &str, exponent: i32) -> String {
    let count = digits.len() as i32;
    match exponent {
        ..-6 | 21.. => {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{first}{point}{rest}e{sign}{}", exponent.abs())
        }
        _ if exponent < 0 => format!("0.{}{digits}", "0".repeat((-exponent - 1) as usize)),
        _ if exponent + 1 >= count => format!("{digits}{}", "0".repeat((exponent + 1 - count) as usize)),
        _ => {
            let (whole, fraction) = digits.split_at(exponent as usize + 1);
            format!("{whole}.{fraction}")
        }
    }
}

/// A whole number as it is, any other with 15 significant digits.
pub fn rounded(number: f64) -> f64 {
    if number.fract() == 0.0 {
        return number;
    }
    format!("{number:.14e}").parse().expect("a formatted number is one")
}

/// How two numbers compare; not at all if one is undefined.
pub fn order(left: f64, right: f64) -> Option<Ordering> {
    left.partial_cmp(&right)
}

/// The number times 10^shift, without the error that a multiplication would bring.
pub fn shifted(number: f64, shift: i32) -> f64 {
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    format!("{mantissa}e{}", exponent + shift).parse().expect("a formatted number is one")
}

/// Rounds half to even at a number of decimal places; before the point if negative.
pub fn round(number: f64, places: i32) -> f64 {
    if !number.is_finite() {
        return number;
    }
    let rounded = shifted(number, places).round_ties_even();
    let result = if rounded.is_finite() { shifted(rounded, -places) } else { number };
    result + 0.0
}
