//! Tables of our own in the database, beside MLflow's: made when they are first needed, and all named `tidegate_…`, so
//! that MLflow and its migrations take no notice of them.

use std::time::Duration;

use db::{Db, Dialect};

/// Tries to make a table: replicas that start together may get in each other's way.
const TRIES: u32 = 5;

/// Whether there is a table of this name.
pub(crate) async fn exists(db: &Db, name: &str) -> db::Result<bool> {
    let sql = match db.dialect() {
        Dialect::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
        Dialect::Postgres => {
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = ?"
        }
        Dialect::MySql => {
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?"
        }
    };
    let (tables,): (i64,) = db.fetch_one(sql, vec![name.into()]).await?;
    Ok(tables > 0)
}

/// Makes a table by `CREATE TABLE IF NOT EXISTS …`.
pub(crate) async fn create(db: &Db, sql: &'static str) -> db::Result<()> {
    let mut tries = 1;
    loop {
        let made = db.write(move |tx| Box::pin(async move { tx.execute(sql, vec![]).await.map(|_| ()) })).await;
        match made {
            Err(_) if tries < TRIES => tokio::time::sleep(Duration::from_millis(100 << tries)).await,
            made => return made,
        }
        tries += 1;
    }
}
