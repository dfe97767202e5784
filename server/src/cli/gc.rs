//! `tidegate gc`: empties the bin for good.

use std::process::ExitCode;

use anyhow::{Context, bail};
use tracking::{
    ArtifactOptions, Tracking,
    experiment::ExperimentId,
    gc::{Age, GcItem, GcPlan, GcRequest},
};

use super::{
    REFUSED,
    output::{cell, moment, print, progress, table},
    records::{ArtifactFolder, Records, refuse_missing},
};
use crate::config::ServerConfig;

/// Delete what is in the bin for good: runs, logged models and experiments, with their artifacts.
///
/// As with `mlflow gc`, a kind whose ids are not given is emptied as a whole; --dry-run shows what would go. A run's
/// artifacts go before its rows, so that nothing is left behind unseen when the command is stopped in between: it goes
/// on where it was when it runs again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate gc --dry-run\n  tidegate gc --older-than 30d\n  \
                  tidegate gc --backend-store-uri sqlite:////var/lib/tidegate/mlflow.db --artifacts-destination \
                  /var/lib/tidegate/mlartifacts\n  \
                  tidegate gc --experiment-ids 3,4 --older-than 7d\n\n\
                  Exit codes: 0 done, 1 refused, or some artifacts could not be deleted (their records are kept), 2 wrong \
                  usage.")]
pub(super) struct Args {
    /// The database: `sqlite:///mlflow.db`, `postgresql://…`, `mysql+pymysql://…`; by default the one of --tracking-uri,
    /// or ./mlflow.db.
    #[arg(long, value_name = "URI", env = "MLFLOW_BACKEND_STORE_URI", hide_env_values = true)]
    backend_store_uri: Option<String>,
    /// Only what has been in the bin for this long, as `#d#h#m#s`: `30d`, `1d2h3m4s`, `1.5d`.
    #[arg(long, value_name = "AGE", value_parser = |it: &str| Age::parse(it).map_err(|error| error.to_string()))]
    older_than: Option<Age>,
    /// These runs, comma separated, in place of all in the bin.
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    run_ids: Option<Vec<String>>,
    /// These experiments with all of their runs, comma separated, in place of all in the bin.
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    experiment_ids: Option<Vec<String>>,
    /// These logged models, comma separated, in place of all in the bin.
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    logged_model_ids: Option<Vec<String>>,
    /// Also the records of jobs that have ended.
    #[arg(long)]
    jobs: bool,
    /// Also these jobs' records, comma separated.
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    job_ids: Option<Vec<String>>,
    /// Where the files behind `mlflow-artifacts:/` are kept, as the server was told.
    #[arg(long, value_name = "URI", env = "MLFLOW_ARTIFACTS_DESTINATION")]
    artifacts_destination: Option<String>,
    /// The server through which the files behind `mlflow-artifacts:/` are deleted, in place of --artifacts-destination.
    #[arg(long, value_name = "URL", env = "MLFLOW_TRACKING_URI")]
    tracking_uri: Option<String>,
    /// Show what would go, and delete nothing.
    #[arg(long)]
    dry_run: bool,
}

/// How artifacts are reached.
struct Files {
    records: Records,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let default = ServerConfig::default();
    let database = args.tracking_uri.clone().filter(|it| !is_server(it));
    let uri = args.backend_store_uri.clone().or(database).unwrap_or(default.backend_store_uri);
    refuse_missing(&uri)?;
    let destination = args.artifacts_destination.clone().unwrap_or(default.artifacts_destination);
    let tracking =
        Tracking::open(db::Db::open(&uri).await?, ArtifactOptions::resolve(None, Some(destination.clone()), true))
            .await?;
    let plan = tracking.store().plan_gc(request(&args)).await?;
    if args.dry_run {
        return print(&shown(&plan)).map(|()| ExitCode::SUCCESS);
    }
    let files = Files::open(&args, &plan, &tracking, &destination)?;
    delete(&tracking, &files, plan).await
}

fn request(args: &Args) -> GcRequest {
    GcRequest {
        older_than: args.older_than.clone(),
        run_ids: args.run_ids.clone(),
        experiment_ids: args.experiment_ids.clone(),
        model_ids: args.logged_model_ids.clone(),
        jobs: args.jobs,
        job_ids: args.job_ids.clone(),
    }
}

impl Files {
    /// Finds out how artifacts are reached before anything is deleted.
    fn open(args: &Args, plan: &GcPlan, tracking: &Tracking, destination: &str) -> anyhow::Result<Self> {
        let server = args.tracking_uri.as_deref().filter(|it| is_server(it));
        if let Some(server) = server.filter(|_| args.artifacts_destination.is_none()) {
            return Ok(Self { records: Records::server(server)? });
        }
        let mut items = plan.runs.iter().chain(&plan.models);
        let served = items.find(|it| it.artifact_uri.as_deref().is_some_and(|it| it.starts_with("mlflow-artifacts:")));
        let is_guess = args.artifacts_destination.is_none() && !std::path::Path::new(destination).exists();
        if let Some(item) = served.filter(|_| is_guess) {
            bail!(
                "the artifacts of {} are behind {}, and there is no folder {destination} here; say where they are with \
                 --artifacts-destination (as the server was told), or name the server with --tracking-uri",
                item.id,
                item.artifact_uri.as_deref().unwrap_or_default()
            );
        }
        Ok(Self { records: Records::of(tracking.clone()) })
    }

    async fn delete(&self, item: &GcItem) -> anyhow::Result<()> {
        let Some(uri) = &item.artifact_uri else { return Ok(()) };
        let folder: ArtifactFolder<'_> = self.records.artifacts(uri)?;
        folder.delete_all().await.with_context(|| format!("the artifacts at {uri} could not be deleted"))
    }
}

fn is_server(uri: &str) -> bool {
    uri.starts_with("http://") || uri.starts_with("https://")
}

async fn delete(tracking: &Tracking, files: &Files, plan: GcPlan) -> anyhow::Result<ExitCode> {
    let store = tracking.store();
    let bar = progress(plan.len(), "deleted");
    let mut kept = Vec::new();
    for run in &plan.runs {
        match files.delete(run).await {
            Ok(()) => {
                store.purge_run(&run.id).await?;
                bar.suspend(|| print(&format!("Run with ID {} has been permanently deleted.", run.id)))?;
            }
            Err(error) => kept.push(format!("run {}: {error:#}", run.id)),
        }
        bar.inc(1);
    }
    for model in &plan.models {
        match files.delete(model).await {
            Ok(()) => {
                store.purge_model(&model.id).await?;
                bar.suspend(|| print(&format!("Logged model with ID {} has been permanently deleted.", model.id)))?;
            }
            Err(error) => kept.push(format!("logged model {}: {error:#}", model.id)),
        }
        bar.inc(1);
    }
    // With a run or model that is kept, its experiment is kept: the rows say where the artifacts are.
    for experiment in plan.experiments.iter().filter(|_| kept.is_empty()) {
        store.purge_experiment(ExperimentId::parse(&experiment.id)?).await?;
        bar.suspend(|| print(&format!("Experiment with ID {} has been permanently deleted.", experiment.id)))?;
        bar.inc(1);
    }
    store.purge_jobs(plan.jobs.iter().map(|it| it.id.clone()).collect()).await?;
    for job in &plan.jobs {
        bar.suspend(|| print(&format!("Job with ID {} has been permanently deleted.", job.id)))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    if plan.is_empty() {
        print("There is nothing to delete.")?;
    }
    if kept.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for told in &kept {
        eprintln!("error: {told}");
    }
    let waiting = if plan.experiments.is_empty() { "" } else { ", nor were the experiments" };
    eprintln!(
        "error: {} of {} could not be deleted{waiting}; put it right and run the command again",
        kept.len(),
        plan.len()
    );
    Ok(ExitCode::from(REFUSED))
}

fn shown(plan: &GcPlan) -> String {
    if plan.is_empty() {
        return "There is nothing to delete.".to_owned();
    }
    let mut shown = table(["what", "id", "name", "in the bin since (UTC)", "artifacts"]);
    let kinds =
        [("run", &plan.runs), ("logged model", &plan.models), ("experiment", &plan.experiments), ("job", &plan.jobs)];
    for (kind, items) in kinds {
        for item in items {
            shown.add_row([
                kind.to_owned(),
                item.id.clone(),
                cell(&item.name),
                moment(item.deleted_ms),
                cell(item.artifact_uri.as_deref().unwrap_or_default()),
            ]);
        }
    }
    format!(
        "{shown}\nThis would be deleted for good: {} runs, {} logged models, {} experiments, {} jobs.",
        plan.runs.len(),
        plan.models.len(),
        plan.experiments.len(),
        plan.jobs.len()
    )
}
