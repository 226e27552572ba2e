//! Characters to words.

use super::error::{Outcome, raise};
use super::regex::Pattern;
use super::text;
use crate::Value;
use std::sync::Arc;

/// A word of the language.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    End,
    Name(String),
    /// Named without its `$`.
    Variable(String),
    /// A string, a number, `true`, `false` or `null`.
    Literal(Value),
    Operator(&'static str),
    Regex(Arc<Pattern>),
}

/// A word, and where it ends.
#[derive(Clone, Debug)]
pub struct Token {
    pub word: Word,
    /// Offset in bytes, just behind the word.
    pub position: usize,
}

impl Token {
    /// Whether it is this operator.
    pub fn is(&self, operator: &str) -> bool {
        matches!(self.word, Word::Operator(own) if own == operator)
    }

    /// As it is shown in messages.
    pub fn text(&self) -> String {
        match &self.word {
            Word::End => "(end)".to_owned(),
            Word::Name(name) | Word::Variable(name) => name.clone(),
            Word::Literal(Value::String(text)) => text.to_string(),
            Word::Literal(value) => value.to_json(),
            Word::Operator(operator) => (*operator).to_owned(),
            Word::Regex(pattern) => format!("/{}/", pattern.source()),
        }
    }
}

/// Two characters that are one operator, then the single ones.
const DOUBLE: [&str; 9] = ["..", ":=", "!=", ">=", "<=", "**", "~>", "?:", "??"];
const SINGLE: [&str; 25] = [
    ".", "[", "]", "{", "}", "(", ")", ",", "@", "#", ";", ":", "?", "+", "-", "*", "/", "%", "|", "=", "<",
    ">", "^", "&", "!",
];

/// Reads words one by one.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    source: &'a str,
    position: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(source: &'a str) -> Self {
        Self { source, position: 0 }
    }

    /// The next word. After an operand a `/` divides; elsewhere it begins a regular expression.
    pub fn next(&mut self, after_operand: bool) -> Outcome<Token> {
        self.skip_blanks()?;
        let word = match self.rest().chars().next() {
            None => Word::End,
            Some('/') if !after_operand => self.regex()?,
            Some(quote @ ('"' | '\'')) => self.string(quote)?,
            Some('0'..='9') => self.number()?,
            Some('`') => self.quoted_name()?,
            Some(_) => match self.operator() {
                Some(operator @ ("!" | "~")) => {
                    return Err(raise("S0204").at(self.position).token(operator));
                }
                Some(operator) => Word::Operator(operator),
                None => self.name(),
            },
        };
        Ok(Token { word, position: self.position })
    }

    /// Goes back to just behind a word.
    pub fn rewind(&mut self, position: usize) {
        self.position = position;
    }

    fn rest(&self) -> &'a str {
        &self.source[self.position..]
    }

    fn skip_blanks(&mut self) -> Outcome<()> {
        loop {
            let trimmed = self.rest().trim_start_matches([' ', '\t', '\n', '\r', '\u{b}']);
            self.position = self.source.len() - trimmed.len();
            if !trimmed.starts_with("/*") {
                return Ok(());
            }
            match trimmed[2..].find("*/") {
                Some(length) => self.position += length + 4,
                None => return Err(raise("S0106").at(self.position)),
            }
        }
    }

    fn operator(&mut self) -> Option<&'static str> {
        let rest = self.rest();
        let found =
            DOUBLE.iter().chain(&SINGLE).chain(&["~"]).find(|operator| rest.starts_with(**operator))?;
        self.position += found.len();
        Some(found)
    }

    fn string(&mut self, quote: char) -> Outcome<Word> {
        let start = self.position + 1;
        let mut units = Units::default();
        let mut chars = self.source[start..].char_indices();
        while let Some((offset, char)) = chars.next() {
            self.position = start + offset + char.len_utf8();
            match char {
                '\\' => match chars.next().map(|(_, escaped)| escaped) {
                    Some('u') => {
                        let digits = self.source.get(self.position + 1..self.position + 5);
                        let unit = digits
                            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                            .and_then(|digits| u16::from_str_radix(digits, 16).ok())
                            .ok_or_else(|| raise("S0104").at(self.position))?;
                        units.unit(unit);
                        chars.nth(3);
                    }
                    Some(escaped) => match unescape(escaped) {
                        Some(meant) => units.char(meant),
                        None => {
                            return Err(raise("S0103").at(self.position).token(&escaped.to_string()));
                        }
                    },
                    None => break,
                },
                char if char == quote => return Ok(Word::Literal(Value::string(units.finish()))),
                char => units.char(char),
            }
        }
        self.position = self.source.len();
        Err(raise("S0101").at(self.position))
    }

    fn number(&mut self) -> Outcome<Word> {
        let rest = self.rest().as_bytes();
        let digits = |from: usize| rest[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut length = if rest[0] == b'0' { 1 } else { digits(0) };
        if rest.get(length) == Some(&b'.') && digits(length + 1) > 0 {
            length += 1 + digits(length + 1);
        }
        if matches!(rest.get(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.get(length + 1), Some(b'+' | b'-')));
            let exponent = rest.get(length + 1 + sign..).map_or(0, |_| digits(length + 1 + sign));
            if exponent > 0 {
                length += 1 + sign + exponent;
            }
        }
        let text = &self.rest()[..length];
        self.position += length;
        let number = text.parse().ok().and_then(Value::number);
        number.map(Word::Literal).ok_or_else(|| raise("S0102").at(self.position).token(text))
    }

    fn quoted_name(&mut self) -> Outcome<Word> {
        let start = self.position + 1;
        let Some(length) = self.source[start..].find('`') else {
            self.position = self.source.len();
            return Err(raise("S0105").at(self.position));
        };
        self.position = start + length + 1;
        Ok(Word::Name(self.source[start..start + length].to_owned()))
    }

    fn name(&mut self) -> Word {
        let rest = self.rest();
        let ends = |char: char| {
            matches!(char, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '~')
                || SINGLE.iter().any(|operator| operator.starts_with(char))
        };
        let name = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.position += name.len();
        if let Some(variable) = name.strip_prefix('$') {
            return Word::Variable(variable.to_owned());
        }
        match name {
            "or" => Word::Operator("or"),
            "and" => Word::Operator("and"),
            "in" => Word::Operator("in"),
            "true" => Word::Literal(Value::Bool(true)),
            "false" => Word::Literal(Value::Bool(false)),
            "null" => Word::Literal(Value::Null),
            name => Word::Name(name.to_owned()),
        }
    }

    fn regex(&mut self) -> Outcome<Word> {
        let start = self.position + 1;
        let (mut depth, mut escaped) = (0_i32, false);
        for (offset, char) in self.source[start..].char_indices() {
            match char {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                '/' if depth == 0 => return self.regex_of(start, start + offset),
                _ => {}
            }
        }
        self.position = self.source.len();
        Err(raise("S0302").at(self.position))
    }

    fn regex_of(&mut self, start: usize, end: usize) -> Outcome<Word> {
        self.position = end + 1;
        if start == end {
            return Err(raise("S0301").at(self.position));
        }
        let flags = self.rest().len() - self.rest().trim_start_matches(['i', 'm']).len();
        let flags = &self.rest()[..flags];
        self.position += flags.len();
        let pattern = Pattern::new(&self.source[start..end], flags.contains('i'), flags.contains('m'));
        pattern.map(|pattern| Word::Regex(Arc::new(pattern))).map_err(|error| error.at(self.position))
    }
}

fn unescape(escaped: char) -> Option<char> {
    Some(match escaped {
        '"' | '\\' | '/' => escaped,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        _ => return None,
    })
}

/// A string under construction from characters and UTF-16 units. For a surrogate without its other half, which no
/// Rust string can hold, stands its [`text::stand_in`].
#[derive(Default)]
struct Units {
    text: String,
    high: Option<u16>,
}

impl Units {
    fn char(&mut self, char: char) {
        self.text.extend(self.high.take().map(text::stand_in));
        self.text.push(char);
    }

    fn unit(&mut self, unit: u16) {
        match (self.high.take(), unit) {
            (Some(high), 0xDC00..=0xDFFF) => {
                self.text.extend(char::decode_utf16([high, unit]).flatten());
            }
            (high, unit) => {
                self.text.extend(high.map(text::stand_in));
                match unit {
                    0xD800..=0xDBFF => self.high = Some(unit),
                    _ => self.text.push(char::from_u32(unit.into()).unwrap_or_else(|| text::stand_in(unit))),
                }
            }
        }
    }

    fn finish(mut self) -> String {
        self.text.extend(self.high.map(text::stand_in));
        self.text
    }
}
