//! What verbs print: tables for people, JSON for programs.

use std::{
    io::{self, Write},
    time::Duration,
};

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use time::OffsetDateTime;

/// Characters of a value in a table; `--json` shows the whole.
const CELL_CHARS_MAX: usize = 120;

/// An empty table with a head.
pub(super) fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(head);
    table
}

/// A value as a table shows it: one line, not longer than one can read.
pub(super) fn cell(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(CELL_CHARS_MAX)
        .map(|it| {
            if it == '\n' {
                '⏎'
            } else if it.is_control() {
                ' '
            } else {
                it
            }
        })
        .collect();
    if text.chars().nth(CELL_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// A field of a REST object as a table shows it; MLflow writes 64-bit numbers and NaN as text.
pub(super) fn field(object: &Value, key: &str) -> String {
    match &object[key] {
        Value::Null => String::new(),
        Value::String(text) => cell(text),
        other => other.to_string(),
    }
}

/// A field that holds a 64-bit number, written as number or text.
pub(super) fn whole(object: &Value, key: &str) -> Option<i64> {
    match &object[key] {
        Value::String(text) => text.parse().ok(),
        number => number.as_i64(),
    }
}

/// A time (ms since 1970) to the second, in UTC.
pub(super) fn moment(ms: Option<i64>) -> String {
    let Some(at) = ms.and_then(|ms| OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok()) else {
        return String::new();
    };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// How long something took (ms), in the two largest units.
pub(super) fn duration(ms: i64) -> String {
    let seconds = ms / 1000;
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, 0) => format!("{ms} ms"),
        (0, 0, 0, seconds) => format!("{seconds}.{} s", ms % 1000 / 100),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

/// Prints lines to standard output; a reader that has gone away (`| head`) ends the program quietly.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    gone_is_fine(writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()))
}

/// A bar on standard error that shows itself when the work takes long; none where that is no terminal.
pub(super) fn progress(total: usize, what: &'static str) -> ProgressBar {
    /// Work that is done by then needs no bar.
    const SHOWN_AFTER: Duration = Duration::from_secs(2);
    let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::hidden());
    let style = ProgressStyle::with_template("{spinner} [{bar:32}] {pos}/{len} {msg}, {elapsed} elapsed, {eta} left")
        .expect("the template is fixed");
    bar.set_style(style.progress_chars("=> "));
    bar.set_message(what);
    let late = bar.downgrade();
    tokio::spawn(async move {
        tokio::time::sleep(SHOWN_AFTER).await;
        if let Some(bar) = late.upgrade().filter(|it| !it.is_finished()) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    });
    bar
}

/// A JSON array that is printed entry by entry, one on each line, so that its length is no matter.
#[derive(Debug, Default)]
pub(super) struct JsonLines {
    printed: usize,
}

impl JsonLines {
    /// Prints the next entry.
    pub(super) fn entry(&mut self, entry: &Value) -> anyhow::Result<()> {
        let before = if self.printed == 0 { "[\n" } else { ",\n" };
        self.printed += 1;
        gone_is_fine(write!(io::stdout().lock(), "{before}{entry}"))
    }

    /// Prints the array's end.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let end = if self.printed == 0 { "[]" } else { "\n]" };
        print(end)
    }
}

fn gone_is_fine(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        outcome => Ok(outcome?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations() {
        assert_eq!(moment(Some(1_795_560_448_937)), "2026-11-24 22:47:28");
        assert_eq!(moment(Some(-1)), "1969-12-31 23:59:59");
        assert_eq!(moment(Some(i64::MAX)), "", "a time beyond the calendar shows nothing");
        assert_eq!(moment(None), "");
        assert_eq!(duration(40), "40 ms");
        assert_eq!(duration(2340), "2.3 s");
        assert_eq!(duration(125_000), "2 min 5 s");
        assert_eq!(duration(2 * 86_400_000 + 3_600_000), "2 d 1 h");
    }

    #[test]
    fn long_values_are_cut_and_lines_joined() {
        assert_eq!(cell("a\nb\tc"), "a⏎b c");
        assert_eq!(cell(&"x".repeat(120)).chars().count(), 120);
        assert!(cell(&"ü".repeat(121)).ends_with("ü…"));
    }
}
