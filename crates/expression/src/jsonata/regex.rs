//! Regular expressions, written as in JavaScript.
//!
//! They run on an engine that is linear for all that a finite automaton can do and counts its steps for the rest, so
//! that no pattern can hang. What JavaScript writes or means differently is translated here. One difference stays:
//! `\b` and `\B` know the letters of all languages, not only those of ASCII.

use super::error::{Outcome, raise};
use std::fmt::Write;
use std::ops::Range;

/// Steps of one search that need backtracking.
const BACKTRACKS_MAX: usize = 200_000;
/// Bytes of a compiled pattern.
const COMPILED_BYTES_MAX: usize = 4 << 20;

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    source: String,
    regex: fancy_regex::Regex,
}

/// Where a pattern matched, in bytes; the groups as far as they took part.
pub struct Found {
    pub range: Range<usize>,
    pub groups: Vec<Option<Range<usize>>>,
}

impl Pattern {
    /// Compiles it; the flags are JavaScript's `i` and `m`.
    pub fn new(source: &str, ignore_case: bool, lines: bool) -> Outcome<Self> {
        let regex = fancy_regex::RegexBuilder::new(&translate(source))
            .case_insensitive(ignore_case)
            .multi_line(lines)
            .backtrack_limit(BACKTRACKS_MAX)
            .delegate_size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|error| raise("S0303").text(&error.to_string()))?;
        Ok(Self { source: source.to_owned(), regex })
    }

    /// As it was written, without slashes and flags.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The first match from byte `from` on.
    pub fn find(&self, text: &str, from: usize) -> Outcome<Option<Found>> {
        let found = self.regex.captures_from_pos(text, from).map_err(|_| raise("D1012"))?;
        Ok(found.map(|captures| Found {
            range: captures.get(0).expect("group 0 is the match").range(),
            groups: (1..captures.len()).map(|group| captures.get(group).map(|found| found.range())).collect(),
        }))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// White space and line ends as JavaScript has them; the shorthand classes of JavaScript are those of ASCII.
const SPACE: &str =
    r"\t\n\x0B\x0C\r \u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}";
const LINE_ENDS: &str = r"\n\r\u{2028}\u{2029}";

/// JavaScript's notation to the engine's.
fn translate(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 16);
    let mut chars = source.chars().peekable();
    let mut in_class = false;
    while let Some(char) = chars.next() {
        match char {
            '\\' => escape(&mut chars, in_class, &mut out),
            '[' if in_class => out.push_str(r"\["),
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                if chars.next_if_eq(&']').is_some() {
                    // `[]` matches nothing, `[^]` anything.
                    out.push_str(if negated { r"(?s:.)" } else { r"(?!)" });
                } else {
                    in_class = true;
                    out.push_str(if negated { "[^" } else { "[" });
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            // Set operations of the engine that JavaScript does not have.
            '&' | '~' if in_class => out.extend(['\\', char]),
            '-' if in_class && chars.peek() == Some(&'-') => out.push_str(r"\-"),
            '.' if !in_class => _ = write!(out, "[^{LINE_ENDS}]"),
            '{' if !in_class && !is_counter(chars.clone()) => out.push_str(r"\{"),
            ']' => out.push_str(r"\]"),
            char => out.push(char),
        }
    }
    out
}

/// Whether what follows a `{` is `n}`, `n,}` or `n,m}`.
fn is_counter(mut rest: impl Iterator<Item = char>) -> bool {
    let (mut digits, mut commas) = (0, 0);
    loop {
        match rest.next() {
            Some('0'..='9') => digits += 1,
            Some(',') if digits > 0 && commas == 0 => commas += 1,
            Some('}') => return digits > 0,
            _ => return false,
        }
    }
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn escape(chars: &mut Rest<'_>, in_class: bool, out: &mut String) {
    let Some(char) = chars.next() else {
        out.push_str(r"\\");
        return;
    };
    let class = |out: &mut String, negated: bool, members: &str| {
        let caret = if negated { "^" } else { "" };
        _ = match in_class && !negated {
            true => write!(out, "{members}"),
            false => write!(out, "[{caret}{members}]"),
        };
    };
    match char {
        'd' => class(out, false, "0-9"),
        'D' => class(out, true, "0-9"),
        'w' => class(out, false, "0-9A-Z_a-z"),
        'W' => class(out, true, "0-9A-Z_a-z"),
        's' => class(out, false, SPACE),
        'S' => class(out, true, SPACE),
        'b' if in_class => out.push_str(r"\x08"),
        'b' | 'B' => out.extend(['\\', char]),
        'v' => out.push_str(r"\x0B"),
        'n' | 'r' | 't' | 'f' => out.extend(['\\', char]),
        'x' => code_point(chars, 2, 'x', out),
        'u' => code_point(chars, 4, 'u', out),
        'c' => match chars.next_if(char::is_ascii_alphabetic) {
            Some(letter) => _ = write!(out, r"\x{:02X}", letter as u32 % 32),
            None => out.push_str(r"\\c"),
        },
        'k' if chars.peek() == Some(&'<') => out.push_str(r"\k"),
        '0' => out.push_str(r"\x00"),
        '1'..='9' if !in_class => out.extend(['\\', char]),
        char if r"\.+*?()|[]{}^$-&~#".contains(char) => out.extend(['\\', char]),
        char => out.push(char),
    }
}

/// `\xHH`, `\uHHHH`, `\u{H…}`; anything else is the letter itself.
fn code_point(chars: &mut Rest<'_>, digits: usize, letter: char, out: &mut String) {
    let ahead: String = chars.clone().take(digits).collect();
    let exact = ahead.len() == digits && ahead.bytes().all(|byte| byte.is_ascii_hexdigit());
    if exact {
        chars.nth(digits - 1);
        _ = write!(out, r"\u{{{ahead}}}");
    } else {
        out.push(letter);
    }
}
