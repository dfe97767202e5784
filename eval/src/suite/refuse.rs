//! Parts of the format that this version does not run: each is refused before the first row, never skipped.

use std::path::Path;

use yaml::{Kind, Node};

use crate::{Error, Result};

/// A key that is refused wherever it stands, with the reason that a reader sees.
const KEYS: &[(&str, &str)] = &[
    ("judges", "model judges"),
    ("slices", "results per slice"),
    ("data.where", "filtering rows by SQL; filter the file, or use `when` in a metric"),
    ("data.fewshot", "few-shot examples"),
    ("data.transform", "perturbed rows"),
    ("data.sample.by", "stratified samples"),
    ("data.roles.cluster", "clustered errors"),
    ("data.roles.query", "ranking"),
    ("data.roles.session", "conversations"),
    ("data.roles.time", "forecasts"),
    ("compare.paired", "choosing unpaired differences; differences are always paired on the row"),
    ("run.rate", "rate limits of a suite; bound `run.concurrency`, or set the endpoint's `limit`"),
    ("run.stop", "adaptive stopping"),
    ("run.matrix", "excluding variants; use --only, or list fewer"),
    ("run.retries.on", "choosing which errors are tried again"),
    ("output.run", "writing into an existing run"),
    ("output.report", "HTML reports"),
    ("output.junit", "JUnit reports"),
    ("output.markdown", "markdown reports"),
    ("output.csv", "CSV of the rows; `output.jsonl` has them"),
];

/// Refuses the first unsupported part of a document that already fits the schema.
pub(super) fn check(path: &Path, document: &Node) -> Result<()> {
    for (key, what) in KEYS {
        if let Some(node) = document.at(key) {
            return Err(unsupported(path, node.line, key, what));
        }
    }
    if let Some(node) = document.get("task") {
        let name = match &node.kind {
            Kind::Text(name) => name.as_str(),
            Kind::Map(entries) => entries.first().map_or("", |it| it.key.as_str()),
            _ => "",
        };
        let plain = matches!(node.kind, Kind::Text(_));
        if !plain || !["auto", "regression", "classification", "generate"].contains(&name) {
            let form = if plain { format!("task: {name}") } else { format!("task.{name}") };
            let what = "this version runs the tasks auto, regression, classification and generate, without options";
            return Err(unsupported(path, node.line, &form, what));
        }
    }
    refuse_values(
        path,
        document,
        "data.format",
        &["parquet", "arrow"],
        "reading this format; use csv, tsv, json or jsonl",
    )?;
    refuse_values(path, document, "output.traces", &["all", "failures"], "one trace a row")?;
    refuse_values(path, document, "compare.adjust", &["holm", "bh"], "adjusting for several comparisons")?;
    if let Some(node) = document.at("run.repeat")
        && node.kind != Kind::Int(1)
    {
        return Err(unsupported(path, node.line, "run.repeat", "repetitions"));
    }
    if let Some(node) = document.at("run.resume")
        && matches!(node.kind, Kind::Text(_))
    {
        let what = "resuming a run by its id; `true` resumes the newest unfinished run of the same suite";
        return Err(unsupported(path, node.line, "run.resume", what));
    }
    Ok(())
}

fn refuse_values(path: &Path, document: &Node, key: &str, values: &[&str], what: &str) -> Result<()> {
    match document.at(key) {
        Some(Node { line, kind: Kind::Text(text) }) if values.contains(&text.as_str()) => {
            Err(unsupported(path, *line, &format!("{key}: {text}"), what))
        }
        _ => Ok(()),
    }
}

/// The sentence for one refused part.
pub(super) fn unsupported(path: &Path, line: u64, key: &str, what: &str) -> Error {
    let place = if line == 0 { "--set".to_owned() } else { format!("{}:{line}", path.display()) };
    Error::Unsupported(format!("`{key}` ({place}): {what}"))
}
