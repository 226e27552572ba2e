//! Dates and times by picture: `[Y0001]-[M01]-[D01]`.

use super::super::calendar::{DAY_MS, Moment, days_to_month, weekday};
use super::super::error::{Outcome, raise};
use super::integer::{Case, Grouping, IntegerPicture, Style};

/// How a time is written if nothing else is said.
const ISO: &str = "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]";

pub const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A part of a picture.
#[derive(Clone, Debug)]
pub enum Part {
    Literal(String),
    Marker(Marker),
}

/// `[component presentation, width]`
#[derive(Clone, Debug)]
pub struct Marker {
    pub component: char,
    /// Written as a name, in this case.
    pub names: Option<Case>,
    /// Written as a number.
    pub integer: Option<IntegerPicture>,
    pub min: Option<usize>,
    pub max: Option<usize>,
    /// Digits of a year that are kept.
    year_digits: Option<usize>,
    /// `t`: an offset of nothing is `Z`.
    pub zulu: bool,
    /// Digits to read, where nothing else ends the number.
    pub read_width: Option<usize>,
}

/// Writes a time in a time zone (`+0100`) by a picture.
pub fn format_time(millis: i64, picture: Option<&str>, zone: Option<&str>) -> Outcome<String> {
    let offset = zone.map_or(0, offset_of);
    let moment = Moment::of(millis + offset * 60_000);
    let mut text = String::new();
    for part in parse_picture(picture.unwrap_or(ISO))? {
        match part {
            Part::Literal(literal) => text.push_str(&literal),
            Part::Marker(marker) => text.push_str(&marker.format(&moment, offset)?),
        }
    }
    Ok(text)
}

/// Minutes of a zone that is written as hours and minutes in one number.
fn offset_of(zone: &str) -> i64 {
    let digits = zone.len()
        - zone.trim_start_matches(['+', '-']).trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: i64 = zone[..digits].parse().unwrap_or_default();
    let number = number.clamp(-9999, 9999);
    number / 100 * 60 + number % 100
}

/// Takes a picture apart.
pub fn parse_picture(picture: &str) -> Outcome<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = picture;
    while let Some(at) = rest.find('[') {
        literal(&rest[..at], &mut parts);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('[') {
            parts.push(Part::Literal("[".to_owned()));
            rest = after;
            continue;
        }
        let end = rest.find(']').ok_or_else(|| raise("D3135"))?;
        let marker: String = rest[..end].split_whitespace().collect();
        let marker = Marker::parse(&marker)?;
        // Two numbers without anything between them: the first is read by its width.
        if let Some(Part::Marker(Marker { integer: Some(integer), read_width, .. })) = parts.last_mut()
            && marker.integer.is_some()
        {
            *read_width = Some(integer.mandatory);
        }
        parts.push(Part::Marker(marker));
        rest = &rest[end + 1..];
    }
    literal(rest, &mut parts);
    Ok(parts)
}

fn literal(text: &str, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Literal(text.replace("]]", "]")));
    }
}

impl Marker {
    fn parse(marker: &str) -> Outcome<Self> {
        let component = marker.chars().next().ok_or_else(|| raise("D3132").text(marker))?;
        let modifiers = &marker[component.len_utf8()..];
        let (presentation, width) = modifiers.rsplit_once(',').unwrap_or((modifiers, ""));
        let (min, max) = width.split_once('-').unwrap_or((width, ""));
        let letters = presentation.chars().count();
        let second = presentation.chars().last().filter(|last| letters > 1 && "atco".contains(*last));
        let first = match second {
            Some(second) => &presentation[..presentation.len() - second.len_utf8()],
            None if letters == 0 => default_presentation(component)?,
            None => presentation,
        };
        let mut own = Self {
            component,
            names: names_of(first),
            integer: None,
            min: width_of(min),
            max: width_of(max),
            year_digits: None,
            zulu: second == Some('t'),
            read_width: None,
        };
        if own.names.is_none() && "YMDdFWwXxHhmsfZz".contains(component) {
            let mut integer = IntegerPicture::parse(first)?;
            integer.ordinal = second == Some('o');
            own.fit(&mut integer);
            own.integer = Some(integer);
        }
        Ok(own)
    }

    /// Applies the width to the digits.
    fn fit(&mut self, integer: &mut IntegerPicture) {
        if "Zz".contains(self.component) {
            return;
        }
        integer.mandatory = integer.mandatory.max(self.min.unwrap_or_default());
        if self.component != 'Y' {
            return;
        }
        let digits = integer.mandatory + integer.optional;
        match self.max {
            Some(max) => (self.year_digits, integer.mandatory) = (Some(max), max),
            None if digits >= 2 => self.year_digits = Some(digits),
            None => {}
        }
    }

    fn format(&self, moment: &Moment, offset: i64) -> Outcome<String> {
        match self.component {
            'Z' | 'z' => self.zone(offset),
            'P' => {
                let half = if moment.hour < 12 { "am" } else { "pm" };
                Ok(if self.names == Some(Case::Upper) { half.to_uppercase() } else { half.to_owned() })
            }
            'C' | 'E' => Ok("ISO".to_owned()),
            component => {
                let mut value = value_of(moment, component).ok_or_else(|| unknown(component))?;
                if let Some(digits) = self.year_digits
                    && digits < 10
                {
                    value %= 10_i64.pow(digits as u32);
                }
                match (&self.names, &self.integer) {
                    (Some(case), _) => self.name(value, *case),
                    (None, Some(integer)) => integer.format(value as f64),
                    (None, None) => Err(unknown(component)),
                }
            }
        }
    }

    fn name(&self, value: i64, case: Case) -> Outcome<String> {
        let names: &[&str] = match self.component {
            'M' | 'x' => &MONTHS,
            'F' => &DAYS,
            component => return Err(raise("D3133").text(&component.to_string())),
        };
        let name = names[value as usize - 1];
        let name = name.get(..self.max.unwrap_or(name.len())).unwrap_or(name);
        Ok(match case {
            Case::Upper => name.to_uppercase(),
            Case::Lower => name.to_lowercase(),
            Case::Title => name.to_owned(),
        })
    }

    fn zone(&self, offset: i64) -> Outcome<String> {
        let (hours, minutes) = (offset / 60, offset % 60);
        let together = (hours * 100 + minutes) as f64;
        if offset == 0 && self.zulu {
            return Ok("Z".to_owned());
        }
        let Some(integer) = &self.integer else { return Err(unknown(self.component)) };
        let regular = matches!(&integer.style, Style::Digits { grouping: Grouping::Every(..), .. });
        let text = match integer.mandatory {
            _ if regular => integer.format(together)?,
            1 | 2 => {
                let hours = integer.format(hours as f64)?;
                if minutes == 0 { hours } else { format!("{hours}:{:02}", minutes.abs()) }
            }
            3 | 4 => integer.format(together)?,
            _ => return Err(raise("D3134")),
        };
        let sign = if offset >= 0 { "+" } else { "" };
        let zone = if self.component == 'z' { "GMT" } else { "" };
        Ok(format!("{zone}{sign}{text}"))
    }
}

fn unknown(component: char) -> Box<super::super::error::Raised> {
    raise("D3132").text(&component.to_string())
}

/// A width, if one is given; none is larger than any value.
fn width_of(text: &str) -> Option<usize> {
    const WIDTH_MAX: usize = 64;
    text.parse().ok().map(|width: usize| width.min(WIDTH_MAX))
}

fn names_of(presentation: &str) -> Option<Case> {
    match presentation.as_bytes() {
        [b'n', ..] => Some(Case::Lower),
        [b'N', b'n', ..] => Some(Case::Title),
        [b'N', ..] => Some(Case::Upper),
        _ => None,
    }
}

fn default_presentation(component: char) -> Outcome<&'static str> {
    Ok(match component {
        'Y' | 'M' | 'D' | 'd' | 'W' | 'w' | 'X' | 'x' | 'H' | 'h' | 'f' => "1",
        'F' | 'P' | 'C' | 'E' => "n",
        'm' | 's' => "01",
        'Z' | 'z' => "01:01",
        component => return Err(unknown(component)),
    })
}

/// The value of a component that is a number.
pub fn value_of(moment: &Moment, component: char) -> Option<i64> {
    Some(match component {
        'Y' => moment.year,
        'M' => moment.month,
        'D' => moment.day,
        'd' => moment.days() - days_to_month(moment.year, 1) + 1,
        'F' => weekday(moment.days()),
        'W' => week(moment.days(), moment.year, 1, 12),
        'w' => week(moment.days(), moment.year, moment.month, 1),
        'X' => moment.year + shift(moment.days(), moment.year, 1, 12),
        'x' => (moment.month - 1 + shift(moment.days(), moment.year, moment.month, 1)).rem_euclid(12) + 1,
        'H' => moment.hour,
        'h' => (moment.hour + 11) % 12 + 1,
        'P' => i64::from(moment.hour >= 12),
        'm' => moment.minute,
        's' => moment.second,
        'f' => moment.millisecond,
        _ => return None,
    })
}

/// The Monday of the first week of a period: the week that holds its first Thursday.
fn first_week(year: i64, month: i64) -> i64 {
    let first = days_to_month(year, month);
    match weekday(first) {
        late @ 5.. => first + 8 - late,
        early => first - early + 1,
    }
}

/// Whether a day belongs to the weeks of the period before (-1), of this one (0) or of the next (1); a period is a
/// number of months from one on.
fn shift(days: i64, year: i64, month: i64, months: i64) -> i64 {
    if days < first_week(year, month) { -1 } else { i64::from(days >= first_week(year, month + months)) }
}

/// The week of a period that a day is in.
fn week(days: i64, year: i64, month: i64, months: i64) -> i64 {
    let start = first_week(year, month + shift(days, year, month, months) * months);
    (days - start) / 7 + 1
}

/// Days in milliseconds, for who adds them to a time.
pub fn days_ms(days: i64) -> i64 {
    days * DAY_MS
}
