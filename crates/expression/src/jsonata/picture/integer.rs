//! Integers by picture: `#,##0`, `Ww`, `I`, `a`, `1;o`.

use super::super::error::{Outcome, raise};
use super::super::number::to_text;
use super::words::{from_letters, from_roman, from_words, to_letters, to_roman, to_words};

/// The zeros of the decimal digits of Unicode; nine digits follow each.
const ZEROS: [u32; 37] = [
    0x30, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50,
    0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
];

/// Beyond it Roman numerals are too long to be of use, and digits are written.
const ROMAN_MAX: f64 = 100_000.0;

/// How an integer is written.
#[derive(Clone, Debug)]
pub struct IntegerPicture {
    pub style: Style,
    pub case: Case,
    pub ordinal: bool,
    /// Digits that are always there.
    pub mandatory: usize,
    pub optional: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Style {
    Letters,
    Roman,
    Words,
    Digits {
        zero: u32,
        grouping: Grouping,
    },
    /// A kind of numbering that is not known, by its first member.
    Sequence(String),
}

/// Where separators stand, counted in digits from the right.
#[derive(Clone, Debug, PartialEq)]
pub enum Grouping {
    Every(usize, char),
    At(Vec<(usize, char)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Lower,
    Upper,
    Title,
}

/// Writes a number, rounded down, by a picture.
pub fn format_integer(number: f64, picture: &str) -> Outcome<String> {
    IntegerPicture::parse(picture)?.format(number.floor())
}

/// Reads a number by a picture; nothing if it is none.
pub fn parse_integer(text: &str, picture: &str) -> Outcome<Option<f64>> {
    IntegerPicture::parse(picture)?.read(text)
}

impl IntegerPicture {
    pub fn parse(picture: &str) -> Outcome<Self> {
        let (primary, modifier) = picture.rsplit_once(';').unwrap_or((picture, ""));
        let ordinal = modifier.starts_with('o');
        let (style, case) = match primary {
            "A" => (Style::Letters, Case::Upper),
            "a" => (Style::Letters, Case::Lower),
            "I" => (Style::Roman, Case::Upper),
            "i" => (Style::Roman, Case::Lower),
            "W" => (Style::Words, Case::Upper),
            "Ww" => (Style::Words, Case::Title),
            "w" => (Style::Words, Case::Lower),
            digits => return Self::of_digits(digits, ordinal),
        };
        Ok(Self { style, case, ordinal, mandatory: 0, optional: 0 })
    }

    fn of_digits(pattern: &str, ordinal: bool) -> Outcome<Self> {
        let (mut zero, mut mandatory, mut optional) = (None, 0, 0);
        let mut separators = Vec::new();
        for char in pattern.chars().rev() {
            if let Some(own) = zero_of(char) {
                if *zero.get_or_insert(own) != own {
                    return Err(raise("D3131"));
                }
                mandatory += 1;
            } else if char == '#' {
                optional += 1;
            } else {
                separators.push((mandatory + optional, char));
            }
        }
        let style = match zero {
            Some(zero) => Style::Digits { zero, grouping: Grouping::of(separators) },
            None => Style::Sequence(pattern.to_owned()),
        };
        Ok(Self { style, case: Case::Lower, ordinal, mandatory, optional })
    }

    /// Writes a whole number.
    pub fn format(&self, number: f64) -> Outcome<String> {
        let size = number.abs();
        let text = match &self.style {
            Style::Letters => to_letters(size),
            Style::Roman if size <= ROMAN_MAX => to_roman(size as u32),
            Style::Roman => to_text(size),
            Style::Words => to_words(size, self.ordinal),
            Style::Digits { zero, grouping } => self.digits(size, *zero, grouping),
            Style::Sequence(first) => return Err(raise("D3130").text(first)),
        };
        let text = match (&self.style, self.case) {
            (Style::Digits { .. }, _) => text,
            (_, Case::Upper) => text.to_uppercase(),
            (_, Case::Lower) => text.to_lowercase(),
            (_, Case::Title) => text,
        };
        Ok(if number < 0.0 { format!("-{text}") } else { text })
    }

    fn digits(&self, size: f64, zero: u32, grouping: &Grouping) -> String {
        let plain = to_text(size);
        let plain = "0".repeat(self.mandatory.saturating_sub(plain.len())) + &plain;
        let count = plain.chars().count();
        let mut text = String::new();
        for (index, char) in plain.chars().enumerate() {
            let left = count - index;
            if index > 0 {
                text.extend(grouping.before(left));
            }
            text.push(shifted(char, zero));
        }
        if self.ordinal {
            text.push_str(ordinal_suffix(&plain));
        }
        text
    }

    /// Reads what [`IntegerPicture::format`] writes; nothing if it is none.
    pub fn read(&self, text: &str) -> Outcome<Option<f64>> {
        Ok(match &self.style {
            Style::Letters => from_letters(text),
            Style::Roman => from_roman(text),
            Style::Words => from_words(text),
            Style::Sequence(first) => return Err(raise("D3130").text(first)),
            Style::Digits { zero, .. } => {
                let negative = text.starts_with('-');
                let digits: String = text.chars().filter_map(|char| digit_of(char, *zero)).collect();
                let size = digits.parse::<f64>().ok();
                size.map(|size| if negative { -size } else { size })
            }
        })
    }
}

impl Grouping {
    fn of(separators: Vec<(usize, char)>) -> Self {
        let Some((_, first)) = separators.first().copied() else { return Self::At(separators) };
        let every = separators.iter().fold(0, |every, (position, _)| divisor(*position, every));
        let same = separators.iter().all(|(_, char)| *char == first);
        let whole =
            (1..=separators.len()).all(|n| separators.iter().any(|(position, _)| *position == n * every));
        if same && whole && every > 0 { Self::Every(every, first) } else { Self::At(separators) }
    }

    /// The separator that stands before the last `left` digits.
    fn before(&self, left: usize) -> Option<char> {
        match self {
            Self::Every(every, char) => left.is_multiple_of(*every).then_some(*char),
            Self::At(separators) => {
                separators.iter().find(|(position, _)| *position == left).map(|(_, char)| *char)
            }
        }
    }
}

fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// The zero of the digits that a character is one of.
fn zero_of(char: char) -> Option<u32> {
    ZEROS.into_iter().find(|zero| (*zero..zero + 10).contains(&(char as u32)))
}

fn shifted(digit: char, zero: u32) -> char {
    match digit.to_digit(10) {
        Some(value) => char::from_u32(zero + value).unwrap_or(digit),
        None => digit,
    }
}

fn digit_of(char: char, zero: u32) -> Option<char> {
    let value = (char as u32).checked_sub(zero).filter(|value| *value < 10)?;
    char::from_digit(value, 10)
}

fn ordinal_suffix(digits: &str) -> &'static str {
    let teen = digits.len() > 1 && digits[..digits.len() - 1].ends_with('1');
    match digits.chars().last() {
        Some('1') if !teen => "st",
        Some('2') if !teen => "nd",
        Some('3') if !teen => "rd",
        _ => "th",
    }
}
