//! What a database holds, and how an older one is brought to the schema of MLflow 3.17.2.

use std::path::Path;

use crate::{
    Db, Dialect, Error, Result, mysql, postgres,
    schema::{REVISION, Revision, TABLES, not_upgradable},
    sqlite,
    uri::{self, Address},
};

/// What a database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Its address, without a password.
    pub uri: String,
    /// Which kind of database it is.
    pub dialect: Dialect,
    /// The revision of its tables; none where no table says so.
    pub revision: Option<String>,
    /// Its tables.
    pub tables: Vec<String>,
}

impl Inspection {
    /// Tables of the schema that are not there.
    pub fn missing_tables(&self) -> Vec<&'static str> {
        table_names().filter(|name| !self.tables.iter().any(|it| it == name)).collect()
    }

    /// Whether Tidegate can open it as it is.
    pub fn is_current(&self) -> bool {
        self.revision.as_deref() == Some(REVISION) && self.missing_tables().is_empty()
    }
}

/// What an upgrade did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upgraded {
    /// The database was empty and has tables now.
    Created,
    /// The database was as it should be.
    NothingToDo,
    /// The database had an older revision.
    From(String),
}

/// Says what a database holds, without changing or creating anything.
pub async fn inspect(uri: &str) -> Result<Inspection> {
    let (shown, dialect, revision, tables) = match uri::parse(uri)? {
        Address::Sqlite(file) => {
            check_exists(&file, uri)?;
            let shown = uri.to_owned();
            let found = tokio::task::spawn_blocking(move || sqlite::inspect(&file, &shown)).await;
            let (revision, tables) = found.map_err(|_| Error::Abandoned)??;
            (uri.to_owned(), Dialect::Sqlite, revision, tables)
        }
        Address::Postgres(server) => {
            let (revision, tables) = Box::pin(postgres::inspect(&server)).await?;
            (server.shown, Dialect::Postgres, revision, tables)
        }
        Address::MySql(server) => {
            let (revision, tables) = Box::pin(mysql::inspect(&server)).await?;
            (server.shown, Dialect::MySql, revision, tables)
        }
    };
    let revision = match revision {
        Revision::Named(name) => Some(name),
        Revision::Empty | Revision::Unnamed => None,
    };
    Ok(Inspection { uri: shown, dialect, revision, tables })
}

/// Brings a database to the schema of MLflow 3.17.2: creates the tables where there are none, and rebuilds an older SQLite
/// database in one transaction.
///
/// An older database on a server, and what only MLflow can bring over, is refused with the command that does it.
pub async fn upgrade(uri: &str) -> Result<Upgraded> {
    let before = match uri::parse(uri)? {
        Address::Sqlite(file) if !file.exists() => None,
        _ => Some(inspect(uri).await?),
    };
    match before {
        Some(found) if found.is_current() => return Ok(Upgraded::NothingToDo),
        Some(Inspection { revision: Some(from), dialect, uri: shown, .. }) if from != REVISION => {
            let Address::Sqlite(file) = uri::parse(uri)? else {
                return Err(not_upgradable(&shown, &from, &format!("Tidegate upgrades SQLite alone, not {dialect:?}")));
            };
            let upgraded = tokio::task::spawn_blocking(move || sqlite::upgrade(&file, &shown)).await;
            upgraded.map_err(|_| Error::Abandoned)??;
            Db::open(uri).await?;
            return Ok(Upgraded::From(from));
        }
        // Empty, or not an MLflow database, which opening it says.
        _ => {}
    }
    Db::open(uri).await?;
    Ok(Upgraded::Created)
}

fn check_exists(file: &Path, uri: &str) -> Result<()> {
    if file.exists() {
        return Ok(());
    }
    Err(Error::Uri(format!(
        "there is no database {uri} (the file {}); create it with `tidegate db upgrade {uri}`",
        file.display()
    )))
}

/// The names of the schema's tables.
fn table_names() -> impl Iterator<Item = &'static str> {
    TABLES.lines().filter_map(|line| {
        let rest = line.strip_prefix("CREATE TABLE ")?;
        Some(rest.split([' ', '(']).next().unwrap_or_default().trim_matches('"'))
    })
}
