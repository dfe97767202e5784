//! The one place that knows which database we talk to.
//!
//! SQL is written once, portable, with `?` placeholders and names in double quotes where they need quotes; the few
//! places that must differ ask for the [`Dialect`]. Reads see one moment of the database. On SQLite they run on several
//! connections, and writes go through one writer that commits concurrent requests as a group, so that they share the
//! wait for the disk, while each stays all or nothing and is answered only after its commit is on disk.
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

mod database;
mod dialect;
mod error;
mod insert;
mod mysql;
mod postgres;
mod reader;
mod record;
mod row;
mod schema;
mod server;
mod sqlite;
mod tx;
mod upgrade;
mod uri;
mod value;

pub use database::Db;
pub use dialect::Dialect;
pub use error::Error;
pub use insert::OnConflict;
pub use reader::Reader;
pub use record::Record;
pub use row::{Cell, Column, Place, Row};
pub use schema::REVISION;
pub use tx::Tx;
pub use upgrade::{Inspection, Upgraded, inspect, upgrade};
pub use value::Value;

/// What calls into the database give.
pub type Result<T, E = Error> = std::result::Result<T, E>;
