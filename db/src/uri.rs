//! Addresses of databases, as MLflow and SQLAlchemy write them.

use std::path::PathBuf;

use crate::Error;

/// The SQLite file that an address names: `sqlite:///relative.db`, `sqlite:////absolute.db`.
pub(crate) fn sqlite_file(uri: &str) -> Result<PathBuf, Error> {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return Err(Error::Uri(format!(
            "`{uri}` is no database address; write sqlite:///path/to/file.db (three slashes for a relative path, four for an absolute one)"
        )));
    };
    let (dialect, driver) = scheme.split_once('+').unwrap_or((scheme, ""));
    match dialect {
        "sqlite" if driver.is_empty() || driver == "pysqlite" => {}
        "postgresql" | "postgres" | "mysql" | "mariadb" | "mssql" | "sqlite" => {
            return Err(Error::Uri(format!(
                "the database `{scheme}` is not supported: Tidegate opens SQLite files; write sqlite:///path/to/file.db"
            )));
        }
        _ => {
            return Err(Error::Uri(format!(
                "`{scheme}` names no database that Tidegate knows; write sqlite:///path/to/file.db"
            )));
        }
    }
    let path = rest.strip_prefix('/').filter(|it| !it.is_empty()).ok_or_else(|| {
        Error::Uri(format!("`{uri}` names no file; write sqlite:///path/to/file.db with three slashes"))
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
        let check = |uri: &str, expect: Result<&str, &str>| match (sqlite_file(uri), expect) {
            (Ok(path), Ok(expect)) => assert_eq!(path, PathBuf::from(expect), "{uri}"),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{uri}: {error}"),
            (got, _) => panic!("{uri}: {got:?}"),
        };
        check("sqlite:///mlflow.db", Ok("mlflow.db"));
        check("sqlite:////var/lib/mlflow.db", Ok("/var/lib/mlflow.db"));
        check("sqlite+pysqlite:///x.db?timeout=5", Ok("x.db"));
        check("sqlite:///", Err("names no file"));
        check("sqlite://x.db", Err("names no file"));
        check("sqlite:///:memory:", Err("forgets everything"));
        check("postgresql://u:secret@host/db", Err("`postgresql` is not supported"));
        check("./mlruns", Err("`./mlruns` is no database address"));
        check("redis://x", Err("`redis` names no database"));
    }
}
