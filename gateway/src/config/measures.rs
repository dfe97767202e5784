//! Stretches of time and amounts of memory as people write them.

use std::time::Duration;

use super::tree::Place;
use crate::ConfigError;

/// A stretch of time: `90`, `90s`, `5m`, `1h`, `7d`.
pub(super) fn duration(place: &Place<'_>) -> Result<Duration, ConfigError> {
    const UNITS_S: [(&str, u64); 5] = [("", 1), ("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    /// Nothing here waits longer than ten years.
    const SECONDS_MAX: u64 = 10 * 365 * 86_400;
    scaled(place, &UNITS_S)
        .filter(|it| (1..=SECONDS_MAX).contains(it))
        .map(Duration::from_secs)
        .ok_or_else(|| place.wrong("a stretch of time, such as 30s, 5m, 1h or 7d"))
}

/// An amount of memory: `1048576`, `512KiB`, `64MiB`, `2GB`.
pub(super) fn bytes(place: &Place<'_>) -> Result<usize, ConfigError> {
    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("b", 1),
        ("kb", 1000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
    ];
    scaled(place, &UNITS)
        .filter(|it| *it > 0)
        .and_then(|it| usize::try_from(it).ok())
        .ok_or_else(|| place.wrong("an amount of bytes, such as 1048576, 512KiB or 64MiB"))
}

fn scaled(place: &Place<'_>, units: &[(&str, u64)]) -> Option<u64> {
    let text = place.digits()?;
    let digits = text.len() - text.trim_start_matches(|it: char| it.is_ascii_digit()).len();
    let count: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim().to_ascii_lowercase();
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    count.checked_mul(*scale)
}
