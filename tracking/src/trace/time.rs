//! Times and durations as protobuf's JSON writes them: `2025-01-01T00:00:00.250Z`, `1.500s`.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{Error, Result};

/// Milliseconds in a second.
const SECOND_MS: i64 = 1000;

/// A time in milliseconds since 1970, in UTC, with three decimals where there are any.
pub(crate) fn timestamp(time_ms: i64) -> String {
    let Ok(time) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time_ms) * 1_000_000) else {
        // The database can hold numbers that no calendar has; they come only from a client's mistake.
        return timestamp(0);
    };
    let millis = match time_ms.rem_euclid(SECOND_MS) {
        0 => String::new(),
        millis => format!(".{millis:03}"),
    };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{millis}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// Reads an RFC 3339 time into milliseconds since 1970.
pub(crate) fn parse_timestamp(name: &str, text: &str) -> Result<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
        Error::invalid(format!(
            "Invalid value \"{text}\" for '{name}'. It must be an RFC 3339 time like 2025-01-31T12:00:00Z."
        ))
    })?;
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000)
        .map_err(|_| Error::invalid(format!("Invalid value \"{text}\" for '{name}'. The time is out of range.")))
}

/// A duration of milliseconds in seconds.
pub(crate) fn duration(duration_ms: i64) -> String {
    let sign = if duration_ms < 0 { "-" } else { "" };
    let (seconds, millis) = (duration_ms.unsigned_abs() / 1000, duration_ms.unsigned_abs() % 1000);
    if millis == 0 { format!("{sign}{seconds}s") } else { format!("{sign}{seconds}.{millis:03}s") }
}

/// Reads a duration in seconds (`1.5s`) into milliseconds; finer parts are dropped.
pub(crate) fn parse_duration(name: &str, text: &str) -> Result<i64> {
    let refused =
        || Error::invalid(format!("Invalid value \"{text}\" for '{name}'. It must be seconds like \"1.5s\"."));
    let number = text.strip_suffix('s').ok_or_else(refused)?;
    let (number, sign) = number.strip_prefix('-').map_or((number, 1), |number| (number, -1));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(part) || part.len() > 9 {
        return Err(refused());
    }
    let millis: i64 = format!("{part:0<3}")[..3].parse().map_err(|_| refused())?;
    let seconds: i64 = whole.parse().map_err(|_| refused())?;
    seconds.checked_mul(SECOND_MS).and_then(|it| it.checked_add(millis)).map(|it| it * sign).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_there_and_back() {
        let check = |time_ms, text: &str| {
            assert_eq!(timestamp(time_ms), text);
            assert_eq!(parse_timestamp("t", text).unwrap(), time_ms);
        };
        check(0, "1970-01-01T00:00:00Z");
        check(1_735_689_600_000, "2025-01-01T00:00:00Z");
        check(1_795_548_838_325, "2026-11-24T19:33:58.325Z");
        check(1_735_689_600_050, "2025-01-01T00:00:00.050Z");
        check(-1, "1969-12-31T23:59:59.999Z");
        assert_eq!(parse_timestamp("t", "2025-01-01T01:00:00.123456+01:00").unwrap(), 1_735_689_600_123);
        for text in ["", "yesterday", "2025-01-01", "2025-13-01T00:00:00Z"] {
            assert!(parse_timestamp("t", text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_there_and_back() {
        let check = |duration_ms, text: &str| {
            assert_eq!(duration(duration_ms), text);
            assert_eq!(parse_duration("d", text).unwrap(), duration_ms);
        };
        check(1500, "1.500s");
        check(1000, "1s");
        check(26, "0.026s");
        check(0, "0s");
        check(-1500, "-1.500s");
        assert_eq!(parse_duration("d", "1.5s").unwrap(), 1500);
        assert_eq!(parse_duration("d", "0.0269s").unwrap(), 26);
        for text in ["", "s", "1", "1.5", "a s", "1.s5", "1e3s", "99999999999999999999s", "9223372036854775807s"] {
            assert!(parse_duration("d", text).is_err(), "{text}");
        }
    }
}
