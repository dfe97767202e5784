//! MLflow's schema in a SQLite file: created where there is none, checked where there is one.

use rusqlite::Connection;

use super::{all, execute, query};
use crate::{
    Result,
    schema::{FIRST_ROWS, REVISION, Revision, TABLES, check},
};

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

/// The names of the tables that there are.
pub(super) fn tables(connection: &Connection) -> Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let names: Vec<(String,)> = query(connection, sql, &[], all)?;
    Ok(names.into_iter().map(|(name,)| name).collect())
}

/// What the file says of itself.
pub(super) fn revision(connection: &Connection) -> Result<Revision> {
    let tables = tables(connection)?;
    if tables.is_empty() {
        return Ok(Revision::Empty);
    }
    if !tables.iter().any(|name| name == "alembic_version") {
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
