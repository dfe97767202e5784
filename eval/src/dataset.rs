//! The rows of an evaluation: where they come from, what their columns mean, and which of them are used.

mod cell;
mod delimited;
mod json;
mod select;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::nearest;
use crate::{Error, Result};

pub(crate) use cell::{Cell, label_order};

/// Rows held in memory at most; beyond that the answers table could not be held either.
pub(crate) const ROWS_MAX: usize = 5_000_000;
/// Bytes of a data file at most: it is read as a whole.
pub(crate) const BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// What a suite says about its rows.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) source: Source,
    pub(crate) limit: Option<usize>,
    /// The seed of the shuffled order.
    pub(crate) shuffle: Option<u64>,
    pub(crate) sample: Option<Sample>,
    pub(crate) roles: Roles,
    pub(crate) positive: Option<Value>,
    pub(crate) labels: Option<Vec<Value>>,
    pub(crate) missing: Missing,
}

/// Where rows come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    File { path: PathBuf, format: Format },
    Inline(Vec<Map<String, Value>>),
}

/// How a data file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Tsv,
    Json,
    Jsonl,
}

impl Format {
    /// The format that a file's name tells.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "json" => Some(Self::Json),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// How many rows are drawn, and by which seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) n: usize,
    pub(crate) seed: u64,
}

/// Columns with a meaning.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roles {
    pub(crate) id: Option<String>,
    pub(crate) expected: Option<String>,
    pub(crate) weight: Option<String>,
}

/// What a gap in a column with a role does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Error,
    /// The row is left out.
    Drop,
    /// The row stays; metrics that need the value count it as not covered.
    Keep,
}

/// Rows in memory.
#[derive(Clone, Debug)]
pub(crate) struct Dataset {
    /// What messages and the tracking server call it: the file's name, or `inline`.
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// The line (inline: the position) where each row starts.
    pub(crate) lines: Vec<u64>,
    /// The sha256 of what was read, before rows were chosen.
    pub(crate) digest: String,
    /// The file it came from.
    pub(crate) path: Option<PathBuf>,
}

impl Dataset {
    /// Reads and chooses rows.
    pub(crate) fn read(data: &Data) -> Result<Self> {
        let mut dataset = match &data.source {
            Source::Inline(rows) => json::inline(rows),
            Source::File { path, format } => {
                let text = read_text(path)?;
                let mut dataset = match format {
                    Format::Csv => delimited::read(path, &text, b',')?,
                    Format::Tsv => delimited::read(path, &text, b'\t')?,
                    Format::Json => json::read_list(path, &text)?,
                    Format::Jsonl => json::read_lines(path, &text)?,
                };
                dataset.digest = crate::digest::of_bytes(text.as_bytes());
                dataset
            }
        };
        for role in [&data.roles.id, &data.roles.expected, &data.roles.weight].into_iter().flatten() {
            dataset.column(role)?;
        }
        select::choose(&mut dataset, data)?;
        if dataset.rows.is_empty() {
            return Err(Error::Data(format!("{}: no rows to evaluate", dataset.name)));
        }
        Ok(dataset)
    }

    /// The position of a column; a missing one is an error that names the nearest.
    pub(crate) fn column(&self, name: &str) -> Result<usize> {
        self.columns.iter().position(|it| it == name).ok_or_else(|| {
            let hint = nearest(name, self.columns.iter().map(String::as_str));
            let listed = if hint.contains("known are") {
                String::new()
            } else {
                format!(" (its columns: {})", self.columns.join(", "))
            };
            Error::Data(format!("{}: no column `{name}`{hint}{listed}", self.shown()))
        })
    }

    /// Where a row is, for messages: `file:line`.
    pub(crate) fn place(&self, row: usize) -> String {
        let word = if self.path.is_some() { "" } else { "row " };
        format!("{}:{word}{}", self.shown(), self.lines[row])
    }

    pub(crate) fn shown(&self) -> String {
        self.path.as_ref().map_or_else(|| self.name.clone(), |it| it.display().to_string())
    }

    /// A row as a JSON object.
    pub(crate) fn object(&self, row: usize) -> Map<String, Value> {
        self.columns.iter().cloned().zip(self.rows[row].iter().map(Cell::to_json)).collect()
    }

    /// The row's id: the `id` column, or the sha256 of its canonical JSON.
    pub(crate) fn id(&self, row: usize, roles: &Roles) -> String {
        match roles.id.as_ref().and_then(|it| self.column(it).ok()) {
            Some(column) => self.rows[row][column].to_string(),
            None => crate::digest::of_json(&Value::Object(self.object(row))),
        }
    }

    /// A column as numbers; `None` where a cell is missing. A text cell is an error that names its place.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<Option<f64>>> {
        let column = self.column(name)?;
        let number = |(row, cells): (usize, &Vec<Cell>)| match &cells[column] {
            Cell::Missing => Ok(None),
            cell => cell.read_number().map(Some).ok_or_else(|| {
                Error::Data(format!(
                    "{}: column `{name}` must be numeric, but has `{}`",
                    self.place(row),
                    shorten(&cell.to_string())
                ))
            }),
        };
        self.rows.iter().enumerate().map(number).collect()
    }
}

/// A text short enough for a message.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    if text.chars().count() <= SHOWN_MAX {
        return text.to_owned();
    }
    text.chars().take(SHOWN_MAX).chain(['…']).collect()
}

fn read_text(path: &Path) -> Result<String> {
    let failed =
        |error: &dyn std::fmt::Display| Error::Data(format!("cannot read the data {}: {error}", path.display()));
    let length = std::fs::metadata(path).map_err(|it| failed(&it))?.len();
    if length > BYTES_MAX {
        return Err(failed(&format!("it has {length} bytes, more than the {BYTES_MAX} that fit; split the file")));
    }
    let bytes = std::fs::read(path).map_err(|it| failed(&it))?;
    let text = String::from_utf8(bytes).map_err(|it| failed(&format!("it is not UTF-8 ({})", it.utf8_error())))?;
    Ok(text.strip_prefix('\u{feff}').map(ToOwned::to_owned).unwrap_or(text))
}
