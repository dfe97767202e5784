//! The table of keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use db::{Db, Dialect, OnConflict, Tx, Value};
use rest::Error;

use super::row::{COLUMNS, KeyRow, shown};
use crate::metering::unix_ns;
use crate::tables;

const TABLE: &str = "tidegate_keys";

const CREATE: &str = "CREATE TABLE IF NOT EXISTS tidegate_keys (name VARCHAR(200) NOT NULL, \
    key_hash VARCHAR(80) NOT NULL, replaced_hash VARCHAR(80), replaced_until BIGINT, hint VARCHAR(20) NOT NULL, \
    user_name VARCHAR(250), team VARCHAR(250), endpoints TEXT, limits TEXT, budgets TEXT, metadata TEXT, \
    expires_at BIGINT, is_disabled BIGINT NOT NULL, revoked_at BIGINT, created_at BIGINT NOT NULL, rotated_at BIGINT, \
    changed_at BIGINT NOT NULL, revision BIGINT NOT NULL, PRIMARY KEY (name))";

/// Keys at most, which all are held in memory.
const KEYS_MAX: i64 = 100_000;

/// What tells one state of the table from another: how many keys there are, and the sum of their revisions, of which
/// each is a number of chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(i64, i64);

/// The table, which is made with the first key.
#[derive(Clone)]
pub(super) struct Store {
    db: Db,
    is_there: Arc<AtomicBool>,
}

impl Store {
    pub(super) fn new(db: Db) -> Self {
        Self { db, is_there: Arc::default() }
    }

    async fn is_there(&self) -> db::Result<bool> {
        if !self.is_there.load(Ordering::Relaxed) && tables::exists(&self.db, TABLE).await? {
            self.is_there.store(true, Ordering::Relaxed);
        }
        Ok(self.is_there.load(Ordering::Relaxed))
    }

    pub(super) async fn stamp(&self) -> db::Result<Stamp> {
        if !self.is_there().await? {
            return Ok(Stamp(0, 0));
        }
        // Sums of some databases are no integers, so that each of them is made one.
        let integer = if self.db.dialect() == Dialect::MySql { "SIGNED" } else { "BIGINT" };
        let sql = format!("SELECT COUNT(*), CAST(COALESCE(SUM(revision), 0) AS {integer}) FROM {TABLE}");
        let (keys, revisions): (i64, i64) = self.db.fetch_one(sql, vec![]).await?;
        Ok(Stamp(keys, revisions))
    }

    pub(super) async fn all(&self) -> db::Result<Vec<KeyRow>> {
        if !self.is_there().await? {
            return Ok(Vec::new());
        }
        self.db.fetch_all(format!("SELECT {} FROM {TABLE}", COLUMNS.join(", ")), vec![]).await
    }

    /// Keys by name, from behind `after` on.
    pub(super) async fn page(&self, after: &str, most: i64) -> db::Result<Vec<KeyRow>> {
        if !self.is_there().await? {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT {} FROM {TABLE} WHERE name > ? ORDER BY name LIMIT ?", COLUMNS.join(", "));
        self.db.fetch_all(sql, vec![after.into(), most.into()]).await
    }

    pub(super) async fn one(&self, name: &str) -> Result<KeyRow, Error> {
        if !self.is_there().await? {
            return Err(unknown(name));
        }
        let sql = format!("SELECT {} FROM {TABLE} WHERE name = ?", COLUMNS.join(", "));
        let found: Option<KeyRow> = self.db.fetch_optional(sql, vec![name.into()]).await?;
        found.ok_or_else(|| unknown(name))
    }

    /// Adds a key, and gives it as it is kept.
    pub(super) async fn add(&self, mut row: KeyRow) -> Result<KeyRow, Error> {
        tables::create(&self.db, CREATE).await?;
        row.created_at = now_ms();
        let added = stamped(row);
        let row = added.clone();
        let done = self.db.write(move |tx| {
            Box::pin(async move {
                let (keys,): (i64,) = first(tx.fetch_all(format!("SELECT COUNT(*) FROM {TABLE}"), vec![]).await?)?;
                if keys >= KEYS_MAX {
                    return Err(Error::InvalidState(format!(
                        "there are {KEYS_MAX} keys, and no more are kept; delete those that were revoked or have expired"
                    )));
                }
                let name = row.name.clone();
                tx.insert_rows(TABLE, &COLUMNS, OnConflict::Error, values(row)).await.map_err(|error| {
                    Error::taken(error, || {
                        format!("there is a key named `{name}` already, or was one that is revoked; choose another name")
                    })
                })
            })
        });
        done.await?;
        Ok(added)
    }

    /// Changes a key, and gives it as it is kept then.
    pub(super) async fn change<F>(&self, name: &str, change: F) -> Result<KeyRow, Error>
    where
        F: FnOnce(&mut KeyRow) -> Result<(), Error> + Clone + Send + 'static,
    {
        if !self.is_there().await? {
            return Err(unknown(name));
        }
        let name = name.to_owned();
        let done = self.db.write(move |tx| {
            Box::pin(async move {
                let mut row = locked(tx, &name).await?;
                change(&mut row)?;
                let row = stamped(row);
                let update = OnConflict::Update { key: &COLUMNS[..1], columns: &COLUMNS[1..] };
                tx.insert_rows(TABLE, &COLUMNS, update, values(row.clone())).await?;
                Ok::<_, Error>(row)
            })
        });
        done.await
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), Error> {
        if !self.is_there().await? {
            return Err(unknown(name));
        }
        let name = name.to_owned();
        let done = self.db.write(move |tx| {
            Box::pin(async move {
                let sql = format!("DELETE FROM {TABLE} WHERE name = ?");
                match tx.execute(sql, vec![name.as_str().into()]).await? {
                    0 => Err(unknown(&name)),
                    _ => Ok(()),
                }
            })
        });
        done.await
    }
}

async fn locked(tx: &mut Tx, name: &str) -> Result<KeyRow, Error> {
    let sql = format!("SELECT {} FROM {TABLE} WHERE name = ?{}", COLUMNS.join(", "), tx.for_update());
    let found: Option<KeyRow> = tx.fetch_optional(sql, vec![name.into()]).await?;
    found.ok_or_else(|| unknown(name))
}

fn first<T>(rows: Vec<T>) -> Result<T, Error> {
    rows.into_iter().next().ok_or_else(|| Error::invalid("the database counted nothing"))
}

/// A row as it is about to be written.
fn stamped(row: KeyRow) -> KeyRow {
    KeyRow { changed_at: now_ms(), revision: i64::from(rand::random::<u32>() >> 1), ..row }
}

fn values(row: KeyRow) -> Vec<Value> {
    vec![
        row.name.into(),
        row.key_hash.into(),
        row.replaced_hash.into(),
        row.replaced_until.into(),
        row.hint.into(),
        row.user_name.into(),
        row.team.into(),
        row.endpoints.into(),
        row.limits.into(),
        row.budgets.into(),
        row.metadata.into(),
        row.expires_at.into(),
        row.is_disabled.into(),
        row.revoked_at.into(),
        row.created_at.into(),
        row.rotated_at.into(),
        row.changed_at.into(),
        row.revision.into(),
    ]
}

fn unknown(name: &str) -> Error {
    Error::NotFound(format!(
        "no key of the database is named `{}`; GET /api/3.0/tidegate/gateway/keys lists them",
        shown(name)
    ))
}

/// Milliseconds since the epoch.
pub(super) fn now_ms() -> i64 {
    i64::try_from(unix_ns() / 1_000_000).unwrap_or(i64::MAX)
}
