//! The Gregorian calendar in UTC, without leap seconds.
//!
//! Method: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that a leap day is the
//! last of its year.

/// A day, in milliseconds.
pub const DAY_MS: u64 = 86_400_000;

/// Days of 400 years.
const ERA_DAYS: i64 = 146_097;
/// Days from the first of March of the year 0 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;

/// Days from 1970-01-01 to a date. Months beyond a year count into the years around it, days beyond a month into the months.
pub fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let since_march = year * 12 + month - 3;
    let (year, month) = (since_march.div_euclid(12), since_march.rem_euclid(12));
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS
}

/// Year, month and day, so many days after 1970-01-01.
pub fn date_of(days: i64) -> (i64, i64, i64) {
    let since_march = days + EPOCH_DAYS;
    let (era, of_era) = (since_march.div_euclid(ERA_DAYS), since_march.rem_euclid(ERA_DAYS));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + carry, month, day)
}

/// RFC 3339 in UTC with milliseconds, of milliseconds since the Unix epoch.
pub fn rfc3339(ms: u64) -> String {
    let (year, month, day) = date_of((ms / DAY_MS) as i64);
    let (hour, minute) = (ms % DAY_MS / 3_600_000, ms / 60_000 % 60);
    let (second, milli) = (ms / 1000 % 60, ms % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_827_696_789), "2000-02-29T12:34:56.789Z");
        assert_eq!(rfc3339(1_553_631_253_192), "2019-03-26T20:14:13.192Z");
        assert_eq!(rfc3339(1_795_219_200_000), "2026-11-21T00:00:00.000Z");
    }

    #[test]
    fn dates_and_days_are_each_others_inverse() {
        let mut last = date_of(-1_000_001);
        for days in -1_000_000..1_000_000 {
            let (year, month, day) = date_of(days);
            assert_eq!(days_to(year, month, day), days);
            assert!((year, month, day) > last);
            last = (year, month, day);
        }
        assert_eq!(days_to(2026, 14, 1), days_to(2027, 2, 1));
        assert_eq!(days_to(2026, -1, 1), days_to(2025, 11, 1));
    }
}
