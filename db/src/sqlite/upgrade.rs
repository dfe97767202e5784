//! Rebuilds an older SQLite database in today's schema, in one transaction.
//!
//! MLflow changes tables step by step; here all of them are made anew, and the rows are copied column by column. What a
//! step computed from rows is either done here, or the database is refused before anything is changed.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{
    connection::{self, Access},
    schema::{revision, tables},
};
use crate::{
    Error, Result,
    schema::{FIRST_ROWS, REVISION, Revision, TABLES, not_upgradable},
};

/// The revisions that can be brought over, from MLflow 2.4 on, oldest first.
const REVISIONS: [&str; 46] = [
    "7f2a7d5fae7d",
    "2d6e25af4d3e",
    "acf3f17fdcc7",
    "867495a8f9d4",
    "5b0e9adcef9c",
    "4465047574b1",
    "f5a4f2784254",
    "0584bdc529eb",
    "400f98739977",
    "6953534de441",
    "bda7b8c39065",
    "cbc13b556ace",
    "770bee3ae1dd",
    "a1b2c3d4e5f6",
    "de4033877273",
    "1a0cddfcaa16",
    "534353b11cbc",
    "71994744cf8e",
    "3da73c924c2f",
    "bf29a5ff90ea",
    "1bd49d398cd23",
    "b7c8d9e0f1a2",
    "5d2d30f0abce",
    "c9d4e5f6a7b8",
    "2c33131f4dae",
    "d3e4f5a6b7c8",
    "d0e1f2a3b4c5",
    "c8d9e0f1a2b3",
    "1b5f0d9ad7c1",
    "e1f2a3b4c5d6",
    "76601a5f987d",
    "c3d6457b6d8a",
    "a5b4c3d2e1f0",
    "ae8bbe7743c9",
    "7d34483879f0",
    "da6fb0208061",
    "89d3d66ed43f",
    "b7e4c1a90f23",
    "a8b9c0d1e2f3",
    "c1d2e3f4a5b6",
    "c3d9e7f1a2b4",
    "6f8d9c3b2a1e",
    "1971f2d9a75b",
    "17e22815139b",
    "b7e2c1a4d9f3",
    TRACE_ANALYTICS,
];

/// The revision whose step computes figures from traces, spans and assessments.
const TRACE_ANALYTICS: &str = "75868b020152";

/// Tables with rows that this step reads.
const TRACES: [&str; 3] = ["trace_info", "spans", "assessments"];

/// Columns that have another name now.
const RENAMED: [(&str, &str, &str); 1] = [("jobs", "function_fullname", "job_name")];

/// Before the name of a table that still holds its old rows.
const OLD: &str = "tidegate_old_";

/// What a file holds, read without changing it.
pub(crate) fn inspect(file: &Path, uri: &str) -> Result<(Revision, Vec<String>)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(|error| Error::open(uri, error))?;
    let opened = || Ok::<_, Error>((revision(&connection)?, tables(&connection)?));
    opened().map_err(|error| Error::open(uri, error))
}

/// Brings an older file to today's schema, whole or not at all.
pub(crate) fn upgrade(file: &Path, uri: &str) -> Result<()> {
    let connection = connection::open(file, Access::Write).map_err(|error| Error::open(uri, error))?;
    // Old tables are renamed out of the way; what refers to them must go on naming the new ones.
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "legacy_alter_table", true)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let outcome = rebuild(&connection, uri);
    connection.execute_batch(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    outcome
}

fn rebuild(connection: &Connection, uri: &str) -> Result<()> {
    let from = match revision(connection)? {
        // Another process was faster.
        Revision::Named(name) if name == REVISION => return Ok(()),
        Revision::Named(name) => name,
        found @ (Revision::Empty | Revision::Unnamed) => return crate::schema::check(&found, uri),
    };
    let refused = |why: &str| not_upgradable(uri, &from, why);
    let Some(place) = REVISIONS.iter().position(|it| *it == from) else {
        return Err(refused("this is no revision that Tidegate knows how to upgrade"));
    };
    let old = tables(connection)?;
    if place < REVISIONS.len() - 1 {
        for table in TRACES.iter().filter(|it| old.iter().any(|old| old == *it)) {
            if has_rows(connection, table)? {
                return Err(refused("it holds traces, of which MLflow computes figures that Tidegate does not"));
            }
        }
    }
    set_aside(connection, &old)?;
    connection.execute_batch(TABLES)?;
    let new = tables(connection)?;
    for table in &old {
        if new.contains(table) {
            copy(connection, table).map_err(|why| refused(&why))?;
        } else if has_rows(connection, &format!("{OLD}{table}"))? {
            return Err(refused(&format!("the table {table} is none of MLflow's")));
        }
    }
    for table in &old {
        connection.execute_batch(&format!("DROP TABLE \"{OLD}{table}\""))?;
    }
    if !old.iter().any(|it| it == "workspaces") {
        connection.execute_batch(FIRST_ROWS)?;
    }
    // Jobs have other columns by which they are resumed, so that MLflow cancels those which wait or run.
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    connection.execute("UPDATE jobs SET status = 5, last_update_time = ? WHERE status IN (0, 1)", [now_ms])?;
    connection.execute("UPDATE alembic_version SET version_num = ?", [REVISION])?;
    Ok(())
}

/// Renames the old tables, and drops the indexes and triggers whose names the new ones will have.
fn set_aside(connection: &Connection, old: &[String]) -> Result<()> {
    let mut statement = connection.prepare(
        "SELECT type, name FROM sqlite_master WHERE type IN ('index', 'trigger', 'view') AND sql IS NOT NULL",
    )?;
    let things: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (kind, name) in things {
        connection.execute_batch(&format!("DROP {kind} {}", quoted(&name)))?;
    }
    for table in old {
        let (from, to) = (quoted(table), quoted(&format!("{OLD}{table}")));
        connection.execute_batch(&format!("ALTER TABLE {from} RENAME TO {to}"))?;
    }
    Ok(())
}

/// Copies a table's rows column by column; a column that is not there any more, but holds something, is refused.
fn copy(connection: &Connection, table: &str) -> Result<(), String> {
    let told = |error: rusqlite::Error| format!("the rows of {table} do not fit: {error}");
    let aside = format!("{OLD}{table}");
    let new = columns(connection, table).map_err(told)?;
    let mut from = Vec::new();
    let mut to = Vec::new();
    for column in columns(connection, &aside).map_err(told)? {
        let renamed = RENAMED.iter().find(|(of, old, _)| *of == table && *old == column).map(|(_, _, now)| *now);
        let name = renamed.unwrap_or(&column);
        if new.iter().any(|it| it == name) {
            to.push(quoted(name));
            from.push(quoted(&column));
            continue;
        }
        let held = format!("SELECT 1 FROM {} WHERE {} IS NOT NULL LIMIT 1", quoted(&aside), quoted(&column));
        let held: Option<i64> = connection.query_row(&held, [], |row| row.get(0)).optional().map_err(told)?;
        if held.is_some() {
            return Err(format!("the column {column} of {table} has no place any more"));
        }
    }
    let (to, from) = (to.join(", "), from.join(", "));
    let sql = format!("INSERT INTO {} ({to}) SELECT {from} FROM {}", quoted(table), quoted(&aside));
    connection.execute(&sql, []).map_err(told)?;
    Ok(())
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?)")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

fn has_rows(connection: &Connection, table: &str) -> Result<bool> {
    let found: Option<i64> =
        connection.query_row(&format!("SELECT 1 FROM {} LIMIT 1", quoted(table)), [], |row| row.get(0)).optional()?;
    Ok(found.is_some())
}

/// A name as SQL writes it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
