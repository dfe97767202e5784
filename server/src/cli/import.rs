//! `tidegate import`: brings MLflow's file store into a database.

mod copy;
mod tally;

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Context;
use copy::Copier;
use tally::{Kind, Tally};
use tracking::{
    ArtifactOptions, Tracking,
    experiment::ExperimentId,
    file_store::{ExperimentFolder, FileStore, StoredExperiment, StoredModel, StoredRun, StoredTrace},
};

use super::{
    REFUSED,
    output::{print, progress},
};
use crate::config::ServerConfig;

/// Bring a file store of MLflow (`mlruns/`) into a database: experiments, runs with all of their metrics, logged models and
/// traces, those in the bin too.
///
/// Ids, times and stages stay as they are. What the database has already is left alone, so the command may run again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate import mlruns --to sqlite:///mlflow.db\n  \
                  tidegate import /old/mlruns --to sqlite:////var/lib/tidegate/mlflow.db --copy-artifacts \
                  --artifacts-destination /var/lib/tidegate/mlartifacts\n\n\
                  Exit codes: 0 all imported, 1 some files could not be read (they are named, the rest is imported), 2 \
                  nothing was imported.")]
pub(super) struct Args {
    /// The folder `mlruns`, or the one that it lies in.
    folder: PathBuf,
    /// The database; it is created where there is none.
    #[arg(long, value_name = "URI", env = "MLFLOW_BACKEND_STORE_URI", hide_env_values = true)]
    to: Option<String>,
    /// Copy artifacts to where the database's experiments have theirs, in place of leaving them where they are.
    #[arg(long)]
    copy_artifacts: bool,
    /// With --copy-artifacts: where the files behind `mlflow-artifacts:/` are kept.
    #[arg(long, value_name = "URI", env = "MLFLOW_ARTIFACTS_DESTINATION")]
    artifacts_destination: Option<String>,
    /// With --copy-artifacts: where new experiments keep their artifacts; by default behind `mlflow-artifacts:/`.
    #[arg(long, value_name = "URI", env = "MLFLOW_DEFAULT_ARTIFACT_ROOT")]
    default_artifact_root: Option<String>,
}

/// An import in progress.
struct Import {
    tracking: Tracking,
    copier: Option<Copier>,
    tally: Tally,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let default = ServerConfig::default();
    let uri = args.to.unwrap_or(default.backend_store_uri);
    // What is wrong with the folder shows before a database is created.
    let folder = args.folder;
    let (store, experiments, registered) = reading(move || {
        let store = FileStore::open(&folder)?;
        let (experiments, registered) = (store.experiments()?, store.registered_models()?);
        Ok((store, experiments, registered))
    })
    .await?;
    let destination = args.artifacts_destination.unwrap_or(default.artifacts_destination);
    let options = ArtifactOptions::resolve(args.default_artifact_root, Some(destination), true);
    let tracking = Tracking::open(db::Db::open(&uri).await?, options).await?;
    let total = experiments.iter().map(ExperimentFolder::len).sum();
    let copier = args.copy_artifacts.then(|| Copier::new(tracking.clone()));
    let mut import = Import { tracking, copier, tally: Tally::new(progress(total, "imported")) };
    for experiment in experiments {
        import.experiment(experiment).await?;
    }
    let Import { tally, copier, .. } = import;
    let failed = tally.finish();
    let mut words = format!("{}\nImported {} into {}.", tally.table(), store.root().display(), shown(&uri));
    if registered > 0 {
        let _ = write!(words, "\n{registered} registered models were skipped: this version has no model registry.");
    }
    if copier.is_none() {
        let _ = write!(
            words,
            "\nArtifacts stay where they are; `tidegate server --default-artifact-root {}` shows them.",
            store.root().display()
        );
    }
    print(&words)?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

impl Import {
    async fn experiment(&mut self, folder: ExperimentFolder) -> anyhow::Result<()> {
        let path = folder.path.clone();
        let mut stored = match reading(move || StoredExperiment::read(&path)).await {
            Ok(stored) => stored,
            Err(error) => {
                let below = folder.len() - 1;
                self.tally.lost(&folder, &format!("{error:#} (with the {below} things in it)"));
                return Ok(());
            }
        };
        if self.copier.is_some() {
            stored.artifact_location = None;
        }
        let from = stored.id;
        let id = match self.tracking.store().import_experiment(stored).await {
            Ok((id, outcome)) => {
                self.tally.done(Kind::Experiment, outcome);
                id
            }
            Err(error) => {
                self.tally.lost(&folder, &format!("{}: {}", folder.path.display(), words(&error)));
                return self.tally.check();
            }
        };
        if id != from {
            self.tally.note(&format!("experiment {from} has the id {id} here"));
        }
        if let Some(copier) = &mut self.copier {
            copier.enter(id).await?;
        }
        for run in &folder.runs {
            let outcome = self.run(id, run.clone()).await;
            self.tally.count(Kind::Run, run, outcome)?;
        }
        for model in &folder.models {
            let outcome = self.model(id, model.clone()).await;
            self.tally.count(Kind::Model, model, outcome)?;
        }
        for trace in &folder.traces {
            let outcome = self.trace(id, trace.clone()).await;
            self.tally.count(Kind::Trace, trace, outcome)?;
        }
        Ok(())
    }

    async fn run(&self, id: ExperimentId, folder: PathBuf) -> anyhow::Result<tracking::Imported> {
        let path = folder.clone();
        let mut run = reading(move || StoredRun::read(&path)).await?;
        if let Some(copier) = &self.copier {
            let copied = copier.copy(run.artifact_uri.as_deref(), &folder, &run.id).await?;
            run.artifact_uri = Some(copied);
        }
        Ok(self.tracking.store().import_run(id, run).await?)
    }

    async fn model(&self, id: ExperimentId, folder: PathBuf) -> anyhow::Result<tracking::Imported> {
        let path = folder.clone();
        let mut model = reading(move || StoredModel::read(&path)).await?;
        if let Some(copier) = &self.copier {
            let place = format!("models/{}", model.id);
            model.artifact_location = copier.copy(Some(&model.artifact_location), &folder, &place).await?;
        }
        Ok(self.tracking.store().import_model(id, model).await?)
    }

    async fn trace(&self, id: ExperimentId, folder: PathBuf) -> anyhow::Result<tracking::Imported> {
        const LOCATION: &str = "mlflow.artifactLocation";
        let path = folder.clone();
        let mut trace = reading(move || StoredTrace::read(&path, id)).await?;
        if let Some(copier) = &self.copier {
            let info = &mut trace.0;
            let place = format!("traces/{}", info.trace_id);
            let copied = copier.copy(info.tags.get(LOCATION).map(String::as_str), &folder, &place).await?;
            info.tags.insert(LOCATION.to_owned(), copied);
        }
        Ok(self.tracking.store().import_trace(id, trace).await?)
    }
}

/// Reads files on a thread that may wait for the disk.
async fn reading<T, F>(read: F) -> anyhow::Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> tracking::Result<T> + Send + 'static,
{
    tokio::task::spawn_blocking(read).await.context("reading the file store broke off")?.map_err(Into::into)
}

/// An error with its causes, one of which says what the database did not like.
fn words(error: &tracking::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let _ = write!(words, ": {inner}");
        cause = inner.source();
    }
    words
}

/// A database's address without what may be a password.
fn shown(uri: &str) -> String {
    match reqwest::Url::parse(uri) {
        Ok(mut url) if url.password().is_some() => {
            // Only fails for addresses that cannot carry a password at all.
            let _ = url.set_password(Some("***"));
            url.to_string()
        }
        _ => uri.to_owned(),
    }
}
