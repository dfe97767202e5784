//! `tidegate experiments`: the experiments of a server or a database.

mod csv;

use std::{path::PathBuf, process::ExitCode};

use anyhow::bail;
use clap::{ArgGroup, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{
    output::{JsonLines, cell, field, moment, print, table, whole},
    records::{Failure, Missing, Place, Records},
};

/// Create, find, rename, delete, restore and export experiments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate experiments search\n  \
                  tidegate experiments search --filter \"name LIKE 'tide%'\" --json\n  \
                  tidegate experiments create -n tides --tracking-uri http://127.0.0.1:5000\n  \
                  tidegate experiments csv -x 1 -o runs.csv\n\n\
                  Exit codes: 0 done, 1 refused (no such experiment, for example), 2 wrong usage or nothing reached.")]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create an experiment.
    Create {
        /// Its name.
        #[arg(short = 'n', long, value_name = "NAME")]
        experiment_name: String,
        /// Where its runs keep their artifacts; by default below the server's artifact root.
        #[arg(short = 'l', long, value_name = "URI")]
        artifact_location: Option<String>,
        /// A tag, as `key=value`; may be given several times.
        #[arg(short = 't', long = "tag", value_name = "KEY=VALUE", value_parser = super::key_value)]
        tags: Vec<(String, String)>,
        /// Print JSON for programs.
        #[arg(long)]
        json: bool,
    },
    /// Find experiments.
    #[command(visible_alias = "list")]
    Search {
        #[command(flatten)]
        which: super::Which,
        /// Print JSON for programs: an array of experiments as the REST API has them.
        #[arg(long)]
        json: bool,
    },
    /// Show one experiment.
    #[command(group = ArgGroup::new("which").required(true))]
    Get {
        /// Its id.
        #[arg(short = 'x', long, value_name = "ID", group = "which")]
        experiment_id: Option<String>,
        /// Its name.
        #[arg(short = 'n', long, value_name = "NAME", group = "which")]
        experiment_name: Option<String>,
        /// The format.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
        /// The same as `--output json`.
        #[arg(long)]
        json: bool,
    },
    /// Give an experiment another name.
    Rename {
        /// Its id.
        #[arg(short = 'x', long, value_name = "ID")]
        experiment_id: String,
        /// The name that it gets.
        #[arg(long, value_name = "NAME")]
        new_name: String,
    },
    /// Move an experiment and its runs into the bin; `restore` takes them out, `tidegate gc` empties it.
    Delete {
        /// Its id.
        #[arg(short = 'x', long, value_name = "ID")]
        experiment_id: String,
    },
    /// Take an experiment and its runs out of the bin.
    Restore {
        /// Its id.
        #[arg(short = 'x', long, value_name = "ID")]
        experiment_id: String,
    },
    /// Write all runs of an experiment as CSV: one line for each run, one column for each metric, param and tag.
    Csv {
        /// Its id.
        #[arg(short = 'x', long, value_name = "ID")]
        experiment_id: String,
        /// The file; without it, standard output.
        #[arg(short = 'o', long, value_name = "FILE")]
        filename: Option<PathBuf>,
        /// Which runs.
        #[arg(short = 'v', long, value_enum, default_value_t = super::View::ActiveOnly)]
        view: super::View,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let missing = if matches!(args.command, Command::Create { .. }) { Missing::Create } else { Missing::Refuse };
    let records = Records::open(&args.place, missing).await?;
    match args.command {
        Command::Create { experiment_name, artifact_location, tags, json } => {
            let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
            let mut body = json!({"name": experiment_name, "tags": tags});
            if let Some(location) = artifact_location {
                body["artifact_location"] = location.into();
            }
            let answer = records.post("experiments/create", &body).await?;
            let id = field(&answer, "experiment_id");
            print(&if json {
                answer.to_string()
            } else {
                format!("Created experiment '{experiment_name}' with id {id}")
            })?;
        }
        Command::Search { which, json } => search(&records, &which, json).await?,
        Command::Get { experiment_id, experiment_name, output, json } => {
            let experiment = match (experiment_id, experiment_name) {
                (Some(id), _) => by_id(&records, &id).await?,
                (None, Some(name)) => by_name(&records, &name).await?,
                (None, None) => bail!("name an experiment with --experiment-id or --experiment-name"),
            };
            print(&if json || output == Output::Json { format!("{experiment:#}") } else { shown(&experiment) })?;
        }
        Command::Rename { experiment_id, new_name } => {
            let body = json!({"experiment_id": experiment_id, "new_name": new_name});
            records.post("experiments/update", &body).await.map_err(|error| known(error, &experiment_id))?;
            print(&format!("Experiment with id {experiment_id} has been renamed to '{new_name}'."))?;
        }
        Command::Delete { experiment_id } => {
            let body = json!({"experiment_id": experiment_id});
            records.post("experiments/delete", &body).await.map_err(|error| known(error, &experiment_id))?;
            print(&format!(
                "Experiment with ID {experiment_id} has been deleted.\nUndo: tidegate experiments restore -x \
                 {experiment_id} (until `tidegate gc` empties the bin)"
            ))?;
        }
        Command::Restore { experiment_id } => {
            let body = json!({"experiment_id": experiment_id});
            records.post("experiments/restore", &body).await.map_err(|error| known(error, &experiment_id))?;
            print(&format!("Experiment with id {experiment_id} has been restored."))?;
        }
        Command::Csv { experiment_id, filename, view } => {
            by_id(&records, &experiment_id).await?;
            csv::export(&records, &experiment_id, view, filename.as_deref()).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn search(records: &Records, which: &super::Which, json: bool) -> anyhow::Result<()> {
    let body = json!({"view_type": which.view.name(), "filter": which.filter, "order_by": which.order_by});
    if json {
        let mut lines = JsonLines::default();
        records.search("experiments/search", body, "experiments", which.most_json(), |it| lines.entry(&it)).await?;
        return lines.finish();
    }
    let mut shown = table(["id", "name", "stage", "updated (UTC)", "artifacts"]);
    let more = records
        .search("experiments/search", body, "experiments", which.most(), |it| {
            shown.add_row([
                field(&it, "experiment_id"),
                field(&it, "name"),
                field(&it, "lifecycle_stage"),
                moment(whole(&it, "last_update_time")),
                field(&it, "artifact_location"),
            ]);
            Ok(())
        })
        .await?;
    print(&format!("{shown}{}", super::more_note(more, which.most())))
}

/// The experiment with this id, also from the bin.
pub(super) async fn by_id(records: &Records, id: &str) -> Result<Value, Failure> {
    let mut answer =
        records.get("experiments/get", &[("experiment_id", id)]).await.map_err(|error| known(error, id))?;
    Ok(answer["experiment"].take())
}

/// The experiment of this name, also from the bin.
pub(super) async fn by_name(records: &Records, name: &str) -> Result<Value, Failure> {
    let answer = records.get("experiments/get-by-name", &[("experiment_name", name)]).await;
    match answer {
        Ok(mut answer) => Ok(answer["experiment"].take()),
        Err(error) if error.is_missing() => Err(Failure::missing(format!(
            "no experiment is named `{name}`; `tidegate experiments search --view all` lists them"
        ))),
        Err(error) => Err(error),
    }
}

/// Says where the ids are, when there is none such.
fn known(error: Failure, id: &str) -> Failure {
    if error.is_missing() {
        return Failure::missing(format!(
            "no experiment `{id}` (or not in the right stage); `tidegate experiments search --view all` lists them"
        ));
    }
    error
}

fn shown(experiment: &Value) -> String {
    let mut shown = table(["field", "value"]);
    shown.add_row(["id", &field(experiment, "experiment_id")]);
    shown.add_row(["name", &field(experiment, "name")]);
    shown.add_row(["stage", &field(experiment, "lifecycle_stage")]);
    shown.add_row(["artifacts", &field(experiment, "artifact_location")]);
    shown.add_row(["created (UTC)", &moment(whole(experiment, "creation_time"))]);
    shown.add_row(["updated (UTC)", &moment(whole(experiment, "last_update_time"))]);
    for tag in experiment["tags"].as_array().map(Vec::as_slice).unwrap_or_default() {
        shown.add_row([cell(&format!("tag {}", field(tag, "key"))), field(tag, "value")]);
    }
    shown.to_string()
}
