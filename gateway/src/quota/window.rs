//! The windows in which quotas count: stretches of the calendar, in UTC, the same for every replica, or as long ones
//! that slide.

use time::OffsetDateTime;

const MINUTE_S: i64 = 60;
const DAY_S: i64 = 86_400;
/// 1970 began on a Thursday; the first Monday was four days later.
const FIRST_MONDAY_S: i64 = 4 * DAY_S;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Seconds(i64),
    Weeks,
    Months,
}

/// A window: so many minutes, hours, days, weeks (from Monday) or months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    unit: Unit,
    count: i64,
}

/// One stretch of a window, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl Window {
    /// Reads `minute`, `5 minutes`, `month`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let digits = text.len() - text.trim_start_matches(|it: char| it.is_ascii_digit()).len();
        let count = if digits == 0 { 1 } else { text[..digits].parse().ok()? };
        let unit = text[digits..].trim();
        let unit = match unit.strip_suffix('s').unwrap_or(unit) {
            "minute" => Unit::Seconds(MINUTE_S),
            "hour" => Unit::Seconds(60 * MINUTE_S),
            "day" => Unit::Seconds(DAY_S),
            "week" => Unit::Weeks,
            "month" => Unit::Months,
            _ => return None,
        };
        // Windows longer than ten years would outlive whoever set them.
        (1..=120).contains(&count).then_some(Self { unit, count })
    }

    /// How many seconds it has where it slides: a month has thirty days then.
    pub(super) fn length_s(self) -> i64 {
        match self.unit {
            Unit::Seconds(length) => length * self.count,
            Unit::Weeks => 7 * DAY_S * self.count,
            Unit::Months => 30 * DAY_S * self.count,
        }
    }

    /// The stretch that a moment lies in.
    pub(crate) fn at(self, unix_s: i64) -> Span {
        match self.unit {
            Unit::Seconds(length) => span(unix_s, 0, length * self.count),
            Unit::Weeks => span(unix_s, FIRST_MONDAY_S, 7 * DAY_S * self.count),
            Unit::Months => {
                let now = OffsetDateTime::from_unix_timestamp(unix_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
                let month = i64::from(now.year()) * 12 + i64::from(u8::from(now.month())) - 1;
                let first = month - month.rem_euclid(self.count);
                Span { start: month_start(first), end: month_start(first + self.count) }
            }
        }
    }
}

fn span(unix_s: i64, from: i64, length: i64) -> Span {
    let start = unix_s - (unix_s - from).rem_euclid(length);
    Span { start, end: start + length }
}

/// When a month begins that is counted from the year 0, in seconds since 1970: Howard Hinnant's `days_from_civil`.
fn month_start(month: i64) -> i64 {
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) * DAY_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_the_calendar() {
        // 2026-12-01T13:34:56Z, a Tuesday.
        let now = 1_796_132_096;
        let check = |text: &str, start: i64, end: i64| {
            assert_eq!(Window::parse(text).unwrap().at(now), Span { start, end }, "{text}");
        };
        check("minute", 1_796_132_040, 1_796_132_100);
        check("hour", 1_796_130_000, 1_796_133_600);
        check("day", 1_796_083_200, 1_796_169_600);
        check("week", 1_795_996_800, 1_796_601_600);
        check("month", 1_796_083_200, 1_798_761_600);
        check("2 months", 1_793_491_200, 1_798_761_600);
        check("15 minutes", 1_796_131_800, 1_796_132_700);
        for wrong in ["", "fortnight", "0 days", "-1 day", "121 months", "99999999999999999999 days"] {
            assert_eq!(Window::parse(wrong), None, "{wrong}");
        }
    }
}
