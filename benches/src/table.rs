//! Markdown tables, with columns lined up so that a terminal shows them as well as a page.

use std::fmt::Write as _;

/// A table under a heading.
#[derive(Clone, Debug)]
pub struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a title and the names of its columns; the first one holds text, the others figures.
    pub fn new(title: &str, columns: &[&str]) -> Self {
        Self { title: title.to_owned(), rows: vec![columns.iter().map(|&it| it.to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, name: &str, figures: impl IntoIterator<Item = String>) {
        self.rows.push(std::iter::once(name.to_owned()).chain(figures).collect());
    }

    /// The table as Markdown.
    pub fn render(&self) -> String {
        let columns = self.rows[0].len();
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = format!("### {}\n\n", self.title);
        for (index, row) in self.rows.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                let _ = if column == 0 { write!(text, "| {cell:width$} ") } else { write!(text, "| {cell:>width$} ") };
            }
            text.push_str("|\n");
            if index == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let _ = write!(text, "|{}{}", "-".repeat(width + 1), if column == 0 { "-" } else { ":" });
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

/// A figure with as many decimals as it deserves: three digits that count.
pub fn figure(value: f64) -> String {
    if value.is_nan() {
        "–".to_owned()
    } else if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new("Tides", &["where", "metres"]);
        table.row("Fundy", [figure(16.3)]);
        table.row("Bay of Mont-Saint-Michel", [figure(1234.5)]);
        let lines: Vec<_> = table.render().lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "### Tides",
                "",
                "| where                    | metres |",
                "|--------------------------|-------:|",
                "| Fundy                    |   16.3 |",
                "| Bay of Mont-Saint-Michel |   1234 |",
            ]
        );
    }
}
