//! MLflow's schema on MySQL: created in an empty database, checked in another.

use mysql_async::prelude::Queryable;

use super::Session;
use crate::{
    Error, Result,
    schema::{FIRST_ROWS, REVISION, Revision, check},
};

/// The tables, indexes and triggers that MLflow 3.17.2 creates; see `scripts/schema.py`.
const TABLES: &str = include_str!("../../schema/mysql.sql");

/// How long one of several servers that start at once waits for the one that creates the tables.
const LOCK_WAIT_S: i64 = 120;

/// Creates all tables in an empty database; refuses one of another revision.
pub(super) async fn create_or_check(session: &mut Session, uri: &str) -> Result<()> {
    if let found @ Revision::Named(_) = revision(session).await? {
        return check(&found, uri);
    }
    // Tables cannot be created in a transaction here, so that another server may be half through.
    let lock = "SELECT GET_LOCK(CONCAT('tidegate:', DATABASE()), ?)";
    if session.first::<(Option<i64>,)>(lock, &[LOCK_WAIT_S.into()]).await? != Some((Some(1),)) {
        return Err(Error::Busy);
    }
    let outcome = match revision(session).await {
        Ok(Revision::Empty) => create(session).await,
        Ok(found) => check(&found, uri),
        Err(error) => Err(error),
    };
    session.first::<(Option<i64>,)>("SELECT RELEASE_LOCK(CONCAT('tidegate:', DATABASE()))", &[]).await?;
    outcome
}

/// What the database says of itself, and the names of its tables.
pub(super) async fn inspect(session: &mut Session) -> Result<(Revision, Vec<String>)> {
    let mut tables = Vec::new();
    let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name";
    session.for_each(sql, &[], |(name,): (String,)| tables.push(name)).await?;
    Ok((revision(session).await?, tables))
}

async fn revision(session: &mut Session) -> Result<Revision> {
    let tables = "SELECT COUNT(*), COALESCE(SUM(table_name = 'alembic_version'), 0) \
                  FROM information_schema.tables WHERE table_schema = DATABASE()";
    let (tables, named) = session.first::<(i64, i64)>(tables, &[]).await?.unwrap_or_default();
    if tables == 0 {
        return Ok(Revision::Empty);
    }
    if named == 0 {
        return Ok(Revision::Unnamed);
    }
    let found = session.first::<(String,)>("SELECT version_num FROM alembic_version", &[]).await?;
    Ok(found.map_or(Revision::Unnamed, |(name,)| Revision::Named(name)))
}

/// Creates the tables, and names the revision last: where this is cut off, the database is not taken for a whole one.
async fn create(session: &mut Session) -> Result<()> {
    session.text("SET FOREIGN_KEY_CHECKS = 0").await?;
    let outcome = create_tables(session).await;
    session.text("SET FOREIGN_KEY_CHECKS = 1").await?;
    outcome?;
    session.execute(FIRST_ROWS, &[]).await?;
    session.execute("INSERT INTO alembic_version (version_num) VALUES (?)", &[REVISION.into()]).await?;
    Ok(())
}

async fn create_tables(session: &mut Session) -> Result<()> {
    for statement in TABLES.split(";\n\n") {
        session.text(statement.trim_end().trim_end_matches(';')).await?;
    }
    Ok(())
}

impl Session {
    /// Runs a statement that cannot be prepared.
    async fn text(&mut self, sql: &str) -> Result<()> {
        self.ready().await?;
        let outcome = self.connection.query_drop(sql).await;
        self.done(outcome)
    }
}
