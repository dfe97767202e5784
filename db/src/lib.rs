//! The one place that knows which database we talk to.
//!
//! SQL is written once, portable, with `?` placeholders. Reads run on several connections; writes go through one
//! writer that commits concurrent requests as a group, so that they share the wait for the disk, while each stays all
//! or nothing and is answered only after its commit is on disk.
//!
//! ```
//! # async fn example() -> Result<(), db::Error> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let uri = format!("sqlite:///{}/tidegate.db", folder.path().display());
//! let db = db::Db::open(&uri).await?;
//! db.write(|tx| Box::pin(async move {
//!     tx.execute("INSERT INTO experiments (name, lifecycle_stage) VALUES (?, ?)", vec!["wine".into(), "active".into()])
//!         .await
//! }))
//! .await?;
//! let names: Vec<(String,)> = db.fetch_all("SELECT name FROM experiments", vec![]).await?;
//! assert_eq!(names, [("wine".to_owned(),)]);
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```

mod connection;
mod database;
mod error;
mod readers;
mod record;
mod schema;
mod tx;
mod uri;
mod value;
mod writer;

pub use database::Db;
pub use error::Error;
pub use readers::Reader;
pub use record::Record;
/// A row as [`record!`] reads it.
pub use rusqlite::{Result as RowResult, Row};
pub use schema::REVISION;
pub use tx::Tx;
pub use value::Value;

/// What calls into the database give.
pub type Result<T, E = Error> = std::result::Result<T, E>;
