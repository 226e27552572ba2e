//! Timestamps as AWS writes and reads them: RFC 3339 with `T` and an offset or `Z`.

use std::fmt::Write;

const DAY_MS: u64 = 86_400_000;

/// `2019-03-26T20:14:13.192Z`, of milliseconds since 1970.
pub(super) fn format(at_ms: u64) -> String {
    let (year, month, day) = date_of((at_ms / DAY_MS) as i64);
    let (ms, seconds) = (at_ms % 1000, at_ms % DAY_MS / 1000);
    let mut text = String::with_capacity(24);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    write!(text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
        .expect("a string takes any text");
    text
}

/// `Tue, 26 Mar 2019 20:14:13 GMT`, as HTTP writes a date.
pub(super) fn http_date(at_ms: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = at_ms / DAY_MS;
    let (year, month, day) = date_of(days as i64);
    let seconds = at_ms % DAY_MS / 1000;
    let (weekday, month) = (DAYS[(days % 7) as usize], MONTHS[month as usize - 1]);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Milliseconds since 1970 of a timestamp; negative before.
pub(super) fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = bytes.get(range)?;
        digits.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
    };
    let mark = |at: usize, mark: u8| (bytes.get(at) == Some(&mark)).then_some(());
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    for (at, expected) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        mark(at, expected)?;
    }
    let days = days_of(year, month, day);
    if date_of(days) != (year, month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (ms, rest) = fraction_ms(text.get(19..)?)?;
    let offset_minutes = offset_minutes(rest)?;
    Some(((days * 24 + hour) * 60 + minute - offset_minutes) * 60_000 + second * 1000 + ms)
}

fn fraction_ms(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix('.') else { return Some((0, text)) };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = digits.split_at(length);
    let ms: String = digits.chars().chain("000".chars()).take(3).collect();
    (1..=9).contains(&length).then(|| Some((ms.parse().ok()?, rest)))?
}

fn offset_minutes(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two = |digits: &str| -> Option<i64> {
        (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours <= 18 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

/// Year, month and day of a number of days since 1970 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse of [`date_of`]; of a date that does not exist, another.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_as_aws_writes_them() {
        assert_eq!(format(1_553_631_253_192), "2019-03-26T20:14:13.192Z");
        assert_eq!(format(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(http_date(1_553_631_253_192), "Tue, 26 Mar 2019 20:14:13 GMT");
    }

    #[test]
    fn timestamps_are_read_with_fractions_and_offsets() {
        assert_eq!(parse("2019-03-26T20:14:13.192Z"), Some(1_553_631_253_192));
        assert_eq!(parse("2019-03-26T22:14:13.192123+02:00"), Some(1_553_631_253_192));
        assert_eq!(parse("1969-12-31T23:59:59Z"), Some(-1_000));
        assert_eq!(parse("2000-02-29T00:00:00-00:30"), Some(951_784_200_000));
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "2016-12-05 21:29:29Z",
            "2016-12-05T21:29:29",
            "2016-13-05T21:29:29Z",
            "2016-12-05T25:29:29Z",
            "05-12-2016T21:29:29Z",
            "2015-02-29T00:00:00Z",
            "2016-12-05T21:29:29.Z",
            "2016-12-05T21:29:29+2",
            "",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
