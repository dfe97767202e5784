//! JSON rows: one object a line, a list of objects, or rows written in the suite itself.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::{Cell, Dataset, ROWS_MAX};
use crate::{Error, Result};

/// Rows written in the suite.
pub(super) fn inline(rows: &[Map<String, Value>]) -> Dataset {
    let mut table = Table::default();
    for (index, row) in rows.iter().enumerate() {
        table.push(row.clone(), index as u64 + 1);
    }
    let mut dataset = table.finish(None);
    dataset.digest = crate::digest::of_json(&rows.iter().cloned().map(Value::Object).collect());
    dataset
}

/// One object a line; empty lines are skipped.
pub(super) fn read_lines(path: &Path, text: &str) -> Result<Dataset> {
    let mut table = Table::default();
    for (index, line) in text.lines().enumerate().filter(|it| !it.1.trim().is_empty()) {
        let number = index as u64 + 1;
        let wrong = |message: String| Error::Data(format!("{}:{number}: {message}", path.display()));
        let row: Value = serde_json::from_str(line).map_err(|it| wrong(format!("not valid JSON: {it}")))?;
        let Value::Object(row) = row else {
            return Err(wrong("a row must be a JSON object, `{\"column\": value}`".to_owned()));
        };
        if table.rows.len() == ROWS_MAX {
            return Err(wrong(format!("more than {ROWS_MAX} rows; use data.limit on a smaller file")));
        }
        table.push(row, number);
    }
    Ok(table.finish(Some(path)))
}

/// A list of objects.
pub(super) fn read_list(path: &Path, text: &str) -> Result<Dataset> {
    let wrong = |message: String| Error::Data(format!("{}: {message}", path.display()));
    let rows: Value = serde_json::from_str(text).map_err(|it| wrong(format!("not valid JSON: {it}")))?;
    let Value::Array(rows) = rows else {
        return Err(wrong("expected a list of objects; for one object a line use the ending .jsonl".to_owned()));
    };
    if rows.len() > ROWS_MAX {
        return Err(wrong(format!("more than {ROWS_MAX} rows; use data.limit on a smaller file")));
    }
    let mut table = Table::default();
    for (index, row) in rows.into_iter().enumerate() {
        let number = index as u64 + 1;
        let Value::Object(row) = row else {
            return Err(wrong(format!("row {number} is not an object")));
        };
        table.push(row, number);
    }
    Ok(table.finish(Some(path)))
}

/// Rows of maps on their way to rows of cells; the columns are the union, in order of appearance.
#[derive(Default)]
struct Table {
    columns: Vec<String>,
    positions: HashMap<String, usize>,
    rows: Vec<Vec<Cell>>,
    lines: Vec<u64>,
}

impl Table {
    fn push(&mut self, row: Map<String, Value>, line: u64) {
        let mut cells = vec![Cell::Missing; self.columns.len()];
        for (name, value) in row {
            let position = *self.positions.entry(name).or_insert_with_key(|name| {
                self.columns.push(name.clone());
                cells.push(Cell::Missing);
                self.columns.len() - 1
            });
            cells[position] = Cell::of_json(value);
        }
        self.rows.push(cells);
        self.lines.push(line);
    }

    fn finish(mut self, path: Option<&Path>) -> Dataset {
        for row in &mut self.rows {
            row.resize(self.columns.len(), Cell::Missing);
        }
        let name = path.and_then(Path::file_stem).map_or("inline".to_owned(), |it| it.to_string_lossy().into_owned());
        let (columns, rows, lines) = (self.columns, self.rows, self.lines);
        Dataset { name, columns, rows, lines, digest: String::new(), path: path.map(ToOwned::to_owned) }
    }
}
