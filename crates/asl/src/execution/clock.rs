//! Points in time as AWS writes them.

use std::fmt::Write;

const DAY_MS: u64 = 86_400_000;

/// `2019-03-26T20:14:13.192Z`, of milliseconds since 1970.
pub(super) fn rfc3339(at_ms: u64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_as_aws_writes_them() {
        assert_eq!(rfc3339(1_553_631_253_192), "2019-03-26T20:14:13.192Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(http_date(1_553_631_253_192), "Tue, 26 Mar 2019 20:14:13 GMT");
    }
}
