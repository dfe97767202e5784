//! What was spent of budgets, kept in the database, so that they outlive a restart without a Redis.
//!
//! Nobody waits for it: once a second what has changed is written as differences, so that several gateways on one
//! database add up. What a process that dies has spent in its last second is lost; what its calls under way had
//! reserved stays spent. A gateway reads the sums when it starts.

use db::{Db, OnConflict, Value};
use sha2::{Digest as _, Sha256};

use super::local::Spent;
use crate::tables;

const TABLE: &str = "tidegate_budgets";
const COLUMNS: [&str; 4] = ["budget", "count_name", "used", "ends_at"];

const CREATE: &str = "CREATE TABLE IF NOT EXISTS tidegate_budgets (budget VARCHAR(64) NOT NULL, count_name TEXT NOT NULL, \
    used BIGINT NOT NULL, ends_at BIGINT NOT NULL, PRIMARY KEY (budget))";

/// Counts that are written together at most.
pub(super) const TOGETHER_MAX: usize = 500;

/// Reads what was spent in windows that have not ended, and forgets the others.
pub(super) async fn read(db: &Db, now_unix_s: i64) -> db::Result<Vec<Spent>> {
    if !tables::exists(db, TABLE).await? {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT count_name, used, ends_at FROM {TABLE} WHERE ends_at > ?");
    let rows: Vec<(String, i64, i64)> = db.fetch_all(sql, vec![now_unix_s.into()]).await?;
    db.write(move |tx| {
        Box::pin(async move {
            tx.execute(format!("DELETE FROM {TABLE} WHERE ends_at <= ?"), vec![now_unix_s.into()]).await.map(|_| ())
        })
    })
    .await?;
    Ok(rows.into_iter().map(|(count, used, ends_unix_s)| Spent { count, used, ends_unix_s }).collect())
}

/// Adds differences to the sums, all of them or none.
pub(super) async fn add(db: &Db, mut spent: Vec<Spent>) -> db::Result<()> {
    tables::create(db, CREATE).await?;
    // Several gateways lock the rows in one order.
    spent.sort_by_cached_key(|it| name(&it.count));
    db.write(move |tx| {
        Box::pin(async move {
            for Spent { count, used, ends_unix_s } in spent {
                let name = name(&count);
                let sql = format!("UPDATE {TABLE} SET used = used + ? WHERE budget = ?");
                if tx.execute(sql, vec![used.into(), name.as_str().into()]).await? == 0 {
                    let row: Vec<Value> = vec![name.into(), count.into(), used.into(), ends_unix_s.into()];
                    tx.insert_rows(TABLE, &COLUMNS, OnConflict::Error, row).await?;
                }
            }
            Ok(())
        })
    })
    .await
}

/// A count's name as a key of any collation and length.
fn name(count: &str) -> String {
    format!("{:x}", Sha256::digest(count))
}
