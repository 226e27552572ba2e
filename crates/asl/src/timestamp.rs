//! Points in time as the States Language writes them: RFC 3339 with `T` and an offset or `Z`.

use sluice_types::calendar::days_to;

/// Nanoseconds in a second.
const NANOS: i128 = 1_000_000_000;

/// A point in time, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Since 1970-01-01T00:00:00Z.
    nanos: i128,
}

impl Timestamp {
    /// Reads `2016-03-14T01:59:00.123Z`. As AWS does, it takes times without seconds, up to nine digits of a fraction,
    /// lower-case `t` and `z`, and offsets such as `+01:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader(text.as_bytes());
        let (year, month, day) = (reader.digits(4)?, reader.after(b"-", 2)?, reader.after(b"-", 2)?);
        let (hour, minute) = (reader.after(b"Tt", 2)?, reader.after(b":", 2)?);
        let (mut second, mut fraction) = (0, 0);
        if reader.eat(b":") {
            second = reader.digits(2)?;
            fraction = reader.fraction()?;
        }
        let offset_seconds = reader.offset()?;
        let midnight = (hour, minute, second, fraction) == (24, 0, 0, 0);
        let valid = reader.0.is_empty()
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && (hour < 24 || midnight)
            && minute < 60
            && second < 60;
        let seconds = days_to(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        valid.then_some(Self { nanos: i128::from(seconds - offset_seconds) * NANOS + i128::from(fraction) })
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounded up; 0 for what was before.
    pub fn ms(self) -> u64 {
        u128::try_from(self.nanos).unwrap_or(0).div_ceil(1_000_000) as u64
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn eat(&mut self, any_of: &[u8]) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if any_of.contains(first) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let number = digits.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
        })?;
        self.0 = rest;
        Some(number)
    }

    fn after(&mut self, any_of: &[u8], count: usize) -> Option<i64> {
        self.eat(any_of).then(|| self.digits(count))?
    }

    /// Nanoseconds of `.123`; 0 when there is no fraction.
    fn fraction(&mut self) -> Option<i64> {
        if !self.eat(b".") {
            return Some(0);
        }
        let count = self.0.iter().take_while(|digit| digit.is_ascii_digit()).count();
        let number = (1..=9).contains(&count).then(|| self.digits(count))??;
        Some(number * 10_i64.pow(9 - count as u32))
    }

    /// Seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        if self.eat(b"Zz") {
            return Some(0);
        }
        let sign = if self.eat(b"+") { 1 } else { -i64::from(self.eat(b"-")) };
        let (hours, minutes) = (self.digits(2)?, self.after(b":", 2)?);
        let seconds = if self.eat(b":") { self.digits(2)? } else { 0 };
        let offset = hours * 3600 + minutes * 60 + seconds;
        (sign != 0 && minutes < 60 && seconds < 60 && offset <= 18 * 3600).then_some(sign * offset)
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_are_read() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2016-03-14T01:59:00Z", 1_457_920_740_000),
            ("2016-03-14T01:59Z", 1_457_920_740_000),
            ("2016-03-14t03:59:00+02:00", 1_457_920_740_000),
            ("2016-03-13T20:29:00-05:30", 1_457_920_740_000),
            ("2016-02-29T24:00:00z", 1_456_790_400_000),
            ("2000-01-01T00:00:00.000000001Z", 946_684_800_001),
            ("1969-12-31T23:59:59Z", 0),
        ] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::ms), Some(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_point_in_time_is_refused() {
        for text in [
            "",
            "2016-12-05 21:29:29Z",
            "2016-12-05T21:29:29",
            "05-12-2016T21:29:29Z",
            "2016-13-05T21:29:29Z",
            "2016-12-05T25:29:29Z",
            "2016-12-05T24:00:01Z",
            "2015-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2016-12-05T21:29:60Z",
            "2016-12-05T21:29:29.Z",
            "2016-12-05T21:29:29.1234567890Z",
            "2016-12-05T21:29:29+19:00",
            "2016-12-05T21:29:29Z ",
            "2016-12-05T21:29:29 01:00",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn points_in_time_are_ordered_across_offsets() {
        let parse = |text| Timestamp::parse(text).unwrap();
        assert!(parse("2020-01-01T00:00:00+01:00") < parse("2020-01-01T00:00:00Z"));
        assert_eq!(parse("2020-01-01T01:00:00+01:00"), parse("2020-01-01T00:00:00.000Z"));
    }
}
