//! Answers in the server's database: they outlive the process, and all replicas on one database share them.
//!
//! Nobody waits for what is kept: one task writes, and what finds no room in its queue is not kept. A lookup that takes
//! too long is a miss. The oldest answers go when a namespace is full, since reading one writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use db::{Db, Dialect, OnConflict, Value};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Key, Store, Stored};
use crate::metering::unix_ns;

/// Answers that wait to be written: at a MiB each, what a moment without the database may cost in memory.
const WAITING_MAX: usize = 64;
/// Answers that are written together at most.
const TOGETHER_MAX: usize = 16;
/// A database that takes longer than this is slower than it is worth: the provider is asked.
const LOOKUP_TIME_MAX: Duration = Duration::from_millis(500);
/// A namespace is looked through for what is too old or too much after this part of its room has been written.
const SWEEP_PART: usize = 16;
/// Rows that one sweep looks at, oldest first.
const SWEEP_ROWS: usize = 1000;
/// Tries to make the table: replicas that start together may get in each other's way.
const TABLE_TRIES: u32 = 5;

const COLUMNS: [&str; 6] = ["namespace", "cache_key", "kept_at", "expires_at", "bytes", "answer"];

/// The database of a gateway, once it is there.
#[derive(Default)]
pub(crate) struct Database {
    opened: OnceLock<(Db, Sender<Put>)>,
}

/// An answer to be kept.
struct Put {
    namespace: String,
    bytes_max: usize,
    key: Key,
    ttl: Duration,
    stored: Arc<Stored>,
}

impl Database {
    /// Takes a database into use; what is asked before finds nothing. A second one is not taken.
    pub(crate) async fn open(&self, db: Db) -> db::Result<()> {
        let mut tries = 1;
        while let Err(error) = create_table(&db).await {
            if tries == TABLE_TRIES {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(100 << tries)).await;
            tries += 1;
        }
        let (sender, puts) = channel(WAITING_MAX);
        if self.opened.set((db.clone(), sender)).is_ok() {
            // It ends with the gateway, who holds the only sender.
            tokio::spawn(write(db, puts));
        }
        Ok(())
    }
}

/// One namespace in the database.
pub(super) struct InDatabase {
    pub(super) database: Arc<Database>,
    /// The hash of its name, which fits any collation.
    namespace: String,
    bytes_max: usize,
}

impl InDatabase {
    pub(super) fn new(database: Arc<Database>, namespace: &str, bytes_max: usize) -> Self {
        Self { database, namespace: hex(&Sha256::digest(namespace)), bytes_max }
    }
}

#[async_trait]
impl Store for InDatabase {
    async fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        let (db, _) = self.database.opened.get()?;
        let sql = "SELECT answer FROM tidegate_cache WHERE namespace = ? AND cache_key = ? AND expires_at > ?";
        let args = vec![self.namespace.clone().into(), hex(&key.0).into(), now_ms().into()];
        let found = tokio::time::timeout(LOOKUP_TIME_MAX, db.fetch_optional::<(String,)>(sql, args)).await;
        match found {
            Ok(Ok(found)) => Stored::from_json(&found?.0).map(Arc::new),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database was asked for a kept answer, and failed");
                None
            }
            Err(_) => {
                tracing::warn!(limit = ?LOOKUP_TIME_MAX, "the database was asked for a kept answer, and took too long");
                None
            }
        }
    }

    fn put(&self, key: Key, stored: Arc<Stored>, ttl: Duration) {
        let Some((_, sender)) = self.database.opened.get() else { return };
        let put = Put { namespace: self.namespace.clone(), bytes_max: self.bytes_max, key, ttl, stored };
        if sender.try_send(put).is_err() {
            tracing::debug!("the database is slower than the answers: one was not kept");
        }
    }
}

async fn create_table(db: &Db) -> db::Result<()> {
    let long = if db.dialect() == Dialect::MySql { "LONGTEXT" } else { "TEXT" };
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS tidegate_cache (namespace VARCHAR(64) NOT NULL, cache_key VARCHAR(64) NOT NULL, \
         kept_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, bytes BIGINT NOT NULL, answer {long} NOT NULL, \
         PRIMARY KEY (namespace, cache_key))"
    );
    db.write(|tx| Box::pin(async move { tx.execute(sql, vec![]).await.map(|_| ()) })).await
}

/// Writes what comes, as long as anybody may send.
async fn write(db: Db, mut puts: Receiver<Put>) {
    let mut together = Vec::with_capacity(TOGETHER_MAX);
    // Bytes that were written to a namespace since it was swept. A namespace that is new here has never been.
    let mut unswept: BTreeMap<String, usize> = BTreeMap::new();
    while puts.recv_many(&mut together, TOGETHER_MAX).await > 0 {
        let mut full = BTreeSet::new();
        let mut values: BTreeMap<(String, String), [Value; 6]> = BTreeMap::new();
        for Put { namespace, bytes_max, key, ttl, stored } in together.drain(..) {
            let Some(json) = stored.to_json() else { continue };
            let written = unswept.entry(namespace.clone()).or_insert(usize::MAX / 2);
            *written += json.len();
            if *written > bytes_max / SWEEP_PART {
                full.insert((namespace.clone(), bytes_max));
                *written = 0;
            }
            let (now, key) = (now_ms(), hex(&key.0));
            let until = now.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
            let bytes = i64::try_from(json.len()).unwrap_or(i64::MAX);
            let row =
                [namespace.clone().into(), key.clone().into(), now.into(), until.into(), bytes.into(), json.into()];
            // One key twice in one insert would be refused.
            values.insert((namespace, key), row);
        }
        let values: Vec<Value> = values.into_values().flatten().collect();
        let kept = db
            .write(|tx| {
                Box::pin(async move {
                    let update = OnConflict::Update { key: &COLUMNS[..2], columns: &COLUMNS[2..] };
                    tx.insert_rows("tidegate_cache", &COLUMNS, update, values).await
                })
            })
            .await;
        if let Err(error) = kept {
            tracing::warn!(%error, "answers could not be kept in the database");
        }
        for (namespace, bytes_max) in full {
            if let Err(error) = sweep(&db, namespace, bytes_max).await {
                tracing::warn!(%error, "the cache in the database could not be swept");
            }
        }
    }
}

/// Deletes what is too old, and the oldest of what is too much.
async fn sweep(db: &Db, namespace: String, bytes_max: usize) -> db::Result<()> {
    let bytes_max = i64::try_from(bytes_max).unwrap_or(i64::MAX);
    db.write(move |tx| {
        Box::pin(async move {
            let args = vec![namespace.clone().into(), now_ms().into()];
            tx.execute("DELETE FROM tidegate_cache WHERE namespace = ? AND expires_at <= ?", args).await?;
            loop {
                // Sums of some databases are no integers, so that each of them is made one.
                let sum = match tx.dialect() {
                    Dialect::MySql => "CAST(COALESCE(SUM(bytes), 0) AS SIGNED)",
                    Dialect::Sqlite | Dialect::Postgres => "CAST(COALESCE(SUM(bytes), 0) AS BIGINT)",
                };
                let sql = format!("SELECT {sum} FROM tidegate_cache WHERE namespace = ?");
                let held: Option<(i64,)> = tx.fetch_optional(sql, vec![namespace.clone().into()]).await?;
                let mut excess = held.map_or(0, |it| it.0) - bytes_max;
                if excess <= 0 {
                    return Ok(());
                }
                let sql = format!(
                    "SELECT cache_key, bytes FROM tidegate_cache WHERE namespace = ? ORDER BY kept_at LIMIT {SWEEP_ROWS}"
                );
                let oldest: Vec<(String, i64)> = tx.fetch_all(sql, vec![namespace.clone().into()]).await?;
                for (key, bytes) in oldest {
                    if excess <= 0 {
                        break;
                    }
                    let sql = "DELETE FROM tidegate_cache WHERE namespace = ? AND cache_key = ?";
                    tx.execute(sql, vec![namespace.clone().into(), key.into()]).await?;
                    excess -= bytes;
                }
            }
        })
    })
    .await
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, it| {
        let _ = write!(text, "{it:02x}");
        text
    })
}

fn now_ms() -> i64 {
    i64::try_from(unix_ns() / 1_000_000).unwrap_or(i64::MAX)
}
