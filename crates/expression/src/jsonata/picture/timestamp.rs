//! Dates and times read by picture.

use super::super::calendar::{Moment, days_to_month};
use super::super::error::{Outcome, raise};
use super::integer::{IntegerPicture, Style};
use super::time::{DAYS, MONTHS, Marker, Part, days_ms, parse_picture, value_of};
use rustc_hash::FxHashMap;

/// Components that say a date, in the four ways to say one; those behind the first that is given must follow.
const BY_MONTH: &str = "YMD";
const BY_DAY: &str = "Yd";
/// Components that say a time, with 24 and with 12 hours.
const BY_HOUR: &str = "Hmsf";
const BY_HALF: &str = "Phmsf";

/// Beyond it a component leads to no date.
const COMPONENT_MAX: i64 = 1_000_000;

type Components = FxHashMap<char, i64>;

/// The milliseconds that a text means; nothing if it does not follow the picture. Components that a picture leaves
/// out before those that it has are taken from `now`.
pub fn parse_time(text: &str, picture: &str, now: i64) -> Outcome<Option<i64>> {
    let parts = parse_picture(picture)?;
    let mut reading = Reading { parts: &parts, failed: Vec::new(), width: text.len() + 1 };
    reading.failed.resize((parts.len() + 1) * reading.width, false);
    for part in &parts {
        check(part)?;
    }
    let Some(fields) = reading.read(text, 0, 0)? else { return Ok(None) };
    let components: Components = fields.into_iter().collect();
    if components.is_empty() {
        return Ok(None);
    }
    if components.values().any(|value| value.abs() > COMPONENT_MAX) {
        return Ok(None);
    }
    moment_of(components, &Moment::of(now)).map(Some)
}

/// Refuses what can be written but not read.
fn check(part: &Part) -> Outcome<()> {
    match part {
        Part::Marker(Marker { integer: None, component, .. }) if !"MxFP".contains(*component) => {
            Err(raise("D3133").text(&component.to_string()))
        }
        Part::Marker(Marker {
            integer: Some(IntegerPicture { style: Style::Sequence(first), .. }), ..
        }) => Err(raise("D3130").text(first)),
        _ => Ok(()),
    }
}

/// Looks for the way to divide a text among the parts, each taking as much as it can.
struct Reading<'a> {
    parts: &'a [Part],
    /// Which part at which byte leads to nothing.
    failed: Vec<bool>,
    width: usize,
}

impl Reading<'_> {
    fn read(&mut self, text: &str, part: usize, at: usize) -> Outcome<Option<Vec<(char, i64)>>> {
        let Some(own) = self.parts.get(part) else {
            return Ok((at == text.len()).then(Vec::new));
        };
        let place = part * self.width + at;
        if self.failed[place] {
            return Ok(None);
        }
        let rest = &text[at..];
        match own {
            Part::Literal(literal) => {
                let fits = rest.get(..literal.len()).is_some_and(|start| start.eq_ignore_ascii_case(literal));
                if fits && let Some(fields) = self.read(text, part + 1, at + literal.len())? {
                    return Ok(Some(fields));
                }
            }
            Part::Marker(marker) => {
                for length in marker.lengths(rest).into_iter().rev() {
                    let Some(value) = marker.read(&rest[..length])? else { continue };
                    if let Some(mut fields) = self.read(text, part + 1, at + length)? {
                        fields.push((marker.component, value));
                        return Ok(Some(fields));
                    }
                }
            }
        }
        self.failed[place] = true;
        Ok(None)
    }
}

impl Marker {
    /// How many bytes it can take from the start of a text.
    fn lengths(&self, rest: &str) -> Vec<usize> {
        if "Zz".contains(self.component) {
            return self.zone_lengths(rest);
        }
        let fits: fn(char) -> bool = match self.integer.as_ref().map(|integer| &integer.style) {
            Some(Style::Digits { .. }) => |char| char.is_numeric(),
            Some(Style::Words) => |char| char.is_ascii_alphabetic() || matches!(char, '-' | ',' | ' '),
            _ => |char| char.is_ascii_alphabetic(),
        };
        let ordinal = self.integer.as_ref().is_some_and(|integer| integer.ordinal);
        let mut lengths = Vec::new();
        let mut taken = 0;
        for (count, char) in rest.chars().enumerate().take_while(|(_, char)| fits(*char)) {
            taken += char.len_utf8();
            if self.read_width.is_none_or(|width| width == count + 1) {
                lengths.push(taken);
            }
        }
        if ordinal && matches!(self.integer.as_ref().map(|i| &i.style), Some(Style::Digits { .. })) {
            let suffix =
                |length: &usize| matches!(rest.get(*length..length + 2), Some("st" | "nd" | "rd" | "th"));
            return lengths.into_iter().filter(suffix).map(|length| length + 2).collect();
        }
        lengths
    }

    fn zone_lengths(&self, rest: &str) -> Vec<usize> {
        if self.zulu && rest.starts_with('Z') {
            return vec![1];
        }
        let prefix = if self.component == 'z' { "GMT" } else { "" };
        let Some(zone) = rest.strip_prefix(prefix).filter(|zone| zone.starts_with(['+', '-'])) else {
            return Vec::new();
        };
        let sign = prefix.len() + 1;
        let digits = zone[1..].bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b':').count();
        (1..=digits).map(|count| sign + count).collect()
    }

    fn read(&self, text: &str) -> Outcome<Option<i64>> {
        match (&self.integer, self.component) {
            (_, 'Z' | 'z') => Ok(read_zone(text)),
            (Some(integer), _) => Ok(integer.read(text)?.map(|number| number as i64)),
            (None, 'P') => {
                Ok(["am", "pm"].iter().position(|half| text.eq_ignore_ascii_case(half)).map(|i| i as i64))
            }
            (None, component) => {
                let names: &[&str] = if component == 'F' { &DAYS } else { &MONTHS };
                let is = |name: &&str| {
                    name.get(..self.max.unwrap_or(name.len())).unwrap_or(name).eq_ignore_ascii_case(text)
                };
                Ok(names.iter().position(is).map(|index| index as i64 + 1))
            }
        }
    }
}

/// Minutes of an offset: `+01:30`, `+0130`, `+1`, `Z`.
fn read_zone(text: &str) -> Option<i64> {
    let text = text.strip_prefix("GMT").unwrap_or(text);
    let digits = text.trim_start_matches(['+', '-']);
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if digits.len() > 2 => digits.split_at(digits.len() - 2),
        None => (digits, "0"),
    };
    if text == "Z" {
        return Some(0);
    }
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    Some(if text.starts_with('-') { -minutes } else { minutes })
}

/// Whether there is at least one of `any`, and none of `none`.
fn has(components: &Components, any: &str, none: &str) -> bool {
    any.chars().any(|part| components.contains_key(&part))
        && !none.chars().any(|part| components.contains_key(&part))
}

fn moment_of(mut components: Components, now: &Moment) -> Outcome<i64> {
    let by_month = has(&components, "YMD", "XxWwd");
    let by_day = !by_month && has(&components, "Yd", "XMxWwD");
    let by_week = has(&components, "XxwW", "YMdD");
    if by_week && !by_month && !by_day {
        return Err(raise("D3136"));
    }
    let by_half = !has(&components, "Hmsf", "Ph") && has(&components, "Phmsf", "H");
    let dates = if by_day { BY_DAY } else { BY_MONTH };
    let times = if by_half { BY_HALF } else { BY_HOUR };
    complete(&mut components, dates.chars().chain(times.chars()), now)?;
    let part = |part: char| components.get(&part).copied().unwrap_or_default();
    let hour = match by_half {
        true => part('h') % 12 + 12 * part('P'),
        false => part('H'),
    };
    let moment = Moment {
        year: part('Y'),
        month: if by_day { 1 } else { part('M').max(1) },
        day: if by_day { 1 } else { part('D') },
        hour,
        minute: part('m'),
        second: part('s'),
        millisecond: part('f'),
    };
    let year_days = if by_day { days_ms(part('d') - 1) } else { 0 };
    debug_assert!(!by_day || moment.days() == days_to_month(moment.year, 1));
    let offset = components.get(&'Z').or(components.get(&'z')).copied().unwrap_or_default();
    Ok(moment.millis() + year_days - offset * 60_000)
}

/// Fills in what is not given: the present before what is given, the least behind it.
fn complete(components: &mut Components, order: impl Iterator<Item = char>, now: &Moment) -> Outcome<()> {
    let (mut started, mut ended) = (false, false);
    for part in order {
        match (components.contains_key(&part), started) {
            (true, _) if ended => return Err(raise("D3136")),
            (true, _) => started = true,
            (false, true) => {
                ended = true;
                components.insert(part, i64::from("MDd".contains(part)));
            }
            (false, false) => {
                components.insert(part, value_of(now, part).unwrap_or_default());
            }
        }
    }
    Ok(())
}
