//! MLflow's schema: which revision a database must have, and what is said of another one.

use crate::{Error, Result};

/// The alembic revision of MLflow 3.17.2, the one that Tidegate reads and writes.
pub const REVISION: &str = "dc11669786a5";

/// The tables, indexes and triggers that MLflow 3.17.2 creates on SQLite; see `scripts/schema.py`. The names of the tables
/// are those of the other databases, too.
pub(crate) const TABLES: &str = include_str!("../schema/sqlite.sql");

/// Rows that MLflow's own migrations leave behind in a new database.
pub(crate) const FIRST_ROWS: &str = "INSERT INTO workspaces (name, description) \
    VALUES ('default', 'Default workspace for legacy resources')";

/// What a database holds.
pub(crate) enum Revision {
    /// No table at all.
    Empty,
    /// Tables, but none that says of which revision.
    Unnamed,
    /// The tables of a revision.
    Named(String),
}

/// Refuses a database that holds another revision than ours; `uri` carries no password.
pub(crate) fn check(found: &Revision, uri: &str) -> Result<()> {
    match found {
        Revision::Named(name) if name == REVISION => Ok(()),
        Revision::Named(name) => Err(Error::Schema(format!(
            "the database {uri} has schema revision {name}, Tidegate needs {REVISION} (MLflow 3.17.2): back it up and run \
             `tidegate db upgrade {uri}`, or `mlflow db upgrade {uri}` with mlflow 3.17.2; if a newer MLflow wrote it, use a \
             newer Tidegate"
        ))),
        Revision::Empty | Revision::Unnamed => Err(Error::Schema(format!(
            "the database {uri} holds tables but is no MLflow database (no row in alembic_version); name another one"
        ))),
    }
}

/// The refusal of an upgrade that MLflow can do.
pub(crate) fn not_upgradable(uri: &str, revision: &str, why: &str) -> Error {
    Error::Schema(format!(
        "the database {uri} with schema revision {revision} was left as it is: {why}. Back it up and run `pip install \
         mlflow==3.17.2 && mlflow db upgrade {uri}`; if a newer MLflow wrote it, use a newer Tidegate"
    ))
}
