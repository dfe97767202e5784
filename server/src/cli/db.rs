//! `tidegate db`: looks at a database's schema, and brings an older one up to date.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use db::{Inspection, REVISION, Upgraded};
use serde_json::json;

use super::{
    REFUSED,
    output::{print, table},
};
use crate::config::ServerConfig;

/// Tables whose rows are counted: what people ask for.
const COUNTED: [&str; 14] = [
    "experiments",
    "runs",
    "metrics",
    "latest_metrics",
    "params",
    "tags",
    "datasets",
    "logged_models",
    "registered_models",
    "model_versions",
    "trace_info",
    "spans",
    "assessments",
    "jobs",
];

/// Look at a database's schema, and bring an older one up to date.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate db check sqlite:///mlflow.db\n  \
                  tidegate db upgrade postgresql://user:password@localhost/mlflow")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say which schema a database has and what is in it; exit code 1 where Tidegate cannot open it as it is.
    Check {
        /// The database: `sqlite:///mlflow.db`, `postgresql://…`, `mysql+pymysql://…`; by default ./mlflow.db.
        #[arg(value_name = "URI", env = "MLFLOW_BACKEND_STORE_URI", hide_env_values = true)]
        uri: Option<String>,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Create the tables in an empty database; bring an older SQLite database to the schema of MLflow 3.17.2.
    ///
    /// The upgrade is one transaction: it happens as a whole, or not at all. Back the database up all the same, and stop
    /// the servers that use it. What only MLflow itself can upgrade is refused with the command that does it.
    Upgrade {
        /// The database: `sqlite:///mlflow.db`, `postgresql://…`, `mysql+pymysql://…`; by default ./mlflow.db.
        #[arg(value_name = "URI", env = "MLFLOW_BACKEND_STORE_URI", hide_env_values = true)]
        uri: Option<String>,
    },
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let default = ServerConfig::default().backend_store_uri;
    match args.command {
        Command::Check { uri, json } => check(&uri.unwrap_or(default), json).await,
        Command::Upgrade { uri } => {
            let words = match db::upgrade(&uri.unwrap_or(default)).await? {
                Upgraded::Created => format!("The tables were created (revision {REVISION}, MLflow 3.17.2)."),
                Upgraded::NothingToDo => format!("The database is at revision {REVISION}; there is nothing to do."),
                Upgraded::From(from) => {
                    format!("The database was upgraded from revision {from} to {REVISION} (MLflow 3.17.2).")
                }
            };
            print(&words)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn check(uri: &str, json: bool) -> anyhow::Result<ExitCode> {
    let found = db::inspect(uri).await?;
    let counts = if found.is_current() { count(uri).await? } else { Vec::new() };
    print(&if json { as_json(&found, &counts) } else { as_text(&found, &counts) })?;
    Ok(if found.is_current() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

async fn count(uri: &str) -> anyhow::Result<Vec<(&'static str, i64)>> {
    let database = db::Db::open(uri).await?;
    let mut counts = Vec::new();
    for name in COUNTED {
        let (rows,): (i64,) = database
            .fetch_one(format!("SELECT COUNT(*) FROM {name}"), Vec::new())
            .await
            .with_context(|| format!("cannot count the rows of {name}"))?;
        counts.push((name, rows));
    }
    Ok(counts)
}

fn as_json(found: &Inspection, counts: &[(&str, i64)]) -> String {
    let rows: serde_json::Map<String, serde_json::Value> =
        counts.iter().map(|(name, rows)| ((*name).to_owned(), (*rows).into())).collect();
    let report = json!({
        "database": found.uri,
        "dialect": format!("{:?}", found.dialect).to_lowercase(),
        "revision": found.revision,
        "needed_revision": REVISION,
        "is_current": found.is_current(),
        "missing_tables": found.missing_tables(),
        "rows": rows,
    });
    format!("{report:#}")
}

fn as_text(found: &Inspection, counts: &[(&str, i64)]) -> String {
    let uri = &found.uri;
    let missing = found.missing_tables();
    match &found.revision {
        None if found.tables.is_empty() => {
            format!("{uri} is empty; `tidegate db upgrade` or the first start of `tidegate server` creates the tables.")
        }
        None => {
            format!("{uri} holds {} tables but is no MLflow database (no row in alembic_version).", found.tables.len())
        }
        Some(revision) if revision != REVISION => format!(
            "{uri} has schema revision {revision}; Tidegate needs {REVISION} (MLflow 3.17.2). Back it up and run `tidegate \
             db upgrade {uri}`."
        ),
        Some(_) if !missing.is_empty() => format!(
            "{uri} says that it has schema revision {REVISION}, but lacks the tables {}. Restore it from a backup.",
            missing.join(", ")
        ),
        Some(_) => {
            let mut shown = table(["table", "rows"]);
            for (name, rows) in counts {
                shown.add_row([(*name).to_owned(), rows.to_string()]);
            }
            format!(
                "{shown}\n{uri} has schema revision {REVISION} (MLflow 3.17.2), all {} tables: in order.",
                found.tables.len()
            )
        }
    }
}
