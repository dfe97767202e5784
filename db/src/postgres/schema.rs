//! MLflow's schema on PostgreSQL: created in an empty database, checked in another.

use super::Session;
use crate::{
    Result,
    schema::{FIRST_ROWS, REVISION, Revision, check},
    server::{Access, Session as _},
};

/// The tables, indexes and triggers that MLflow 3.17.2 creates; see `scripts/schema.py`.
const TABLES: &str = include_str!("../../schema/postgresql.sql");

/// The lock that servers which start at once take in turn; any number that nobody else uses.
const LOCK: i64 = 0x7469_6465_6761_7465;

/// Creates all tables in an empty database; refuses one of another revision.
pub(super) async fn create_or_check(session: &mut Session, uri: &str) -> Result<()> {
    if let found @ (Revision::Named(_) | Revision::Unnamed) = revision(session).await? {
        return check(&found, uri);
    }
    session.begin(Access::Write);
    let outcome = create(session, uri).await;
    session.end(outcome.is_ok()).await?;
    outcome
}

/// What the database says of itself, and the names of its tables.
pub(super) async fn inspect(session: &mut Session) -> Result<(Revision, Vec<String>)> {
    let mut tables = Vec::new();
    let sql = "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename";
    session.for_each(sql, &[], |(name,): (String,)| tables.push(name)).await?;
    Ok((revision(session).await?, tables))
}

async fn revision(session: &mut Session) -> Result<Revision> {
    let tables = "SELECT COUNT(*), COUNT(*) FILTER (WHERE tablename = 'alembic_version') FROM pg_tables \
                  WHERE schemaname = current_schema()";
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

async fn create(session: &mut Session, uri: &str) -> Result<()> {
    session.first::<(bool,)>("SELECT pg_advisory_xact_lock(?) IS NULL", &[LOCK.into()]).await?;
    // Another server may have been faster.
    if let found @ (Revision::Named(_) | Revision::Unnamed) = revision(session).await? {
        return check(&found, uri);
    }
    session.batch(TABLES).await?;
    session.execute(FIRST_ROWS, &[]).await?;
    session.execute("INSERT INTO alembic_version (version_num) VALUES (?)", &[REVISION.into()]).await?;
    Ok(())
}

impl Session {
    async fn batch(&mut self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(|error| self.failed(error))
    }
}
