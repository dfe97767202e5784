//! A transaction in progress, as the work inside [`crate::Db::write`] sees it.

use sqlx::SqliteConnection;

use crate::{
    Record, Result, Value,
    connection::{bind, records},
};

/// Bound values at most in one statement: SQLite's own default limit.
const BINDS_MAX: usize = 32_766;

/// Rows at most in one statement of a bulk insert; more gains nothing and makes its text long.
const ROWS_MAX: usize = 256;

/// A transaction in progress: all of its statements are kept, or none.
#[derive(Debug)]
pub struct Tx {
    pub(crate) connection: SqliteConnection,
}

impl Tx {
    /// Runs a statement and gives the number of rows that it changed.
    pub async fn execute(&mut self, sql: impl Into<String>, args: Vec<Value>) -> Result<u64> {
        Ok(bind(sql.into(), args).execute(&mut self.connection).await?.rows_affected())
    }

    /// All rows of a query.
    pub async fn fetch_all<T: Record>(&mut self, sql: impl Into<String>, args: Vec<Value>) -> Result<Vec<T>> {
        Ok(records(&bind(sql.into(), args).fetch_all(&mut self.connection).await?)?)
    }

    /// The first row of a query, if it has one.
    pub async fn fetch_optional<T: Record>(&mut self, sql: impl Into<String>, args: Vec<Value>) -> Result<Option<T>> {
        let row = bind(sql.into(), args).fetch_optional(&mut self.connection).await?;
        Ok(row.as_ref().map(T::from_row).transpose()?)
    }

    /// Inserts many rows with few statements and gives the number of rows that changed.
    ///
    /// `head` is the text up to `VALUES`, `tail` what follows the rows (an `ON CONFLICT` clause, or nothing); `values`
    /// holds the rows one after another, `columns` values each. The rows go in chunks whose sizes are powers of two, so
    /// that each text is prepared once per connection and found again.
    pub async fn insert_rows(&mut self, head: &str, columns: usize, tail: &str, values: Vec<Value>) -> Result<u64> {
        debug_assert!(columns > 0 && values.len().is_multiple_of(columns), "whole rows of {columns} columns");
        let mut rows_left = values.len() / columns;
        let mut values = values.into_iter();
        let mut changed = 0;
        while rows_left > 0 {
            let rows = chunk(rows_left, columns);
            let args = values.by_ref().take(rows * columns).collect();
            changed += self.execute(insert_text(head, columns, tail, rows), args).await?;
            rows_left -= rows;
        }
        Ok(changed)
    }
}

/// The largest power of two that fits into what is left and into the limits.
fn chunk(rows_left: usize, columns: usize) -> usize {
    let rows_max = rows_left.min(ROWS_MAX).min(BINDS_MAX / columns).max(1);
    1 << rows_max.ilog2()
}

fn insert_text(head: &str, columns: usize, tail: &str, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    format!("{head} VALUES {} {tail}", vec![row; rows].join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_powers_of_two_within_the_limits() {
        let check = |rows, columns, expect| assert_eq!(chunk(rows, columns), expect, "{rows} rows of {columns}");
        check(1, 6, 1);
        check(100, 6, 64);
        check(1000, 6, 256);
        check(1000, 1000, 32);
        check(3, 40_000, 1);
    }

    #[test]
    fn text_of_a_bulk_insert() {
        assert_eq!(insert_text("INSERT INTO t (a, b)", 2, "", 2), "INSERT INTO t (a, b) VALUES (?,?),(?,?) ");
    }
}
