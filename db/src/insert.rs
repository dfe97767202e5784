//! Inserts as each database spells them.

use std::cmp::Ordering;

use crate::{Dialect, Value};

/// What an insert does with a row whose unique key is taken.
#[derive(Clone, Copy, Debug)]
pub enum OnConflict<'a> {
    /// It fails, and nothing is inserted.
    Error,
    /// The row that is there stays as it is.
    Ignore,
    /// The row with this key gets the new values of these columns.
    Update {
        /// The columns of the unique key.
        key: &'a [&'a str],
        /// The columns that get new values.
        columns: &'a [&'a str],
    },
    /// The same, but only where the new row is greater than the one that is there.
    UpdateIfGreater {
        /// The columns of the unique key.
        key: &'a [&'a str],
        /// The columns that are compared, the most significant first; they get new values too.
        order_by: &'a [&'a str],
        /// The other columns that get new values.
        columns: &'a [&'a str],
    },
}

/// The text up to the rows: `INSERT INTO "t" ("a","b") `.
pub(crate) fn head(table: &str, columns: &[&str]) -> String {
    let mut sql = String::with_capacity(512);
    sql.push_str("INSERT INTO ");
    sql.push_str(table);
    sql.push_str(" (");
    push_list(&mut sql, columns);
    sql.push_str(") ");
    sql
}

/// One row of placeholders: `(?,?)`.
pub(crate) fn push_marks(sql: &mut String, columns: usize) {
    for place in 0..columns {
        sql.push_str(if place == 0 { "(?" } else { ",?" });
    }
    sql.push(')');
}

/// The text behind the rows, with what happens to those whose key is taken.
pub(crate) fn push_tail(
    sql: &mut String,
    dialect: Dialect,
    table: &str,
    columns: &[&str],
    on_conflict: OnConflict<'_>,
) {
    if dialect == Dialect::MySql {
        return push_mysql_tail(sql, columns, on_conflict);
    }
    match on_conflict {
        OnConflict::Error => {}
        OnConflict::Ignore => sql.push_str(" ON CONFLICT DO NOTHING"),
        OnConflict::Update { key, columns } => push_update(sql, key, columns.iter()),
        OnConflict::UpdateIfGreater { key, order_by, columns } => {
            push_update(sql, key, order_by.iter().chain(columns));
            sql.push_str(" WHERE (");
            push_qualified(sql, "excluded", order_by);
            sql.push_str(") > (");
            push_qualified(sql, table, order_by);
            sql.push(')');
        }
    }
}

/// The rows in the order of their keys, so that writers of the same rows take their locks one after the other.
pub(crate) fn in_key_order(columns: &[&str], on_conflict: OnConflict<'_>, values: Vec<Value>) -> Vec<Value> {
    let key: Vec<usize> = match on_conflict {
        OnConflict::Update { key, .. } | OnConflict::UpdateIfGreater { key, .. } => {
            columns.iter().enumerate().filter(|(_, column)| key.contains(column)).map(|(place, _)| place).collect()
        }
        // Which key it is the database knows; callers name its columns first.
        OnConflict::Error | OnConflict::Ignore => (0..columns.len()).collect(),
    };
    let by_key = |row: &[Value], other: &[Value]| {
        key.iter().map(|place| row[*place].order(&other[*place])).find(|it| it.is_ne()).unwrap_or(Ordering::Equal)
    };
    if values.chunks_exact(columns.len()).is_sorted_by(|row, other| by_key(row, other).is_le()) {
        return values;
    }
    let mut order: Vec<usize> = (0..values.len() / columns.len()).collect();
    let row = |place: usize| &values[place * columns.len()..(place + 1) * columns.len()];
    order.sort_by(|place, other| by_key(row(*place), row(*other)));
    let mut values: Vec<Value> = values;
    let mut sorted = Vec::with_capacity(values.len());
    for place in order {
        let row = &mut values[place * columns.len()..(place + 1) * columns.len()];
        sorted.extend(row.iter_mut().map(|it| std::mem::replace(it, Value::Null)));
    }
    sorted
}

fn push_update<'c>(sql: &mut String, key: &[&str], columns: impl Iterator<Item = &'c &'c str>) {
    sql.push_str(" ON CONFLICT (");
    push_list(sql, key);
    sql.push_str(") DO UPDATE SET ");
    for (place, column) in columns.enumerate() {
        if place > 0 {
            sql.push_str(", ");
        }
        push_name(sql, column);
        sql.push_str(" = excluded.");
        push_name(sql, column);
    }
}

/// MySQL looks for any unique key, and its assignments see those before them.
fn push_mysql_tail(sql: &mut String, columns: &[&str], on_conflict: OnConflict<'_>) {
    let mut before = " ON DUPLICATE KEY UPDATE ";
    let mut assign = |column: &str, value: &dyn Fn(&mut String)| {
        sql.push_str(before);
        before = ", ";
        push_name(sql, column);
        sql.push_str(" = ");
        value(sql);
    };
    match on_conflict {
        OnConflict::Error => {}
        // `INSERT IGNORE` would also ignore broken foreign keys and cut long texts.
        OnConflict::Ignore => assign(columns[0], &|sql| push_name(sql, columns[0])),
        OnConflict::Update { columns, .. } => {
            for column in columns {
                assign(column, &|sql| push_new(sql, column));
            }
        }
        OnConflict::UpdateIfGreater { order_by, columns, .. } => {
            // The compared columns come last and the most significant of them at the very end: what is assigned before
            // then leaves the comparison as it was, but where old and new are equal anyway.
            for column in columns.iter().chain(order_by.iter().rev()) {
                assign(column, &|sql| {
                    sql.push_str("IF((");
                    for (place, column) in order_by.iter().enumerate() {
                        sql.push_str(if place > 0 { ", " } else { "" });
                        push_new(sql, column);
                    }
                    sql.push_str(") > (");
                    push_list(sql, order_by);
                    sql.push_str("), ");
                    push_new(sql, column);
                    sql.push_str(", ");
                    push_name(sql, column);
                    sql.push(')');
                });
            }
        }
    }
}

fn push_new(sql: &mut String, column: &str) {
    sql.push_str("VALUES(");
    push_name(sql, column);
    sql.push(')');
}

fn push_qualified(sql: &mut String, table: &str, columns: &[&str]) {
    for (place, column) in columns.iter().enumerate() {
        sql.push_str(if place > 0 { ", " } else { "" });
        sql.push_str(table);
        sql.push('.');
        push_name(sql, column);
    }
}

fn push_list(sql: &mut String, columns: &[&str]) {
    for (place, column) in columns.iter().enumerate() {
        sql.push_str(if place > 0 { "," } else { "" });
        push_name(sql, column);
    }
}

fn push_name(sql: &mut String, column: &str) {
    sql.push('"');
    sql.push_str(column);
    sql.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_the_order_of_their_keys() {
        let update = OnConflict::Update { key: &["k"], columns: &["v"] };
        let values =
            |rows: &[(i64, &str)]| rows.iter().flat_map(|(v, k)| [(*v).into(), (*k).into()]).collect::<Vec<_>>();
        let sorted = in_key_order(&["v", "k"], update, values(&[(1, "c"), (2, "a"), (3, "b")]));
        assert_eq!(sorted, values(&[(2, "a"), (3, "b"), (1, "c")]));
        let sorted = in_key_order(&["v", "k"], OnConflict::Ignore, values(&[(2, "a"), (1, "c")]));
        assert_eq!(sorted, values(&[(1, "c"), (2, "a")]));
    }

    #[test]
    fn what_happens_to_a_taken_key() {
        let check = |dialect, on_conflict, expect: &str| {
            let mut sql = "(?)".to_owned();
            push_tail(&mut sql, dialect, "t", &["k", "a", "b"], on_conflict);
            assert_eq!(sql.strip_prefix("(?)").unwrap(), expect);
        };
        let update = OnConflict::Update { key: &["k"], columns: &["a", "b"] };
        let greater = OnConflict::UpdateIfGreater { key: &["k"], order_by: &["a", "b"], columns: &["c"] };
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            check(dialect, OnConflict::Error, "");
            check(dialect, OnConflict::Ignore, " ON CONFLICT DO NOTHING");
            check(dialect, update, r#" ON CONFLICT ("k") DO UPDATE SET "a" = excluded."a", "b" = excluded."b""#);
            check(
                dialect,
                greater,
                r#" ON CONFLICT ("k") DO UPDATE SET "a" = excluded."a", "b" = excluded."b", "c" = excluded."c" WHERE (excluded."a", excluded."b") > (t."a", t."b")"#,
            );
        }
        check(Dialect::MySql, OnConflict::Error, "");
        check(Dialect::MySql, OnConflict::Ignore, r#" ON DUPLICATE KEY UPDATE "k" = "k""#);
        check(Dialect::MySql, update, r#" ON DUPLICATE KEY UPDATE "a" = VALUES("a"), "b" = VALUES("b")"#);
        check(
            Dialect::MySql,
            greater,
            r#" ON DUPLICATE KEY UPDATE "c" = IF((VALUES("a"), VALUES("b")) > ("a","b"), VALUES("c"), "c"), "b" = IF((VALUES("a"), VALUES("b")) > ("a","b"), VALUES("b"), "b"), "a" = IF((VALUES("a"), VALUES("b")) > ("a","b"), VALUES("a"), "a")"#,
        );
    }
}
