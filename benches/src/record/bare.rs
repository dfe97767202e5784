//! Bare prepared inserts: what the drivers alone write to MLflow's tables, as the measure of what `log-batch` reaches.
//!
//! Each connection writes transactions of one hundred metrics to a run of its own, one prepared statement a row.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mysql_async::prelude::Queryable;

use super::database::{Database, Store, blocking, postgres};
use crate::client::count;

/// Metrics in a transaction.
pub(super) const ROWS: usize = 100;

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(4);
/// How long a writer waits for SQLite's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

const METRIC: &str =
    "INSERT INTO metrics (\"key\", value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)";
const LATEST: &str =
    "INSERT INTO latest_metrics (\"key\", value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)";
const NEWER: &str = "ON CONFLICT (\"key\", run_uuid) DO UPDATE SET value = excluded.value, \
                     timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan";
const NEWER_MYSQL: &str = "ON DUPLICATE KEY UPDATE value = VALUES(value), timestamp = VALUES(timestamp), \
                           step = VALUES(step), is_nan = VALUES(is_nan)";

/// Which tables a transaction writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tables {
    /// `metrics`.
    One,
    /// `metrics`, and the latest value of each in `latest_metrics`, as MLflow's schema needs it.
    Both,
}

/// Rows a second into `metrics` from one connection for each run.
pub(super) fn rows_per_second(store: &Store, runs: &[String], tables: Tables, first_step: i64) -> Result<f64> {
    let clock = Clock::start();
    let counts: Vec<Result<usize>> = if store.database == Database::Sqlite {
        let file = PathBuf::from(store.uri.trim_start_matches("sqlite:///"));
        let file = PathBuf::from("/").join(file);
        std::thread::scope(|scope| {
            let writers: Vec<_> =
                runs.iter().map(|run| scope.spawn(|| sqlite(&file, run, tables, first_step, clock))).collect();
            writers.into_iter().map(|it| it.join().expect("writers do not panic")).collect()
        })
    } else {
        let uri = store.plain_uri();
        blocking(async {
            let is_postgres = store.database == Database::Postgres;
            let writers = runs.iter().map(|run| {
                let uri = &uri;
                async move {
                    if is_postgres {
                        on_postgres(uri, run, tables, first_step, clock).await
                    } else {
                        on_mysql(uri, run, tables, first_step, clock).await
                    }
                }
            });
            Ok(futures::future::join_all(writers).await)
        })?
    };
    let batches: usize = counts.into_iter().sum::<Result<usize>>()?;
    Ok(count(batches * ROWS) / MEASURED.as_secs_f64())
}

/// When counting begins and ends.
#[derive(Clone, Copy)]
struct Clock {
    begins: Instant,
    ends: Instant,
}

impl Clock {
    fn start() -> Self {
        let begins = Instant::now() + WARM_UP;
        Self { begins, ends: begins + MEASURED }
    }

    /// One for a transaction that ended while counting, or nothing when the time is over.
    fn counted(self) -> Option<usize> {
        let now = Instant::now();
        (now < self.ends).then_some(usize::from(now >= self.begins))
    }
}

fn sqlite(file: &PathBuf, run: &str, tables: Tables, first_step: i64, clock: Clock) -> Result<usize> {
    let connection = rusqlite::Connection::open(file)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let mut metric = connection.prepare(METRIC)?;
    let mut latest = connection.prepare(&format!("{LATEST} {NEWER}"))?;
    let keys = keys();
    let mut batches = 0;
    for step in first_step.. {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for key in &keys {
            metric.execute((key, 0.5, step, step, false, run))?;
        }
        if tables == Tables::Both {
            for key in &keys {
                latest.execute((key, 0.5, step, step, false, run))?;
            }
        }
        connection.execute_batch("COMMIT")?;
        let Some(counted) = clock.counted() else { break };
        batches += counted;
    }
    Ok(batches)
}

async fn on_postgres(uri: &str, run: &str, tables: Tables, first_step: i64, clock: Clock) -> Result<usize> {
    let mut client = postgres(uri).await?;
    let metric = client.prepare(&numbered(METRIC)).await?;
    let latest = client.prepare(&numbered(&format!("{LATEST} {NEWER}"))).await?;
    let keys = keys();
    let mut batches = 0;
    for step in first_step.. {
        let transaction = client.transaction().await?;
        for key in &keys {
            transaction.execute(&metric, &[key, &0.5, &step, &step, &false, &run]).await?;
        }
        if tables == Tables::Both {
            for key in &keys {
                transaction.execute(&latest, &[key, &0.5, &step, &step, &false, &run]).await?;
            }
        }
        transaction.commit().await?;
        let Some(counted) = clock.counted() else { break };
        batches += counted;
    }
    Ok(batches)
}

async fn on_mysql(uri: &str, run: &str, tables: Tables, first_step: i64, clock: Clock) -> Result<usize> {
    let mut connection = mysql_async::Conn::from_url(uri).await.context("connecting to MariaDB")?;
    let metric = connection.prep(METRIC.replace('"', "`")).await?;
    let latest = connection.prep(format!("{LATEST} {NEWER_MYSQL}").replace('"', "`")).await?;
    let keys = keys();
    let mut batches = 0;
    for step in first_step.. {
        connection.query_drop("BEGIN").await?;
        for key in &keys {
            connection.exec_drop(&metric, (key, 0.5, step, step, false, run)).await?;
        }
        if tables == Tables::Both {
            for key in &keys {
                connection.exec_drop(&latest, (key, 0.5, step, step, false, run)).await?;
            }
        }
        connection.query_drop("COMMIT").await?;
        let Some(counted) = clock.counted() else { break };
        batches += counted;
    }
    connection.disconnect().await?;
    Ok(batches)
}

fn keys() -> Vec<String> {
    (0..ROWS).map(|it| format!("bare_{it}")).collect()
}

/// `?, ?` as PostgreSQL's `$1, $2`.
fn numbered(sql: &str) -> String {
    let mut pieces = sql.split('?');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.zip(1..).fold(first, |sql, (piece, number)| format!("{sql}${number}{piece}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_numbered() {
        assert_eq!(numbered("VALUES (?, ?) x"), "VALUES ($1, $2) x");
    }
}
