//! Points in time from cron expressions, in time zones with their daylight saving.
//!
//! Across a change of the clock: a fixed time (`30 2 * * *`) that the clock skips fires when the clock has jumped;
//! one that occurs twice fires the first time only. Steps and wildcards (`*/5 * * * *`) follow elapsed time.

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// The fields of an expression; without the first, there are five.
const FIELDS: [&str; 6] = ["second", "minute", "hour", "day of the month", "month", "day of the week"];

/// Why a cron expression is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CronError {
    /// Not a cron expression: the expression and the reason.
    Expression(String, String),
    /// Not an IANA time zone.
    TimeZone(String),
    /// A date that never comes, such as 30 February.
    Never(String),
}

impl std::error::Error for CronError {}

impl std::fmt::Display for CronError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Expression(expr, reason) => write!(f, "`{expr}` is not a cron expression: {reason}"),
            Self::TimeZone(tz) => write!(f, "`{tz}` is not a time zone"),
            Self::Never(expr) => write!(f, "`{expr}` names a time that never comes"),
        }
    }
}

/// Whether an expression of five fields, or six with the seconds first, and a time zone are sound.
pub fn check(expr: &str, tz: &str) -> Result<(), CronError> {
    let (cron, tz) = (parse(expr)?, zone(tz)?);
    match after(&cron, tz, 0) {
        Some(_) => Ok(()),
        None => Err(CronError::Never(expr.to_owned())),
    }
}

/// The first point in time strictly after `after_ms`, both in milliseconds since the Unix epoch; `None` when there
/// is none or the expression or the zone is not sound.
pub fn next_after(expr: &str, tz: &str, after_ms: u64) -> Option<u64> {
    after(&parse(expr).ok()?, zone(tz).ok()?, after_ms)
}

/// A point in time that somebody wrote, in milliseconds since the Unix epoch: in RFC 3339, or a date, which is its midnight in
/// a time zone.
pub fn moment(text: &str, tz: &str) -> Option<u64> {
    let moment = match DateTime::parse_from_rfc3339(text) {
        Ok(moment) => moment.timestamp_millis(),
        Err(_) => {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            let midnight = date.and_hms_opt(0, 0, 0)?.and_local_timezone(zone(tz).ok()?);
            midnight.earliest()?.timestamp_millis()
        }
    };
    u64::try_from(moment).ok()
}

fn after(cron: &Cron, tz: Tz, after_ms: u64) -> Option<u64> {
    let start = DateTime::from_timestamp_millis(i64::try_from(after_ms).ok()?)?.with_timezone(&tz);
    let next = cron.find_next_occurrence(&start, false).ok()?;
    u64::try_from(next.timestamp_millis()).ok()
}

fn parse(expr: &str) -> Result<Cron, CronError> {
    read(expr).map_err(|reason| {
        let reason = blamed(expr).map_or_else(|| reason.clone(), |field| format!("{field}: {reason}"));
        CronError::Expression(expr.to_owned(), reason)
    })
}

fn read(expr: &str) -> Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    parser.parse(expr).map_err(|e| e.to_string().trim_end_matches('.').to_owned())
}

/// The first field of an expression that would be wrong if all the others were right.
fn blamed(expr: &str) -> Option<String> {
    let fields: Vec<&str> = expr.split_whitespace().collect();
    let names = match fields.len() {
        5 => &FIELDS[1..],
        6 => &FIELDS[..],
        _ => return None,
    };
    let is_wrong = |at: usize| {
        let alone = (0..fields.len()).map(|other| if other == at { fields[at] } else { "*" });
        read(&alone.collect::<Vec<_>>().join(" ")).is_err()
    };
    let at = (0..fields.len()).find(|at| is_wrong(*at))?;
    Some(format!("the {}, `{}`", names[at], fields[at]))
}

fn zone(tz: &str) -> Result<Tz, CronError> {
    tz.parse().map_err(|_| CronError::TimeZone(tz.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis() as u64
    }

    #[test]
    fn a_date_is_its_midnight_in_the_zone() {
        assert_eq!(moment("2026-07-01T12:00:00+02:00", "UTC"), Some(ms("2026-07-01T10:00:00Z")));
        assert_eq!(moment("2026-07-01", "Europe/Berlin"), Some(ms("2026-06-30T22:00:00Z")));
        assert_eq!((moment("yesterday", "UTC"), moment("2026-02-30", "UTC")), (None, None));
    }

    /// The next points in time, in UTC.
    fn next(expr: &str, tz: &str, from: &str, count: usize) -> Vec<String> {
        let mut at = ms(from);
        let mut found = Vec::new();
        for _ in 0..count {
            at = next_after(expr, tz, at).unwrap();
            found.push(
                DateTime::from_timestamp_millis(at as i64).unwrap().format("%m-%dT%H:%M:%S").to_string(),
            );
        }
        found
    }

    #[test]
    fn points_are_strictly_after_the_start() {
        assert_eq!(
            next("*/15 * * * *", "UTC", "2026-01-01T00:15:00Z", 2),
            ["01-01T00:30:00", "01-01T00:45:00"]
        );
        assert_eq!(next("*/15 * * * *", "UTC", "2026-01-01T00:14:59.999Z", 1), ["01-01T00:15:00"]);
        assert_eq!(next("30 0 0 * * *", "UTC", "2026-01-01T00:00:00Z", 1), ["01-01T00:00:30"]);
    }

    #[test]
    fn a_time_that_the_clock_skips_fires_after_the_jump() {
        // Berlin, 29 March 2026: 02:00 becomes 03:00, which is 01:00 UTC.
        let points = next("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3);
        assert_eq!(points, ["03-28T01:30:00", "03-29T01:00:00", "03-30T00:30:00"]);
    }

    #[test]
    fn a_time_that_occurs_twice_fires_once() {
        // Berlin, 25 October 2026: 03:00 becomes 02:00, which is 01:00 UTC.
        let points = next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(points, ["10-25T00:30:00", "10-26T01:30:00"]);
    }

    #[test]
    fn steps_follow_elapsed_time_across_both_changes() {
        let spring = next("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", 3);
        assert_eq!(spring, ["03-29T01:00:00", "03-29T01:30:00", "03-29T02:00:00"]);
        let autumn = next("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 4);
        assert_eq!(autumn, ["10-25T00:30:00", "10-25T01:00:00", "10-25T01:30:00", "10-25T02:00:00"]);
    }

    #[test]
    fn unsound_expressions_are_refused() {
        assert!(matches!(check("* * *", "UTC"), Err(CronError::Expression(..))));
        assert!(matches!(check("61 * * * *", "UTC"), Err(CronError::Expression(..))));
        assert!(matches!(check("* * * * * * 2027", "UTC"), Err(CronError::Expression(..))));
        assert!(matches!(check("* * * * *", "Mars/Olympus"), Err(CronError::TimeZone(..))));
        assert!(matches!(check("0 0 30 2 *", "UTC"), Err(CronError::Never(..))));
        assert_eq!(check("0 0 29 2 *", "Europe/Berlin"), Ok(()));
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        let refused = |expr: &str| check(expr, "UTC").unwrap_err().to_string();
        assert!(refused("61 * * * *").contains("the minute, `61`: "), "{}", refused("61 * * * *"));
        assert!(refused("* * * * 1 funday").contains("the day of the week, `funday`: "));
        assert!(refused("*/5 25 * * *").contains("the hour, `25`: "), "{}", refused("*/5 25 * * *"));
        assert!(!refused("* * *").contains("the "), "{}", refused("* * *"));
    }
}
