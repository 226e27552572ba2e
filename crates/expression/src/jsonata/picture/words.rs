//! Numbers in words, Roman numerals and letters.

use std::iter::repeat_n;

const FEW: [&str; 20] = [
    "Zero",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
    "Thirteen",
    "Fourteen",
    "Fifteen",
    "Sixteen",
    "Seventeen",
    "Eighteen",
    "Nineteen",
];
const ORDINALS: [&str; 20] = [
    "Zeroth",
    "First",
    "Second",
    "Third",
    "Fourth",
    "Fifth",
    "Sixth",
    "Seventh",
    "Eighth",
    "Ninth",
    "Tenth",
    "Eleventh",
    "Twelfth",
    "Thirteenth",
    "Fourteenth",
    "Fifteenth",
    "Sixteenth",
    "Seventeenth",
    "Eighteenth",
    "Nineteenth",
];
const DECADES: [&str; 8] = ["Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety"];
const MAGNITUDES: [&str; 4] = ["Thousand", "Million", "Billion", "Trillion"];

/// A whole number that is not negative, in English; as an ordinal, its last word is one.
pub fn to_words(number: f64, ordinal: bool) -> String {
    words(number, false, ordinal)
}

/// `joined` if other words stand before it.
fn words(number: f64, joined: bool, ordinal: bool) -> String {
    let th = if ordinal { "th" } else { "" };
    if number < 20.0 {
        let list = if ordinal { ORDINALS } else { FEW };
        return format!("{}{}", if joined { " and " } else { "" }, list[number as usize]);
    }
    if number < 100.0 {
        let (decade, rest) = (DECADES[(number / 10.0) as usize - 2], number % 10.0);
        let joint = if joined { " and " } else { "" };
        return match ordinal {
            _ if rest > 0.0 => format!("{joint}{decade}-{}", words(rest, false, ordinal)),
            true => format!("{joint}{}ieth", &decade[..decade.len() - 1]),
            false => format!("{joint}{decade}"),
        };
    }
    let joint = if joined { ", " } else { "" };
    let (head, factor) = match number < 1000.0 {
        true => (format!("{} Hundred", FEW[(number / 100.0) as usize]), 100.0),
        false => {
            let magnitude = ((number.log10() / 3.0).floor() as usize).clamp(1, MAGNITUDES.len());
            let factor = 1000_f64.powi(magnitude as i32);
            (
                format!("{} {}", words((number / factor).floor(), false, false), MAGNITUDES[magnitude - 1]),
                factor,
            )
        }
    };
    let rest = number - (number / factor).floor() * factor;
    match rest > 0.0 {
        true => format!("{joint}{head}{}", words(rest, true, ordinal)),
        false => format!("{joint}{head}{th}"),
    }
}

/// The value of one word, cardinal or ordinal.
fn word_value(word: &str) -> Option<f64> {
    let is = |name: &&'static str| name.eq_ignore_ascii_case(word);
    if let Some(value) = FEW.iter().position(is).or_else(|| ORDINALS.iter().position(is)) {
        return Some(value as f64);
    }
    let decade = |name: &&'static str| {
        is(name) || format!("{}ieth", &name[..name.len() - 1]).eq_ignore_ascii_case(word)
    };
    if let Some(index) = DECADES.iter().position(decade) {
        return Some((index + 2) as f64 * 10.0);
    }
    let stem = word.strip_suffix("th").unwrap_or(word);
    if stem.eq_ignore_ascii_case("hundred") {
        return Some(100.0);
    }
    let magnitude = MAGNITUDES.iter().position(|name| name.eq_ignore_ascii_case(stem))?;
    Some(1000_f64.powi(magnitude as i32 + 1))
}

/// The number that words mean.
pub fn from_words(text: &str) -> Option<f64> {
    let mut segments = vec![0.0];
    for word in text.split([' ', '-', ',', '\t', '\n']).filter(|word| !word.is_empty() && *word != "and") {
        let value = word_value(word)?;
        let last = segments.pop().unwrap_or_default();
        if value >= 100.0 {
            segments.push(last * value);
        } else if last >= 1000.0 {
            segments.extend([last, value]);
        } else {
            segments.push(last + value);
        }
    }
    Some(segments.into_iter().sum())
}

const ROMAN: [(u32, &str); 13] = [
    (1000, "m"),
    (900, "cm"),
    (500, "d"),
    (400, "cd"),
    (100, "c"),
    (90, "xc"),
    (50, "l"),
    (40, "xl"),
    (10, "x"),
    (9, "ix"),
    (5, "v"),
    (4, "iv"),
    (1, "i"),
];

/// A number as a Roman numeral in small letters.
pub fn to_roman(mut number: u32) -> String {
    let mut roman = String::new();
    for (value, letters) in ROMAN {
        roman.extend(repeat_n(letters, (number / value) as usize));
        number %= value;
    }
    roman
}

/// The number that a Roman numeral means, in letters of either size.
pub fn from_roman(text: &str) -> Option<f64> {
    let (mut total, mut largest) = (0_i64, 1);
    for letter in text.chars().rev() {
        let letter = letter.to_ascii_lowercase();
        let (value, _) = ROMAN.iter().find(|(_, letters)| letters.chars().eq([letter]))?;
        let value = i64::from(*value);
        if value < largest {
            total -= value;
        } else {
            largest = value;
            total += value;
        }
    }
    Some(total as f64)
}

/// A number as letters in the way of spreadsheet columns: a … z, aa, ab …
pub fn to_letters(mut number: f64) -> String {
    let mut letters = Vec::new();
    while number >= 1.0 && number.is_finite() {
        letters.push(char::from(b'a' + ((number - 1.0) % 26.0) as u8));
        number = ((number - 1.0) / 26.0).floor();
    }
    letters.into_iter().rev().collect()
}

/// The number that letters mean.
pub fn from_letters(text: &str) -> Option<f64> {
    text.chars().try_fold(0.0, |number, letter| {
        let letter = letter.to_ascii_lowercase();
        letter.is_ascii_lowercase().then(|| number * 26.0 + f64::from(letter as u8 - b'a' + 1))
    })
}
