//! Functions of strings that look for patterns.
//!
//! A pattern is a string, a regular expression, or any function that takes a string and returns a match: an object
//! with `match`, `start`, `end`, `groups` and a function `next`.

use super::super::error::{Outcome, raise};
use super::super::evaluate::Evaluator;
use super::super::item::{Fields, Function, Item};
use super::super::regex::{Found, Pattern};
use super::super::signature::Arguments;
use super::{Args, Entry};
use std::ops::Range;
use std::sync::Arc;

pub const FUNCTIONS: &[Entry] = &[
    ("contains", "<s-(sf):b>", 2, contains),
    ("match", "<s-f<s:o>n?:a<o>>", 3, matches),
    ("replace", "<s-(sf)(sf)n?:s>", 4, replace),
    ("split", "<s-(sf)n?:a<s>>", 3, split),
];

/// Steps that are taken for a search over so many bytes.
const BYTES_PER_STEP: usize = 64;

/// What a part of a text takes beside its characters.
const PART_BYTES: usize = std::mem::size_of::<Item>() + 16;
/// What a match takes beside its text and its groups.
const MATCH_BYTES: usize = 8 * PART_BYTES;

/// The match from byte `from` on, as an object; nothing if there is none or the text is at its end.
pub fn next_match(
    evaluator: &mut Evaluator<'_>,
    pattern: &Arc<Pattern>,
    text: &Arc<str>,
    from: usize,
) -> Outcome {
    match found(evaluator, pattern, text, from)? {
        Some(found) => Ok(object_of(pattern, text, &found)),
        None => Ok(Item::Nothing),
    }
}

fn found(
    evaluator: &mut Evaluator<'_>,
    pattern: &Pattern,
    text: &str,
    from: usize,
) -> Outcome<Option<Found>> {
    if from > 0 && from >= text.len() {
        return Ok(None);
    }
    let found = pattern.find(text, from)?;
    let searched = found.as_ref().map_or(text.len(), |found| found.range.end) - from;
    evaluator.budget.steps(1 + searched / BYTES_PER_STEP)?;
    match found {
        Some(found) if found.range.is_empty() => Err(raise("D1004").text(pattern.source())),
        found => Ok(found),
    }
}

fn groups_of(text: &str, found: &Found) -> Vec<Item> {
    let group = |range: &Option<Range<usize>>| match range {
        Some(range) => Item::text(&text[range.clone()]),
        None => Item::Nothing,
    };
    found.groups.iter().map(group).collect()
}

fn object_of(pattern: &Arc<Pattern>, text: &Arc<str>, found: &Found) -> Item {
    let start = units(&text[..found.range.start]);
    let end = start + units(&text[found.range.clone()]);
    let next = Function::NextMatch { pattern: pattern.clone(), text: text.clone(), from: found.range.end };
    object([
        ("match", Item::text(&text[found.range.clone()])),
        ("start", Item::number(start as f64)),
        ("end", Item::number(end as f64)),
        ("groups", Item::array(groups_of(text, found))),
        ("next", Item::function(next)),
    ])
}

fn object<const N: usize>(fields: [(&str, Item); N]) -> Item {
    Item::object(fields.into_iter().map(|(name, item)| (name.into(), item)).collect::<Fields>())
}

/// Length in UTF-16 units.
fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The byte at which a position in UTF-16 units is.
fn byte_at(text: &str, position: f64) -> usize {
    let mut passed = 0.0;
    for (at, char) in text.char_indices() {
        if passed >= position {
            return at;
        }
        passed += char.len_utf16() as f64;
    }
    text.len()
}

/// One match on its way to be used.
struct Match {
    /// In bytes.
    range: Range<usize>,
    groups: Vec<Item>,
    /// As a function sees it; made when one asks.
    object: Option<Item>,
}

/// The matches of a pattern in a text, one by one.
enum Matches<'a> {
    Regex {
        pattern: &'a Arc<Pattern>,
        from: usize,
    },
    /// The function to call for the next match, and its argument.
    Function {
        next: Item,
        arguments: Arguments,
    },
    Done,
}

impl<'a> Matches<'a> {
    fn of(pattern: &'a Item, text: &Arc<str>) -> Self {
        match pattern.as_function().map(|function| &**function) {
            Some(Function::Regex(pattern)) => Self::Regex { pattern, from: 0 },
            _ => Self::Function {
                next: pattern.clone(),
                arguments: [Item::text(text.clone())].into_iter().collect(),
            },
        }
    }

    fn next(&mut self, evaluator: &mut Evaluator<'_>, text: &str, args: &Args<'_>) -> Outcome<Option<Match>> {
        match self {
            Self::Regex { pattern, from } => {
                let Some(found) = found(evaluator, pattern, text, *from)? else { return Ok(None) };
                *from = found.range.end;
                Ok(Some(Match { groups: groups_of(text, &found), range: found.range, object: None }))
            }
            Self::Function { next, arguments } => {
                let arguments = std::mem::take(arguments);
                let object = evaluator.apply(&next.clone(), arguments, args.input, args.frame)?;
                let Some(found) = match_of(&object, text)? else { return Ok(None) };
                *self = match object.field("next") {
                    next @ Item::Function(_) => Self::Function { next, arguments: Arguments::new() },
                    _ => Self::Done,
                };
                Ok(Some(Match { object: Some(object), ..found }))
            }
            Self::Done => Ok(None),
        }
    }
}

/// What a matcher function returned.
fn match_of(object: &Item, text: &str) -> Outcome<Option<Match>> {
    if object.is_nothing() {
        return Ok(None);
    }
    let (start, end, groups) = (object.field("start"), object.field("end"), object.field("groups"));
    let (Some(from), Some(to)) = (start.as_f64(), end.as_f64()) else { return Err(raise("T1010")) };
    if !groups.is_array() {
        return Err(raise("T1010"));
    }
    let start = byte_at(text, from);
    let range = start..byte_at(text, to).max(start);
    Ok(Some(Match { range, groups: groups.items().collect(), object: None }))
}

/// How many results are wanted; an error if the number makes no sense.
fn limit(args: &Args<'_>, index: usize, code: &'static str) -> Outcome<usize> {
    match args.number(index) {
        Some(limit) if limit < 0.0 => Err(raise(code).value(args.get(index)).index(index + 1)),
        Some(limit) => Ok(limit.ceil() as usize),
        None => Ok(usize::MAX),
    }
}

fn contains(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(text) = args.get(0).as_text() else { return Ok(Item::Nothing) };
    let pattern = args.get(1);
    Ok(match pattern.as_str() {
        Some(part) => Item::bool(text.contains(part)),
        None if pattern.is_nothing() => Item::Nothing,
        None => Item::bool(Matches::of(pattern, text).next(evaluator, text, args)?.is_some()),
    })
}

fn matches(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(text) = args.get(0).as_text() else { return Ok(Item::Nothing) };
    let limit = limit(args, 2, "D3040")?;
    let mut found = Matches::of(args.get(1), text);
    let (mut results, mut passed, mut index) = (Vec::new(), 0, 0);
    while results.len() < limit
        && let Some(next) = found.next(evaluator, text, args)?
    {
        let start = next.range.start;
        // Counted on from the match before, not from the start of the text.
        index = match text.get(passed..start) {
            Some(between) => index + units(between),
            None => units(&text[..start]),
        };
        passed = start;
        let group_bytes: usize =
            next.groups.iter().map(|group| PART_BYTES + group.as_str().map_or(0, str::len)).sum();
        evaluator.budget.bytes(MATCH_BYTES + next.range.len() + group_bytes)?;
        results.push(object([
            ("match", Item::text(&text[next.range])),
            ("index", Item::number(index as f64)),
            ("groups", Item::array(next.groups)),
        ]));
    }
    Ok(Item::sequence(results))
}

fn split(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(text) = args.get(0).as_text() else { return Ok(Item::Nothing) };
    let limit = limit(args, 2, "D3020")?;
    // As in the reference, half a part counts for patterns and not for strings.
    let whole_limit = args.number(2).map_or(limit, |limit| limit as usize);
    let separator = args.get(1);
    let mut parts = Vec::new();
    let mut push = |evaluator: &mut Evaluator<'_>, part: &str| -> Outcome<usize> {
        evaluator.budget.bytes(PART_BYTES + part.len())?;
        parts.push(Item::text(part));
        Ok(parts.len())
    };
    match separator.as_str() {
        Some("") => {
            for (at, char) in text.char_indices().take(whole_limit) {
                push(evaluator, &text[at..at + char.len_utf8()])?;
            }
        }
        Some(separator) => {
            for part in text.split(separator).take(whole_limit) {
                push(evaluator, part)?;
            }
        }
        None => {
            let (mut found, mut start, mut count) = (Matches::of(separator, text), 0, 0);
            while count < limit
                && let Some(next) = found.next(evaluator, text, args)?
            {
                count = push(evaluator, text.get(start..next.range.start).unwrap_or_default())?;
                start = next.range.end;
            }
            if count < limit {
                push(evaluator, &text[start..])?;
            }
        }
    }
    Ok(Item::array(parts))
}

fn replace(evaluator: &mut Evaluator<'_>, args: &Args<'_>) -> Outcome {
    let Some(text) = args.get(0).as_text() else { return Ok(Item::Nothing) };
    let limit = limit(args, 3, "D3011")?;
    let (pattern, replacement) = (args.get(1), args.get(2));
    let mut replaced = String::new();
    let (mut start, mut count) = (0, 0);
    if let Some(literal) = pattern.as_str() {
        if literal.is_empty() {
            return Err(raise("D3010").value(pattern).index(2));
        }
        let replacement = replacement.as_str().ok_or_else(|| raise("D3012").value(replacement))?;
        for (at, _) in text.match_indices(literal).take(limit) {
            evaluator.budget.bytes(at - start + replacement.len())?;
            replaced.push_str(&text[start..at]);
            replaced.push_str(replacement);
            start = at + literal.len();
        }
    } else {
        let mut found = Matches::of(pattern, text);
        while count < limit
            && let Some(next) = found.next(evaluator, text, args)?
        {
            let before = replaced.len();
            replaced.push_str(text.get(start..next.range.start).unwrap_or_default());
            start = next.range.end;
            count += 1;
            match replacement.as_str() {
                Some(template) => {
                    substitute(template, &text[next.range.clone()], &next.groups, &mut replaced)
                }
                None => replaced.push_str(&computed(evaluator, replacement, pattern, text, next, args)?),
            }
            evaluator.budget.bytes(replaced.len() - before)?;
        }
    }
    evaluator.budget.bytes(text.len() - start)?;
    replaced.push_str(&text[start..]);
    Ok(Item::text(replaced))
}

/// What a function makes of a match.
fn computed(
    evaluator: &mut Evaluator<'_>,
    function: &Item,
    pattern: &Item,
    text: &Arc<str>,
    found: Match,
    args: &Args<'_>,
) -> Outcome<Arc<str>> {
    let object = match (found.object, pattern.as_function().map(|function| &**function)) {
        (None, Some(Function::Regex(pattern))) => {
            let groups = Item::array(found.groups);
            let found = Found { range: found.range, groups: Vec::new() };
            match object_of(pattern, text, &found) {
                Item::Object(object) => {
                    let mut fields = object.fields.clone();
                    fields.insert("groups".into(), groups);
                    Item::object(fields)
                }
                other => other,
            }
        }
        (object, _) => object.unwrap_or_default(),
    };
    let result = evaluator.apply(function, [object].into_iter().collect(), args.input, args.frame)?;
    result.as_text().cloned().ok_or_else(|| raise("D3012").value(&result))
}

/// Writes a template: `$0` is the match, `$n` a group with as many digits as there can be groups, `$$` a dollar.
fn substitute(template: &str, matched: &str, groups: &[Item], out: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('0') {
            out.push_str(matched);
            rest = after;
        } else {
            rest = substitute_group(rest, groups, out);
        }
    }
    out.push_str(rest);
}

/// Writes the group that is named at the start of `rest`, and returns what follows it.
fn substitute_group<'a>(rest: &'a str, groups: &[Item], out: &mut String) -> &'a str {
    let most = groups.len().max(1).ilog10() as usize + 1;
    let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let number = |digits: usize| rest[..digits].parse::<usize>().ok().map(|number| (number, digits));
    let named = match number(digits) {
        Some((index, _)) if index > groups.len() && digits > 1 => number(digits - 1),
        named => named,
    };
    let Some((index, digits)) = named else {
        out.push('$');
        return rest;
    };
    if let Some(text) = groups.get(index.wrapping_sub(1)).and_then(Item::as_str) {
        out.push_str(text);
    }
    &rest[digits..]
}
