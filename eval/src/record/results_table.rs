//! `eval_results_table.json`: the rows, answers and row scores, written as pandas writes a split table.

use std::fmt::Write as _;

use serde_json::Value;

use crate::dataset::Cell;
use crate::evaluation::Evaluation;
use crate::runner::Outcome;
use crate::score::{Answers, Family, Scored};

/// Rows of the table at most: it is read whole by whoever opens it.
const ROWS_MAX: usize = 200_000;

/// The table of one variant.
pub(super) fn render(evaluation: &Evaluation<'_>, scored: &Scored) -> String {
    let dataset = evaluation.dataset;
    let shown: Vec<_> = scored.scores.iter().filter(|it| it.is_shown_by_row && it.rows.is_some()).collect();
    let is_asked = matches!(scored.answers, Answers::Asked(_));
    let mut columns: Vec<String> = dataset.columns.clone();
    columns.push(free_name(&columns, "outputs"));
    if is_asked {
        columns.push(free_name(&columns, "error"));
    }
    for score in &shown {
        // MLflow writes `/score` for every metric but latency and token counts.
        let name = if score.family == Family::Check { format!("{}/score", score.name) } else { score.name.clone() };
        columns.push(free_name(&columns, &name));
    }
    let mut text = String::from("{\"columns\":[");
    join(&mut text, columns.iter(), |text, it| string(text, it));
    text.push_str("],\"data\":[");
    join(&mut text, 0..dataset.rows.len().min(ROWS_MAX), |text, row| {
        text.push('[');
        join(text, dataset.rows[row].iter(), cell);
        text.push(',');
        match &scored.answers {
            Answers::Predicted { labels, .. } => cell(text, &labels[row]),
            Answers::Asked(cells) => match &cells[row] {
                Outcome::Answered(answer) => {
                    string(text, &answer.text);
                    text.push_str(",null");
                }
                Outcome::Failed(message) => {
                    text.push_str("null,");
                    string(text, message);
                }
                Outcome::Skipped => text.push_str("null,null"),
            },
        }
        for score in &shown {
            text.push(',');
            match score.rows.as_ref().and_then(|it| it[row]) {
                Some(value) => number(text, value),
                None => text.push_str("null"),
            }
        }
        text.push(']');
    });
    text.push_str("]}");
    text
}

/// A column's name that the data does not use itself.
fn free_name(columns: &[String], wanted: &str) -> String {
    let mut name = wanted.to_owned();
    while columns.contains(&name) {
        name.push('_');
    }
    name
}

fn join<T>(text: &mut String, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut String, T)) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write(text, item);
    }
}

fn cell(text: &mut String, cell: &Cell) {
    match cell {
        Cell::Missing => text.push_str("null"),
        Cell::Bool(it) => text.push_str(if *it { "true" } else { "false" }),
        Cell::Int(it) => text.push_str(&it.to_string()),
        Cell::Number(it) => number(text, *it),
        Cell::Text(it) => string(text, it),
        Cell::Json(it) => value(text, it),
    }
}

fn value(text: &mut String, of: &Value) {
    match of {
        Value::Array(items) => {
            text.push('[');
            join(text, items, value);
            text.push(']');
        }
        Value::Object(map) => {
            text.push('{');
            join(text, map, |text, (key, inner)| {
                string(text, key);
                text.push(':');
                value(text, inner);
            });
            text.push('}');
        }
        other => cell(text, &Cell::of_json(other.clone())),
    }
}

/// Pandas' number: ten decimals, no trailing zeros, at least one decimal; what JSON does not have is null.
fn number(text: &mut String, value: f64) {
    /// From here on pandas writes an exponent.
    const PLAIN_MAX: f64 = 1e16;
    if !value.is_finite() {
        text.push_str("null");
    } else if value.abs() >= PLAIN_MAX {
        let _ = write!(text, "{value:e}");
    } else {
        let plain = format!("{value:.10}");
        let trimmed = plain.trim_end_matches('0');
        text.push_str(trimmed);
        if trimmed.ends_with('.') {
            text.push('0');
        }
    }
}

/// Pandas' text: only ASCII, with the slash escaped.
fn string(text: &mut String, of: &str) {
    text.push('"');
    for unit in of.encode_utf16() {
        match char::from_u32(u32::from(unit)) {
            Some('"') => text.push_str("\\\""),
            Some('\\') => text.push_str("\\\\"),
            Some('/') => text.push_str("\\/"),
            Some('\u{8}') => text.push_str("\\b"),
            Some('\u{c}') => text.push_str("\\f"),
            Some('\n') => text.push_str("\\n"),
            Some('\r') => text.push_str("\\r"),
            Some('\t') => text.push_str("\\t"),
            Some(plain @ ' '..='~') => text.push(plain),
            _ => {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_pandas_writes() {
        // pandas.DataFrame(...).to_json(orient="split", index=False)
        let numbers = [
            (0.1, "0.1"),
            (5.0, "5.0"),
            (1.0 / 3.0, "0.3333333333"),
            (-0.5, "-0.5"),
            (1e-11, "0.0"),
            (f64::NAN, "null"),
        ];
        for (value, expected) in numbers {
            let mut text = String::new();
            number(&mut text, value);
            assert_eq!(text, expected);
        }
        let mut text = String::new();
        string(&mut text, "a/b \"ü\" 😀\n\u{1}");
        assert_eq!(text, "\"a\\/b \\\"\\u00fc\\\" \\ud83d\\ude00\\n\\u0001\"");
    }
}
