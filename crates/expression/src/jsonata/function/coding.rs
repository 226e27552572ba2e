//! Base64 and URLs.

use super::super::error::{Outcome, raise};
use super::super::evaluate::Evaluator;
use super::super::item::Item;
use super::super::text::is_stand_in;
use super::{Args, Entry, made};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

pub const FUNCTIONS: &[Entry] = &[
    ("base64encode", "<s-:s>", 1, base64_encode),
    ("base64decode", "<s-:s>", 1, base64_decode),
    ("encodeUrlComponent", "<s-:s>", 1, |evaluator, args| encode(evaluator, args, &COMPONENT)),
    ("encodeUrl", "<s-:s>", 1, |evaluator, args| encode(evaluator, args, &WHOLE)),
    ("decodeUrlComponent", "<s-:s>", 1, |evaluator, args| decode(evaluator, args, "")),
    ("decodeUrl", "<s-:s>", 1, |evaluator, args| decode(evaluator, args, RESERVED)),
];

/// What stands for itself in a component of a URL.
const COMPONENT: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
/// What has a meaning in a whole URL.
const RESERVED: &str = ";/?:@&=+$,#";
const WHOLE: AsciiSet = COMPONENT
    .remove(b';')
    .remove(b'/')
    .remove(b'?')
    .remove(b':')
    .remove(b'@')
    .remove(b'&')
    .remove(b'=')
    .remove(b'+')
    .remove(b'$')
    .remove(b',')
    .remove(b'#');

/// Reads with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Each character is one byte; of those beyond U+00FF the low byte remains, as in the reference.
fn base64_encode(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(text) = args.text(0) else { return Ok(Item::Nothing) };
    evaluator.budget.bytes(text.len() * 4 / 3)?;
    let bytes: Vec<u8> = text.encode_utf16().map(|unit| unit as u8).collect();
    Ok(Item::text(LENIENT.encode(bytes)))
}

/// Each byte becomes a character; what is not of the alphabet is passed over.
fn base64_decode(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(text) = args.text(0) else { return Ok(Item::Nothing) };
    evaluator.budget.bytes(text.len())?;
    let of_alphabet = |char: char| match char {
        '-' => Some('+'),
        '_' => Some('/'),
        '+' | '/' => Some(char),
        char => char.is_ascii_alphanumeric().then_some(char),
    };
    let text = text.split('=').next().unwrap_or_default();
    let mut digits: String = text.chars().filter_map(of_alphabet).collect();
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    let bytes = LENIENT.decode(digits).unwrap_or_default();
    Ok(Item::text(bytes.into_iter().map(char::from).collect::<String>()))
}

fn encode(evaluator: &mut Evaluator<'_>, args: &Args<'_>, set: &'static AsciiSet) -> Outcome {
    let Some(text) = args.text(0) else { return Ok(Item::Nothing) };
    if text.contains(is_stand_in) {
        return Err(raise("D3140").text(text));
    }
    made(evaluator, utf8_percent_encode(text, set).to_string())
}

/// Decodes all escapes but those of the characters to keep.
fn decode(evaluator: &mut Evaluator<'_>, args: &Args<'_>, keep: &str) -> Outcome {
    let Some(text) = args.text(0) else { return Ok(Item::Nothing) };
    let malformed = || raise("D3140").text(text);
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let escapes = escapes(&rest[at..]);
        if escapes.is_empty() {
            return Err(malformed());
        }
        let plain = percent_decode_str(escapes).decode_utf8().map_err(|_| malformed())?;
        for char in plain.chars() {
            match keep.contains(char) {
                true => decoded.push_str(&format!("%{:02X}", char as u32)),
                false => decoded.push(char),
            }
        }
        rest = &rest[at + escapes.len()..];
    }
    decoded.push_str(rest);
    made(evaluator, decoded)
}

/// The escapes that a text begins with, as many as there are.
fn escapes(text: &str) -> &str {
    let bytes = text.as_bytes();
    let is_escape = |escape: &&[u8]| {
        escape.len() == 3 && escape[0] == b'%' && escape[1..].iter().all(u8::is_ascii_hexdigit)
    };
    &text[..3 * bytes.chunks(3).take_while(is_escape).count()]
}
