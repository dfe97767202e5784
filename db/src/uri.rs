//! Addresses of databases, as MLflow and SQLAlchemy write them.

mod server;

use std::path::PathBuf;

use crate::Error;

pub(crate) use server::ServerUri;

/// What an address names.
pub(crate) enum Address {
    Sqlite(PathBuf),
    Postgres(ServerUri),
    MySql(ServerUri),
}

/// What an address should look like.
const EXAMPLES: &str = "write sqlite:///path/to/file.db, postgresql://user:password@host/database or \
                        mysql://user:password@host/database";

/// Reads an address.
pub(crate) fn parse(uri: &str) -> Result<Address, Error> {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return Err(Error::Uri(format!(
            "`{uri}` is no database address; {EXAMPLES} (a file has three slashes for a relative path, four for an absolute one)"
        )));
    };
    let (dialect, driver) = scheme.split_once('+').unwrap_or((scheme, ""));
    match (dialect, driver) {
        ("sqlite", "" | "pysqlite") => sqlite_file(rest).map(Address::Sqlite),
        ("postgresql" | "postgres", "" | "psycopg" | "psycopg2" | "asyncpg" | "pg8000" | "psycopg2cffi") => {
            Ok(Address::Postgres(ServerUri::parse(dialect, rest)?))
        }
        ("mysql" | "mariadb", "" | "pymysql" | "mysqldb" | "mysqlconnector" | "mariadbconnector" | "aiomysql") => {
            Ok(Address::MySql(ServerUri::parse(dialect, rest)?))
        }
        ("mssql", _) => Err(Error::Uri(format!(
            "Tidegate does not speak to Microsoft SQL Server; use SQLite, PostgreSQL or MySQL: {EXAMPLES}"
        ))),
        ("sqlite" | "postgresql" | "postgres" | "mysql" | "mariadb", _) => Err(Error::Uri(format!(
            "`{scheme}` names a driver that Tidegate does not know; leave `+{driver}` out of the database address"
        ))),
        _ => Err(Error::Uri(format!("`{scheme}` names no database that Tidegate knows; {EXAMPLES}"))),
    }
}

/// The SQLite file that an address names: `sqlite:///relative.db`, `sqlite:////absolute.db`.
fn sqlite_file(rest: &str) -> Result<PathBuf, Error> {
    let path = rest.strip_prefix('/').filter(|it| !it.is_empty()).ok_or_else(|| {
        Error::Uri(format!("`sqlite://{rest}` names no file; write sqlite:///path/to/file.db with three slashes"))
    })?;
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    if path == ":memory:" {
        return Err(Error::Uri(
            "a database in memory forgets everything when the server stops; write sqlite:///path/to/file.db".to_owned(),
        ));
    }
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |uri: &str, expect: Result<&str, &str>| {
            let got = parse(uri).map(|it| match it {
                Address::Sqlite(path) => path.display().to_string(),
                Address::Postgres(uri) => format!("PostgreSQL at {}", uri.shown),
                Address::MySql(uri) => format!("MySQL at {}", uri.shown),
            });
            match (got, expect) {
                (Ok(got), Ok(expect)) => assert_eq!(got, expect, "{uri}"),
                (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{uri}: {error}"),
                (got, _) => panic!("{uri}: {got:?}"),
            }
        };
        check("sqlite:///mlflow.db", Ok("mlflow.db"));
        check("sqlite:////var/lib/mlflow.db", Ok("/var/lib/mlflow.db"));
        check("sqlite+pysqlite:///x.db?timeout=5", Ok("x.db"));
        check("sqlite:///", Err("names no file"));
        check("sqlite://x.db", Err("names no file"));
        check("sqlite:///:memory:", Err("forgets everything"));
        check("postgresql://u:secret@host/db", Ok("PostgreSQL at postgresql://u@host/db"));
        check("postgresql+psycopg2://host/db?sslmode=require", Ok("PostgreSQL at postgresql://host/db"));
        check("mysql+pymysql://u:secret@host:3307/db", Ok("MySQL at mysql://u@host:3307/db"));
        check("mariadb://host/db", Ok("MySQL at mariadb://host/db"));
        check("postgresql+x://host/db", Err("leave `+x` out"));
        check("mssql+pyodbc://u:p@host/db", Err("does not speak to Microsoft SQL Server"));
        check("./mlruns", Err("`./mlruns` is no database address"));
        check("redis://x", Err("`redis` names no database"));
    }
}
