//! The report for a terminal.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::Recorded;
use crate::evaluation::Evaluation;
use crate::gate::{Level, Stat, Verdict};
use crate::score::{Family, Score, Scored};

/// From this many variants on they are lines instead of columns.
const COLUMNS_MAX: usize = 4;

/// The whole report.
pub(crate) fn table(evaluation: &Evaluation<'_>, recorded: Option<&Recorded>) -> String {
    let rows = evaluation.dataset.rows.len();
    let mut text = format!(
        "{} · {} · {rows} rows of {}\n{}\n",
        evaluation.suite.name(),
        evaluation.task.name(),
        evaluation.dataset.shown(),
        results(&evaluation.scored)
    );
    if evaluation.scored.iter().any(|it| it.scores.iter().any(|it| it.interval.is_some())) {
        let confidence = number(evaluation.suite.compare.confidence * 100.0);
        let _ = writeln!(text, "[low, high] is the {confidence} % confidence interval.");
    }
    text.push_str(&differences(evaluation));
    if evaluation.reused > 0 {
        let _ = writeln!(text, "{} answers were kept from before.", evaluation.reused);
    }
    if let Some(failure) = evaluation.first_failure() {
        let _ = writeln!(text, "First failed cell: {failure}");
    }
    if !evaluation.gates.is_empty() {
        text.push_str("\nGates\n");
        text.push_str(&gates(evaluation));
    }
    if let Some(reason) = &evaluation.stopped {
        let _ = writeln!(text, "\nStopped early: {reason}. What was finished is counted above.");
    }
    if let Some(recorded) = recorded {
        let place = recorded.url.clone().unwrap_or_else(|| format!("experiment {}", recorded.experiment_id));
        let _ = writeln!(text, "\nRecorded as run {} ({place})", recorded.run_id);
    }
    text
}

fn results(scored: &[Scored]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for score in scored.iter().flat_map(|it| &it.scores) {
        if !names.contains(&score.name.as_str()) {
            names.push(&score.name);
        }
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    if scored.len() <= COLUMNS_MAX {
        table.set_header(std::iter::once("metric").chain(scored.iter().map(|it| it.variant.name.as_str())));
        for name in names {
            table.add_row(std::iter::once(name.to_owned()).chain(scored.iter().map(|it| of(it, name))));
        }
    } else {
        table.set_header(std::iter::once("variant").chain(names.iter().copied()));
        for variant in scored {
            let cells = names.iter().map(|it| of(variant, it));
            table.add_row(std::iter::once(variant.variant.name.clone()).chain(cells));
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// How each variant differs from the baseline, where the suite names one.
fn differences(evaluation: &Evaluation<'_>) -> String {
    let Some(baseline) = evaluation.suite.compare.baseline.as_ref().filter(|_| !evaluation.differences.is_empty())
    else {
        return String::new();
    };
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["variant", "metric", "difference", "verdict"]);
    for compared in &evaluation.differences {
        let difference = &compared.difference;
        let (mut found, mut verdict) = (number(difference.value), "too few rows");
        if let Some((low, high)) = difference.interval {
            found = format!("{found} [{}, {}]", number(low), number(high));
            verdict = match (low > 0.0, high < 0.0) {
                (false, false) => "open",
                (above, _) if above == difference.greater_is_better => "better",
                _ => "worse",
            };
        }
        table.add_row([compared.variant.as_str(), &compared.metric, &found, verdict]);
    }
    format!("\nPaired differences to {baseline}\n{table}\n")
}

fn of(scored: &Scored, name: &str) -> String {
    scored.score(name).map_or_else(String::new, cell)
}

fn cell(score: &Score) -> String {
    let Some(value) = score.stat(Stat::Mean) else {
        return if score.total == 0 { "–".to_owned() } else { format!("undefined (0 of {})", score.total) };
    };
    let mut text = number(value);
    if score.family == Family::Latency {
        let p95 = score.stat(Stat::Quantile(0.95)).map(number).unwrap_or_default();
        text = format!("{text} s (p95 {p95} s)");
    } else if score.family == Family::Amount {
        let sum = score.stat(Stat::Sum).map(number).unwrap_or_default();
        text = format!("{text} (sum {sum})");
    } else if let Some((low, high)) = score.interval {
        text = format!("{text} [{}, {}]", number(low), number(high));
    }
    if score.covered < score.total {
        text = format!("{text} ({} of {})", score.covered, score.total);
    }
    text
}

fn gates(evaluation: &Evaluation<'_>) -> String {
    let mut text = String::new();
    for (gate, decisions) in &evaluation.gates {
        if decisions.is_empty() {
            let _ = writeln!(text, "  skip  {}: no variant of this run is for it to decide", gate.text);
        }
        for decision in decisions {
            let mark = match (decision.verdict, gate.level) {
                (Verdict::Pass, _) => "pass",
                (Verdict::Fail, Level::Fail) => "FAIL",
                (Verdict::Fail, Level::Warn) => "warn",
                (Verdict::Inconclusive { .. }, _) => "open",
            };
            let _ = write!(text, "  {mark}  {}: {} (found {})", decision.variant, gate.text, decision.found);
            if let Verdict::Inconclusive { rows_needed: Some(rows) } = decision.verdict {
                let _ = write!(text, "; about {rows} more rows would decide");
            }
            text.push('\n');
        }
    }
    text
}

/// A number for a reader: five digits, no trailing zeros.
pub(crate) fn number(value: f64) -> String {
    /// Beyond these an exponent reads better.
    const PLAIN: std::ops::Range<f64> = 1e-4..1e9;
    let size = value.abs();
    if value == 0.0 || value.is_nan() {
        return if value.is_nan() { "undefined".to_owned() } else { "0".to_owned() };
    }
    if value.is_infinite() || !PLAIN.contains(&size) {
        return format!("{value:.4e}");
    }
    if value.fract() == 0.0 {
        return format!("{value:.0}");
    }
    let decimals = if size >= 1000.0 {
        1
    } else if size >= 10.0 {
        3
    } else {
        4
    };
    let plain = format!("{value:.decimals$}");
    plain.trim_end_matches('0').trim_end_matches('.').to_owned()
}
