//! Durations as the format writes them: `250ms`, `30s`, `5m`, `1h`.

use std::time::Duration;

/// Reads a duration; `None` where the text is none, or one that no clock can hold.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|it: char| it.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(number * seconds).ok()
}
