//! The Gregorian calendar in UTC, without leap seconds.

use sluice_types::calendar::{self, date_of, days_to};

/// A day, in milliseconds.
pub const DAY_MS: i64 = calendar::DAY_MS as i64;

/// A moment in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub year: i64,
    /// From 1.
    pub month: i64,
    /// From 1.
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub millisecond: i64,
}

/// Days from 1970-01-01 to the first of a month; months beyond a year count into the years around it.
pub fn days_to_month(year: i64, month: i64) -> i64 {
    days_to(year, month, 1)
}

/// Day of the week of a day, from Monday as 1.
pub fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

impl Moment {
    /// The moment so many milliseconds after 1970.
    pub fn of(millis: i64) -> Self {
        let (days, rest) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS));
        let (year, month, day) = date_of(days);
        Self {
            year,
            month,
            day,
            hour: rest / 3_600_000,
            minute: rest / 60_000 % 60,
            second: rest / 1000 % 60,
            millisecond: rest % 1000,
        }
    }

    /// Days since 1970-01-01; parts may be larger than their units.
    pub fn days(&self) -> i64 {
        days_to(self.year, self.month, self.day)
    }

    /// Milliseconds since 1970.
    pub fn millis(&self) -> i64 {
        let seconds = (self.hour * 60 + self.minute) * 60 + self.second;
        self.days() * DAY_MS + seconds * 1000 + self.millisecond
    }
}

/// Milliseconds of an ISO 8601 timestamp: a year, a month, a day or a time of a day, in UTC unless it says otherwise.
pub fn parse_iso(text: &str) -> Option<i64> {
    let mut reader = Reader(text);
    let mut moment =
        Moment { year: reader.digits(4)?, month: 1, day: 1, hour: 0, minute: 0, second: 0, millisecond: 0 };
    if reader.skip('-') {
        moment.month = reader.digits(2)?;
        if reader.skip('-') {
            moment.day = reader.digits(2)?;
        }
    }
    let mut offset = 0;
    if reader.skip('T') {
        moment.hour = reader.digits(2)?;
        reader.skip(':').then_some(())?;
        moment.minute = reader.digits(2)?;
        if reader.skip(':') {
            moment.second = reader.digits(2)?;
        }
        if reader.skip('.') {
            moment.millisecond = reader.fraction()?;
        }
        offset = reader.offset_minutes()?;
    }
    let month_days = days_to_month(moment.year, moment.month + 1) - days_to_month(moment.year, moment.month);
    let midnight = moment.hour == 24 && moment.minute == 0 && moment.second == 0 && moment.millisecond == 0;
    let valid = (1..=12).contains(&moment.month)
        && (1..=month_days.max(31)).contains(&moment.day)
        && (moment.hour < 24 || midnight)
        && moment.minute < 60
        && moment.second < 60;
    (valid && reader.0.is_empty()).then(|| moment.millis() - offset * 60_000)
}

struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn skip(&mut self, char: char) -> bool {
        match self.0.strip_prefix(char) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let digits = self.0.get(..count).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        self.0 = &self.0[count..];
        digits.parse().ok()
    }

    /// A fraction of a second, in milliseconds.
    fn fraction(&mut self) -> Option<i64> {
        let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let digits = &self.0[..count];
        self.0 = &self.0[count..];
        format!("{digits:0<3}").get(..3).filter(|_| count > 0)?.parse().ok()
    }

    fn offset_minutes(&mut self) -> Option<i64> {
        let sign = match () {
            _ if self.skip('+') => 1,
            _ if self.skip('-') => -1,
            _ => {
                self.skip('Z');
                return Some(0);
            }
        };
        let hours = self.digits(2)?;
        self.skip(':');
        Some(sign * (hours * 60 + self.digits(2)?))
    }
}
