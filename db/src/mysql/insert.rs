//! Inserts of many rows: at once where MariaDB can, and in a few sizes of statements where MySQL cannot.

use mysql_async::{Params, prelude::Queryable};

use super::{Session, value::into_wire};
use crate::{
    Dialect, OnConflict, Result, Value,
    insert::{head, push_marks, push_tail},
};

/// Rows in one statement on MySQL at most; the sizes below it are the powers of two, so that few texts are prepared.
const ROWS_MAX: usize = 256;

impl Session {
    /// Inserts rows and gives the number of those that were inserted or changed.
    pub(crate) async fn insert_rows(
        &mut self,
        table: &str,
        columns: &[&str],
        on_conflict: OnConflict<'_>,
        values: Vec<Value>,
    ) -> Result<u64> {
        let width = columns.len();
        let rows = values.len() / width;
        let text = |rows: usize| {
            let mut sql = head(table, columns);
            sql.push_str("VALUES ");
            for row in 0..rows {
                sql.push_str(if row == 0 { "" } else { "," });
                push_marks(&mut sql, width);
            }
            push_tail(&mut sql, Dialect::MySql, table, columns, on_conflict);
            sql
        };
        let mut values = values.into_iter().map(into_wire);
        let mut take = |rows: usize| Params::Positional(values.by_ref().take(rows * width).collect());
        if rows > 1 && self.options.has_bulk() {
            self.ready().await?;
            let batch: Vec<Params> = (0..rows).map(|_| take(1)).collect();
            let outcome = self.connection.exec_batch(text(1), batch).await;
            self.done(outcome)?;
            return Ok(self.connection.affected_rows());
        }
        let mut left = rows;
        let mut changed = 0;
        while left > 0 {
            let size = (1 << left.ilog2()).min(ROWS_MAX);
            self.ready().await?;
            let outcome = self.connection.exec_drop(text(size), take(size)).await;
            self.done(outcome)?;
            changed += self.connection.affected_rows();
            left -= size;
        }
        Ok(changed)
    }
}
