//! Inserts of many rows: one statement for any number of them, with an array for each column.

use std::collections::HashMap;

use super::{
    Session,
    encode::{AnyParam, ColumnOf, params},
};
use crate::{
    Dialect, Error, OnConflict, Result, Value,
    insert::{head, push_marks, push_tail},
};

/// The types of a table's columns.
pub(super) type ColumnTypes = HashMap<String, String>;

impl Session {
    /// Inserts rows and gives the number of those that were inserted or changed.
    pub(crate) async fn insert_rows(
        &mut self,
        table: &str,
        columns: &[&str],
        on_conflict: OnConflict<'_>,
        values: &[Value],
    ) -> Result<u64> {
        let width = columns.len();
        let mut sql = head(table, columns);
        let params: Vec<AnyParam<'_>> = if values.len() == width {
            sql.push_str("VALUES ");
            push_marks(&mut sql, width);
            params(values)
        } else {
            self.push_arrays(&mut sql, table, columns).await?;
            (0..width).map(|column| AnyParam::Column(ColumnOf { values, column, columns: width })).collect()
        };
        push_tail(&mut sql, Dialect::Postgres, table, columns, on_conflict);
        let rows = self.run(&sql, &params).await?;
        self.changed(rows).await
    }

    /// `SELECT * FROM unnest(?::text[],?::bigint[])`.
    async fn push_arrays(&mut self, sql: &mut String, table: &str, columns: &[&str]) -> Result<()> {
        let options = self.options.clone();
        if !options.has_types(table) {
            options.set_types(table, self.column_types(table).await?);
        }
        options.with_types(table, |types| {
            for (place, column) in columns.iter().enumerate() {
                let ty = types.get(*column).ok_or_else(|| {
                    Error::Schema(format!("the database's table {table} has no column {column}; it is not MLflow's"))
                })?;
                sql.push_str(if place == 0 { "SELECT * FROM unnest(?::" } else { ",?::" });
                sql.push_str(ty);
                sql.push_str("[]");
            }
            sql.push(')');
            Ok(())
        })
    }

    async fn column_types(&mut self, table: &str) -> Result<ColumnTypes> {
        let mut types = ColumnTypes::new();
        // Without the columns' lengths: a cast would cut what is too long, where the insert refuses it.
        self.for_each(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute \
             WHERE attrelid = to_regclass(CAST(? AS text)) AND attnum > 0 AND NOT attisdropped",
            &[table.into()],
            |(name, ty): (String, String)| {
                types.insert(name, ty);
            },
        )
        .await?;
        Ok(types)
    }
}
