//! Numbers by picture: `#,##0.00`, `0.0e0`, `01%`.

use super::super::error::{Outcome, raise};
use super::super::number::round;

/// The characters of pictures and of what they produce.
#[derive(Clone, Debug)]
pub struct Notation {
    decimal: char,
    grouping: char,
    exponent: char,
    minus: String,
    percent: String,
    per_mille: String,
    zero: char,
    digit: char,
    separator: char,
}

impl Default for Notation {
    fn default() -> Self {
        Self {
            decimal: '.',
            grouping: ',',
            exponent: 'e',
            minus: "-".to_owned(),
            percent: "%".to_owned(),
            per_mille: "\u{2030}".to_owned(),
            zero: '0',
            digit: '#',
            separator: ';',
        }
    }
}

impl Notation {
    /// Sets one by the name that XPath has for it.
    pub fn set(&mut self, name: &str, text: &str) {
        let char = text.chars().next();
        match (name, char) {
            ("decimal-separator", Some(char)) => self.decimal = char,
            ("grouping-separator", Some(char)) => self.grouping = char,
            ("exponent-separator", Some(char)) => self.exponent = char,
            ("zero-digit", Some(char)) => self.zero = char,
            ("digit", Some(char)) => self.digit = char,
            ("pattern-separator", Some(char)) => self.separator = char,
            ("minus-sign", _) => self.minus = text.to_owned(),
            ("percent", _) => self.percent = text.to_owned(),
            ("per-mille", _) => self.per_mille = text.to_owned(),
            _ => {}
        }
    }

    /// Whether it is one of the ten digits.
    fn is_decimal(&self, char: char) -> bool {
        (char as u32).checked_sub(self.zero as u32).is_some_and(|value| value < 10)
    }

    fn is_digit(&self, char: char) -> bool {
        char == self.digit || self.is_decimal(char)
    }

    fn is_active(&self, char: char) -> bool {
        self.is_digit(char) || [self.decimal, self.exponent, self.grouping, self.separator].contains(&char)
    }

    /// ASCII digits as those of the notation.
    fn localized(&self, digits: &str) -> String {
        let shift = |char: char| match char.to_digit(10) {
            Some(value) => char::from_u32(self.zero as u32 + value).unwrap_or(char),
            None => char,
        };
        digits.chars().map(shift).collect()
    }
}

/// A picture, or its half for positive or negative numbers, taken apart.
#[derive(Clone, Debug, Default)]
struct SubPicture {
    prefix: String,
    suffix: String,
    whole: String,
    fraction: String,
    exponent: Option<String>,
    /// What the prefix and the suffix multiply the number with.
    scale: f64,
    /// A decimal separator is written.
    pointed: bool,
}

/// Digits behind the point that a number can have; all others are zeros.
const PLACES_MAX: usize = 400;

/// Writes a number by a picture.
pub fn format_number(number: f64, picture: &str, notation: &Notation) -> Outcome<String> {
    let halves: Vec<&str> = picture.split(notation.separator).collect();
    if halves.len() > 2 {
        return Err(raise("D3080"));
    }
    let mut pictures = Vec::with_capacity(2);
    for half in &halves {
        pictures.push(SubPicture::parse(half, notation)?);
    }
    let negative = number < 0.0;
    let own = match (negative, pictures.len()) {
        (true, 2) => pictures.swap_remove(1),
        (true, _) => {
            let positive = pictures.swap_remove(0);
            SubPicture { prefix: format!("{}{}", notation.minus, positive.prefix), ..positive }
        }
        (false, _) => pictures.swap_remove(0),
    };
    Ok(own.format(number.abs(), notation))
}

impl SubPicture {
    fn parse(picture: &str, notation: &Notation) -> Outcome<Self> {
        let starts = |char: char| notation.is_active(char) && char != notation.exponent;
        let start = picture.find(starts).unwrap_or(picture.len());
        let (prefix, rest) = picture.split_at(start);
        let end = rest.char_indices().rev().find(|(_, char)| starts(*char));
        let (active, suffix) = rest.split_at(end.map_or(0, |(at, char)| at + char.len_utf8()));
        let (mantissa, exponent) = match active.split_once(notation.exponent) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (active, None),
        };
        let (whole, fraction) = mantissa.split_once(notation.decimal).unwrap_or((mantissa, ""));
        let own = Self {
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
            whole: whole.to_owned(),
            fraction: fraction.to_owned(),
            exponent: exponent.map(str::to_owned),
            scale: 1.0,
            pointed: mantissa.contains(notation.decimal),
        };
        own.check(picture, active, mantissa, notation)?;
        let scale = match () {
            _ if picture.contains(&notation.percent) => 100.0,
            _ if picture.contains(&notation.per_mille) => 1000.0,
            _ => 1.0,
        };
        Ok(Self { scale, ..own })
    }

    fn check(&self, picture: &str, active: &str, mantissa: &str, notation: &Notation) -> Outcome<()> {
        let times = |text: &str| picture.matches(text).count();
        let grouping = |text: &str, at_end: bool| match at_end {
            true => text.ends_with(notation.grouping),
            false => text.starts_with(notation.grouping),
        };
        let (percents, per_milles) = (times(&notation.percent), times(&notation.per_mille));
        let twice: String = [notation.grouping; 2].iter().collect();
        let behind = |text: &str, first: &dyn Fn(char) -> bool, then: &dyn Fn(char) -> bool| {
            text.find(first).is_some_and(|at| text[at..].contains(then))
        };
        let decimal = |char: char| notation.is_decimal(char);
        let optional = |char: char| char == notation.digit;
        let wrong = [
            (picture.matches(notation.decimal).count() > 1, "D3081"),
            (percents > 1, "D3082"),
            (per_milles > 1, "D3083"),
            (percents > 0 && per_milles > 0, "D3084"),
            (!mantissa.contains(|char| notation.is_digit(char)), "D3085"),
            (!active.chars().all(|char| notation.is_active(char)), "D3086"),
            (self.pointed && (grouping(&self.whole, true) || grouping(&self.fraction, false)), "D3087"),
            (!self.pointed && grouping(&self.whole, true), "D3088"),
            (picture.contains(&twice), "D3089"),
            (behind(&self.whole, &decimal, &optional), "D3090"),
            (behind(&self.fraction, &optional, &decimal), "D3091"),
            (self.exponent.is_some() && percents + per_milles > 0, "D3092"),
            (
                self.exponent.as_ref().is_some_and(|part| part.is_empty() || !part.chars().all(decimal)),
                "D3093",
            ),
        ];
        match wrong.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, code)) => Err(raise(code)),
            None => Ok(()),
        }
    }

    /// Digits: at least before the point, at least and at most behind it.
    fn sizes(&self, notation: &Notation) -> (usize, usize, usize) {
        let decimals = |part: &str| part.chars().filter(|char| notation.is_decimal(*char)).count();
        let digits = |part: &str| part.chars().filter(|char| notation.is_digit(*char)).count();
        let mut whole = decimals(&self.whole);
        let (mut least, mut most) = (decimals(&self.fraction), digits(&self.fraction));
        if whole == 0 && most == 0 {
            match self.exponent {
                Some(_) => (least, most) = (1, 1),
                None => whole = 1,
            }
        }
        if self.exponent.is_some() && whole == 0 && self.whole.contains(notation.digit) {
            whole = 1;
        }
        if whole == 0 && least == 0 {
            least = 1;
        }
        (whole, least, most.max(least))
    }

    fn format(&self, number: f64, notation: &Notation) -> String {
        let (least_whole, least, most) = self.sizes(notation);
        let scaling = self.whole.chars().filter(|char| notation.is_decimal(*char)).count() as i32;
        let (mantissa, exponent) = match self.exponent {
            Some(_) => normalized(number * self.scale, scaling),
            None => (number * self.scale, 0),
        };
        let most = most.min(PLACES_MAX);
        let text = format!("{:.most$}", round(mantissa, most as i32));
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let whole = zeros(least_whole, whole) + whole;
        let fraction = fraction.to_owned() + &zeros(least, fraction);
        let mut out = self.prefix.clone();
        out.push_str(&self.grouped_whole(&notation.localized(&whole), notation));
        if self.pointed && !fraction.is_empty() {
            out.push(notation.decimal);
        }
        out.push_str(&self.grouped_fraction(&notation.localized(&fraction), notation));
        if let Some(picture) = &self.exponent {
            let digits = exponent.abs().to_string();
            let digits = zeros(picture.chars().count(), &digits) + &digits;
            out.push(notation.exponent);
            out.push_str(if exponent < 0 { &notation.minus } else { "" });
            out.push_str(&notation.localized(&digits));
        }
        out + &self.suffix
    }

    fn grouped_whole(&self, digits: &str, notation: &Notation) -> String {
        let positions = positions(self.whole.chars().rev(), notation);
        let every = regular(&positions);
        let count = digits.chars().count();
        let mut out = String::new();
        for (index, char) in digits.chars().enumerate() {
            let left = count - index;
            let separated = match every {
                Some(every) => left.is_multiple_of(every),
                None => positions.contains(&left),
            };
            if index > 0 && separated {
                out.push(notation.grouping);
            }
            out.push(char);
        }
        out
    }

    fn grouped_fraction(&self, digits: &str, notation: &Notation) -> String {
        let positions = positions(self.fraction.chars(), notation);
        let mut out = String::new();
        for (index, char) in digits.chars().enumerate() {
            if positions.contains(&index) {
                out.push(notation.grouping);
            }
            out.push(char);
        }
        out
    }
}

/// The zeros that digits lack.
fn zeros(size: usize, digits: &str) -> String {
    "0".repeat(size.saturating_sub(digits.len()))
}

/// A number as a mantissa with so many digits before the point, and an exponent of ten.
fn normalized(number: f64, digits: i32) -> (f64, i32) {
    if number == 0.0 || !number.is_finite() {
        return (number, 0);
    }
    let (least, most) = (10_f64.powi(digits - 1), 10_f64.powi(digits));
    let (mut mantissa, mut exponent) = (number, 0);
    while mantissa < least {
        mantissa *= 10.0;
        exponent -= 1;
    }
    while mantissa > most {
        mantissa /= 10.0;
        exponent += 1;
    }
    (mantissa, exponent)
}

/// How many digits come before each separator.
fn positions(part: impl Iterator<Item = char>, notation: &Notation) -> Vec<usize> {
    let (mut digits, mut positions) = (0, Vec::new());
    for char in part {
        match char == notation.grouping {
            true => positions.push(digits),
            false => digits += usize::from(notation.is_digit(char)),
        }
    }
    positions
}

/// The size of the groups, if all are of one size.
fn regular(positions: &[usize]) -> Option<usize> {
    let first = *positions.first()?;
    let same = positions.iter().enumerate().all(|(index, position)| *position == (index + 1) * first);
    (same && first > 0).then_some(first)
}
