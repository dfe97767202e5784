//! `tidegate runs`: the runs of a server or a database.

mod describe;

use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::bail;
use clap::{ArgGroup, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{
    experiments,
    output::{JsonLines, duration, field, moment, print, table, whole},
    records::{Failure, Missing, Place, Records},
};

/// List, describe, create, delete and restore runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate runs list --experiment-id 1\n  \
                  tidegate runs list --experiment-id 1 --filter 'metrics.loss < 0.1' --order-by 'metrics.loss ASC'\n  \
                  tidegate runs describe --run-id 4f0e… --json\n  \
                  tidegate runs create --experiment-name tides --run-name by-hand -t team=sea\n\n\
                  Exit codes: 0 done, 1 refused (no such run, for example), 2 wrong usage or nothing reached.")]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the runs of an experiment, latest first.
    #[command(visible_alias = "search")]
    List {
        /// The experiment's id.
        #[arg(short = 'x', long, value_name = "ID")]
        experiment_id: String,
        #[command(flatten)]
        which: super::Which,
        /// Print JSON for programs: an array of runs as the REST API has them.
        #[arg(long)]
        json: bool,
    },
    /// Show all that is known of a run.
    Describe {
        /// Its id.
        #[arg(short = 'r', long, value_name = "ID")]
        run_id: String,
        /// Print JSON for programs: the run as the REST API has it.
        #[arg(long)]
        json: bool,
    },
    /// Create a run that ends at once, for what was measured elsewhere.
    #[command(group = ArgGroup::new("where").required(true))]
    Create {
        /// The experiment's id.
        #[arg(short = 'x', long, value_name = "ID", group = "where")]
        experiment_id: Option<String>,
        /// The experiment's name; it is created where there is none.
        #[arg(long, value_name = "NAME", group = "where")]
        experiment_name: Option<String>,
        /// The run's name; a random one by default.
        #[arg(long, value_name = "NAME")]
        run_name: Option<String>,
        /// Words about the run.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// A tag, as `key=value`; may be given several times.
        #[arg(short = 't', long = "tags", visible_alias = "tag", value_name = "KEY=VALUE", value_parser = super::key_value)]
        tags: Vec<(String, String)>,
        /// How it ended.
        #[arg(long, value_enum, default_value_t = Status::Finished, ignore_case = true)]
        status: Status,
        /// The run that this one belongs to.
        #[arg(long, value_name = "ID")]
        parent_run_id: Option<String>,
    },
    /// Move a run into the bin; `restore` takes it out, `tidegate gc` empties it.
    Delete {
        /// Its id.
        #[arg(short = 'r', long, value_name = "ID")]
        run_id: String,
    },
    /// Take a run out of the bin.
    Restore {
        /// Its id.
        #[arg(short = 'r', long, value_name = "ID")]
        run_id: String,
    },
    /// Link traces to a run.
    LinkTraces {
        /// The run's id.
        #[arg(short = 'r', long, value_name = "ID")]
        run_id: String,
        /// A trace's id; may be given up to 100 times.
        #[arg(short = 't', long = "trace-id", value_name = "ID", required = true)]
        trace_ids: Vec<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Status {
    Finished,
    Failed,
    Killed,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }
}

/// A run as the command line describes it.
struct NewRun {
    experiment_id: String,
    run_name: Option<String>,
    tags: Vec<(String, String)>,
    status: Status,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let missing = if matches!(args.command, Command::Create { .. }) { Missing::Create } else { Missing::Refuse };
    let records = Records::open(&args.place, missing).await?;
    match args.command {
        Command::List { experiment_id, which, json } => list(&records, &experiment_id, &which, json).await?,
        Command::Describe { run_id, json } => {
            let run = by_id(&records, &run_id).await?;
            print(&if json { format!("{run:#}") } else { describe::shown(&run) })?;
        }
        Command::Create { experiment_id, experiment_name, run_name, description, mut tags, status, parent_run_id } => {
            let mut seen = std::collections::HashSet::new();
            if let Some((key, _)) = tags.iter().find(|(key, _)| !seen.insert(key.clone())) {
                bail!("the tag `{key}` is given twice");
            }
            let experiment_id = match (experiment_id, experiment_name) {
                (Some(id), _) => id,
                (None, Some(name)) => open_experiment(&records, &name).await?,
                (None, None) => bail!("name an experiment with --experiment-id or --experiment-name"),
            };
            tags.extend(description.map(|it| ("mlflow.note.content".to_owned(), it)));
            tags.extend(parent_run_id.map(|it| ("mlflow.parentRunId".to_owned(), it)));
            create(&records, NewRun { experiment_id, run_name, tags, status }).await?;
        }
        Command::Delete { run_id } => {
            records.post("runs/delete", &json!({"run_id": run_id})).await.map_err(|error| known(error, &run_id))?;
            print(&format!(
                "Run with ID {run_id} has been deleted.\nUndo: tidegate runs restore --run-id {run_id} (until \
                 `tidegate gc` empties the bin)"
            ))?;
        }
        Command::Restore { run_id } => {
            records.post("runs/restore", &json!({"run_id": run_id})).await.map_err(|error| known(error, &run_id))?;
            print(&format!("Run with id {run_id} has been restored."))?;
        }
        Command::LinkTraces { run_id, trace_ids } => {
            let body = json!({"run_id": run_id, "trace_ids": trace_ids});
            records.post("traces/link-to-run", &body).await?;
            print(&format!("Successfully linked {} trace(s) to run '{run_id}'", trace_ids.len()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(records: &Records, experiment_id: &str, which: &super::Which, json: bool) -> anyhow::Result<()> {
    experiments::by_id(records, experiment_id).await?;
    let body = json!({
        "experiment_ids": [experiment_id], "run_view_type": which.view.name(), "filter": which.filter,
        "order_by": which.order_by,
    });
    if json {
        let mut lines = JsonLines::default();
        records.search("runs/search", body, "runs", which.most_json(), |it| lines.entry(&it)).await?;
        return lines.finish();
    }
    let mut shown = table(["started (UTC)", "name", "id", "status", "took"]);
    let more = records
        .search("runs/search", body, "runs", which.most(), |it| {
            let info = &it["info"];
            let start = whole(info, "start_time");
            let took = start.zip(whole(info, "end_time").filter(|it| *it != 0)).map(|(start, end)| end - start);
            let stage = if field(info, "lifecycle_stage") == "deleted" { " (deleted)" } else { "" };
            shown.add_row([
                moment(start),
                field(info, "run_name"),
                field(info, "run_id"),
                format!("{}{stage}", field(info, "status")),
                took.map(duration).unwrap_or_default(),
            ]);
            Ok(())
        })
        .await?;
    print(&format!("{shown}{}", super::more_note(more, which.most())))
}

async fn open_experiment(records: &Records, name: &str) -> Result<String, Failure> {
    match experiments::by_name(records, name).await {
        Ok(experiment) => Ok(field(&experiment, "experiment_id")),
        Err(error) if error.is_missing() => {
            let created = records.post("experiments/create", &json!({"name": name})).await?;
            Ok(field(&created, "experiment_id"))
        }
        Err(error) => Err(error),
    }
}

async fn create(records: &Records, new: NewRun) -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now = u64::try_from(now).unwrap_or(u64::MAX);
    let mut body = json!({
        "experiment_id": new.experiment_id,
        "start_time": now,
        "user_id": std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()),
        "tags": new.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect::<Vec<_>>(),
    });
    if let Some(name) = new.run_name {
        body["run_name"] = name.into();
    }
    let run = records.post("runs/create", &body).await.map_err(|error| {
        if error.is_missing() {
            return error.hint("`tidegate experiments search --view all` lists them");
        }
        error
    })?;
    let info = &run["run"]["info"];
    let run_id = field(info, "run_id");
    let body = json!({"run_id": run_id, "status": new.status.name(), "end_time": now});
    records.post("runs/update", &body).await?;
    let created = json!({
        "run_id": run_id, "run_name": info["run_name"], "experiment_id": info["experiment_id"],
        "status": new.status.name(),
    });
    print(&format!("{created:#}"))
}

/// The run with this id, also from the bin.
pub(super) async fn by_id(records: &Records, id: &str) -> Result<Value, Failure> {
    let mut answer = records.get("runs/get", &[("run_id", id)]).await.map_err(|error| known(error, id))?;
    Ok(answer["run"].take())
}

/// Says where the ids are, when there is none such.
fn known(error: Failure, id: &str) -> Failure {
    if error.is_missing() {
        return Failure::missing(format!(
            "no run `{id}`; `tidegate runs list --experiment-id ID --view all` lists those of an experiment"
        ));
    }
    error
}
