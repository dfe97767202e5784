//! MLflow's schema: created where there is none, checked where there is one.

use crate::{Error, Result, Tx};

/// The alembic revision of MLflow 3.17.2, the one that Tidegate reads and writes.
pub const REVISION: &str = "dc11669786a5";

/// The tables, indexes and triggers that MLflow 3.17.2 creates; see `scripts/schema.py`.
const SQLITE: &str = include_str!("../schema/sqlite.sql");

/// Rows that MLflow's own migrations leave behind in a new database.
const FIRST_ROWS: &str = "INSERT INTO workspaces (name, description) \
    VALUES ('default', 'Default workspace for legacy resources')";

/// Creates all tables in an empty database; refuses one of another revision.
pub(crate) fn create_or_check(tx: &mut Tx, uri: &str) -> Result<()> {
    tx.run("BEGIN IMMEDIATE", &[])?;
    let outcome = match revision(tx) {
        Ok(Revision::Empty) => create(tx),
        Ok(found) => check(&found, uri),
        Err(error) => Err(error),
    };
    tx.run(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" }, &[])?;
    outcome
}

enum Revision {
    /// No table at all.
    Empty,
    /// Tables, but none that says of which revision.
    Unnamed,
    Named(String),
}

fn revision(tx: &mut Tx) -> Result<Revision> {
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let tables: Vec<(String,)> = tx.rows(tables, &[])?;
    if tables.is_empty() {
        return Ok(Revision::Empty);
    }
    if !tables.iter().any(|(name,)| name == "alembic_version") {
        return Ok(Revision::Unnamed);
    }
    let found: Vec<(String,)> = tx.rows("SELECT version_num FROM alembic_version", &[])?;
    Ok(found.into_iter().next().map_or(Revision::Unnamed, |(name,)| Revision::Named(name)))
}

fn create(tx: &mut Tx) -> Result<()> {
    tx.connection.execute_batch(SQLITE)?;
    tx.run(FIRST_ROWS, &[])?;
    tx.run("INSERT INTO alembic_version (version_num) VALUES (?)", &[REVISION.into()])?;
    Ok(())
}

fn check(found: &Revision, uri: &str) -> Result<()> {
    match found {
        Revision::Named(name) if name == REVISION => Ok(()),
        Revision::Named(name) => Err(Error::Schema(format!(
            "the database {uri} has schema revision {name}, Tidegate needs {REVISION} (MLflow 3.17.2): back it up and run \
             `mlflow db upgrade {uri}` with mlflow 3.17.2; if a newer MLflow wrote it, use a newer Tidegate"
        ))),
        Revision::Empty | Revision::Unnamed => Err(Error::Schema(format!(
            "the database {uri} holds tables but is no MLflow database (no row in alembic_version); name another file"
        ))),
    }
}
