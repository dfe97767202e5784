//! CSV and TSV: every column gets the narrowest type that fits all its cells.

use std::path::Path;

use super::{Cell, Dataset, ROWS_MAX, shorten};
use crate::{Error, Result};

/// Reads a table with a header line.
pub(super) fn read(path: &Path, text: &str, delimiter: u8) -> Result<Dataset> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let wrong = |line: u64, message: String| Error::Data(format!("{}:{line}: {message}", path.display()));
    let columns: Vec<String> =
        reader.headers().map_err(|it| wrong(1, it.to_string()))?.iter().map(|it| it.trim().to_owned()).collect();
    if columns.iter().all(String::is_empty) {
        return Err(wrong(1, "the header line is missing; its cells name the columns".to_owned()));
    }
    for (index, name) in columns.iter().enumerate() {
        if columns[..index].contains(name) {
            return Err(wrong(1, format!("the header names the column `{name}` twice")));
        }
    }
    let (mut raw, mut lines) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|it| {
            let line = it.position().map_or(0, csv::Position::line);
            wrong(line, format!("not a readable row: {it}"))
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != columns.len() {
            let found = record.len();
            let cells = if found == 1 { "1 cell".to_owned() } else { format!("{found} cells") };
            let first = record.iter().next().map(shorten).unwrap_or_default();
            let message = format!("the row starting with `{first}` has {cells}, the header has {}", columns.len());
            return Err(wrong(line, message));
        }
        if raw.len() == ROWS_MAX {
            return Err(wrong(line, format!("more than {ROWS_MAX} rows; use data.limit on a smaller file")));
        }
        raw.push(record);
        lines.push(line);
    }
    let kinds: Vec<Kind> = (0..columns.len()).map(|column| kind(raw.iter().map(|it| &it[column]))).collect();
    let rows = raw.iter().map(|row| row.iter().zip(&kinds).map(|(text, kind)| kind.cell(text)).collect()).collect();
    let name = path.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Dataset { name, columns, rows, lines, digest: String::new(), path: Some(path.to_owned()) })
}

/// A number as data files write it: decimal, exponent, `inf`, `-inf`; `nan` is no number here but a gap.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let starts = text.trim_start_matches(['+', '-']);
    let named = starts.eq_ignore_ascii_case("inf") || starts.eq_ignore_ascii_case("nan");
    (named || starts.starts_with(|it: char| it.is_ascii_digit() || it == '.')).then(|| text.parse().ok()).flatten()
}

/// The type of a column.
#[derive(Clone, Copy)]
enum Kind {
    Int,
    Number,
    Bool,
    Text,
}

impl Kind {
    fn cell(self, text: &str) -> Cell {
        if text.is_empty() {
            return Cell::Missing;
        }
        match self {
            Self::Int => text.trim().parse().map_or(Cell::Missing, Cell::Int),
            Self::Number => number(text).filter(|it| !it.is_nan()).map_or(Cell::Missing, Cell::Number),
            Self::Bool => Cell::Bool(text.trim().eq_ignore_ascii_case("true")),
            Self::Text => Cell::Text(text.to_owned()),
        }
    }
}

fn kind<'a>(cells: impl Iterator<Item = &'a str>) -> Kind {
    let (mut int, mut float, mut bool, mut gaps, mut any) = (true, true, true, false, false);
    for cell in cells {
        if cell.is_empty() {
            gaps = true;
            continue;
        }
        any = true;
        let trimmed = cell.trim();
        int = int && trimmed.parse::<i64>().is_ok();
        float = float && (int || number(cell).is_some());
        bool = bool && ["true", "false"].iter().any(|it| trimmed.eq_ignore_ascii_case(it));
        if !(float || bool) {
            return Kind::Text;
        }
    }
    match (any, int, float, bool) {
        (false, ..) => Kind::Text,
        // A whole column with gaps holds floats elsewhere (pandas), so it reads the same here.
        (_, true, ..) if !gaps => Kind::Int,
        (_, _, true, _) => Kind::Number,
        (_, _, _, true) => Kind::Bool,
        _ => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Cell]) {
        let dataset = read(Path::new("t.csv"), &format!("a\n{text}\n"), b',').unwrap();
        let column: Vec<Cell> = dataset.rows.into_iter().map(|mut it| it.remove(0)).collect();
        assert_eq!(column, expected, "{text}");
    }

    #[test]
    fn a_column_has_one_type() {
        check("1\n-2", &[Cell::Int(1), Cell::Int(-2)]);
        check("1\n2.5", &[Cell::Number(1.0), Cell::Number(2.5)]);
        check("1\n\"\"\n2", &[Cell::Number(1.0), Cell::Missing, Cell::Number(2.0)]);
        check("inf\nnan\n1e3", &[Cell::Number(f64::INFINITY), Cell::Missing, Cell::Number(1000.0)]);
        check("True\nfalse", &[Cell::Bool(true), Cell::Bool(false)]);
        check("1\nx", &[Cell::Text("1".to_owned()), Cell::Text("x".to_owned())]);
        check("infinity", &[Cell::Text("infinity".to_owned())]);
        check("1\n2.5x", &[Cell::Text("1".to_owned()), Cell::Text("2.5x".to_owned())]);
    }
}
