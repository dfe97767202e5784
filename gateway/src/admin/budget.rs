//! What budgets are made of, and the windows of time that they count in.

use serde_json::{Value, json};
use time::{Date, Month};

/// A length of time in which a budget starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Unit {
    Minutes,
    Hours,
    Days,
    Weeks,
    Months,
}

impl Unit {
    pub(crate) const ALL: [(&'static str, Self); 5] = [
        ("MINUTES", Self::Minutes),
        ("HOURS", Self::Hours),
        ("DAYS", Self::Days),
        ("WEEKS", Self::Weeks),
        ("MONTHS", Self::Months),
    ];
}

/// The name of a member of a closed set.
pub(crate) fn name_of<T: PartialEq>(choices: &[(&'static str, T)], value: &T) -> &'static str {
    choices.iter().find(|(_, it)| it == value).map_or("", |(name, _)| name)
}

/// Whose calls a budget is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    Global,
    Workspace,
    Endpoint,
    User,
}

impl Scope {
    pub(crate) const ALL: [(&'static str, Self); 4] =
        [("GLOBAL", Self::Global), ("WORKSPACE", Self::Workspace), ("ENDPOINT", Self::Endpoint), ("USER", Self::User)];

    /// Whether it needs to be told which one.
    pub(crate) fn is_targeted(self) -> bool {
        matches!(self, Self::Endpoint | Self::User)
    }
}

/// What happens when a budget is spent; the one unit is US dollars.
pub(crate) const ACTIONS: [(&str, &str); 2] = [("ALERT", "ALERT"), ("REJECT", "REJECT")];
pub(crate) const UNITS: [(&str, &str); 1] = [("USD", "USD")];

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// The Sunday before the epoch, a Thursday.
const SUNDAY_MS: i64 = -4 * DAY_MS;

/// The window of time in which `now_ms` lies, from and until, in milliseconds since the epoch. Windows are blocks of
/// `length` units from the epoch on; weeks begin on Sundays, months on their first day, in UTC.
pub(crate) fn window(unit: Unit, length: i64, now_ms: i64) -> (i64, i64) {
    let length = length.max(1);
    let block = |start: i64, unit_ms: i64| {
        let width = unit_ms.saturating_mul(length);
        let from = start + (now_ms - start).div_euclid(width) * width;
        (from, from.saturating_add(width))
    };
    match unit {
        Unit::Minutes => block(0, MINUTE_MS),
        Unit::Hours => block(0, 60 * MINUTE_MS),
        Unit::Days => block(0, DAY_MS),
        Unit::Weeks => block(SUNDAY_MS, 7 * DAY_MS),
        Unit::Months => {
            let first = month_of(now_ms.div_euclid(DAY_MS)).div_euclid(length) * length;
            (
                first_day_of(first).saturating_mul(DAY_MS),
                first_day_of(first.saturating_add(length)).saturating_mul(DAY_MS),
            )
        }
    }
}

/// The day of 1 January 1970 in the count of Julian days.
const EPOCH_JULIAN_DAY: i64 = 2_440_588;

/// The month of a day, both counted from January 1970. Days that no calendar has belong to the first month.
fn month_of(day: i64) -> i64 {
    let date = i32::try_from(day + EPOCH_JULIAN_DAY).ok().and_then(|it| Date::from_julian_day(it).ok());
    date.map_or(0, |it| (i64::from(it.year()) - 1970) * 12 + i64::from(u8::from(it.month())) - 1)
}

/// The day on which a month begins, both counted from January 1970. Beyond the year 9999 there is none, and so no end.
fn first_day_of(month: i64) -> i64 {
    let year = i32::try_from(1970 + month.div_euclid(12)).ok();
    let in_year = u8::try_from(month.rem_euclid(12) + 1).ok().and_then(|it| Month::try_from(it).ok());
    let date = year.zip(in_year).and_then(|(year, month)| Date::from_calendar_date(year, month, 1).ok());
    date.map_or(i64::MAX / DAY_MS, |it| i64::from(it.to_julian_day()) - EPOCH_JULIAN_DAY)
}

/// A length of time as the protocol shows it.
pub(crate) fn duration_json(unit: &str, value: i64) -> Value {
    json!({"unit": unit, "value": value})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_blocks_of_the_calendar() {
        // Thursday, 6 March 2025, 10:15:30 UTC.
        let now = 1_741_256_130_000;
        for (unit, length, from, until) in [
            (Unit::Minutes, 10, 1_741_255_800_000, 1_741_256_400_000),
            (Unit::Hours, 1, 1_741_255_200_000, 1_741_258_800_000),
            (Unit::Days, 1, 1_741_219_200_000, 1_741_305_600_000),
            // From Sunday, 2 March.
            (Unit::Weeks, 1, 1_740_873_600_000, 1_741_478_400_000),
            // March; then January to March; then 2024 and 2025, the 27th and 28th years after 1970, two by two.
            (Unit::Months, 1, 1_740_787_200_000, 1_743_465_600_000),
            (Unit::Months, 3, 1_735_689_600_000, 1_743_465_600_000),
            (Unit::Months, 24, 1_704_067_200_000, 1_767_225_600_000),
        ] {
            assert_eq!(window(unit, length, now), (from, until), "{length} {unit:?}");
        }
        // The last moment of a leap day still belongs to its month.
        assert_eq!(window(Unit::Months, 1, 1_709_251_199_999), (1_706_745_600_000, 1_709_251_200_000));
    }
}
