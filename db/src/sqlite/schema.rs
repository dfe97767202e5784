//! MLflow's schema in a SQLite file: created where there is none, checked where there is one.

use rusqlite::Connection;

use super::{all, execute, query};
use crate::{
    Result,
    schema::{FIRST_ROWS, REVISION, Revision, check},
};

/// The tables, indexes and triggers that MLflow 3.17.2 creates; see `scripts/schema.py`.
const TABLES: &str = include_str!("../../schema/sqlite.sql");

/// Creates all tables in an empty database; refuses one of another revision.
pub(crate) fn create_or_check(connection: &Connection, uri: &str) -> Result<()> {
    execute(connection, "BEGIN IMMEDIATE", &[])?;
    let outcome = match revision(connection) {
        Ok(Revision::Empty) => create(connection),
        Ok(found) => check(&found, uri),
        Err(error) => Err(error),
    };
    execute(connection, if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" }, &[])?;
    outcome
}

fn revision(connection: &Connection) -> Result<Revision> {
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let tables: Vec<(String,)> = query(connection, tables, &[], all)?;
    if tables.is_empty() {
        return Ok(Revision::Empty);
    }
    if !tables.iter().any(|(name,)| name == "alembic_version") {
        return Ok(Revision::Unnamed);
    }
    let found: Vec<(String,)> = query(connection, "SELECT version_num FROM alembic_version", &[], all)?;
    Ok(found.into_iter().next().map_or(Revision::Unnamed, |(name,)| Revision::Named(name)))
}

fn create(connection: &Connection) -> Result<()> {
    connection.execute_batch(TABLES)?;
    execute(connection, FIRST_ROWS, &[])?;
    execute(connection, "INSERT INTO alembic_version (version_num) VALUES (?)", &[REVISION.into()])?;
    Ok(())
}
