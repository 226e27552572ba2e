//! Points in time as AWS writes them.

pub(super) use sluice_types::calendar::rfc3339;
use sluice_types::calendar::{DAY_MS, date_of};

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
